# The whole of Slipway: the environment that the applications run in, and the deployer beside it. Credentials and
# region come from the usual environment (AWS_PROFILE, AWS_REGION …).

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_availability_zones" "available" {
  state = "available"

  # No local or wavelength zones: those do not have everything.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

module "applications" {
  source = "./modules/applications"

  applications = var.applications
}

locals {
  applications = module.applications.applications

  # Each ECS service of each stage, by application/stage/service.
  services = merge([
    for application_name, application in local.applications : merge([
      for stage in application.stages : {
        for service in stage.services : "${application_name}/${stage.name}/${service.service}" => {
          application       = application_name
          cluster           = stage.cluster
          service           = service.service
          health_check_path = service.health.path
        }
      }
    ]...)
  ]...)

  # Written out as module.service names them: taken from the module they would make every function wait until the
  # load balancers are there, which takes a minute.
  task_role_arns = flatten([
    for service in local.services : [
      for role in ["execution", "task"] :
      "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}-${service.cluster}-${service.service}-${role}"
    ]
  ])
}

module "network" {
  source = "./modules/network"

  name               = var.name
  cidr_block         = var.cidr_block
  availability_zones = coalescelist(var.availability_zones, slice(data.aws_availability_zones.available.names, 0, 2))
}

module "registry" {
  source   = "./modules/registry"
  for_each = local.applications

  name         = each.value.repository
  force_delete = !var.deletion_protection
}

# Stages of several applications may share a cluster, so it is nobody's but the root's.
resource "aws_ecs_cluster" "this" {
  for_each = toset([for service in local.services : service.cluster])

  name = each.key
}

module "service" {
  source   = "./modules/service"
  for_each = local.services

  prefix                            = var.name
  name                              = each.value.service
  cluster                           = each.value.cluster
  cluster_arn                       = aws_ecs_cluster.this[each.value.cluster].arn
  vpc_id                            = module.network.vpc_id
  public_subnet_ids                 = module.network.public_subnet_ids
  private_subnet_ids                = module.network.private_subnet_ids
  endpoints_security_group_id       = module.network.endpoints_security_group_id
  s3_prefix_list_id                 = module.network.s3_prefix_list_id
  repository_url                    = module.registry[each.value.application].url
  repository_arn                    = module.registry[each.value.application].arn
  health_check_path                 = each.value.health_check_path
  container_port                    = try(var.services[each.key].container_port, 8080)
  cpu_units                         = try(var.services[each.key].cpu_units, 256)
  memory_mib                        = try(var.services[each.key].memory_mib, 512)
  architecture                      = coalesce(try(var.services[each.key].architecture, null), var.architecture)
  environment                       = try(var.services[each.key].environment, {})
  health_check_grace_period_seconds = try(var.services[each.key].health_check_grace_period_seconds, 30)
  deregistration_delay_seconds      = try(var.services[each.key].deregistration_delay_seconds, 15)
  log_retention_days                = var.log_retention_days
  deletion_protection               = var.deletion_protection
}

module "deployer" {
  source = "./modules/deployer"

  name                = var.name
  applications        = local.applications
  packages            = var.packages
  architecture        = var.architecture
  definition_path     = "${path.root}/../statemachine/release.asl.json"
  task_role_arns      = local.task_role_arns
  notification_emails = var.notification_emails
  log_retention_days  = var.log_retention_days
  log_level           = var.log_level
  deletion_protection = var.deletion_protection
}
