# The workflow that takes an image through the stages.

locals {
  # Each step by its version, as the placeholder <function>_arn of the definition. An execution keeps the definition
  # that it began with, so a release ends on the code that it began with.
  placeholders = merge(
    { partition = local.partition },
    { for function in local.steps : "${replace(function, "-", "_")}_arn" => module.function[function].version_arn },
  )
}

data "aws_iam_policy_document" "workflow_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.state_machine_arn]
    }
  }
}

data "aws_iam_policy_document" "workflow" {
  statement {
    sid     = "RunSteps"
    actions = ["lambda:InvokeFunction"]

    # Every version: a release that runs calls those of the definition that it began with.
    resources = flatten([for function in local.steps : [module.function[function].arn, "${module.function[function].arn}:*"]])
  }

  # Log deliveries have no resource of their own.
  statement {
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role" "workflow" {
  name               = local.state_machine_name
  description        = "What the workflow of a release may do"
  assume_role_policy = data.aws_iam_policy_document.workflow_trust.json
}

resource "aws_iam_role_policy" "workflow" {
  name   = "workflow"
  role   = aws_iam_role.workflow.id
  policy = data.aws_iam_policy_document.workflow.json
}

resource "aws_cloudwatch_log_group" "workflow" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; no log of Slipway holds a token, a link or an address
  #checkov:skip=CKV_AWS_338:How long is a variable that validation keeps above 0; releases are in the table, not in logs

  # Below this prefix the account's policy for log deliveries does not grow with every log group.
  name              = "/aws/vendedlogs/states/${local.state_machine_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_sfn_state_machine" "release" {
  #checkov:skip=CKV_AWS_284:The execution keeps the history of its steps for 90 days; traces would say it again
  #checkov:skip=CKV_AWS_285:Failed executions are logged; more would put task tokens and addresses into the log

  name     = local.state_machine_name
  type     = "STANDARD"
  role_arn = aws_iam_role.workflow.arn

  definition = jsonencode(yamldecode(templatefile(local.definition_path, local.placeholders)))

  # How executions end, and without the data: that holds task tokens and addresses. ERROR would log every TaskFailed ("Using
  # CloudWatch Logs to log execution history", AWS Step Functions developer guide), and a step that waits, looks again or
  # ends a release fails its task: a release that went well would fill the log with errors. The history keeps all of them.
  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.workflow.arn}:*"
    level                  = "FATAL"
    include_execution_data = false
  }

  depends_on = [aws_iam_role_policy.workflow]
}
