# Where notifications go besides the mail, alone.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_cloudwatch_event_api_destination" {
    defaults = { arn = "arn:aws:events:eu-central-1:123456789012:api-destination/slipway-webhook/1" }
  }

  mock_resource "aws_cloudwatch_event_connection" {
    defaults = { arn = "arn:aws:events:eu-central-1:123456789012:connection/slipway-webhook/1" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/slipway" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:slipway-webhook-dead-letters" }
  }
}

variables {
  name      = "slipway"
  topic_arn = "arn:aws:sns:eu-central-1:123456789012:slipway-chats"
}

run "nothing_is_made_where_nothing_is_asked_for" {
  command = plan

  module {
    source = "./modules/notifications"
  }

  assert {
    condition = alltrue([
      length(aws_iam_role.chat) == 0, length(aws_chatbot_slack_channel_configuration.this) == 0,
      length(aws_chatbot_teams_channel_configuration.this) == 0, length(aws_cloudwatch_event_rule.this) == 0, length(aws_sqs_queue.dead_letters) == 0,
    ])
    error_message = "Nobody asked for a chat or a webhook."
  }
}

run "a_chat_shows_the_topic_and_allows_nothing" {
  module {
    source = "./modules/notifications"
  }

  variables {
    slack = { team = { workspace_id = "T0123ABCD", channel_id = "C0123ABCD" } }
    teams = { ops = { tenant_id = "1", team_id = "2", channel_id = "3" } }
  }

  assert {
    condition = alltrue([
      for chat in [aws_chatbot_slack_channel_configuration.this["team"], aws_chatbot_teams_channel_configuration.this["ops"]] :
      chat.sns_topic_arns == toset([var.topic_arn]) && alltrue([for policy in chat.guardrail_policy_arns : endswith(policy, ":policy/AWSDenyAll")])
    ])
    error_message = "What is written in the channel may do nothing."
  }
}

run "the_webhook_gets_notifications_and_nothing_that_people_ask_for" {
  module {
    source = "./modules/notifications"
  }

  variables {
    webhook = { url = "https://hooks.example.com/slipway", header = "X-Api-Key", value = "secret" }
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["webhook"].event_pattern) == { source = ["slipway"], "detail-type" = ["Slipway Notification"] }
    error_message = "Requests of people have the same source."
  }

  assert {
    condition     = aws_cloudwatch_event_target.this["webhook"].input_path == "$.detail" && aws_cloudwatch_event_target.this["webhook"].dead_letter_config[0].arn == aws_sqs_queue.dead_letters["webhook"].arn
    error_message = "It gets the notification, and what it does not take is kept."
  }

  assert {
    condition     = aws_cloudwatch_event_api_destination.this["webhook"].invocation_endpoint == "https://hooks.example.com/slipway"
    error_message = "It is called where it was said."
  }
}
