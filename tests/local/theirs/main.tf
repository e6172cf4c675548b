# What a team has before it knows Slipway: an application on ECS, with staging and production, of every kind of service
# that is released as it is. `cargo local adopt` applies it to the local cloud, and plans it again once Slipway has released.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "image" {
  description = "What the services run, with its tag"
  type        = string
}

variable "deployer" {
  description = "The name of the deployer that may change the services; null before there is one"
  type        = string
  default     = null
}

locals {
  stages = toset(["staging", "production"])

  # The containers' port, where one is asked.
  port = 8080

  services = {
    # A public load balancer asks it by its default rule.
    web = { groups = ["web"] }
    # A rule of the same load balancer asks it.
    tenant = { groups = ["tenant"] }
    # An internal load balancer asks it.
    inside = { groups = ["inside"] }
    # A network load balancer opens connections to it.
    stream = { groups = ["stream"] }
    # Two listeners ask it.
    double = { groups = ["first", "second"] }
    # Nobody asks it; it runs on spare capacity.
    worker = { groups = [], spot = true }
    # Two containers of the same repository.
    sidecar = { groups = [], containers = ["app", "helper"] }
    # Other services find it by Service Connect.
    mesh = { groups = [], connect = true }
  }

  groups = {
    web    = {}
    tenant = { path = "/version" }
    inside = {}
    stream = { protocol = "TCP" }
    first  = {}
    second = {}
  }

  balancers = {
    public  = {}
    inside  = { internal = true }
    network = { type = "network" }
  }

  # The port of each listener, by its target group.
  listeners = {
    web    = { balancer = "public", port = 80 }
    inside = { balancer = "inside", port = 80 }
    first  = { balancer = "inside", port = 8081 }
    second = { balancer = "inside", port = 8082 }
    stream = { balancer = "network", port = 80 }
  }

  # What is made in each stage, by stage/name.
  in_stage = {
    services  = merge([for stage in local.stages : { for name, one in local.services : "${stage}/${name}" => merge({ stage = stage, name = name, spot = false, connect = false, containers = ["app"] }, one) }]...)
    groups    = merge([for stage in local.stages : { for name, one in local.groups : "${stage}/${name}" => merge({ stage = stage, name = name, protocol = "HTTP", path = "/health" }, one) }]...)
    balancers = merge([for stage in local.stages : { for name, one in local.balancers : "${stage}/${name}" => merge({ stage = stage, name = name, internal = false, type = "application" }, one) }]...)
    listeners = merge([for stage in local.stages : { for name, one in local.listeners : "${stage}/${name}" => merge({ stage = stage, name = name }, one) }]...)
  }

  tags = var.deployer == null ? {} : { "slipway:deployer" = var.deployer }
}

resource "aws_vpc" "this" {
  cidr_block = "10.60.0.0/16"
}

resource "aws_subnet" "this" {
  for_each = { a = 0, b = 1 }

  vpc_id            = aws_vpc.this.id
  availability_zone = "us-east-1${each.key}"
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, each.value)
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_security_group" "this" {
  name   = "orders"
  vpc_id = aws_vpc.this.id
}

resource "aws_lb" "this" {
  for_each = local.in_stage.balancers

  name               = "orders-${each.value.stage}-${each.value.name}"
  load_balancer_type = each.value.type
  internal           = each.value.internal
  subnets            = [for subnet in aws_subnet.this : subnet.id]
  security_groups    = [aws_security_group.this.id]

  depends_on = [aws_internet_gateway.this]
}

resource "aws_lb_target_group" "this" {
  for_each = local.in_stage.groups

  name                 = "orders-${each.value.stage}-${each.value.name}"
  vpc_id               = aws_vpc.this.id
  target_type          = "ip"
  protocol             = each.value.protocol
  port                 = local.port
  deregistration_delay = 5

  health_check {
    protocol = each.value.protocol
    path     = each.value.protocol == "HTTP" ? each.value.path : null
    matcher  = each.value.protocol == "HTTP" ? "200" : null
    interval = 5
    timeout  = 2
  }
}

