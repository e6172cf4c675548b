output "arn" {
  description = "The service's ARN"
  value       = aws_ecs_service.this.id
}

output "load_balancer_dns_name" {
  description = "The load balancer's own name in the DNS"
  value       = aws_lb.this.dns_name
}

output "load_balancer_arn" {
  description = "The load balancer's ARN"
  value       = aws_lb.this.arn
}

output "target_group_arn" {
  description = "The target group's ARN"
  value       = aws_lb_target_group.this.arn
}

output "role_arns" {
  description = "The roles of the service's tasks, which a release passes on to ECS"
  value       = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
}

output "log_group_name" {
  description = "The log group of the service's tasks"
  value       = aws_cloudwatch_log_group.this.name
}
