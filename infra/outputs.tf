output "approval_url" {
  description = "The address that approval links begin with"
  value       = module.deployer.approval_url
}

output "operators_api" {
  description = "The operators' API: its address, what a permission for one path begins with, and the policies for operators"
  value       = module.deployer.operators_api
}

output "console_url" {
  description = "The console's address, which `slipway console` opens"
  value       = module.deployer.console_url
}

output "approval_domain_target" {
  description = "The name of API Gateway's that the approval page's own name is an alias of; null without one"
  value       = module.deployer.approval_domain_target
}

output "state_machine_arn" {
  description = "The workflow that each release is an execution of"
  value       = module.deployer.state_machine_arn
}

output "table_name" {
  description = "The table of releases, callbacks and approvals"
  value       = module.deployer.table_name
}

output "repository_urls" {
  description = "Where images are pushed to, by application"
  value       = { for application, registry in module.registry : application => registry.url }
}

output "load_balancers" {
  description = "The load balancers' DNS names, by service-cluster, such as web-production"
  value       = { for place, service in module.service : "${local.services[place].service}-${local.services[place].cluster}" => service.load_balancer_dns_name if local.services[place].health_check_path != null }
}

output "function_names" {
  description = "The functions' full names, by function"
  value       = module.deployer.function_names
}

output "rule_names" {
  description = "The EventBridge rules' full names, by rule"
  value       = module.deployer.rule_names
}

output "dead_letter_urls" {
  description = "The dead-letter queues, by function or rule; schedule's is that of the reconciler's schedule"
  value       = module.deployer.dead_letter_urls
}

output "topic_arns" {
  description = "The topics: approvals for requests to approvers, notifications for how releases end"
  value       = { approvals = module.deployer.approval_topic_arn, notifications = module.deployer.notification_topic_arn }
}

output "databases" {
  description = "The RDS instances' identifiers, by application/stage: what a stage's snapshot gate names"
  value       = { for place, database in module.database : place => database.identifier }
}

output "dashboard_names" {
  description = "The dashboards in CloudWatch: one for each application, and one for the deployer"
  value       = module.observability.dashboard_names
}

output "alarm_names" {
  description = "The alarms in CloudWatch, of which a stage's bake can name those that matter to it"
  value       = module.observability.alarm_names
}

output "pipeline_role_arns" {
  description = "The roles that pipelines assume to push, by application"
  value       = { for application, pipeline in module.pipeline : application => pipeline.role_arn }
}

output "traffic_shifts" {
  description = "What the load balancers of services with traffic_shift are given once, by hand, by application/stage/service"
  value       = { for place, service in module.service : place => service.traffic_shift if service.traffic_shift != null }
}

output "quotas" {
  description = "How much is needed of what AWS limits and raises for whoever asks, and AWS's default: quotas.tf"
  value       = { for what, quota in local.quotas : what => "${quota.needed} of ${quota.default}" }
}
