# The deployer alone, beside services that it did not make.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

# The functions' packages are made by cargo lambda, and are not there.
override_module {
  target = module.function

  outputs = {
    arn               = "arn:aws:lambda:eu-central-1:123456789012:function:slipway"
    version_arn       = "arn:aws:lambda:eu-central-1:123456789012:function:slipway:7"
    invoke_arn        = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/slipway/invocations"
    name              = "slipway"
    role_name         = "slipway"
    dead_letters_arn  = "arn:aws:sqs:eu-central-1:123456789012:slipway"
    dead_letters_url  = "https://sqs.eu-central-1.amazonaws.com/123456789012/slipway"
    dead_letters_name = "slipway"
  }
}

override_module {
  target = module.operators

  outputs = {
    url           = "https://a1b2c3d4.execute-api.eu-central-1.amazonaws.com"
    execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4"
    policy_arns   = { read = "arn:aws:iam::123456789012:policy/read", act = "arn:aws:iam::123456789012:policy/act" }
  }
}

variables {
  name            = "slipway"
  packages        = "packages"
  definition_path = "../statemachine/release.asl.yaml"
  task_role_arns  = ["arn:aws:iam::123456789012:role/web"]

  applications = {
    web = {
      repository = "web"
      tags       = ["v*"]

      stages = [{
        name     = "production"
        services = [{ service = "web", health = { path = "/health" } }]
        approval = { approvers = ["ana@example.com", "bo@example.com"], expires_after = "24h" }
      }]
    }
  }
}

run "the_parameter_holds_what_was_asked_for_and_nothing_else" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = jsondecode(aws_ssm_parameter.application["web"].value) == {
      name       = "web"
      repository = "web"
      tags       = ["v*"]
      stages = [{
        name           = "production"
        cluster        = "production"
        deploy_timeout = "30m"
        services       = [{ service = "web", desired_count = 1, health = { path = "/health" } }]
        approval       = { approvers = ["ana@example.com", "bo@example.com"], quorum = 1, expires_after = "24h", confirm_digest = false, other_than_pusher = false, override_alarms = false }
      }]
    }
    error_message = "The parameter is the configuration with its defaults, without what was not given."
  }

  assert {
    condition     = aws_ssm_parameter.application["web"].name == "/slipway/applications/web"
    error_message = "The parameter lies where receive-push looks."
  }
}

run "what_an_approval_asks_for_is_in_the_parameter" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    applications = {
      web = {
        repository = "web"
        tags       = ["v*"]

        stages = [{
          name     = "production"
          services = [{ service = "web", health = { path = "/health" } }]
          approval = { approvers = ["ana@example.com", "bo@example.com"], quorum = 2, expires_after = "24h", remind_before = "30m", confirm_digest = true, other_than_pusher = true, pushers = { "arn:aws:iam::123456789012:user/ana" = ["ana@example.com"] }, override_alarms = true }
        }]
      }
    }
  }

  assert {
    condition = jsondecode(aws_ssm_parameter.application["web"].value).stages[0].approval == {
      approvers = ["ana@example.com", "bo@example.com"], quorum = 2, expires_after = "24h", remind_before = "30m", confirm_digest = true, other_than_pusher = true, pushers = { "arn:aws:iam::123456789012:user/ana" = ["ana@example.com"] }, override_alarms = true
    }
    error_message = "The fields have the names that slipway-core reads."
  }
}

run "everything_that_can_be_lost_has_a_dead_letter_queue" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition     = toset(keys(output.dead_letter_urls)) == setunion(keys(output.function_names), keys(output.rule_names), ["schedule"])
    error_message = "One queue for each function and each rule, and the schedule's."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.decisions.bisect_batch_on_function_error && contains(aws_lambda_event_source_mapping.decisions.function_response_types, "ReportBatchItemFailures")
    error_message = "One bad record does not hold the others."
  }
}

run "the_schedule_runs_the_reconciler" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    reconcile_every = "10 minutes"
  }

  override_resource {
    target          = aws_scheduler_schedule_group.this
    values          = { arn = "arn:aws:scheduler:eu-central-1:123456789012:schedule-group/slipway" }
    override_during = plan
  }

  override_resource {
    target          = aws_sqs_queue.schedule_dead_letters
    values          = { arn = "arn:aws:sqs:eu-central-1:123456789012:slipway-schedule-dead-letters" }
    override_during = plan
  }

  assert {
    condition     = aws_scheduler_schedule.reconcile.schedule_expression == "rate(10 minutes)" && aws_scheduler_schedule.reconcile.target[0].input == "{}"
    error_message = "The schedule wakes the reconciler as often as asked."
  }

  assert {
    condition     = length(aws_scheduler_schedule.reconcile.target[0].retry_policy) == 1 && length(aws_scheduler_schedule.reconcile.target[0].dead_letter_config) == 1
    error_message = "A reconciliation that cannot be handed over is tried again, and then kept."
  }

  assert {
    condition     = toset(flatten([for statement in data.aws_iam_policy_document.schedule.statement : tolist(statement.actions)])) == toset(["lambda:InvokeFunction", "sqs:SendMessage"]) && !anytrue([for statement in data.aws_iam_policy_document.schedule.statement : contains(statement.resources, "*")])
    error_message = "The schedule may wake the reconciler and keep what it could not hand over, and nothing else."
  }

  assert {
    condition     = toset([for condition in data.aws_iam_policy_document.schedule_trust.statement[0].condition : condition.variable]) == toset(["aws:SourceAccount", "aws:SourceArn"])
    error_message = "Only this group's schedules of this account have the role."
  }
}

