# One application with two stages in one small cluster, to try Slipway with: the smallest bill, and nothing that
# `terraform destroy` leaves behind. It is no pattern for production: tasks have public addresses, there is no HTTPS, no
# alarm and no dashboard, and whatever it holds is deleted with it.

provider "aws" {
  default_tags {
    tags = { "slipway:environment" = var.name }
  }
}

data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:Only the first two are taken, and a new zone has a later letter

  state = "available"

  # No local or wavelength zones: those do not have everything.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  # The port of the load balancer that leads to each stage. One load balancer for both costs half.
  ports = { staging = 8080, production = 80 }

  # A load balancer needs two zones.
  zones = { for index, zone in slice(data.aws_availability_zones.available.names, 0, 2) : zone => cidrsubnet("10.40.0.0/24", 2, index) }

  # What lets the deployer of this name change the services and read their log.
  deployer = { "slipway:deployer" = var.name }
}

module "deployer" {
  source = "../../modules/deployer"

  name                = var.name
  packages            = var.packages
  architecture        = var.architecture
  task_role_arns      = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
  notification_emails = [var.approver]
  log_retention_days  = var.log_retention_days
  deletion_protection = false

  applications = {
    web = {
      repository = "${var.name}-web"
      tags       = ["v*"]

      stages = [
        {
          name     = "staging"
          cluster  = var.name
          services = [{ service = "web-staging", health = { path = "/health" } }]
        },
        {
          name     = "production"
          cluster  = var.name
          services = [{ service = "web-production", health = { path = "/health" } }]
          approval = { approvers = [var.approver], quorum = 1, expires_after = "24h" }
        },
      ]
    }
  }
}

module "registry" {
  source = "../../modules/registry"

  name         = "${var.name}-web"
  deployer     = var.name
  force_delete = true
}

# The network: two public subnets. A public address for each task costs less than endpoints or a NAT gateway would
# (README.md); what may come in is the load balancer's alone.

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:A trial has nothing that flow logs would be read for, and they are paid by the gigabyte

  cidr_block           = "10.40.0.0/24"
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Nobody uses the group that AWS makes with every network, so it lets nothing in or out.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-closed" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "Load balancer of the trial ${var.name}"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "tasks" {
  name        = "${var.name}-tasks"
  description = "Tasks of the trial ${var.name}"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer_from_internet" {
  #checkov:skip=CKV_AWS_260:Slipway's functions ask the application from addresses of AWS's that nobody knows before

  for_each = local.ports

  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTP to ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_egress_rule" "load_balancer_to_tasks" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Requests and health checks to the tasks"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_load_balancer" {
  security_group_id            = aws_security_group.tasks.id
  description                  = "Requests and health checks from the load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_internet" {
  security_group_id = aws_security_group.tasks.id
  description       = "HTTPS to the registry and the log"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# One load balancer, whose port says which stage is meant.

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:Access logs need a bucket, and a trial has nothing to look up in them
  #checkov:skip=CKV_AWS_150:A trial is to be deleted
  #checkov:skip=CKV2_AWS_20:Without a domain there is no certificate
  #checkov:skip=CKV2_AWS_28:A web application firewall costs more than the trial

  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = [for subnet in aws_subnet.public : subnet.id]
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = false

  # AWS makes it only where there is a way to the internet, and takes the gateway away only after it.
  depends_on = [aws_internet_gateway.this]
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:Without a domain there is no certificate

  for_each = local.ports

  name                 = "${var.name}-${each.key}"
  vpc_id               = aws_vpc.this.id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = 8080
  deregistration_delay = 5

  health_check {
    path                = "/health"
    matcher             = "200-299"
    interval            = 5
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2:Without a domain there is no certificate
  #checkov:skip=CKV_AWS_103:Without a certificate there is no TLS

  for_each = local.ports

  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTP"
  port              = each.value

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }
}

# The cluster with a service for each stage.

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:Container Insights is paid by the metric, and a trial has no dashboard

  name = var.name
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; it is deleted with the trial
  #checkov:skip=CKV_AWS_338:It is deleted with the trial

  for_each = local.ports

  name              = "/ecs/${var.name}/web-${each.key}"
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
    resources = [module.registry.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this["staging"].arn}:*", "${aws_cloudwatch_log_group.this["production"].arn}:*"]
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  path               = "/${var.name}/"
  description        = "What ECS may do to start a task of the trial ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

# The application itself may do nothing in AWS.
resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  path               = "/${var.name}/"
  description        = "What a task of the trial ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

# The template: Slipway puts the release's image in the place of `:template`, which is never pulled.
resource "aws_ecs_task_definition" "template" {
  for_each = local.ports

  family                   = "${var.name}-web-${each.key}-template"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  container_definitions = jsonencode([{
    name                   = "web"
    image                  = "${module.registry.url}:template"
    essential              = true
    environment            = [{ name = "STAGE", value = each.key }]
    portMappings           = [{ containerPort = 8080, protocol = "tcp" }]
    readonlyRootFilesystem = true

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this[each.key].name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "task"
      }
    }
  }])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = { arm64 = "ARM64", x86_64 = "X86_64" }[var.image_architecture]
  }
}

resource "aws_ecs_service" "this" {
  #checkov:skip=CKV_AWS_333:A public address costs less than endpoints or a NAT gateway; only the load balancer is let in

  for_each = local.ports

  name                              = "web-${each.key}"
  cluster                           = aws_ecs_cluster.this.arn
  task_definition                   = aws_ecs_task_definition.template[each.key].arn
  launch_type                       = "FARGATE"
  desired_count                     = 0
  enable_execute_command            = false
  health_check_grace_period_seconds = 20
  tags                              = local.deployer

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = [for subnet in aws_subnet.public : subnet.id]
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = true
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this[each.key].arn
    container_name   = "web"
    container_port   = 8080
  }

  # A target group can be given to a service only once a load balancer uses it, a task starts only once its role may pull
  # the image, and it stops (when all of this is destroyed) only while there is a way to the internet.
  depends_on = [aws_lb_listener.http, aws_iam_role_policy.execution, aws_route.internet, aws_route_table_association.public]

  lifecycle {
    # A release sets both. Terraform would restore the template, and no tasks.
    ignore_changes = [task_definition, desired_count]
  }
}
