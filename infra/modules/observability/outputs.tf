output "dashboard_names" {
  description = "The dashboards: <name>-<application> for each application, <name> for the deployer"
  value       = [for dashboard in aws_cloudwatch_dashboard.this : dashboard.dashboard_name]
}

output "alarm_names" {
  description = "The alarms: <service>-<cluster>-5xx, -latency, -unhealthy, -cpu and -memory for each service, of which a stage's bake can name those that matter to it, and those of databases and the deployer"
  value       = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name]
}