run "a_reconciliation_that_is_no_rate_is_refused" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    reconcile_every = "5"
  }

  expect_failures = [var.reconcile_every]
}

run "a_release_ends_on_the_code_that_it_began_with" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition     = length(regexall(":function:slipway\"", aws_sfn_state_machine.release.definition)) == 0 && length(regexall(":function:slipway:7\"", aws_sfn_state_machine.release.definition)) >= length(local.steps)
    error_message = "The workflow names each function's version."
  }

  assert {
    condition     = contains(data.aws_iam_policy_document.workflow.statement[0].resources, "arn:aws:lambda:eu-central-1:123456789012:function:slipway:*")
    error_message = "Releases that began with an older definition may still call the versions that it names."
  }

  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.this : target.arn == "arn:aws:lambda:eu-central-1:123456789012:function:slipway"]) && aws_scheduler_schedule.reconcile.target[0].arn == "arn:aws:lambda:eu-central-1:123456789012:function:slipway"
    error_message = "Events wake the newest code."
  }
}

run "steps_end_their_own_tasks_and_resume_release_can_only_wake" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = toset([
      for function, statements in local.rights : function if contains(flatten(statements[*].actions), "states:SendTaskSuccess")
    ]) == toset(local.steps)
    error_message = "Only a step ends a task well: its own."
  }

  assert {
    condition = toset([
      for function, statements in local.rights : function if contains(flatten(statements[*].actions), "states:SendTaskFailure")
    ]) == toset(concat(local.steps, ["resume-release"]))
    error_message = "Only steps, and resume-release, may fail a token."
  }
}

run "only_steps_resume_release_and_the_reconciler_see_task_tokens" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = toset([
      for function, statements in local.rights : function if anytrue([
        for statement in statements : anytrue([for action in statement.actions : endswith(action, "Item") || action == "dynamodb:Query"]) && length([
          for condition in try(statement.conditions, []) : condition
          if condition.variable == "dynamodb:LeadingKeys" && !anytrue([for value in condition.values : length(regexall("^(CALLBACK|[^A-Z])", value)) > 0])
        ]) == 0
      ])
    ]) == toset(concat(local.steps, ["reconcile", "resume-release"]))
    error_message = "Every other function has its own partitions of the table, and the callbacks are not among them."
  }

  assert {
    condition = [
      for function, statements in local.rights : function if anytrue([
        for statement in statements : anytrue([for action in statement.actions : contains(["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"], action)])
      ])
    ] == ["resume-release"]
    error_message = "The table's stream carries every item, with the callbacks, and no condition holds there."
  }

  assert {
    condition = length(setsubtract(
      [for action in flatten(values(local.rights)[*][*].actions) : action if startswith(action, "dynamodb:")],
      [
        "dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
        "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
      ],
    )) == 0
    error_message = "An action that names no partition, such as a scan, would pass the condition."
  }
}

run "what_a_release_may_change_has_the_deployers_tag" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue(flatten([
      for function, statements in local.rights : [
        for statement in statements : anytrue([
          for condition in try(statement.conditions, []) :
          condition.variable == "aws:ResourceTag/slipway:deployer" && join(", ", condition.values) == "slipway"
        ]) if length(setintersection(statement.actions, ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer", "ecs:UpdateService", "logs:GetLogEvents"])) > 0
      ]
    ]))
    error_message = "A service, an image or a log that nobody let Slipway touch is none of its business."
  }

  assert {
    condition = alltrue(flatten([
      for function, statements in local.rights : [
        for statement in statements : anytrue([for condition in try(statement.conditions, []) : condition.variable == "aws:ResourceTag/slipway:release"])
        if length(setintersection(statement.actions, ["ecs:RunTask", "ecs:StopTask", "rds:DeleteDBClusterSnapshot", "rds:DeleteDBSnapshot"])) > 0
      ]
    ]))
    error_message = "It runs and removes only what a release made."
  }
}

