output "arn" {
  description = "The service's ARN"
  value       = aws_ecs_service.this.arn
}

output "target_group_arns" {
  description = "Both target groups: first and second"
  value       = { for key, group in aws_lb_target_group.this : key => group.arn }
}

output "listener_rule_arn" {
  description = "The rule whose weights ECS changes"
  value       = aws_lb_listener_rule.production.arn
}

output "test_listener_rule_arn" {
  description = "The rule that leads to the new tasks before the traffic is shifted; null without one"
  value       = local.test_rule_arn
}
