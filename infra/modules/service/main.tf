data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # How ECS tells services apart, so also load balancers, target groups, families and roles.
  place = "${var.cluster}-${var.name}"

  # What lets the deployer of this name change the service and read its log.
  deployer = { "slipway:deployer" = var.prefix }

  # Volumes by name, such as tmp for /tmp and var-cache for /var/cache.
  volumes = { for path in var.writable_paths : replace(trimprefix(path, "/"), "/[^A-Za-z0-9]+/", "-") => path }

  # A secret's own ARN: without the key, stage and version that may stand behind it.
  secret_arns = [for value in values(var.secrets) : join(":", slice(split(":", value), 0, min(7, length(split(":", value)))))]

  # What there is one of or none, by a key that is known before anything is made.
  endpoints = toset(var.egress == "endpoints" ? ["endpoints"] : [])
  databases = var.database == null ? {} : { database = var.database }

  # A worker has no load balancer: nobody asks it.
  balanced = toset(var.health_check_path == null ? [] : ["this"])

  shifting = var.traffic_shift ? local.balanced : toset([])

  # The load balancer's ports. With HTTPS, HTTP is there to redirect.
  doors = length(local.balanced) == 0 ? {} : merge({ HTTP = 80 }, var.https == null ? {} : { HTTPS = 443 })

  container = merge(var.command == null ? {} : { command = var.command }, {
    name      = var.name
    image     = "${var.repository_url}:template"
    essential = true

    environment            = [for name, value in var.environment : { name = name, value = value }]
    secrets                = [for name, value in var.secrets : { name = name, valueFrom = value }]
    portMappings           = [for port in [var.container_port] : { containerPort = port, protocol = "tcp" } if length(local.balanced) > 0]
    mountPoints            = [for name, path in local.volumes : { sourceVolume = name, containerPath = path, readOnly = false }]
    readonlyRootFilesystem = var.read_only_root_filesystem

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "task"
      }
    }
  })
}

