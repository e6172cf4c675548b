# A service of a stage: the rules that matter.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  prefix                      = "slipway"
  name                        = "web"
  cluster                     = "production"
  cluster_arn                 = "arn:aws:ecs:eu-central-1:123456789012:cluster/production"
  vpc_id                      = "vpc-1"
  public_subnet_ids           = ["subnet-1", "subnet-2"]
  private_subnet_ids          = ["subnet-3", "subnet-4"]
  endpoints_security_group_id = "sg-1"
  s3_prefix_list_id           = "pl-1"
  repository_url              = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/web"
  repository_arn              = "arn:aws:ecr:eu-central-1:123456789012:repository/web"
  health_check_path           = "/health"
  architecture                = "arm64"
  log_retention_days          = 30
  deletion_protection         = true
}

run "tasks_are_private_and_releases_own_what_they_change" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition     = !one(aws_ecs_service.this.network_configuration).assign_public_ip
    error_message = "No task has a public address."
  }

  assert {
    condition     = aws_ecs_service.this.desired_count == 0
    error_message = "The first release starts the service."
  }

  assert {
    condition     = one(aws_ecs_service.this.deployment_circuit_breaker).enable && one(aws_ecs_service.this.deployment_circuit_breaker).rollback
    error_message = "ECS rolls back by itself when Slipway cannot."
  }

  assert {
    condition     = aws_ecs_task_definition.template.family == "production-web-template"
    error_message = "The template has its own family."
  }

  # The root writes these names out for the deployer's policies.
  assert {
    condition     = aws_iam_role.execution.name == "slipway-production-web-execution" && aws_iam_role.task.name == "slipway-production-web-task"
    error_message = "The roles are named as the root names them in task_role_arns."
  }

  # Every egress and ingress rule but the load balancer's own names a group or a prefix list.
  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks_from_load_balancer.cidr_ipv4 == null && aws_vpc_security_group_egress_rule.tasks_to_endpoints.cidr_ipv4 == null && aws_vpc_security_group_egress_rule.tasks_to_s3.cidr_ipv4 == null
    error_message = "Tasks reach and are reached by groups and endpoints, never addresses."
  }
}

run "memory_that_does_not_go_with_the_cpu_is_refused" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    cpu_units  = 256
    memory_mib = 4096
  }

  expect_failures = [var.memory_mib]
}

run "a_name_that_a_load_balancer_cannot_have_is_refused" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    name = "a-service-with-a-name-that-is-too-long"
  }

  expect_failures = [var.name]
}
