# Dashboards and alarms.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  name      = "slipway"
  topic_arn = "arn:aws:sns:eu-central-1:123456789012:slipway-notifications"

  services = {
    "web/production/web" = {
      application = "web"
      dimensions  = { cluster = "production", service = "web", load_balancer = "app/web-production/1", target_group = "targetgroup/web-production/1" }
    }
  }

  databases = { "web/production" = { application = "web", identifier = "web-production", storage_limit_gib = 100 } }

  deployer = {
    applications      = ["web"]
    state_machine_arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:slipway-release"
    function_names    = { receive-push = "slipway-receive-push" }
    dead_letter_names = { receive-push = "slipway-receive-push-dead-letters", image-push = "slipway-image-push-dead-letters" }
  }
}

run "every_alarm_tells_someone_what_to_do" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.topic_arn])])
    error_message = "Every alarm has an action."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_description) > 80 && length(alarm.alarm_description) <= 1024])
    error_message = "Every alarm says what to do."
  }

  assert {
    condition = length(setsubtract([
      "web-production-5xx", "web-production-latency", "web-production-unhealthy", "web-production-cpu", "web-production-memory",
      "web-production-database-storage", "web-production-database-connections", "web-production-database-cpu",
      "slipway-release-broken", "slipway-web-stuck", "slipway-receive-push-errors", "slipway-image-push-dead-letters",
    ], output.alarm_names)) == 0
    error_message = "What should wake someone has an alarm."
  }
}

run "there_is_a_dashboard_for_each_application_and_one_for_the_deployer" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition     = toset(output.dashboard_names) == toset(["slipway-web", "slipway"])
    error_message = "A dashboard for each application, and the deployer's."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this["slipway-web"].dashboard_body).widgets) == 12
    error_message = "Six of the services, three of the database, three of releases."
  }
}

run "a_threshold_of_0_is_refused" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    thresholds = { errors_percent = 0 }
  }

  expect_failures = [var.thresholds]
}
