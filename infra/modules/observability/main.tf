data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name

  # What is asked of the services of each application, as widgets' metrics. Names are short: a legend has little room.
  services_of  = { for place, service in var.services : service.application => { place = place, name = trimprefix(place, "${service.application}/"), balanced = service.balanced, of = service.dimensions }... }
  balanced_of  = { for application, services in local.services_of : application => [for service in services : service if service.balanced] }
  databases_of = { for place, database in var.databases : database.application => { name = trimprefix(place, "${database.application}/"), of = database.identifier }... }

  outcomes = ["RELEASED", "ROLLED_BACK", "REJECTED", "EXPIRED", "SUPERSEDED", "FAILED", "STUCK"]

  # Widgets in rows of three, by application.
  application_widgets = {
    for application in var.deployer.applications : application => concat(
      [
        { title = "Requests", stat = "Sum", metrics = [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", service.of.load_balancer, { label = service.name }]] },
        { title = "4xx", stat = "Sum", metrics = [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "HTTPCode_Target_4XX_Count", "LoadBalancer", service.of.load_balancer, { label = service.name }]] },
        {
          title = "5xx", stat = "Sum",
          metrics = concat(
            [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", service.of.load_balancer, { label = "${service.name} tasks" }]],
            [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", service.of.load_balancer, { label = "${service.name} load balancer" }]],
          )
        },
        {
          title = "Latency in seconds: median and slowest hundredth", stat = "p99",
          metrics = concat(
            [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", service.of.load_balancer, { label = "${service.name} p50", stat = "p50" }]],
            [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", service.of.load_balancer, { label = "${service.name} p99", stat = "p99" }]],
          )
        },
        {
          title = "Healthy and unhealthy tasks", stat = "Maximum",
          metrics = concat(
            [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "HealthyHostCount", "TargetGroup", service.of.target_group, "LoadBalancer", service.of.load_balancer, { label = "${service.name} healthy" }]],
            [for service in lookup(local.balanced_of, application, []) : ["AWS/ApplicationELB", "UnHealthyHostCount", "TargetGroup", service.of.target_group, "LoadBalancer", service.of.load_balancer, { label = "${service.name} unhealthy" }]],
          )
        },
        {
          title = "Processor and memory in percent", stat = "Average",
          metrics = concat(
            [for service in lookup(local.services_of, application, []) : ["AWS/ECS", "CPUUtilization", "ClusterName", service.of.cluster, "ServiceName", service.of.service, { label = "${service.name} processor" }]],
            [for service in lookup(local.services_of, application, []) : ["AWS/ECS", "MemoryUtilization", "ClusterName", service.of.cluster, "ServiceName", service.of.service, { label = "${service.name} memory" }]],
          )
        },
      ],
      [for title, metric in lookup(local.databases_of, application, null) == null ? {} : {
        "Database: free storage in bytes" = { name = "FreeStorageSpace", stat = "Minimum" }
        "Database: connections"           = { name = "DatabaseConnections", stat = "Maximum" }
        "Database: processor in percent"  = { name = "CPUUtilization", stat = "Average" }
        } :
        { title = title, stat = metric.stat, metrics = [for database in local.databases_of[application] : ["AWS/RDS", metric.name, "DBInstanceIdentifier", database.of, { label = database.name }]] }
      ],
      [
        { title = "Releases by outcome", stat = "Sum", period = 86400, metrics = [for outcome in local.outcomes : ["Slipway", "ReleaseEnded", "Application", application, "Outcome", outcome, { label = outcome }]] },
        { title = "Releases started", stat = "Sum", period = 86400, metrics = [["Slipway", "ReleaseStarted", "Application", application, { label = "started" }], ["Slipway", "ApprovalRequested", "Application", application, { label = "approvals asked for" }]] },
        {
          title = "Lead time in minutes, from the push to every stage running it", stat = "Average", period = 86400,
          metrics = [
            ["Slipway", "LeadTime", "Application", application, { id = "time", visible = false }],
            [{ expression = "time / 60", label = "average" }],
          ]
        },
        {
          title = "Waiting for people, and restoring what ran before, in minutes", stat = "Average", period = 86400,
          metrics = [
            ["Slipway", "ApprovalTime", "Application", application, { id = "asked", visible = false }],
            ["Slipway", "RestoreTime", "Application", application, { id = "restored", visible = false }],
            [{ expression = "asked / 60", label = "waiting for people" }],
            [{ expression = "restored / 60", label = "restoring" }],
          ]
        },
        {
          title = "Changes that failed, in percent of those that changed something", stat = "Sum", period = 7 * 86400,
          metrics = concat(
            [for outcome in ["RELEASED", "ROLLED_BACK", "STUCK"] : ["Slipway", "ReleaseEnded", "Application", application, "Outcome", outcome, { id = lower(outcome), visible = false }]],
            [[{ expression = "100 * (FILL(rolled_back, 0) + FILL(stuck, 0)) / (FILL(released, 0) + FILL(rolled_back, 0) + FILL(stuck, 0))", label = "in a week" }]],
          )
        },
      ],
    )
  }

  deployer_widgets = [
    {
      title = "Releases: executions", stat = "Sum",
      metrics = [
        for metric, label in { ExecutionsStarted = "started", ExecutionsSucceeded = "ended with an outcome", ExecutionsFailed = "failed", ExecutionsTimedOut = "timed out", ExecutionsAborted = "stopped" } :
        ["AWS/States", metric, "StateMachineArn", var.deployer.state_machine_arn, { label = label }]
      ]
    },
    { title = "Function errors", stat = "Sum", metrics = [for function, name in var.deployer.function_names : ["AWS/Lambda", "Errors", "FunctionName", name, { label = function }]] },
    { title = "Function durations in milliseconds, slowest hundredth", stat = "p99", metrics = [for function, name in var.deployer.function_names : ["AWS/Lambda", "Duration", "FunctionName", name, { label = function }]] },
    { title = "Dead letters", stat = "Maximum", metrics = [for origin, name in var.deployer.dead_letter_names : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name, { label = origin }]] },
    { title = "Pushes ignored, by reason", stat = "Sum", metrics = [[{ expression = "SEARCH('{Slipway,Reason} MetricName=\"PushIgnored\"', 'Sum', 3600)", label = "" }]] },
    {
      title = "Approval page: requests, refused, failed, throttled", stat = "Sum",
      metrics = [
        ["AWS/ApiGateway", "Count", "ApiId", var.deployer.approval_api_id, { label = "requests" }],
        ["AWS/ApiGateway", "4xx", "ApiId", var.deployer.approval_api_id, { label = "4xx" }],
        ["AWS/ApiGateway", "5xx", "ApiId", var.deployer.approval_api_id, { label = "5xx" }],
        ["AWS/Lambda", "Throttles", "FunctionName", var.deployer.function_names["decide-approval"], { label = "throttled" }],
      ]
    },
    { title = "Decisions, and what was refused", stat = "Sum", metrics = [[{ expression = "SEARCH('{Slipway,Status} MetricName=\"Decision\"', 'Sum', 3600)", label = "" }], [{ expression = "SEARCH('{Slipway,Reason} MetricName=\"DecisionRefused\"', 'Sum', 3600)", label = "refused" }]] },
    { title = "Alarm changes, by whether a stage watches the alarm", stat = "Sum", metrics = [[{ expression = "SEARCH('{Slipway,Watched} MetricName=\"AlarmChange\"', 'Sum', 3600)", label = "" }]] },
  ]

  dashboards = merge(
    { for application, widgets in local.application_widgets : "${var.name}-${application}" => widgets },
    { (var.name) = local.deployer_widgets },
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = local.dashboards

  dashboard_name = each.key
  dashboard_body = jsonencode({
    start          = "-P7D"
    periodOverride = "inherit"

    widgets = [
      for index, widget in each.value : {
        type   = "metric"
        x      = index % 3 * 8
        y      = floor(index / 3) * 6
        width  = 8
        height = 6

        properties = {
          title   = widget.title
          region  = local.region
          view    = "timeSeries"
          stat    = widget.stat
          period  = try(widget.period, 60)
          metrics = widget.metrics
          yAxis   = { left = { min = 0 } }
        }
      } if length(widget.metrics) > 0
    ]
  })
}