# Logs and roles.

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; who may read it is decided by IAM
  #checkov:skip=CKV_AWS_338:How long is a variable that validation keeps above 0; a year of an application's log is a choice of price

  name              = "/ecs/${var.cluster}/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = local.deployer
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "SignInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.repository_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  dynamic "statement" {
    for_each = length(var.secrets) > 0 ? { secrets = local.secret_arns } : {}

    content {
      sid       = "ReadSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = distinct(statement.value)
    }
  }

  dynamic "statement" {
    for_each = length(var.secrets_key_arns) > 0 ? { keys = var.secrets_key_arns } : {}

    content {
      sid       = "DecryptSecrets"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.prefix}-${local.place}-execution"
  path               = "/${var.prefix}/"
  description        = "What ECS may do to start a task of ${var.name} in ${var.cluster}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

# The application itself may do nothing in AWS until it is given a policy.
resource "aws_iam_role" "task" {
  name               = "${var.prefix}-${local.place}-task"
  path               = "/${var.prefix}/"
  description        = "What a task of ${var.name} in ${var.cluster} may do"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

# The chain: internet, load balancer, tasks, then endpoints and database.

resource "aws_security_group" "load_balancer" {
  for_each = local.balanced

  name        = "${var.prefix}-${local.place}-load-balancer"
  description = "Load balancer of ${var.name} in ${var.cluster}"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "tasks" {
  name        = "${var.prefix}-${local.place}-tasks"
  description = "Tasks of ${var.name} in ${var.cluster}"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer_from_internet" {
  #checkov:skip=CKV_AWS_260:This is the public door of a public application; with a certificate it only redirects to HTTPS

  for_each = local.doors

  security_group_id = aws_security_group.load_balancer["this"].id
  description       = "${each.key} from the internet"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_egress_rule" "load_balancer_to_tasks" {
  for_each = local.balanced

  security_group_id            = aws_security_group.load_balancer[each.key].id
  description                  = "Requests and health checks to the tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = var.container_port
  to_port                      = var.container_port
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_load_balancer" {
  for_each = local.balanced

  security_group_id            = aws_security_group.tasks.id
  description                  = "Requests and health checks from the load balancer"
  referenced_security_group_id = aws_security_group.load_balancer[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = var.container_port
  to_port                      = var.container_port
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_endpoints" {
  for_each = local.endpoints

  security_group_id            = aws_security_group.tasks.id
  description                  = "The registry, the log and secrets, over the network's endpoints"
  referenced_security_group_id = var.endpoints_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_tasks" {
  for_each = local.endpoints

  security_group_id            = var.endpoints_security_group_id
  description                  = "Tasks of ${var.name} in ${var.cluster}"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_gateways" {
  for_each = var.gateway_prefix_list_ids

  security_group_id = aws_security_group.tasks.id
  description       = "The gateway to ${each.key}"
  prefix_list_id    = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Over NAT gateways the registry has no address or group that a rule could name.
resource "aws_vpc_security_group_egress_rule" "tasks_to_internet" {
  for_each = toset(var.egress == "nat" ? ["HTTPS"] : [])

  security_group_id = aws_security_group.tasks.id
  description       = "HTTPS to the internet, over the NAT gateways"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_database" {
  for_each = local.databases

  security_group_id            = aws_security_group.tasks.id
  description                  = "The database"
  referenced_security_group_id = each.value.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "database_from_tasks" {
  for_each = local.databases

  security_group_id            = each.value.security_group_id
  description                  = "Tasks of ${var.name} in ${var.cluster}"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

# The load balancer.

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:Access logs go to access_logs_bucket, which the root always gives
  #checkov:skip=CKV_AWS_150:Deletion protection is a variable, on unless an environment is to be thrown away
  #checkov:skip=CKV2_AWS_20:It redirects when a certificate is given; without a domain there is no certificate
  #checkov:skip=CKV2_AWS_28:A web application firewall is the application's choice, by its own rules and at its own price

  for_each = local.balanced

  name                       = "${var.name}-${var.cluster}"
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.public_subnet_ids
  security_groups            = [aws_security_group.load_balancer[each.key].id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  dynamic "access_logs" {
    for_each = var.access_logs_bucket == null ? [] : [var.access_logs_bucket]

    content {
      enabled = true
      bucket  = access_logs.value
      prefix  = local.place
    }
  }
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it the way goes through private subnets and named groups only

  for_each = local.balanced

  name                 = "${var.name}-${var.cluster}"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.container_port
  deregistration_delay = var.deregistration_delay_seconds

  health_check {
    path                = var.health_check_path
    matcher             = "200-299"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:It redirects to HTTPS when a certificate is given; without a domain there is no certificate
  #checkov:skip=CKV_AWS_103:The HTTPS listener beside it has the TLS policy

  for_each = local.balanced

  load_balancer_arn = aws_lb.this[each.key].arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type             = var.https == null ? "forward" : "redirect"
    target_group_arn = var.https == null ? aws_lb_target_group.this[each.key].arn : null

    dynamic "redirect" {
      for_each = var.https == null ? [] : [443]

      content {
        protocol    = "HTTPS"
        port        = redirect.value
        status_code = "HTTP_301"
      }
    }
  }
}

resource "aws_lb_listener" "https" {
  for_each = var.https == null || length(local.balanced) == 0 ? {} : { https = var.https }

  load_balancer_arn = aws_lb.this["this"].arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = each.value.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["this"].arn
  }
}

# What ECS shifts traffic with: a second target group, a rule whose weights it changes, and a role for that. Provider 5
# has no field of the service for them (README.md, "Traffic shifts").

resource "aws_lb_target_group" "alternate" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it the way goes through private subnets and named groups only

  for_each = local.shifting

  name                 = "${substr("${var.name}-${var.cluster}", 0, 28)}-alt"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.container_port
  deregistration_delay = var.deregistration_delay_seconds

  health_check {
    path                = var.health_check_path
    matcher             = "200-299"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener_rule" "production" {
  for_each = local.shifting

  listener_arn = var.https == null ? aws_lb_listener.http[each.key].arn : aws_lb_listener.https["https"].arn
  priority     = 1

  condition {
    path_pattern {
      values = ["/*"]
    }
  }

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.this[each.key].arn
        weight = 100
      }

      target_group {
        arn    = aws_lb_target_group.alternate[each.key].arn
        weight = 0
      }
    }
  }

  lifecycle {
    # ECS changes the weights.
    ignore_changes = [action]
  }
}

data "aws_iam_policy_document" "infrastructure_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "infrastructure" {
  for_each = local.shifting

  name               = "${var.prefix}-${local.place}-infrastructure"
  description        = "What ECS may do to shift the traffic of ${var.name} in ${var.cluster}"
  assume_role_policy = data.aws_iam_policy_document.infrastructure_trust.json
}

resource "aws_iam_role_policy_attachment" "infrastructure" {
  for_each = local.shifting

  role       = aws_iam_role.infrastructure[each.key].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
}

# The service. Terraform owns the template; Slipway copies its newest revision into the family without the suffix,
# with the release's image in the place of `:template`, and gives that to the service.

resource "aws_ecs_task_definition" "template" {
  family                   = "${local.place}-template"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu_units
  memory                   = var.memory_mib
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.container])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = { arm64 = "ARM64", x86_64 = "X86_64" }[var.architecture]
  }

  dynamic "volume" {
    for_each = local.volumes

    content {
      name = volume.key
    }
  }
}