resource "aws_lb_listener" "this" {
  for_each = local.in_stage.listeners

  load_balancer_arn = aws_lb.this["${each.value.stage}/${each.value.balancer}"].arn
  protocol          = each.value.balancer == "network" ? "TCP" : "HTTP"
  port              = each.value.port

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["${each.value.stage}/${each.value.name}"].arn
  }
}

resource "aws_lb_listener_rule" "tenant" {
  for_each = local.stages

  listener_arn = aws_lb_listener.this["${each.key}/web"].arn
  priority     = 10

  condition {
    path_pattern {
      values = ["/version"]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["${each.key}/tenant"].arn
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com", "events.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "orders-execution"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role" "task" {
  name               = "orders-task"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_service_discovery_http_namespace" "this" {
  name = "orders"
}

resource "aws_ecs_cluster" "this" {
  for_each = local.stages

  name = "orders-${each.key}"
}

# Their pipeline's own families: a service's, and that of the task that a schedule runs each night.
resource "aws_ecs_task_definition" "service" {
  for_each = local.in_stage.services

  family                   = "orders-${each.value.stage}-${each.value.name}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  container_definitions = jsonencode([for index, name in each.value.containers : {
    name         = name
    image        = var.image
    essential    = index == 0
    command      = index == 0 ? null : ["sleep", "3600"]
    environment  = [{ name = "STAGE", value = each.value.stage }]
    portMappings = index == 0 ? [{ name = "http", containerPort = local.port, protocol = "tcp" }] : []
  }])

  tags = { owner = "orders" }
}

resource "aws_ecs_task_definition" "nightly" {
  for_each = local.stages

  family                   = "orders-${each.key}-nightly"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  container_definitions = jsonencode([{
    name        = "job"
    image       = var.image
    essential   = true
    environment = [{ name = "STAGE", value = each.key }]
  }])
}

resource "aws_cloudwatch_event_rule" "nightly" {
  for_each = local.stages

  name                = "orders-${each.key}-nightly"
  schedule_expression = "cron(0 3 * * ? *)"
}

resource "aws_cloudwatch_event_target" "nightly" {
  for_each = local.stages

  rule     = aws_cloudwatch_event_rule.nightly[each.key].name
  arn      = aws_ecs_cluster.this[each.key].arn
  role_arn = aws_iam_role.execution.arn

  ecs_target {
    # The family alone: the schedule runs its newest revision.
    task_definition_arn = aws_ecs_task_definition.nightly[each.key].arn_without_revision
    launch_type         = "FARGATE"

    network_configuration {
      subnets = [for subnet in aws_subnet.this : subnet.id]
    }
  }
}

resource "aws_ecs_service" "this" {
  for_each = local.in_stage.services

  name            = each.value.name
  cluster         = aws_ecs_cluster.this[each.value.stage].arn
  task_definition = aws_ecs_task_definition.service[each.key].arn
  launch_type     = each.value.spot ? null : "FARGATE"
  desired_count   = 1
  tags            = local.tags

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = [for subnet in aws_subnet.this : subnet.id]
    security_groups = [aws_security_group.this.id]
  }

  dynamic "capacity_provider_strategy" {
    for_each = each.value.spot ? ["FARGATE_SPOT"] : []

    content {
      capacity_provider = capacity_provider_strategy.value
      weight            = 1
    }
  }

  dynamic "service_connect_configuration" {
    for_each = each.value.connect ? [aws_service_discovery_http_namespace.this.arn] : []

    content {
      enabled   = true
      namespace = service_connect_configuration.value

      service {
        port_name = "http"

        client_alias {
          dns_name = each.value.name
          port     = 80
        }
      }
    }
  }

  dynamic "load_balancer" {
    for_each = each.value.groups

    content {
      target_group_arn = aws_lb_target_group.this["${each.value.stage}/${load_balancer.value}"].arn
      container_name   = "app"
      container_port   = local.port
    }
  }

  depends_on = [aws_lb_listener.this, aws_lb_listener_rule.tenant]

  lifecycle {
    # The one change for Slipway, beside the tag; teams whose pipeline deploys have it already.
    ignore_changes = [task_definition]
  }
}

output "services" {
  description = "Each service, by stage/name, with the family that their pipeline registers"
  value       = { for place, one in aws_ecs_task_definition.service : place => one.family }
}
