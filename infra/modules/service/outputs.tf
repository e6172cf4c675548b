output "arn" {
  description = "The service's ARN"
  value       = aws_ecs_service.this.id
}

output "load_balancer_dns_name" {
  description = "The load balancer's own name in the DNS; null without one"
  value       = try(aws_lb.this["this"].dns_name, null)
}

output "load_balancer_arn" {
  description = "The load balancer's ARN; null without one"
  value       = try(aws_lb.this["this"].arn, null)
}

output "target_group_arn" {
  description = "The target group's ARN; null without one"
  value       = try(aws_lb_target_group.this["this"].arn, null)
}

output "role_arns" {
  description = "The roles of the service's tasks, which a release passes on to ECS"
  value       = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
}

output "log_group_name" {
  description = "The log group of the service's tasks"
  value       = aws_cloudwatch_log_group.this.name
}

output "tasks_security_group_id" {
  description = "The group of the tasks, for what else lets them in"
  value       = aws_security_group.tasks.id
}

output "metric_dimensions" {
  description = "How CloudWatch's metrics name the service, its load balancer and its target group; null for those without one"
  value = {
    cluster       = var.cluster
    service       = var.name
    load_balancer = try(aws_lb.this["this"].arn_suffix, null)
    target_group  = try(aws_lb_target_group.this["this"].arn_suffix, null)
  }
}

output "traffic_shift" {
  description = "What the service's load balancer is given once, by hand, so that ECS can shift traffic; null without traffic_shift"
  value = length(local.shifting) == 0 ? null : {
    targetGroupArn = aws_lb_target_group.this["this"].arn
    containerName  = var.name
    containerPort  = var.container_port

    advancedConfiguration = {
      alternateTargetGroupArn = aws_lb_target_group.alternate["this"].arn
      productionListenerRule  = aws_lb_listener_rule.production["this"].arn
      roleArn                 = aws_iam_role.infrastructure["this"].arn
    }
  }
}