resource "aws_ecs_service" "this" {
  name                              = var.name
  cluster                           = var.cluster_arn
  task_definition                   = aws_ecs_task_definition.template.arn
  launch_type                       = "FARGATE"
  desired_count                     = 0
  enable_execute_command            = false
  health_check_grace_period_seconds = length(local.balanced) == 0 ? null : var.health_check_grace_period_seconds
  tags                              = local.deployer

  # ECS has it for rolling updates only: a release that shifts traffic turns it off, and the next plan would turn it on.
  # A release with ROLLING turns it on.
  dynamic "deployment_circuit_breaker" {
    for_each = length(local.shifting) == 0 ? ["this"] : []

    content {
      enable   = true
      rollback = true
    }
  }

  # ECS watches these itself while it deploys and bakes, and rolls back when one fires; Slipway notices that it did. ECS
  # ignores them where one is already in ALARM when the deployment begins: Slipway does not begin then.
  dynamic "alarms" {
    for_each = length(var.deployment_alarms) > 0 ? [var.deployment_alarms] : []

    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = aws_lb_target_group.this

    content {
      target_group_arn = load_balancer.value.arn
      container_name   = var.name
      container_port   = var.container_port
    }
  }

  # A target group can be given to a service only once a load balancer uses it, and a task starts only once its
  # role may pull the image.
  depends_on = [aws_lb_listener.http, aws_lb_listener.https, aws_iam_role_policy.execution]

  lifecycle {
    # A release sets both. Terraform would restore the template, and no tasks.
    ignore_changes = [task_definition, desired_count]
  }
}

# The number of tasks, where it follows the load. A release leaves a number alone that is above 0.

resource "aws_appautoscaling_target" "this" {
  for_each = var.scaling == null ? {} : { this = var.scaling }

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster}/${aws_ecs_service.this.name}"
  min_capacity       = each.value.minimum
  max_capacity       = each.value.maximum
}

resource "aws_appautoscaling_policy" "cpu" {
  for_each = aws_appautoscaling_target.this

  name               = "${local.place}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = each.value.service_namespace
  scalable_dimension = each.value.scalable_dimension
  resource_id        = each.value.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.scaling.cpu_percent
    scale_in_cooldown  = 300
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

# There was always a load balancer before workers.

moved {
  from = aws_security_group.load_balancer
  to   = aws_security_group.load_balancer["this"]
}

moved {
  from = aws_vpc_security_group_egress_rule.load_balancer_to_tasks
  to   = aws_vpc_security_group_egress_rule.load_balancer_to_tasks["this"]
}

moved {
  from = aws_vpc_security_group_ingress_rule.tasks_from_load_balancer
  to   = aws_vpc_security_group_ingress_rule.tasks_from_load_balancer["this"]
}

moved {
  from = aws_lb.this
  to   = aws_lb.this["this"]
}

moved {
  from = aws_lb_target_group.this
  to   = aws_lb_target_group.this["this"]
}

moved {
  from = aws_lb_listener.http
  to   = aws_lb_listener.http["this"]
}
