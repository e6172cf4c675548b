# The schedule that wakes the reconciler: what was lost has no event that could.

locals {
  # The first word is a number and the second a unit, which the variable's validation keeps.
  reconcile_minutes = tonumber(split(" ", var.reconcile_every)[0]) * (startswith(split(" ", var.reconcile_every)[1], "hour") ? 60 : 1)
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "reconcile" {
  #checkov:skip=CKV_AWS_297:It holds a function's name and {}; EventBridge Scheduler encrypts it with its own key

  name                = "${var.name}-reconcile"
  description         = "Looks for pushes, events and outcomes that were lost"
  group_name          = aws_scheduler_schedule_group.this.name
  schedule_expression = "rate(${var.reconcile_every})"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.function["reconcile"].arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({})

    # Lambda only queues the event. The next reconciliation makes up for one that was not handed over, so trying for
    # long helps nobody.
    retry_policy {
      maximum_event_age_in_seconds = 5 * 60
      maximum_retry_attempts       = 10
    }

    dead_letter_config {
      arn = aws_sqs_queue.schedule_dead_letters.arn
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}

data "aws_iam_policy_document" "schedule_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    # EventBridge Scheduler names the group, not the schedule.
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_scheduler_schedule_group.this.arn]
    }
  }
}

data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "Reconcile"
    actions   = ["lambda:InvokeFunction"]
    resources = [module.function["reconcile"].arn]
  }

  # A schedule sends to its dead-letter queue with this role, where a rule does so by the queue's policy.
  statement {
    sid       = "KeepDeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.schedule_dead_letters.arn]
  }
}

resource "aws_iam_role" "schedule" {
  name               = "${var.name}-schedule"
  description        = "What the schedule of the reconciler may do"
  assume_role_policy = data.aws_iam_policy_document.schedule_trust.json
}

resource "aws_iam_role_policy" "schedule" {
  name   = "schedule"
  role   = aws_iam_role.schedule.id
  policy = data.aws_iam_policy_document.schedule.json
}

# Reconciliations that the schedule could not hand over.
resource "aws_sqs_queue" "schedule_dead_letters" {
  name                      = "${var.name}-schedule-dead-letters"
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true
}
