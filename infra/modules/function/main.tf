data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "KeepDeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }

  dynamic "statement" {
    for_each = var.statements

    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources

      dynamic "condition" {
        for_each = statement.value.conditions

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; no log of Slipway holds a token, a link or an address
  #checkov:skip=CKV_AWS_338:How long is a variable that validation keeps above 0; releases are in the table, not in logs

  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

# What a caller who does not wait for the answer sent, and what this function could not do with all its retries.
resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true
}

resource "aws_iam_role" "this" {
  name               = var.name
  description        = "What the function ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  name   = "function"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json

  lifecycle {
    precondition {
      condition     = length(data.aws_iam_policy_document.this.minified_json) <= 10240
      error_message = "The policy of ${var.name} has ${length(data.aws_iam_policy_document.this.minified_json)} characters, and a role has room for 10,240: name fewer resources, or a path of them (task_role_arns)."
    }
  }
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:Each log line carries the release, and the workflow keeps the history of its steps; traces would say it a third time
  #checkov:skip=CKV_AWS_115:Reserved executions are taken from all others of the account; events and the workflow wait and retry, so the page alone has some
  #checkov:skip=CKV_AWS_117:It calls AWS and public addresses only; in a network it would need a way out of it, and gain nothing
  #checkov:skip=CKV_AWS_173:The variables are names and ARNs; Lambda encrypts them with its own key
  #checkov:skip=CKV_AWS_272:The package comes from the same place as this configuration, and its hash is in the plan

  function_name    = var.name
  description      = var.description
  role             = aws_iam_role.this.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  timeout          = var.timeout_seconds
  memory_size      = var.memory_mib
  publish          = true

  # -1 reserves none.
  reserved_concurrent_executions = var.reserved_concurrency == null ? -1 : var.reserved_concurrency

  environment {
    variables = var.environment
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.dead_letters.arn
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  # Lambda tries the dead-letter queue when it makes the function, so the role must have its rights by then.
  depends_on = [aws_iam_role_policy.this]

  lifecycle {
    precondition {
      condition     = length(jsonencode(var.environment)) <= 4096
      error_message = "The environment of ${var.name} has ${length(jsonencode(var.environment))} characters, and Lambda takes 4,096: write shorter names."
    }
  }
}
