# A service of a stage: the rules that matter.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

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
  gateway_prefix_list_ids     = { s3 = "pl-1", dynamodb = "pl-2" }
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
    condition     = aws_iam_role.execution.path == "/slipway/" && aws_iam_role.task.path == "/slipway/"
    error_message = "The roles lie where the root's task_role_arns lets a release pass them on."
  }

  assert {
    condition     = aws_ecs_service.this.tags["slipway:deployer"] == "slipway" && aws_cloudwatch_log_group.this.tags["slipway:deployer"] == "slipway"
    error_message = "The functions may change services and read logs with their deployer's tag, and no others."
  }

  # Every rule but the load balancer's own door names a group or a prefix list.
  assert {
    condition = alltrue([
      for rule in concat(
        values(aws_vpc_security_group_ingress_rule.tasks_from_load_balancer), values(aws_vpc_security_group_egress_rule.load_balancer_to_tasks),
        values(aws_vpc_security_group_egress_rule.tasks_to_endpoints), values(aws_vpc_security_group_egress_rule.tasks_to_gateways),
        values(aws_vpc_security_group_ingress_rule.endpoints_from_tasks), values(aws_vpc_security_group_egress_rule.tasks_to_internet),
        values(aws_vpc_security_group_egress_rule.tasks_to_database), values(aws_vpc_security_group_ingress_rule.database_from_tasks),
      ) : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.description != null
    ])
    error_message = "Tasks reach and are reached by groups and endpoints, never addresses, and each rule says why."
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.load_balancer_from_internet)) == toset(["HTTP"])
    error_message = "The internet reaches the load balancer alone, on HTTP without a certificate."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.template.container_definitions)[0].readonlyRootFilesystem && jsondecode(aws_ecs_task_definition.template.container_definitions)[0].mountPoints == [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    error_message = "The file system cannot be written to, besides /tmp."
  }

  assert {
    condition     = !aws_ecs_service.this.enable_execute_command && aws_lb.this["this"].drop_invalid_header_fields && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "No shell in tasks, no odd headers, no log without an end."
  }

  assert {
    condition     = length(aws_appautoscaling_target.this) == 0
    error_message = "The number of tasks is fixed unless scaling is asked for."
  }
}

# Slipway registers the newest revision of the template with a release's image: so what Terraform writes into the
# template is what the next release brings, and Terraform itself must not bring it.
run "a_change_of_cpu_memory_or_environment_is_a_new_revision_of_the_template" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    cpu_units   = 1024
    memory_mib  = 4096
    environment = { LOG_LEVEL = "debug" }
  }

  assert {
    condition     = aws_ecs_task_definition.template.family == "production-web-template" && aws_ecs_task_definition.template.cpu == "1024" && aws_ecs_task_definition.template.memory == "4096"
    error_message = "The template has the new processor and memory."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.template.container_definitions)[0].environment, { name = "LOG_LEVEL", value = "debug" })
    error_message = "The template has the new environment."
  }
}

run "a_certificate_brings_https_and_a_redirect" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    https = { certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
  }

  assert {
    condition     = one(aws_lb_listener.http["this"].default_action).type == "redirect" && one(one(aws_lb_listener.http["this"].default_action).redirect).protocol == "HTTPS"
    error_message = "HTTP only redirects."
  }

  assert {
    condition     = aws_lb_listener.https["https"].port == 443 && startswith(aws_lb_listener.https["https"].ssl_policy, "ELBSecurityPolicy-TLS13")
    error_message = "HTTPS speaks TLS 1.2 and 1.3."
  }
}

