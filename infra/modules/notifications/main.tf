data "aws_partition" "current" {}

# Chats. Amazon Q Developer subscribes to the topic by itself and shows what comes.

data "aws_iam_policy_document" "chat_trust" {
  statement {
    sid     = "LetAmazonQDeveloperAssume"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["chatbot.amazonaws.com"]
    }
  }
}

# Showing a message needs no permission, so the role has none. Who writes in the channel may ask Amazon Q Developer for
# more: the guardrail denies it. Without one it is AdministratorAccess ("Guardrail policies", Amazon Q Developer in chat
# applications).
resource "aws_iam_role" "chat" {
  for_each = length(var.slack) + length(var.teams) > 0 ? toset(["chat"]) : toset([])

  name               = "${var.name}-${each.key}"
  description        = "Shows Slipway's notifications in chats, and may do nothing"
  assume_role_policy = data.aws_iam_policy_document.chat_trust.json
}

resource "aws_chatbot_slack_channel_configuration" "this" {
  for_each = var.slack

  configuration_name    = "${var.name}-${each.key}"
  iam_role_arn          = aws_iam_role.chat["chat"].arn
  slack_team_id         = each.value.workspace_id
  slack_channel_id      = each.value.channel_id
  sns_topic_arns        = [var.topic_arn]
  guardrail_policy_arns = ["arn:${data.aws_partition.current.partition}:iam::aws:policy/AWSDenyAll"]
  logging_level         = "ERROR"
}

resource "aws_chatbot_teams_channel_configuration" "this" {
  for_each = var.teams

  configuration_name    = "${var.name}-${each.key}"
  iam_role_arn          = aws_iam_role.chat["chat"].arn
  tenant_id             = each.value.tenant_id
  team_id               = each.value.team_id
  channel_id            = each.value.channel_id
  sns_topic_arns        = [var.topic_arn]
  guardrail_policy_arns = ["arn:${data.aws_partition.current.partition}:iam::aws:policy/AWSDenyAll"]
  logging_level         = "ERROR"
}

# Programs. EventBridge posts each notification to the webhook, tries again for a day, and keeps what was not taken.

locals {
  # That there is a webhook is no secret; its value is.
  webhooks = nonsensitive(var.webhook == null) ? toset([]) : toset(["webhook"])
}

resource "aws_cloudwatch_event_connection" "this" {
  for_each = local.webhooks

  name               = "${var.name}-${each.key}"
  description        = "How the webhook knows that a notification is Slipway's"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = var.webhook.header
      value = var.webhook.value
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "this" {
  for_each = local.webhooks

  name                             = "${var.name}-${each.key}"
  description                      = "Gets each of Slipway's notifications"
  invocation_endpoint              = nonsensitive(var.webhook.url)
  http_method                      = "POST"
  invocation_rate_limit_per_second = 5
  connection_arn                   = aws_cloudwatch_event_connection.this[each.key].arn
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.webhooks

  name          = "${var.name}-${each.key}"
  description   = "Slipway's notifications for programs"
  event_pattern = jsonencode({ source = ["slipway"], "detail-type" = ["Slipway Notification"] })
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.webhooks

  rule     = aws_cloudwatch_event_rule.this[each.key].name
  arn      = aws_cloudwatch_event_api_destination.this[each.key].arn
  role_arn = aws_iam_role.webhook[each.key].arn

  # The notification itself, without EventBridge's envelope.
  input_path = "$.detail"

  retry_policy {
    maximum_event_age_in_seconds = 24 * 60 * 60
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters[each.key].arn
  }

  depends_on = [aws_sqs_queue_policy.dead_letters]
}

data "aws_iam_policy_document" "webhook_trust" {
  statement {
    sid     = "LetRulesAssume"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "webhook" {
  for_each = local.webhooks

  statement {
    sid       = "CallTheWebhook"
    actions   = ["events:InvokeApiDestination"]
    resources = [aws_cloudwatch_event_api_destination.this[each.key].arn]
  }
}

resource "aws_iam_role" "webhook" {
  for_each = local.webhooks

  name               = "${var.name}-${each.key}"
  description        = "Lets EventBridge call the webhook, and nothing else"
  assume_role_policy = data.aws_iam_policy_document.webhook_trust.json
}

resource "aws_iam_role_policy" "webhook" {
  for_each = local.webhooks

  name   = "call-the-webhook"
  role   = aws_iam_role.webhook[each.key].id
  policy = data.aws_iam_policy_document.webhook[each.key].json
}

resource "aws_sqs_queue" "dead_letters" {
  for_each = local.webhooks

  name                      = "${var.name}-${each.key}-dead-letters"
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "dead_letters" {
  for_each = local.webhooks

  statement {
    sid       = "KeepWhatTheWebhookDidNotTake"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters[each.key].arn]

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

resource "aws_sqs_queue_policy" "dead_letters" {
  for_each = local.webhooks

  queue_url = aws_sqs_queue.dead_letters[each.key].url
  policy    = data.aws_iam_policy_document.dead_letters[each.key].json
}