# A release goes on with the configuration that it began with.
run "a_rollback_may_stop_a_migration_that_is_configured_no_more" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition     = !anytrue(flatten([for application in local.applications : [for stage in application.stages : stage.migration != null]]))
    error_message = "No stage has a migration here."
  }

  assert {
    condition     = anytrue([for statement in local.rights["roll-back"] : contains(statement.actions, "ecs:StopTask")])
    error_message = "The right to roll back stays while a release may need it."
  }
}

run "the_page_writes_decisions_and_nothing_else" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = toset(flatten(local.rights["decide-approval"][*].actions)) == toset([
      "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem", "ssm:GetParameter",
    ])
    error_message = "The function that everyone can reach ends no task (states), notifies nobody (sns), and does nothing else that is not written here."
  }

  assert {
    condition = toset(flatten([
      for statement in local.rights["decide-approval"] : [for condition in statement.conditions : condition.values]
      if anytrue([for action in statement.actions : contains(["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], action)])
    ])) == toset(["APPROVAL#*", "AUDIT#*", "PAGE#*"])
    error_message = "It writes approvals and the audit alone."
  }

  assert {
    condition     = local.environments["decide-approval"] == { SLIPWAY_APPLICATIONS_PATH = "/slipway/applications" }
    error_message = "It reads again who may approve, and knows neither the workflow nor a topic."
  }
}

run "the_console_sees_nothing_by_itself" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition     = toset(flatten(local.rights["serve-console"][*].actions)) == toset(["execute-api:Invoke"])
    error_message = "The function that everyone can reach has no right in the table, and calls nothing but the operators' API."
  }

  assert {
    condition     = toset([for resource in flatten(local.rights["serve-console"][*].resources) : regex("[^/]+/POST/.*$", resource)]) == toset(["$default/POST/console/enter", "$default/POST/console/leave", "$default/POST/console/request"])
    error_message = "Of the operators' API it asks what takes a browser's secret: it opens no session, and proves no permission."
  }
}

run "what_operators_ask_decides_nothing_and_changes_no_service" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue([
      for action in flatten(local.rights["operate-releases"][*].actions) :
      !startswith(action, "states:Send") && !contains(["ecs:UpdateService", "ecs:RegisterTaskDefinition", "ecs:RunTask", "dynamodb:DeleteItem", "iam:PassRole"], action)
    ])
    error_message = "It starts releases like a push, and the workflow does the rest."
  }

  assert {
    condition = length(setintersection(toset(["APPROVAL#*", "LINK#*", "LOCK#*", "CALLBACK#*", "RUNNING"]), toset(flatten([
      for statement in local.rights["operate-releases"] : [for condition in statement.conditions : condition.values]
      if anytrue([for action in statement.actions : contains(["dynamodb:PutItem", "dynamodb:UpdateItem"], action)])
    ])))) == 0
    error_message = "It writes no approval, no lock and no task token."
  }

  assert {
    condition     = length(setintersection(toset(["LINK#*", "CALLBACK#*", "WAKE#*", "DUE#*"]), toset(flatten([for statement in local.rights["operate-releases"] : [for condition in try(statement.conditions, []) : condition.values]])))) == 0
    error_message = "It sees no link and no task token, and wakes no step."
  }

  assert {
    condition = toset(flatten([for statement in local.rights["operate-releases"] : statement.resources if contains(statement.actions, "lambda:InvokeFunction")])) == toset([
      for function in ["receive-push", "reconcile", "resume-release", "watch-alarms"] : "arn:aws:lambda:eu-central-1:123456789012:function:slipway-${function}"
    ])
    error_message = "It hands events to those that events of AWS wake: to no step, and not to the page that approves."
  }

  assert {
    condition     = toset(local.queue_arns) == toset([for origin in keys(output.dead_letter_names) : "arn:aws:sqs:eu-central-1:123456789012:slipway-${origin}-dead-letters"])
    error_message = "It redrives every dead-letter queue of the deployer's, and no other queue."
  }
}

run "every_push_finds_its_application_by_its_repository" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition     = { for name, parameter in aws_ssm_parameter.repository : parameter.name => parameter.value } == { for name, application in local.applications : "/slipway/repositories/${application.repository}" => name }
    error_message = "A push reads two parameters, however many applications there are."
  }

  assert {
    condition     = toset(flatten([for parameter in values(aws_ssm_parameter.approvers) : jsondecode(parameter.value)])) == toset(local.approvers)
    error_message = "Whoever asks knows all approvers."
  }
}

run "a_flood_of_the_page_takes_no_executions_of_the_others" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    approval_concurrency = 50
    console_concurrency  = 20
  }

  assert {
    condition     = local.reserved_concurrency == { decide-approval = 50, serve-console = 20 }
    error_message = "Each page has executions of its own, and no more than those; nothing else is taken from the account."
  }
}

