data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

module "applications" {
  source = "../applications"

  applications = var.applications
}

locals {
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  account   = data.aws_caller_identity.current.account_id

  # Written out rather than taken from the resource: the workflow names the functions, so the functions cannot
  # wait for the workflow.
  state_machine_name = "${var.name}-release"
  state_machine_arn  = "arn:${local.partition}:states:${local.region}:${local.account}:stateMachine:${local.state_machine_name}"

  # Slipway notifies programs with an event of its own: no function may send the events by which people ask for
  # something.
  default_bus_arn = "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/default"
  as_notifications = [
    { test = "StringEquals", variable = "events:source", values = ["slipway"] },
    { test = "StringEquals", variable = "events:detail-type", values = ["Slipway Notification"] },
  ]

  applications      = module.applications.applications
  applications_path = "/${var.name}/applications"
  repositories_path = "/${var.name}/repositories"
  approvers_path    = "/${var.name}/approvers"

  approvers = distinct(flatten([for application in local.applications : [for stage in application.stages : stage.approval == null ? [] : stage.approval.approvers]]))
}

# The configuration, as receive-push and watch-alarms read it: what was not asked for is left out.

locals {
  configurations = {
    for name, application in local.applications : name => jsonencode({
      name       = name
      repository = application.repository
      tags       = application.tags

      stages = [
        for stage in application.stages : {
          for field, value in {
            name           = stage.name
            cluster        = stage.cluster
            deploy_timeout = stage.deploy_timeout
            approval       = stage.approval == null ? null : { for field, value in stage.approval : field => value if value != null }
            strategy       = stage.strategy
            image_check    = stage.image_check == null ? null : { for field, value in stage.image_check : field => value if value != null }
            snapshot       = stage.snapshot == null ? null : { for field, value in stage.snapshot : field => value if value != null }
            migration      = stage.migration == null ? null : { for field, value in stage.migration : field => value if value != null }
            bake           = stage.bake == null ? null : { for field, value in stage.bake : field => value if value != null }
            freeze         = stage.freeze
            when_frozen    = stage.when_frozen
            tasks          = stage.tasks == null ? null : [for task in stage.tasks : { for field, value in task : field => value if value != null }]

            services = [
              for service in stage.services : {
                for field, value in {
                  service       = service.service
                  desired_count = service.desired_count
                  template      = service.template
                  containers    = service.containers
                  health        = service.health == null ? null : { for field, value in service.health : field => value if value != null }
                  target_health = service.target_health == null ? null : { for field, value in service.target_health : field => value if value != null }
                  steady        = service.steady == null ? null : { for field, value in service.steady : field => value if value != null }
                } : field => value if value != null
              }
            ]
          } : field => value if value != null
        }
      ]
    })
  }
}

resource "aws_ssm_parameter" "application" {
  #checkov:skip=CKV2_AWS_34:It holds what people wrote into the variable applications: names, and addresses of approvers; no secret

  for_each = local.configurations

  name        = "${local.applications_path}/${each.key}"
  description = "How Slipway releases the application ${each.key}"
  type        = "String"
  tier        = length(each.value) > 4096 ? "Advanced" : "Standard"
  value       = each.value

  lifecycle {
    precondition {
      condition     = length(each.value) <= 8192
      error_message = "The configuration of applications.${each.key} is longer than the 8 KB that a parameter holds: split the application, or name fewer services and alarms."
    }
  }
}

# What a function finds in one call, however many applications there are: SSM gives ten parameters of a path in a call, and
# answers 40 calls a second.

resource "aws_ssm_parameter" "repository" {
  #checkov:skip=CKV2_AWS_34:It holds an application's name; no secret

  for_each = { for name, application in local.applications : application.repository => name }

  name        = "${local.repositories_path}/${each.key}"
  description = "The application that the repository ${each.key} belongs to"
  type        = "String"
  value       = each.value
}

resource "aws_ssm_parameter" "approvers" {
  #checkov:skip=CKV2_AWS_34:It holds addresses of approvers, as the subscriptions do; no secret

  for_each = { for number, some in chunklist(local.approvers, 50) : format("%03d", number) => some }

  name        = "${local.approvers_path}/${each.key}"
  description = "Whom the applications ask: nobody else may be on the approvals' topic"
  type        = "String"
  tier        = length(jsonencode(each.value)) > 4096 ? "Advanced" : "Standard"
  value       = jsonencode(each.value)
}

# What is known about releases: locks, callbacks, timelines, approvals and the audit.

resource "aws_dynamodb_table" "this" {
  #checkov:skip=CKV_AWS_119:KMS encrypts it with the account's key for DynamoDB (aws/dynamodb), which nobody can delete; losing a key of ours would lose the lock of every release

  name                        = coalesce(var.table_name, var.name)
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  stream_enabled              = true
  stream_view_type            = "NEW_IMAGE"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  ttl {
    attribute_name = "remove_after"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

# The messages that people get.

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:The first statement is KMS's own default: the account's IAM policies decide, and nobody is locked out of the key
  #checkov:skip=CKV_AWS_111:As above
  #checkov:skip=CKV_AWS_356:In a key's policy * is this key

  statement {
    sid       = "LetTheAccountsPoliciesDecide"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  # An alarm that cannot use the key loses its message, and reports no error.
  statement {
    sid       = "LetAlarmsPublish"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:*"]
    }
  }
}

resource "aws_kms_key" "messages" {
  description             = "Slipway's messages to people, while SNS holds them"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "messages" {
  name          = "alias/${var.name}-messages"
  target_key_id = aws_kms_key.messages.key_id
}

resource "aws_sns_topic" "notifications" {
  name              = "${var.name}-notifications"
  kms_master_key_id = aws_kms_key.messages.arn
}

# What chats show, as messages for Amazon Q Developer. Only the functions publish there, by their roles.
resource "aws_sns_topic" "chats" {
  name              = "${var.name}-chats"
  kms_master_key_id = aws_kms_key.messages.arn
}

# Functions publish by their roles; alarms have none.
data "aws_iam_policy_document" "notifications" {
  statement {
    sid       = "LetAlarmsPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.notifications.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:*"]
    }
  }
}

resource "aws_sns_topic_policy" "notifications" {
  arn    = aws_sns_topic.notifications.arn
  policy = data.aws_iam_policy_document.notifications.json
}

resource "aws_sns_topic_subscription" "notifications" {
  for_each = toset(var.notification_emails)

  topic_arn = aws_sns_topic.notifications.arn
  protocol  = "email"
  endpoint  = each.key
}

module "approval" {
  source = "../approval"

  name                       = var.name
  approvers                  = local.approvers
  key_arn                    = aws_kms_key.messages.arn
  decide_approval_name       = module.function["decide-approval"].name
  decide_approval_invoke_arn = module.function["decide-approval"].invoke_arn
  domain                     = var.approval_domain
  sign_in                    = var.approval_sign_in
  log_retention_days         = var.log_retention_days
}

module "operators" {
  source = "../operators"

  name                        = var.name
  operate_releases_name       = module.function["operate-releases"].name
  operate_releases_invoke_arn = module.function["operate-releases"].invoke_arn
  log_retention_days          = var.log_retention_days
}

module "console" {
  source = "../console"

  name                     = var.name
  serve_console_name       = module.function["serve-console"].name
  serve_console_invoke_arn = module.function["serve-console"].invoke_arn
  log_retention_days       = var.log_retention_days
}