run "tasks_reach_their_database_and_read_its_secret_by_reference" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    database = { security_group_id = "sg-database", port = 5432 }
    secrets  = { PGPASSWORD = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-1:password::" }
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.database_from_tasks["database"].security_group_id == "sg-database" && aws_vpc_security_group_ingress_rule.database_from_tasks["database"].from_port == 5432
    error_message = "The database lets the tasks in, on its port."
  }

  assert {
    condition     = local.secret_arns == ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-1"]
    error_message = "The execution role may read that one secret."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.template.container_definitions)[0].secrets == [{ name = "PGPASSWORD", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-1:password::" }]
    error_message = "The template holds a reference, not a value."
  }
}

run "secrets_under_a_customers_key_are_decrypted_for_secrets_manager_alone" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    secrets          = { TOKEN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-1" }
    secrets_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/1"]
  }

  assert {
    condition     = anytrue([for statement in data.aws_iam_policy_document.execution.statement : statement.actions == toset(["kms:Decrypt"]) && statement.resources == toset(["arn:aws:kms:eu-central-1:123456789012:key/1"]) && length(statement.condition) == 1])
    error_message = "ECS cannot start a task whose secret it cannot decrypt."
  }
}

run "an_alias_is_no_key" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    secrets_key_arns = ["alias/tokens"]
  }

  expect_failures = [var.secrets_key_arns]
}

run "with_nat_tasks_leave_to_https_only" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    egress                      = "nat"
    endpoints_security_group_id = null
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.tasks_to_internet["HTTPS"].from_port == 443 && aws_vpc_security_group_egress_rule.tasks_to_internet["HTTPS"].to_port == 443 && length(aws_vpc_security_group_egress_rule.tasks_to_endpoints) == 0
    error_message = "Tasks leave to port 443, and nothing else."
  }
}

run "scaling_follows_the_processor" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    scaling = { minimum = 2, maximum = 6 }
  }

  assert {
    condition     = one(aws_appautoscaling_policy.cpu["this"].target_tracking_scaling_policy_configuration).target_value == 60 && aws_appautoscaling_target.this["this"].resource_id == "service/production/web"
    error_message = "Target tracking at 60 % unless said otherwise."
  }
}

run "a_maximum_below_the_minimum_is_refused" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    scaling = { minimum = 4, maximum = 2 }
  }

  expect_failures = [var.scaling]
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

run "a_log_without_an_end_is_refused" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "ecs_watches_the_alarms_that_it_is_given" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    deployment_alarms = ["web-production-5xx"]
  }

  assert {
    condition     = one(aws_ecs_service.this.alarms).alarm_names == toset(["web-production-5xx"]) && one(aws_ecs_service.this.alarms).rollback
    error_message = "ECS rolls back by itself, too."
  }
}

run "a_worker_has_no_load_balancer" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    health_check_path = null
  }

  assert {
    condition     = length(aws_lb.this) == 0 && length(aws_lb_target_group.this) == 0 && length(aws_lb_listener.http) == 0 && length(aws_vpc_security_group_ingress_rule.load_balancer_from_internet) == 0
    error_message = "Nobody asks a worker."
  }

  assert {
    condition     = length(aws_ecs_service.this.load_balancer) == 0
    error_message = "Its service is registered nowhere."
  }
}

run "what_ecs_shifts_traffic_with_is_there_when_it_is_asked_for" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    traffic_shift = true
  }

  assert {
    condition     = length(aws_lb_target_group.alternate) == 1 && length(aws_lb_listener_rule.production) == 1 && length(aws_iam_role.infrastructure) == 1
    error_message = "A second target group, a rule and a role."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.infrastructure["this"].policy_arn == "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
    error_message = "The role has AWS's own policy for it."
  }

  assert {
    condition     = length(aws_ecs_service.this.deployment_circuit_breaker) == 0
    error_message = "ECS has no circuit breaker while it shifts traffic: a plan after such a release would turn it on again."
  }
}

run "without_it_there_is_nothing_of_it" {
  command = plan

  module {
    source = "./modules/service"
  }

  assert {
    condition     = length(aws_lb_target_group.alternate) == 0 && output.traffic_shift == null
    error_message = "A rolling service needs one target group."
  }
}
