# What should wake someone, each with what to do then. Without measurements no alarm fires: an application that nobody
# asks has no errors. The one exception is marked below.

locals {
  # Of services that a load balancer asks.
  balanced_alarms = merge([
    for place, service in var.services : {
      "${service.dimensions.service}-${service.dimensions.cluster}-5xx" = {
        description = "More than ${var.thresholds.errors_percent} % of the requests to ${place} fail. Look at the tasks' log /ecs/${service.dimensions.cluster}/${service.dimensions.service}. If a release has just ended, release the version before it again (docs/runbook.md)."
        threshold   = var.thresholds.errors_percent
        periods     = 3
        alarm_at    = 2
        # A load balancer without a target that it could choose answers 503, and does not count the request.
        expression = "IF(FILL(requests, 0) > FILL(ours, 0) + FILL(theirs, 0), 100 * (FILL(ours, 0) + FILL(theirs, 0)) / requests, IF(FILL(ours, 0) + FILL(theirs, 0) > 0, 100, 0))"
        queries = {
          requests = { namespace = "AWS/ApplicationELB", metric = "RequestCount", stat = "Sum", dimensions = { LoadBalancer = service.dimensions.load_balancer } }
          ours     = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", stat = "Sum", dimensions = { LoadBalancer = service.dimensions.load_balancer } }
          theirs   = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", stat = "Sum", dimensions = { LoadBalancer = service.dimensions.load_balancer } }
        }
      }

      "${service.dimensions.service}-${service.dimensions.cluster}-latency" = {
        description = "One of a hundred answers of ${place} takes longer than ${var.thresholds.latency_seconds} s. Look at the dashboard of ${service.application}: processor and database first. If a release has just ended, release the version before it again."
        threshold   = var.thresholds.latency_seconds
        periods     = 3
        alarm_at    = 3
        metric      = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", stat = "p99", dimensions = { LoadBalancer = service.dimensions.load_balancer } }
      }

      "${service.dimensions.service}-${service.dimensions.cluster}-unhealthy" = {
        description = "Tasks of ${place} have failed the load balancer's checks for five minutes. Look at the service's events in ECS, then at the log /ecs/${service.dimensions.cluster}/${service.dimensions.service}; a task that cannot reach its database is unhealthy too."
        threshold   = 0
        periods     = 5
        alarm_at    = 5
        metric      = { namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", stat = "Maximum", dimensions = { LoadBalancer = service.dimensions.load_balancer, TargetGroup = service.dimensions.target_group } }
      }
    } if service.balanced
  ]...)

  service_alarms = merge([
    for place, service in var.services : {
      "${service.dimensions.service}-${service.dimensions.cluster}-cpu" = {
        description = "The tasks of ${place} have used more than ${var.thresholds.cpu_percent} % of their processors for fifteen minutes. Give the service more tasks (scaling) or larger ones (cpu_units), which the next release brings."
        threshold   = var.thresholds.cpu_percent
        periods     = 15
        alarm_at    = 15
        metric      = { namespace = "AWS/ECS", metric = "CPUUtilization", stat = "Average", dimensions = { ClusterName = service.dimensions.cluster, ServiceName = service.dimensions.service } }
      }

      "${service.dimensions.service}-${service.dimensions.cluster}-memory" = {
        description = "The tasks of ${place} have used more than ${var.thresholds.memory_percent} % of their memory for fifteen minutes; at 100 % ECS kills them. Look for a leak since the last release, or raise memory_mib, which the next release brings."
        threshold   = var.thresholds.memory_percent
        periods     = 15
        alarm_at    = 15
        metric      = { namespace = "AWS/ECS", metric = "MemoryUtilization", stat = "Average", dimensions = { ClusterName = service.dimensions.cluster, ServiceName = service.dimensions.service } }
      }
    }
  ]...)

  database_alarms = merge([
    for place, database in var.databases : {
      "${database.identifier}-database-storage" = {
        description = "The database of ${place} has less than 2 GiB left, though RDS may let it grow to ${database.storage_limit_gib} GiB. Raise storage_limit_gib and apply; a full database stops writing."
        threshold   = 2 * pow(1024, 3)
        comparison  = "LessThanThreshold"
        periods     = 5
        alarm_at    = 5
        metric      = { namespace = "AWS/RDS", metric = "FreeStorageSpace", stat = "Minimum", dimensions = { DBInstanceIdentifier = database.identifier } }
      }

      "${database.identifier}-database-connections" = {
        description = "More than ${var.thresholds.database_connections} connections to the database of ${place} are open; a db.t3.micro takes about 80. Look for connections that are never closed, or choose a larger instance_class."
        threshold   = var.thresholds.database_connections
        periods     = 5
        alarm_at    = 5
        metric      = { namespace = "AWS/RDS", metric = "DatabaseConnections", stat = "Maximum", dimensions = { DBInstanceIdentifier = database.identifier } }
      }

      "${database.identifier}-database-cpu" = {
        description = "The database of ${place} has used more than ${var.thresholds.cpu_percent} % of its processors for fifteen minutes. Look for slow statements in the log /aws/rds/instance/${database.identifier}/postgresql, or choose a larger instance_class."
        threshold   = var.thresholds.cpu_percent
        periods     = 15
        alarm_at    = 15
        metric      = { namespace = "AWS/RDS", metric = "CPUUtilization", stat = "Average", dimensions = { DBInstanceIdentifier = database.identifier } }
      }
    }
  ]...)

  reconcile_window_minutes = max(30, 3 * var.deployer.reconcile_minutes)

  deployer_alarms = merge(
    {
      "${var.name}-release-broken" = {
        description = "The workflow of a release failed, timed out or was stopped, so it may have no outcome. Open the failed execution of ${var.deployer.state_machine_arn}; its error names the step. Then compare what the services run with the release (docs/runbook.md)."
        threshold   = 0
        periods     = 1
        alarm_at    = 1
        expression  = "FILL(failed, 0) + FILL(late, 0) + FILL(stopped, 0)"
        queries = {
          for id, metric in { failed = "ExecutionsFailed", late = "ExecutionsTimedOut", stopped = "ExecutionsAborted" } :
          id => { namespace = "AWS/States", metric = metric, stat = "Sum", dimensions = { StateMachineArn = var.deployer.state_machine_arn } }
        }
      }
    },

    {
      for application in var.deployer.applications : "${var.name}-${application}-stuck" => {
        description = "A release of ${application} ended STUCK: its rollback failed, and a service may run something that nobody approved. Open the release's last execution, then restore the service's baseline by hand (docs/runbook.md)."
        threshold   = 0
        periods     = 1
        alarm_at    = 1
        metric      = { namespace = "Slipway", metric = "ReleaseEnded", stat = "Sum", dimensions = { Application = application, Outcome = "STUCK" } }
      }
    },

    {
      for function, name in var.deployer.function_names : "${var.name}-${function}-errors" => {
        description = "The function ${name} fails. Look at its log /aws/lambda/${name}: a failure is one line of JSON with its causes. Releases wait or retry meanwhile; nothing is lost that is not in its dead-letter queue."
        threshold   = 0

        # The reconciler comes minutes apart, and so do its failures.
        periods  = function == "reconcile" ? 15 : 3
        alarm_at = 2

        metric = { namespace = "AWS/Lambda", metric = "Errors", stat = "Sum", dimensions = { FunctionName = name } }
      }
    },

    {
      for origin, name in var.deployer.dead_letter_names : "${var.name}-${origin}-dead-letters" => {
        description = "Something could not be handed to ${origin} and lies in the queue ${name}, for fourteen days. Read the message (aws sqs receive-message), repair the cause, then hand it over again: slipway redrive ${name} (docs/runbook.md)."
        threshold   = 0
        periods     = 1
        alarm_at    = 1
        metric      = { namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum", dimensions = { QueueName = name } }
      }
    },

    {
      for use, name in var.deployer.topic_names : "${var.name}-${use}-undelivered" => {
        description = "SNS gave up a message of the topic ${name}: somebody was not ${use == "approvals" ? "asked" : "notified"}. Look whether the addresses are right and their subscriptions confirmed (aws sns list-subscriptions-by-topic); what was not delivered is in the table (docs/runbook.md)."
        threshold   = 0
        periods     = 1
        alarm_at    = 1
        metric      = { namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = name } }
      }
    },

    # By a name that is known before anything is made.
    !contains(keys(var.deployer.function_names), "serve-console") ? {} : {
      "${var.name}-console-refused" = {
        description = "The console refuses more than one request a second: pages without a session (401), paths that IAM does not allow (403), or more requests than it takes (429). Somebody guesses, or floods it. The access log /aws/apigateway/${var.name}-console has routes and answers; releases and slipway's other commands go on (docs/runbook.md)."
        threshold   = 60
        periods     = 3
        alarm_at    = 2
        metric      = { namespace = "AWS/ApiGateway", metric = "4xx", stat = "Sum", dimensions = { ApiId = var.deployer.console_api_id } }
      }

      "${var.name}-console-failed" = {
        description = "The console answers with errors of its own. Look at the logs /aws/lambda/${var.deployer.function_names["serve-console"]} and /aws/lambda/${var.deployer.function_names["operate-releases"]}; if nothing is there, the function was throttled: see the alarm ${var.name}-console-throttled. Use slipway's other commands meanwhile (docs/runbook.md)."
        threshold   = 0
        periods     = 3
        alarm_at    = 2
        metric      = { namespace = "AWS/ApiGateway", metric = "5xx", stat = "Sum", dimensions = { ApiId = var.deployer.console_api_id } }
      }

      "${var.name}-console-throttled" = {
        description = "Lambda throttles the function behind the console: more requests at the same moment than console_concurrency, or than the account has left. Look at the alarms ${var.name}-console-flooded and ${var.name}-console-refused first; without a flood, raise console_concurrency (docs/runbook.md)."
        threshold   = 0
        periods     = 3
        alarm_at    = 2
        metric      = { namespace = "AWS/Lambda", metric = "Throttles", stat = "Sum", dimensions = { FunctionName = var.deployer.function_names["serve-console"] } }
      }

      "${var.name}-console-flooded" = {
        description = "The console gets more than twenty requests a second, for three minutes: more than open pages send. Each million of requests costs about two dollars; what has the shape of a session's secret has the operators' API asked besides (docs/runbook.md)."
        threshold   = 1200
        periods     = 3
        alarm_at    = 3
        metric      = { namespace = "AWS/ApiGateway", metric = "Count", stat = "Sum", dimensions = { ApiId = var.deployer.console_api_id } }
      }
    },

    {
      "${var.name}-page-refused" = {
        description = "The approval page refuses more than one request a second: altered or unknown links (404), or more requests than it takes (429). Somebody guesses, or floods it; approvers get in while others stay below the limit. The access log /aws/apigateway/${var.name}-approvals has routes and answers (docs/runbook.md)."
        threshold   = 60
        periods     = 3
        alarm_at    = 2
        metric      = { namespace = "AWS/ApiGateway", metric = "4xx", stat = "Sum", dimensions = { ApiId = var.deployer.approval_api_id } }
      }

      "${var.name}-page-failed" = {
        description = "The approval page answers with errors of its own, so approvers may not get in. Look at the log /aws/lambda/${var.deployer.function_names["decide-approval"]}; if nothing is there, the function was throttled: see the alarm ${var.name}-page-throttled. An approval that nobody can give expires (docs/runbook.md)."
        threshold   = 0
        periods     = 3
        alarm_at    = 2
        metric      = { namespace = "AWS/ApiGateway", metric = "5xx", stat = "Sum", dimensions = { ApiId = var.deployer.approval_api_id } }
      }

      "${var.name}-page-throttled" = {
        description = "Lambda throttles the function behind the approval page: more requests at the same moment than approval_concurrency, or than the account has left. Look at the alarms ${var.name}-page-flooded and ${var.name}-page-refused first; without a flood, raise approval_concurrency (docs/runbook.md)."
        threshold   = 0
        periods     = 3
        alarm_at    = 2
        metric      = { namespace = "AWS/Lambda", metric = "Throttles", stat = "Sum", dimensions = { FunctionName = var.deployer.function_names["decide-approval"] } }
      }

      "${var.name}-page-flooded" = {
        description = "The approval page gets more than twenty requests a second, for three minutes: more than people send. Below its limit everybody gets an answer, and each million of requests costs about two dollars. What tells clients apart, such as CloudFront with AWS WAF, can stand before the page's own name (docs/runbook.md)."
        threshold   = 1200
        periods     = 3
        alarm_at    = 3
        metric      = { namespace = "AWS/ApiGateway", metric = "Count", stat = "Sum", dimensions = { ApiId = var.deployer.approval_api_id } }
      }

      "${var.name}-foreign-subscription" = {
        description = "The approvals' topic has a subscriber who is no approver, and would get every link: nobody is asked meanwhile. Find out who subscribed it (CloudTrail, Subscribe), then remove it: aws sns list-subscriptions-by-topic, aws sns unsubscribe (docs/runbook.md)."
        threshold   = 0
        periods     = 1
        alarm_at    = 1
        metric      = { namespace = "Slipway", metric = "ForeignSubscription", stat = "Sum", dimensions = {} }
      }

      "${var.name}-approver-unreachable" = {
        description = "SNS has no confirmed subscription of an approver: they are not asked. The log of ${var.deployer.function_names["reconcile"]} and the notification name them; subscribe them again with terraform apply, and have them confirm (docs/runbook.md)."
        threshold   = 0
        periods     = 3
        alarm_at    = 3
        period      = var.deployer.reconcile_minutes * 60
        metric      = { namespace = "Slipway", metric = "ApproverUnreachable", stat = "Sum", dimensions = {} }
      }

      "${var.name}-changes-late" = {
        description = "Changes of the table (decisions, aborts, pushes) reach the functions more than a minute late: a step waits for the reconciler instead. Look at the log /aws/lambda/${var.deployer.function_names["resume-release"]} for a change that fails again and again (docs/runbook.md)."
        threshold   = 60000
        periods     = 3
        alarm_at    = 3
        metric      = { namespace = "AWS/Lambda", metric = "IteratorAge", stat = "Maximum", dimensions = { FunctionName = var.deployer.function_names["resume-release"] } }
      }

      "${var.name}-no-reconciliation" = {
        description = "Nothing has reconciled for ${local.reconcile_window_minutes} minutes: what is lost now stays lost. Look whether the schedule ${var.name}-reconcile is enabled, then at the queue ${var.deployer.dead_letter_names["schedule"]}. Reconcile by hand: aws lambda invoke --function-name ${var.deployer.function_names["reconcile"]} /dev/stdout. After the first apply it fires once, until the first reconciliation."
        threshold   = 1
        comparison  = "LessThanThreshold"
        periods     = 1
        alarm_at    = 1
        period      = local.reconcile_window_minutes * 60
        metric      = { namespace = "AWS/Lambda", metric = "Invocations", stat = "Sum", dimensions = { FunctionName = var.deployer.function_names["reconcile"] } }

        # No measurement means that it was not invoked.
        missing = "breaching"
      }
    },
  )

  alarms = { for name, alarm in merge(local.balanced_alarms, local.service_alarms, local.database_alarms, local.deployer_alarms) : name => alarm }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = each.key
  alarm_description   = each.value.description
  comparison_operator = try(each.value.comparison, "GreaterThanThreshold")
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.alarm_at
  treat_missing_data  = try(each.value.missing, "notBreaching")
  alarm_actions       = [var.topic_arn]

  # One metric, as it is.
  namespace   = try(each.value.metric.namespace, null)
  metric_name = try(each.value.metric.metric, null)
  dimensions  = try(each.value.metric.dimensions, null)
  period      = try(each.value.metric, null) == null ? null : try(each.value.period, 60)

  statistic          = try(each.value.metric.stat, "p") == "p99" ? null : try(each.value.metric.stat, null)
  extended_statistic = try(each.value.metric.stat, "") == "p99" ? "p99" : null

  # Several metrics, as one number.
  dynamic "metric_query" {
    for_each = try({ result = each.value.expression }, {})

    content {
      id          = metric_query.key
      expression  = metric_query.value
      label       = each.key
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = try(each.value.queries, {})

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = 60
      }
    }
  }
}
