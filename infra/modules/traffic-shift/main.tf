data "aws_partition" "current" {}

locals {
  # How ECS tells services apart, so also target groups and roles.
  place = "${var.cluster}-${var.name}"

  container_name = coalesce(var.container_name, var.name)

  # Each takes the traffic when the other one has had it.
  target_groups = { first = "${var.name}-${var.cluster}", second = "${substr("${var.name}-${var.cluster}", 0, 28)}-alt" }

  tested        = toset(var.test == null ? [] : ["this"])
  test_rule_arn = var.test == null ? var.test_listener_rule_arn : aws_lb_listener_rule.test["this"].arn
  test_header   = try(var.test.header, null) == null ? [] : [var.test.header]
  pauses        = var.pause == null ? [] : [var.pause]

  canary = var.strategy.type == "CANARY" ? [var.strategy] : []
  linear = var.strategy.type == "LINEAR" ? [var.strategy] : []
}

# What ECS shifts traffic with: two target groups, a rule whose weights it changes, and a role for that.

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer

  for_each = local.target_groups

  name                 = each.value
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.container_port
  deregistration_delay = var.deregistration_delay_seconds

  health_check {
    path                = var.health_check_path
    matcher             = var.health_check_codes
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener_rule" "production" {
  listener_arn = var.listener_arn
  priority     = var.priority

  condition {
    path_pattern {
      values = var.paths
    }
  }

  dynamic "condition" {
    for_each = length(var.hosts) > 0 ? [var.hosts] : []

    content {
      host_header {
        values = condition.value
      }
    }
  }

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.this["first"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.this["second"].arn
        weight = 0
      }
    }
  }

  lifecycle {
    # ECS changes the weights.
    ignore_changes = [action]
  }
}

# Only the new tasks are behind it, from the test traffic shift on; before that, and once the deployment is over, those that serve.

resource "aws_lb_listener_rule" "test" {
  for_each = local.tested

  listener_arn = coalesce(var.test.listener_arn, var.listener_arn)
  priority     = var.test.priority

  condition {
    path_pattern {
      values = var.paths
    }
  }

  dynamic "condition" {
    for_each = length(var.hosts) > 0 ? [var.hosts] : []

    content {
      host_header {
        values = condition.value
      }
    }
  }

  dynamic "condition" {
    for_each = local.test_header

    content {
      http_header {
        http_header_name = condition.value.name
        values           = [condition.value.value]
      }
    }
  }

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.this["first"].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.this["second"].arn
        weight = 0
      }
    }
  }

  # On the same listener it must never be the only rule that matches.
  depends_on = [aws_lb_listener_rule.production]

  lifecycle {
    # ECS changes the weights.
    ignore_changes = [action]
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "infrastructure" {
  name               = "${var.prefix}-${local.place}-infrastructure"
  description        = "What ECS may do to shift the traffic of ${var.name} in ${var.cluster}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy_attachment" "infrastructure" {
  role       = aws_iam_role.infrastructure.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
}

# The service. It has no circuit breaker, which ECS has for rolling updates only ("DeploymentCircuitBreaker", Amazon ECS
# API reference): with one here, the first plan after a release would turn it on again.

resource "aws_ecs_service" "this" {
  #checkov:skip=CKV_AWS_333:Whether tasks have public addresses is a variable, off unless they are asked for

  name                              = var.name
  cluster                           = var.cluster_arn
  task_definition                   = var.task_definition_arn
  launch_type                       = "FARGATE"
  desired_count                     = 0
  enable_execute_command            = false
  health_check_grace_period_seconds = var.health_check_grace_period_seconds
  tags                              = { "slipway:deployer" = var.prefix }

  deployment_configuration {
    strategy             = var.strategy.type
    bake_time_in_minutes = var.strategy.bake_minutes

    dynamic "canary_configuration" {
      for_each = local.canary

      content {
        canary_percent              = canary_configuration.value.percent
        canary_bake_time_in_minutes = canary_configuration.value.step_bake_minutes
      }
    }

    dynamic "linear_configuration" {
      for_each = local.linear

      content {
        step_percent              = linear_configuration.value.percent
        step_bake_time_in_minutes = linear_configuration.value.step_bake_minutes
      }
    }

    # Functions that ECS asks on the way: one that does not succeed has ECS roll the deployment back.
    dynamic "lifecycle_hook" {
      for_each = var.hooks

      content {
        hook_target_arn  = lifecycle_hook.value.function_arn
        role_arn         = lifecycle_hook.value.role_arn
        lifecycle_stages = lifecycle_hook.value.stages
      }
    }

    dynamic "lifecycle_hook" {
      for_each = local.pauses

      content {
        target_type      = "PAUSE"
        lifecycle_stages = lifecycle_hook.value.stages

        timeout_configuration {
          timeout_in_minutes = lifecycle_hook.value.timeout_minutes
          action             = "ROLLBACK"
        }
      }
    }
  }

  # ECS watches these itself while it deploys and bakes, and rolls back when one fires; Slipway notices that it did.
  dynamic "alarms" {
    for_each = length(var.deployment_alarms) > 0 ? [var.deployment_alarms] : []

    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this["first"].arn
    container_name   = local.container_name
    container_port   = var.container_port

    advanced_configuration {
      alternate_target_group_arn = aws_lb_target_group.this["second"].arn
      production_listener_rule   = aws_lb_listener_rule.production.arn
      test_listener_rule         = local.test_rule_arn
      role_arn                   = aws_iam_role.infrastructure.arn
    }
  }

  # ECS asks for the role's rights when the service is made.
  depends_on = [aws_iam_role_policy_attachment.infrastructure]

  lifecycle {
    # A release sets both. Terraform would restore the template, and no tasks.
    ignore_changes = [task_definition, desired_count]
  }
}
