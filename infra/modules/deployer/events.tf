# The events of AWS that wake a function. One rule each for everything: a bus has room for 300.

locals {
  rules = {
    image-push = {
      description = "An image came to the registry of this account: by a push, by replication or by the pull-through cache"
      function    = "receive-push"
      pattern = {
        source        = ["aws.ecr"]
        account       = [local.account]
        "detail-type" = ["ECR Image Action", "ECR Replication Action", "ECR Pull Through Cache Action"]
        # The pull-through cache says sync-status, and has neither result nor action-type.
        detail = {
          "$or" = [
            { "action-type" = ["PUSH", "REPLICATE"], result = ["SUCCESS"] },
            { "sync-status" = ["SUCCESS"] },
          ]
        }
      }
    }

    # Who pushed, for approvals that ask for somebody else. It comes where a trail records management events, minutes
    # after the push.
    push-record = {
      description = "CloudTrail recorded who pushed an image of an application"
      function    = "receive-push"
      pattern = {
        source        = ["aws.ecr"]
        account       = [local.account]
        "detail-type" = ["AWS API Call via CloudTrail"]
        detail = merge(
          { eventSource = ["ecr.amazonaws.com"], eventName = ["PutImage"], errorCode = [{ exists = false }] },
          # A pattern has room for 2,048 characters. Without the names, who pushed other images is kept too, and nobody
          # asks for it.
          [for repositories in [values(local.applications)[*].repository] : { requestParameters = { repositoryName = repositories } } if length(repositories) > 0 && length(jsonencode(repositories)) <= 1500]...
        )
      }
    }

    execution-ended = {
      description = "A release's execution was stopped, timed out, or failed where nothing catches"
      function    = "reconcile"
      pattern = {
        source        = ["aws.states"]
        account       = [local.account]
        "detail-type" = ["Step Functions Execution Status Change"]
        detail        = { status = ["ABORTED", "FAILED", "TIMED_OUT"], stateMachineArn = [local.state_machine_arn] }
      }
    }

    deployment-change = {
      description = "ECS ended a deployment, or a service is steady"
      function    = "resume-release"
      pattern = {
        source        = ["aws.ecs"]
        account       = [local.account]
        "detail-type" = ["ECS Deployment State Change", "ECS Service Action"]
        detail        = { eventName = ["SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED", "SERVICE_STEADY_STATE"] }
      }
    }

    # Of the images that stages check; what is waited for is looked up by the digest. Inspector scans instances, functions
    # and machine images too, which have none.
    image-scan = {
      description = "ECR or Inspector ended the scan of an image"
      function    = "resume-release"
      pattern = {
        source        = ["aws.ecr", "aws.inspector2"]
        account       = [local.account]
        "detail-type" = ["ECR Image Scan", "Inspector2 Scan"]
        detail        = { "image-digest" = [{ exists = true }] }
      }
    }

    snapshot-change = {
      description = "Something happened to a database or to a snapshot"
      function    = "resume-release"
      pattern = {
        source        = ["aws.rds"]
        account       = [local.account]
        "detail-type" = ["RDS DB Instance Event", "RDS DB Cluster Event", "RDS DB Snapshot Event", "RDS DB Cluster Snapshot Event"]
      }
    }

    task-stopped = {
      description = "A one-off task of Slipway stopped"
      function    = "resume-release"
      pattern = {
        source        = ["aws.ecs"]
        account       = [local.account]
        "detail-type" = ["ECS Task State Change"]
        detail        = { lastStatus = ["STOPPED"], startedBy = [{ prefix = "slipway-" }] }
      }
    }

    alarm-change = {
      description = "A CloudWatch alarm changed its state"
      function    = "watch-alarms"
      pattern = {
        source        = ["aws.cloudwatch"]
        account       = [local.account]
        "detail-type" = ["CloudWatch Alarm State Change"]
      }
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode(each.value.pattern)

  lifecycle {
    precondition {
      condition     = length(jsonencode(each.value.pattern)) <= 2048
      error_message = "The pattern of the rule ${each.key} has ${length(jsonencode(each.value.pattern))} characters, and EventBridge takes 2,048."
    }
  }
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.rules

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = each.value.function
  arn       = module.function[each.value.function].arn

  # Lambda only queues the event, so a failure here is Lambda's own or a missing permission.
  retry_policy {
    maximum_event_age_in_seconds = 6 * 60 * 60
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.rule_dead_letters[each.key].arn
  }

  depends_on = [aws_sqs_queue_policy.rule_dead_letters]
}

resource "aws_lambda_permission" "rule" {
  for_each = local.rules

  statement_id  = "Rule-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = module.function[each.value.function].name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}

# Events that EventBridge could not hand over.

resource "aws_sqs_queue" "rule_dead_letters" {
  for_each = local.rules

  name                      = "${var.name}-${each.key}-dead-letters"
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "rule_dead_letters" {
  for_each = local.rules

  statement {
    sid       = "KeepWhatTheRuleCouldNotDeliver"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.rule_dead_letters[each.key].arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.this[each.key].arn]
    }
  }
}

resource "aws_sqs_queue_policy" "rule_dead_letters" {
  for_each = local.rules

  queue_url = aws_sqs_queue.rule_dead_letters[each.key].url
  policy    = data.aws_iam_policy_document.rule_dead_letters[each.key].json
}
