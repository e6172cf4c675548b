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
    approval_api_id   = "abcdefghij"
    console_api_id    = "klmnopqrst"
    function_names    = { decide-approval = "slipway-decide-approval", receive-push = "slipway-receive-push", reconcile = "slipway-reconcile", resume-release = "slipway-resume-release", serve-console = "slipway-serve-console", operate-releases = "slipway-operate-releases" }
    topic_names       = { approvals = "slipway-approvals", notifications = "slipway-notifications" }
    reconcile_minutes = 5

    dead_letter_names = {
      receive-push = "slipway-receive-push-dead-letters"
      image-push   = "slipway-image-push-dead-letters"
      schedule     = "slipway-schedule-dead-letters"
    }
  }
}

run "every_alarm_says_what_to_do" {
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
      "slipway-release-broken", "slipway-web-stuck", "slipway-receive-push-errors",
      "slipway-reconcile-errors", "slipway-no-reconciliation", "slipway-changes-late", "slipway-approvals-undelivered", "slipway-notifications-undelivered",
      "slipway-page-refused", "slipway-page-failed", "slipway-page-throttled", "slipway-page-flooded",
      "slipway-console-refused", "slipway-console-failed", "slipway-console-throttled", "slipway-console-flooded",
    ], output.alarm_names)) == 0
    error_message = "What should wake someone has an alarm."
  }
}

run "every_dead_letter_queue_that_is_not_empty_fires_an_alarm" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([for origin, queue in var.deployer.dead_letter_names : try(
      aws_cloudwatch_metric_alarm.this["slipway-${origin}-dead-letters"].dimensions["QueueName"] == queue
      && aws_cloudwatch_metric_alarm.this["slipway-${origin}-dead-letters"].threshold == 0
      && aws_cloudwatch_metric_alarm.this["slipway-${origin}-dead-letters"].metric_name == "ApproximateNumberOfMessagesVisible",
    false)])
    error_message = "Each queue has an alarm."
  }

  assert {
    condition     = alltrue([for origin, queue in var.deployer.dead_letter_names : strcontains(aws_cloudwatch_metric_alarm.this["slipway-${origin}-dead-letters"].alarm_description, "slipway redrive ${queue}")])
    error_message = "Each alarm names the command that redrives its messages."
  }
}

run "reconciliations_that_stop_fire_an_alarm" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["slipway-no-reconciliation"].treat_missing_data == "breaching"
      && aws_cloudwatch_metric_alarm.this["slipway-no-reconciliation"].period == 30 * 60
      && aws_cloudwatch_metric_alarm.this["slipway-no-reconciliation"].comparison_operator == "LessThanThreshold"
      && aws_cloudwatch_metric_alarm.this["slipway-no-reconciliation"].dimensions == tomap({ FunctionName = "slipway-reconcile" })
    )
    error_message = "Half an hour without a reconciliation fires the alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["slipway-reconcile-errors"].evaluation_periods > 5
    error_message = "Two failed reconciliations are further apart than three minutes."
  }
}

run "rare_reconciliations_do_not_fire_the_alarm" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    deployer = {
      applications      = []
      state_machine_arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:slipway-release"
      approval_api_id   = "abcdefghij"
      function_names    = { decide-approval = "slipway-decide-approval", reconcile = "slipway-reconcile", resume-release = "slipway-resume-release" }
      topic_names       = {}
      reconcile_minutes = 60
      dead_letter_names = { schedule = "slipway-schedule-dead-letters" }
    }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["slipway-no-reconciliation"].period == 3 * 60 * 60
    error_message = "The alarm waits for three reconciliations."
  }
}

run "changes_of_the_table_that_come_late_fire_an_alarm" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["slipway-changes-late"].metric_name == "IteratorAge"
      && aws_cloudwatch_metric_alarm.this["slipway-changes-late"].threshold == 60000
      && aws_cloudwatch_metric_alarm.this["slipway-changes-late"].dimensions == tomap({ FunctionName = "slipway-resume-release" })
    )
    error_message = "A record of the stream that fails again and again is seen within minutes."
  }
}

run "a_flood_of_the_approval_page_fires_alarms" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = { for what, metric in { refused = "4xx", failed = "5xx", flooded = "Count" } : what => metric if alltrue([
      aws_cloudwatch_metric_alarm.this["slipway-page-${what}"].namespace == "AWS/ApiGateway",
      aws_cloudwatch_metric_alarm.this["slipway-page-${what}"].metric_name == metric,
      aws_cloudwatch_metric_alarm.this["slipway-page-${what}"].dimensions == tomap({ ApiId = "abcdefghij" }),
    ]) } == { refused = "4xx", failed = "5xx", flooded = "Count" }
    error_message = "What the page refuses, what fails, and what it gets at all has an alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["slipway-page-throttled"].metric_name == "Throttles" && aws_cloudwatch_metric_alarm.this["slipway-page-throttled"].dimensions == tomap({ FunctionName = "slipway-decide-approval" })
    error_message = "A request that Lambda did not take has an alarm, whatever API Gateway answers for it."
  }

  # A hundred requests a second are 6,000 a minute.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["slipway-page-flooded"].threshold < 6000 && aws_cloudwatch_metric_alarm.this["slipway-page-refused"].threshold < 6000 && aws_cloudwatch_metric_alarm.this["slipway-page-failed"].threshold == 0
    error_message = "One client with a hundred requests a second is noticed."
  }
}

run "a_flood_of_the_console_fires_alarms" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = { for what, metric in { refused = "4xx", failed = "5xx", flooded = "Count" } : what => metric if alltrue([
      aws_cloudwatch_metric_alarm.this["slipway-console-${what}"].metric_name == metric,
      aws_cloudwatch_metric_alarm.this["slipway-console-${what}"].dimensions == tomap({ ApiId = "klmnopqrst" }),
    ]) } == { refused = "4xx", failed = "5xx", flooded = "Count" }
    error_message = "What the console refuses, what fails, and what it gets at all has an alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["slipway-console-throttled"].dimensions == tomap({ FunctionName = "slipway-serve-console" })
    error_message = "A request that Lambda did not take has an alarm, whatever API Gateway answers for it."
  }
}

run "a_mail_that_sns_gives_up_fires_an_alarm" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["slipway-approvals-undelivered"].metric_name == "NumberOfNotificationsFailed"
      && aws_cloudwatch_metric_alarm.this["slipway-approvals-undelivered"].dimensions == tomap({ TopicName = "slipway-approvals" })
    )
    error_message = "An approver who was not asked does not stay unnoticed."
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
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this["slipway-web"].dashboard_body).widgets) == 14
    error_message = "Six of the services, three of the database, five of releases."
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