run "the_page_needs_some_executions" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    approval_concurrency = 0
  }

  expect_failures = [var.approval_concurrency]
}

run "nobody_removes_approvals_or_the_audit" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue(flatten([
      for statements in values(local.rights) : [
        for statement in statements : length(statement.conditions) > 0 && alltrue([
          for value in flatten(statement.conditions[*].values) : contains(["CALLBACK#*", "OPEN", "PACE#*", "RUNNING", "WAKE#*"], value)
        ]) if contains(statement.actions, "dynamodb:DeleteItem")
      ]
    ]))
    error_message = "Only callbacks, what points to them, mails that wait, what a stage runs, and the list of open releases are removed."
  }

  assert {
    condition     = aws_dynamodb_table.this.point_in_time_recovery[0].enabled && aws_dynamodb_table.this.server_side_encryption[0].enabled
    error_message = "The table can be restored as it was, and KMS encrypts it: disabled would be a key of AWS's that no log shows."
  }
}

run "cloudtrail_records_who_pushed" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this["push-record"].event_pattern) == {
      source        = ["aws.ecr"]
      account       = ["123456789012"]
      "detail-type" = ["AWS API Call via CloudTrail"]
      detail = {
        eventSource       = ["ecr.amazonaws.com"]
        eventName         = ["PutImage"]
        errorCode         = [{ exists = false }]
        requestParameters = { repositoryName = ["web"] }
      }
    }
    error_message = "Pushes to the applications' repositories that did not fail."
  }

  assert {
    condition     = aws_cloudwatch_event_target.this["push-record"].target_id == "receive-push" && length(aws_cloudwatch_event_target.this["push-record"].dead_letter_config) == 1
    error_message = "They wake receive-push, and those that cannot be handed over are kept."
  }
}

run "more_repositories_than_a_rule_has_room_for_are_not_named" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    applications = {
      for number in range(100) : "application-${number}" => {
        repository = "some-team/application-${number}"
        tags       = ["v*"]
        stages     = [{ name = "production", cluster = "cluster-${number}", services = [{ service = "web", health = { path = "/" } }] }]
      }
    }
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.this["push-record"].event_pattern) <= 2048 && !can(jsondecode(aws_cloudwatch_event_rule.this["push-record"].event_pattern).detail.requestParameters)
    error_message = "EventBridge refuses a longer pattern."
  }
}

run "a_definition_that_is_not_there_is_refused" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    definition_path = "nowhere.json"
  }

  expect_failures = [var.definition_path]
}

run "a_log_without_an_end_is_refused" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "a_level_that_would_log_tokens_is_refused" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    log_level = "trace"
  }

  expect_failures = [var.log_level]
}

run "a_level_for_the_sdk_alone_is_refused" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    log_level = "info,aws_smithy_runtime=trace"
  }

  expect_failures = [var.log_level]
}

run "alarms_alone_may_publish_to_the_encrypted_topic" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  assert {
    condition     = flatten([for statement in data.aws_iam_policy_document.key.statement : [for principal in statement.principals : tolist(principal.identifiers) if principal.type == "Service"]]) == ["cloudwatch.amazonaws.com"]
    error_message = "The key's policy admits alarms, whose messages are lost without it, and no other service: no rule publishes."
  }

  assert {
    condition     = flatten([for statement in data.aws_iam_policy_document.notifications.statement : [for principal in statement.principals : tolist(principal.identifiers)]]) == ["cloudwatch.amazonaws.com"]
    error_message = "The topic's policy admits alarms and no other service: no rule publishes, and whoever may write one could send mails in Slipway's name."
  }
}

# The bundle of the tests lists one package, and is for x86_64.

run "each_package_has_the_checksum_that_the_bundle_lists_for_it" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    packages = "tests/bundle/packages/"
  }

  assert {
    condition     = local.package_sha256s["receive-push"] == "6329b06886a4d9db0c76729017ba9e16cf31233dec8c0b0f27a5f96f3a17624b" && local.package_sha256s["reconcile"] == ""
    error_message = "What is listed must be so, and what is not listed is refused."
  }

  assert {
    condition     = output.architecture == "x86_64"
    error_message = "The bundle says for which processor it was built."
  }
}

run "without_a_bundle_no_checksum_is_asked_for" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    packages        = null
    definition_path = null
  }

  assert {
    condition     = local.package_sha256s["receive-push"] == null && endswith(local.packages, "/target/lambda") && output.architecture == "arm64"
    error_message = "A clone has what was built in it, for arm64."
  }

  assert {
    condition     = length(aws_sfn_state_machine.release.definition) > 0
    error_message = "The definition comes with the module."
  }
}

run "a_bundle_for_another_processor_is_refused" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    packages     = "tests/bundle/packages"
    architecture = "arm64"
  }

  expect_failures = [output.architecture]
}
