output "approval_url" {
  description = "The address that approval links begin with"
  value       = module.approval.url
}

output "operators_api" {
  description = "The operators' API: its address, what a permission for one path begins with, and the policies for operators"
  value       = { url = module.operators.url, execution_arn = module.operators.execution_arn, policy_arns = module.operators.policy_arns }
}

output "console_url" {
  description = "The console's address, which `slipway console` opens"
  value       = module.console.url
}

output "approval_domain_target" {
  description = "The name of API Gateway's that the approval page's own name is an alias of; null without one"
  value       = module.approval.domain_target
}

output "approval_api_id" {
  description = "The approval page's HTTP API, as CloudWatch's metrics name it"
  value       = module.approval.api_id
}

output "console_api_id" {
  description = "The console's HTTP API, as CloudWatch's metrics name it"
  value       = module.console.api_id
}

output "approval_topic_arn" {
  description = "The topic that asks approvers"
  value       = module.approval.topic_arn
}

output "notification_topic_arn" {
  description = "The topic that notifies people of how releases end; alarms may publish to it"
  value       = aws_sns_topic.notifications.arn
}

output "chat_topic_arn" {
  description = "The topic with messages for Amazon Q Developer in chat applications"
  value       = aws_sns_topic.chats.arn
}

output "architecture" {
  description = "The processor of the functions: arm64 or x86_64"
  value       = local.architecture

  precondition {
    condition     = local.bundle_architecture == null || local.bundle_architecture == local.architecture
    error_message = "The packages in ${local.packages} are for another processor than architecture says: leave architecture out, or download the bundle for ${local.architecture}."
  }
}

output "state_machine_arn" {
  description = "The workflow's ARN"
  value       = aws_sfn_state_machine.release.arn
}

output "table_name" {
  description = "The table's name"
  value       = aws_dynamodb_table.this.name
}

output "function_names" {
  description = "The functions' full names, by function"
  value       = { for function, made in module.function : function => made.name }
}

output "rule_names" {
  description = "The EventBridge rules' full names, by rule"
  value       = { for rule, made in aws_cloudwatch_event_rule.this : rule => made.name }
}

output "dead_letter_urls" {
  description = "The dead-letter queues' URLs, by function or rule; schedule's is that of the reconciler's schedule"
  value = merge(
    { for function, made in module.function : function => made.dead_letters_url },
    { for rule, made in aws_sqs_queue.rule_dead_letters : rule => made.url },
    { schedule = aws_sqs_queue.schedule_dead_letters.url },
  )
}

output "dead_letter_names" {
  description = "The dead-letter queues' names, by function or rule; schedule's is that of the reconciler's schedule"
  value = merge(
    { for function, made in module.function : function => made.dead_letters_name },
    { for rule, made in aws_sqs_queue.rule_dead_letters : rule => made.name },
    { schedule = aws_sqs_queue.schedule_dead_letters.name },
  )
}

output "topic_names" {
  description = "The topics' names: approvals for requests to approvers, notifications for mails, chats for chats"
  value       = { approvals = module.approval.topic_name, notifications = aws_sns_topic.notifications.name, chats = aws_sns_topic.chats.name }
}

output "reconcile_minutes" {
  description = "How many minutes the reconciliations are apart"
  value       = local.reconcile_minutes
}
