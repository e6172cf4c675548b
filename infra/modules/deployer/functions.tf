# The functions: what each may do, and nothing else. functions/README.md says what wakes them.

locals {
  # A role has room for 10,240 characters of policies, and no more can be asked for. So rights name tags, not a resource
  # for each application: slipway:deployer is on what people let Slipway change, slipway:release on what a release made.
  tagged_as_ours = [{ test = "StringEquals", variable = "aws:ResourceTag/slipway:deployer", values = [var.name] }]
  made_by_us     = [{ test = "StringLike", variable = "aws:ResourceTag/slipway:release", values = ["*"] }]

  ecs_prefix     = "arn:${local.partition}:ecs:${local.region}:${local.account}"
  repositories   = ["arn:${local.partition}:ecr:${local.region}:${local.account}:repository/*"]
  services       = ["${local.ecs_prefix}:service/*"]
  tasks          = ["${local.ecs_prefix}:task/*"]
  definitions    = ["${local.ecs_prefix}:task-definition/*:*"]
  service_shifts = ["${local.ecs_prefix}:service-deployment/*"]

  # Which functions run one-off tasks, if any stage has some: migrations, and the commands of services without a load
  # balancer.
  one_offs = {
    run-migration   = anytrue(flatten([for application in local.applications : [for stage in application.stages : stage.migration != null]]))
    verify-services = anytrue(flatten([for application in local.applications : [for stage in application.stages : [for service in stage.services : try(service.steady.command, null) != null || try(service.target_health.command, null) != null]]]))
  }

  # Whether snapshots of instances and of clusters are taken, and what Slipway calls its snapshots.
  snapshots             = flatten([for application in local.applications : [for stage in application.stages : [for snapshot in [stage.snapshot] : snapshot if snapshot != null]]])
  rds_prefix            = "arn:${local.partition}:rds:${local.region}:${local.account}"
  of_instances          = anytrue([for snapshot in local.snapshots : snapshot.database != null])
  of_clusters           = anytrue([for snapshot in local.snapshots : snapshot.database == null])
  snapshot_arns         = local.of_instances ? ["${local.rds_prefix}:snapshot:slipway-*"] : []
  cluster_snapshot_arns = local.of_clusters ? ["${local.rds_prefix}:cluster-snapshot:slipway-*"] : []

  parameters        = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter"
  applications_arns = ["${local.parameters}${local.applications_path}", "${local.parameters}${local.applications_path}/*"]
  approvers_arns    = ["${local.parameters}${local.approvers_path}", "${local.parameters}${local.approvers_path}/*"]

  # Statements that more than one function has.
  read_applications = { sid = "ReadApplications", actions = ["ssm:GetParametersByPath"], resources = local.applications_arns }
  find_applications = { sid = "FindApplications", actions = ["ssm:GetParameter"], resources = ["${local.parameters}${local.applications_path}/*"] }
  find_repositories = { sid = "FindRepositories", actions = ["ssm:GetParameter"], resources = ["${local.parameters}${local.repositories_path}/*"] }
  read_approvers    = { sid = "ReadApprovers", actions = ["ssm:GetParametersByPath"], resources = local.approvers_arns }
  use_images        = { resources = local.repositories, conditions = local.tagged_as_ours }
  use_topic_key     = { sid = "UseTheTopicsKey", actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [aws_kms_key.messages.arn] }
  notify            = { sid = "Notify", actions = ["sns:Publish"], resources = [aws_sns_topic.notifications.arn, aws_sns_topic.chats.arn] }
  put_notifications = { sid = "PutNotifications", actions = ["events:PutEvents"], resources = [local.default_bus_arn], conditions = local.as_notifications }

  # CloudWatch leaves composite alarms out of its answer where less than all is allowed.
  read_alarms = { sid = "ReadAlarms", actions = ["cloudwatch:DescribeAlarms"], resources = ["*"] }

  # One that lacks the tag, or is not there, is described too: people read what to write before a stage changes.
  describe_services = { sid = "DescribeServices", actions = ["ecs:DescribeServices"], resources = local.services }
  update_services   = { sid = "UpdateServices", actions = ["ecs:UpdateService"], resources = local.services, conditions = local.tagged_as_ours }

  # ECS has no permission for one task definition's description: all or none.
  describe_task_definitions = { sid = "DescribeTaskDefinitions", actions = ["ecs:DescribeTaskDefinition"], resources = ["*"] }

  pass_task_roles = {
    sid        = "PassTaskRoles"
    actions    = ["iam:PassRole"]
    resources  = var.task_role_arns
    conditions = [{ test = "StringEquals", variable = "iam:PassedToService", values = ["ecs-tasks.amazonaws.com"] }]
  }

  list_tasks     = { sid = "ListTasks", actions = ["ecs:ListTasks"], resources = ["*"] }
  describe_tasks = { sid = "DescribeTasks", actions = ["ecs:DescribeTasks"], resources = local.tasks }

  find_images    = merge(local.use_images, { sid = "FindImages", actions = ["ecr:DescribeImages"] })
  read_manifests = merge(local.use_images, { sid = "ReadManifests", actions = ["ecr:BatchGetImage"] })

  # The configuration of an image, which has its labels, is one of its layers to ECR.
  read_labels = merge(local.use_images, { sid = "ReadLabels", actions = ["ecr:GetDownloadUrlForLayer"] })
  read_scans  = merge(local.use_images, { sid = "ReadScans", actions = ["ecr:DescribeImageScanFindings"] })

  # Where a registry has enhanced scanning, ECR asks Inspector for whoever asks it, and Inspector has no resources.
  read_findings = { sid = "ReadFindings", actions = ["inspector2:ListCoverage", "inspector2:ListFindings"], resources = ["*"] }

  # A description of one snapshot or database is asked for like one of all.
  describe_databases = {
    sid       = "DescribeDatabases"
    actions   = ["rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeDBSnapshots"]
    resources = ["*"]
  }

  # Where requests reach services from outside. ELB has no permission for one load balancer's description.
  read_listeners = ["elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups"]

  # The deployments of services: of those that shift traffic, and of those that a hook holds. ECS asks for the deployment
  # and for its service.
  read_deployments = [
    { sid = "ListDeployments", actions = ["ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:ListServiceDeployments"], resources = local.services, conditions = local.tagged_as_ours },
    { sid = "ReadDeployments", actions = ["ecs:DescribeServiceDeployments"], resources = local.service_shifts, conditions = [] },
    { sid = "ReadRevisions", actions = ["ecs:DescribeServiceRevisions"], resources = ["${local.ecs_prefix}:service-revision/*"], conditions = [] },
  ]
  stop_deployments = [
    { sid = "StopDeployments", actions = ["ecs:StopServiceDeployment"], resources = local.service_shifts, conditions = [] },
    { sid = "StopDeploymentsOfServices", actions = ["ecs:StopServiceDeployment"], resources = local.services, conditions = local.tagged_as_ours },
  ]

  # What a function may do that runs one-off tasks, where a stage has some: of revisions that a release registered.
  run_tasks = {
    for function, any in local.one_offs : function => [
      for statement in [
        { sid = "RunTasks", actions = ["ecs:RunTask"], resources = local.definitions, conditions = local.made_by_us },
        { sid = "StopTasks", actions = ["ecs:StopTask"], resources = local.tasks, conditions = local.made_by_us },
        { sid = "TagTasks", actions = ["ecs:TagResource"], resources = local.tasks, conditions = [{ test = "StringEquals", variable = "ecs:CreateAction", values = ["RunTask"] }] },
        # A stream has no tags: its group's count.
        { sid = "ReadTaskLogs", actions = ["logs:GetLogEvents"], resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:*:log-stream:*"], conditions = local.tagged_as_ours },
        local.pass_task_roles,
      ] : statement if any
    ]
  }

  # Whether the holder of a lock, or a release without an outcome, still runs.
  describe_releases = { sid = "DescribeReleases", actions = ["states:DescribeExecution"], resources = ["${replace(local.state_machine_arn, ":stateMachine:", ":execution:")}:*"] }

  # AWS's reference names the family as its resource, its own minimal policies and every denial name none.
  register_revisions = {
    sid        = "RegisterRevisions"
    actions    = ["ecs:RegisterTaskDefinition"]
    resources  = ["*"]
    conditions = [{ test = "StringLike", variable = "aws:RequestTag/slipway:release", values = ["*"] }]
  }

  tag_revisions = {
    sid        = "TagRevisions"
    actions    = ["ecs:TagResource"]
    resources  = local.definitions
    conditions = [{ test = "StringEquals", variable = "ecs:CreateAction", values = ["RegisterTaskDefinition"] }]
  }

  # The table of functions, and those of the workflow: they park task tokens, and end their tasks by them.
  functions = yamldecode(file("${path.module}/functions.yaml"))
  steps     = [for name, function in local.functions : name if can(function.states)]

  environments = {
    receive-push     = merge(local.channels, { SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn, SLIPWAY_APPLICATIONS_PATH = local.applications_path, SLIPWAY_REPOSITORIES_PATH = local.repositories_path })
    acquire-lock     = { SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn }
    request-approval = merge(local.channels, { SLIPWAY_APPROVAL_TOPIC_ARN = module.approval.topic_arn, SLIPWAY_APPROVERS_PATH = local.approvers_path })
    decide-approval  = { SLIPWAY_APPLICATIONS_PATH = local.applications_path }
    finish-release   = local.channels
    reconcile = merge(local.channels, {
      SLIPWAY_STATE_MACHINE_ARN  = local.state_machine_arn
      SLIPWAY_APPLICATIONS_PATH  = local.applications_path
      SLIPWAY_APPROVAL_TOPIC_ARN = module.approval.topic_arn
    })

    operate-releases = merge(local.channels, {
      SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn
      SLIPWAY_APPLICATIONS_PATH = local.applications_path
      SLIPWAY_SESSION_ROLES     = join(",", var.session_roles)

      # What the doctor compares with what it finds. A function's environment has room for 4,096 characters: of more roles
      # than fit, it is not looked at whether they may be passed on.
      SLIPWAY_DEPLOYER           = var.name
      SLIPWAY_APPROVAL_TOPIC_ARN = module.approval.topic_arn
      SLIPWAY_RECONCILE_MINUTES  = tostring(local.reconcile_minutes)
      SLIPWAY_TASK_ROLES         = length(join(",", var.task_role_arns)) > 2000 ? "" : join(",", var.task_role_arns)
      SLIPWAY_FUNCTIONS          = join(",", keys(local.functions))
      SLIPWAY_RULES              = join(",", keys(local.rules))
      SLIPWAY_CONSOLE_URL        = module.console.url
    })

    serve-console = { SLIPWAY_OPERATORS_API = module.operators.url }

    watch-alarms = merge(local.channels, {
      SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn
      SLIPWAY_APPLICATIONS_PATH = local.applications_path
      SLIPWAY_DASHBOARDS        = var.name
    })
  }

  # Everyone can call the pages: a flood of them must not take the executions of the other functions, nor they those of the
  # pages. A page of the console takes one execution of operate-releases besides, and no more.
  reserved_concurrency = { decide-approval = var.approval_concurrency, serve-console = var.console_concurrency }

  # Where the functions that notify people publish.
  channels = {
    SLIPWAY_NOTIFICATION_TOPIC_ARN = aws_sns_topic.notifications.arn
    SLIPWAY_CHAT_TOPIC_ARN         = aws_sns_topic.chats.arn
    SLIPWAY_APPROVAL_URL           = module.approval.url
    SLIPWAY_MAILS_PER_MINUTE       = tostring(var.mails_per_minute)
  }

  # What operators look at and redrive, by ARN: written out rather than taken from the modules, because each function's
  # rights are one of their inputs. Only what events of AWS wake is invoked without waiting, so only that has dead letters
  # to be handed back: no step, and nothing that approves.
  queue_arns    = [for origin in concat(keys(local.functions), keys(local.rules), ["schedule"]) : "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-${origin}-dead-letters"]
  log_arns      = [for function in keys(local.functions) : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${var.name}-${function}:*"]
  by_event_arns = [for function in distinct(values(local.rules)[*].function) : "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${var.name}-${function}"]

  # Whose items each function reads and writes, and removes. Task tokens are in CALLBACK#: steps park them,
  # resume-release and the reconciler find them, and whoever ends a release removes them. No approval and no entry of the
  # audit is ever removed.
  parked     = ["CALLBACK#*", "WAKE#*"]
  partitions = { for name, function in local.functions : name => concat(function.partitions, contains(local.steps, name) ? local.parked : []) }
  written    = { for name, function in local.functions : name => concat(lookup(function, "written", function.partitions), contains(local.steps, name) ? local.parked : []) }
  removed    = { for name, function in local.functions : name => lookup(function, "removed", []) }

  # ForAllValues holds where a request names no partition at all, so no function may have an action that can do without
  # one, such as dynamodb:Scan. WARM-UP is what a function asks for while it starts, and is never there. A transaction
  # may be asked about all its partitions for each of its parts: those of one transaction are in one list.
  in_partitions = { for function, partitions in local.partitions : function => [merge(local.leading_keys, { values = concat(partitions, ["WARM-UP"]) })] }
  in_written    = { for function, partitions in local.written : function => [merge(local.leading_keys, { values = partitions })] }
  in_removed    = { for function, partitions in local.removed : function => [merge(local.leading_keys, { values = partitions })] }
  leading_keys  = { test = "ForAllValues:StringLike", variable = "dynamodb:LeadingKeys" }

  statements = {
    receive-push = [
      local.find_applications, local.find_repositories, local.find_images, local.notify, local.put_notifications, local.use_topic_key,
      # Whether an image that comes under a further tag would change anything.
      local.describe_services, local.describe_task_definitions,
      { sid = "StartRelease", actions = ["states:StartExecution"], resources = [local.state_machine_arn] },
    ]

    acquire-lock = [local.describe_releases]

    capture-baseline = [
      local.describe_services, local.describe_task_definitions, local.read_alarms, local.find_images,
      { sid = "ReadListeners", actions = local.read_listeners, resources = ["*"] },
    ]

    check-image = [
      local.read_manifests, local.read_scans, local.read_findings,
    ]

    request-approval = [
      local.read_approvers,
      local.describe_task_definitions, local.find_images, local.read_manifests, local.read_labels, local.use_topic_key,
      local.notify, local.put_notifications,
      { sid = "AskApprovers", actions = ["sns:ListSubscriptionsByTopic", "sns:Publish"], resources = [module.approval.topic_arn] },
    ]

    # The one function that everyone can reach. It notifies nobody and wakes no step: the table's stream hands its
    # decisions to resume-release.
    decide-approval = [local.find_applications]

    # What operators ask for. It wakes no step and approves nothing.
    operate-releases = [
      local.read_applications, local.find_applications, local.find_images, local.describe_services, local.describe_task_definitions,
      local.read_alarms, local.notify, local.put_notifications, local.use_topic_key,
      { sid = "StartRelease", actions = ["states:StartExecution"], resources = [local.state_machine_arn] },
      # The doctor: what a stage is verified through, whether images are scanned, who is subscribed.
      { sid = "ReadListeners", actions = local.read_listeners, resources = ["*"] },
      merge(local.use_images, { sid = "ReadScanning", actions = ["ecr:BatchGetRepositoryScanningConfiguration"] }),
      { sid = "FindSubscriptions", actions = ["sns:ListSubscriptionsByTopic"], resources = [module.approval.topic_arn, aws_sns_topic.notifications.arn] },
      # A subscription is no resource of SNS, and the call does not name its topic.
      { sid = "ReadSubscriptions", actions = ["sns:GetSubscriptionAttributes"], resources = ["*"] },
      { sid = "RedriveDeadLetters", actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], resources = local.queue_arns },
      { sid = "HandEventsOver", actions = ["lambda:InvokeFunction"], resources = local.by_event_arns },
      { sid = "ReadFunctionLogs", actions = ["logs:FilterLogEvents"], resources = local.log_arns },
    ]

    # Everyone can reach it. It has a browser's secret looked at, and no right of its own.
    serve-console = [
      { sid = "AskForBrowsers", actions = ["execute-api:Invoke"], resources = [for route in ["enter", "leave", "request"] : "${module.operators.execution_arn}/$default/POST/console/${route}"] },
    ]

    snapshot-database = [
      local.describe_databases,
      # RDS asks for the database and for the snapshot.
      { sid = "TakeSnapshotsOfInstances", actions = ["rds:CreateDBSnapshot"], resources = local.of_instances ? ["${local.rds_prefix}:db:*"] : [], conditions = local.tagged_as_ours },
      { sid = "TakeSnapshots", actions = ["rds:CreateDBSnapshot"], resources = local.snapshot_arns },
      { sid = "TakeSnapshotsOfClusters", actions = ["rds:CreateDBClusterSnapshot"], resources = local.of_clusters ? ["${local.rds_prefix}:cluster:*"] : [], conditions = local.tagged_as_ours },
      { sid = "TakeClusterSnapshots", actions = ["rds:CreateDBClusterSnapshot"], resources = local.cluster_snapshot_arns },
      { sid = "TagSnapshots", actions = ["rds:AddTagsToResource"], resources = concat(local.snapshot_arns, local.cluster_snapshot_arns) },
      # Its own: only those have that tag.
      { sid = "RemoveOwnSnapshots", actions = ["rds:DeleteDBSnapshot"], resources = local.snapshot_arns, conditions = local.made_by_us },
      { sid = "RemoveOwnClusterSnapshots", actions = ["rds:DeleteDBClusterSnapshot"], resources = local.cluster_snapshot_arns, conditions = local.made_by_us },
    ]

    run-migration = concat(local.run_tasks["run-migration"], [
      local.describe_services, local.describe_task_definitions, local.list_tasks, local.describe_tasks, local.find_images, local.read_manifests,
      local.read_labels, local.read_alarms, local.register_revisions, local.tag_revisions,
    ])

    deploy-services = concat(local.read_deployments, [
      local.list_tasks, local.describe_tasks, local.describe_task_definitions, local.pass_task_roles, local.find_images, local.read_alarms, local.register_revisions, local.tag_revisions,
      local.describe_services, local.update_services,
    ])

    verify-services = concat(local.run_tasks["verify-services"], [
      local.describe_services, local.describe_task_definitions, local.list_tasks, local.describe_tasks,
      {
        sid       = "ReadTargets"
        actions   = concat(local.read_listeners, ["elasticloadbalancing:DescribeTargetHealth"])
        resources = ["*"]
      },
    ])

    bake-stage = [
      local.read_alarms, local.describe_task_definitions, local.register_revisions, local.tag_revisions, local.pass_task_roles,
      { sid = "ReadAlarmHistory", actions = ["cloudwatch:DescribeAlarmHistory"], resources = ["*"] },
    ]

    roll-back = concat(local.read_deployments, local.stop_deployments, [
      local.list_tasks, local.describe_tasks, local.describe_task_definitions, local.pass_task_roles, local.register_revisions, local.tag_revisions,
      local.describe_services, local.update_services,
      # Whether a stage has a migration by now or not: a release goes on with the configuration that it began with.
      { sid = "StopMigrations", actions = ["ecs:StopTask"], resources = local.tasks, conditions = local.made_by_us },
    ])

    finish-release = [local.notify, local.put_notifications, local.use_topic_key]

    resume-release = [
      {
        sid       = "ReadChanges"
        actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        resources = [aws_dynamodb_table.this.stream_arn]
      },
      { sid = "FindStreams", actions = ["dynamodb:ListStreams"], resources = ["*"] },
      # It can wake a step, and approve nothing.
      { sid = "WakeSteps", actions = ["states:SendTaskFailure"], resources = ["*"] },
    ]

    watch-alarms = [
      local.read_applications, local.notify, local.put_notifications, local.use_topic_key,
      { sid = "StartRelease", actions = ["states:StartExecution"], resources = [local.state_machine_arn] },
    ]

    reconcile = [
      local.read_applications, local.find_images, local.describe_releases, local.describe_services, local.describe_task_definitions,
      local.notify, local.put_notifications, local.use_topic_key,
      { sid = "StartRelease", actions = ["states:StartExecution"], resources = [local.state_machine_arn] },
      # Whether SNS still hands each approver their mails.
      { sid = "FindSubscriptions", actions = ["sns:ListSubscriptionsByTopic"], resources = [module.approval.topic_arn] },
    ]
  }
}

locals {
  # What every function may do in the table, and a step besides. A task token has no resource of its own.
  table_statements = {
    for name, function in local.functions : name => [
      { sid = "ReadItems", actions = concat(["dynamodb:GetItem"], lookup(function, "batches", false) ? ["dynamodb:BatchGetItem"] : [], lookup(function, "lists", true) ? ["dynamodb:Query"] : []), resources = length(function.partitions) == 0 ? [] : [aws_dynamodb_table.this.arn], conditions = local.in_partitions[name] },
      { sid = "WriteItems", actions = ["dynamodb:PutItem", "dynamodb:UpdateItem"], resources = length(local.written[name]) == 0 ? [] : [aws_dynamodb_table.this.arn], conditions = local.in_written[name] },
      { sid = "RemoveItems", actions = ["dynamodb:DeleteItem"], resources = length(local.removed[name]) == 0 ? [] : [aws_dynamodb_table.this.arn], conditions = local.in_removed[name] },
      { sid = "EndTasks", actions = ["states:SendTaskFailure", "states:SendTaskSuccess"], resources = contains(local.steps, name) ? ["*"] : [], conditions = [] },
    ]
  }
}

locals {
  # Without services there is nothing to name in such a statement, and IAM refuses one that names nothing.
  rights = { for name, function in local.functions : name => [for statement in concat(local.table_statements[name], local.statements[name]) : statement if length(statement.resources) > 0] }
}

module "function" {
  source   = "../function"
  for_each = local.functions

  name               = "${var.name}-${each.key}"
  description        = each.value.description
  package            = "${local.packages}/${each.key}/bootstrap.zip"
  package_sha256     = local.package_sha256s[each.key]
  architecture       = local.architecture
  timeout_seconds    = each.value.timeout_seconds
  memory_mib         = each.value.memory_mib
  environment        = merge({ SLIPWAY_TABLE = aws_dynamodb_table.this.name, RUST_LOG = var.log_level }, lookup(local.environments, each.key, {}))
  log_retention_days = var.log_retention_days

  reserved_concurrency = lookup(local.reserved_concurrency, each.key, null)

  statements = local.rights[each.key]
}

# The changes of the table that the stream hands to resume-release: decisions, pushes, aborts, alarms, locks, what is
# due, and mails that are to go out again.

resource "aws_lambda_event_source_mapping" "decisions" {
  function_name                  = module.function["resume-release"].arn
  event_source_arn               = aws_dynamodb_table.this.stream_arn
  starting_position              = "TRIM_HORIZON"
  batch_size                     = 10
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = 10
  maximum_record_age_in_seconds  = 60 * 60
  function_response_types        = ["ReportBatchItemFailures"]

  filter_criteria {
    filter {
      pattern = jsonencode({
        eventName = ["INSERT", "MODIFY"]
        dynamodb  = { Keys = { pk = { S = [{ prefix = "ABORT#" }, { prefix = "ALARM#" }, { prefix = "APPLICATION#" }, { prefix = "APPROVAL#" }, { prefix = "DUE#" }, { prefix = "FREEZE" }, { prefix = "LOCK#" }, { prefix = "RESEND#" }] } } }
      })
    }
  }

  destination_config {
    on_failure {
      destination_arn = module.function["resume-release"].dead_letters_arn
    }
  }
}
