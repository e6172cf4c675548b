# The whole of Slipway: the environment that the applications run in, and the deployer beside it. Credentials and
# region come from the usual environment (AWS_PROFILE, AWS_REGION …).

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:Only the first two are taken, and a new zone has a later letter; availability_zones names them where that is not enough

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
          stage             = stage.name
          health_check_url  = try(service.health.url, null)
          cluster           = stage.cluster
          service           = service.service
          health_check_path = try(service.health.path, null)
        }
      }
    ]...)
  ]...)

  stages = distinct([for service in local.services : "${service.application}/${service.stage}"])

  # The stage's database, by the services that have one. Decided by names alone, which are known before anything is
  # made.
  databases = { for place, service in local.services : place => "${service.application}/${service.stage}" if contains(keys(var.databases), "${service.application}/${service.stage}") }

  # The path of all roles that module.service makes: an ARN each would outgrow what a function's role has room for.
  task_role_arns = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}/*"]
}

module "network" {
  source = "./modules/network"

  name                = var.name
  cidr_block          = var.cidr_block
  availability_zones  = coalescelist(var.availability_zones, slice(data.aws_availability_zones.available.names, 0, 2))
  egress              = var.egress
  egress_in_each_zone = var.egress_in_each_zone
  log_retention_days  = var.log_retention_days
}

module "access_logs" {
  source = "./modules/access-logs"

  name           = var.name
  retention_days = var.log_retention_days
  force_destroy  = !var.deletion_protection
}

module "registry" {
  source   = "./modules/registry"
  for_each = local.applications

  name         = each.value.repository
  deployer     = var.name
  force_delete = !var.deletion_protection
}

module "database" {
  source   = "./modules/database"
  for_each = var.databases

  prefix                = var.name
  name                  = replace(each.key, "/", "-")
  vpc_id                = module.network.vpc_id
  private_subnet_ids    = module.network.private_subnet_ids
  engine_version        = each.value.engine_version
  instance_class        = each.value.instance_class
  multi_az              = each.value.multi_az
  storage_gib           = each.value.storage_gib
  storage_limit_gib     = each.value.storage_limit_gib
  backup_retention_days = each.value.backup_retention_days
  final_snapshot        = each.value.final_snapshot
  log_retention_days    = var.log_retention_days
  deletion_protection   = var.deletion_protection
}

# Stages of several applications may share a cluster, so it is nobody's but the root's.
resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:Container Insights is paid by the metric; what the alarms and dashboards need is measured without it

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
  egress                            = var.egress
  endpoints_security_group_id       = module.network.endpoints_security_group_id
  gateway_prefix_list_ids           = module.network.gateway_prefix_list_ids
  access_logs_bucket                = module.access_logs.bucket
  repository_url                    = module.registry[each.value.application].url
  repository_arn                    = module.registry[each.value.application].arn
  health_check_path                 = each.value.health_check_path
  command                           = try(var.services[each.key].command, null)
  container_port                    = try(var.services[each.key].container_port, null)
  cpu_units                         = try(var.services[each.key].cpu_units, null)
  memory_mib                        = try(var.services[each.key].memory_mib, null)
  architecture                      = coalesce(try(var.services[each.key].architecture, null), module.deployer.architecture)
  environment                       = merge(contains(keys(local.databases), each.key) ? module.database[local.databases[each.key]].environment : {}, try(var.services[each.key].environment, {}))
  secrets                           = merge(contains(keys(local.databases), each.key) ? module.database[local.databases[each.key]].secrets : {}, try(var.services[each.key].secrets, {}))
  secrets_key_arns                  = try(var.services[each.key].secrets_key_arns, null)
  database                          = contains(keys(local.databases), each.key) ? { security_group_id = module.database[local.databases[each.key]].security_group_id, port = module.database[local.databases[each.key]].port } : null
  https                             = try(var.services[each.key].certificate_arn, null) == null ? null : { certificate_arn = var.services[each.key].certificate_arn }
  scaling                           = try(var.services[each.key].scaling, null)
  read_only_root_filesystem         = try(var.services[each.key].read_only_root_filesystem, null)
  writable_paths                    = try(var.services[each.key].writable_paths, null)
  health_check_grace_period_seconds = try(var.services[each.key].health_check_grace_period_seconds, null)
  deregistration_delay_seconds      = try(var.services[each.key].deregistration_delay_seconds, null)
  traffic_shift                     = try(var.services[each.key].traffic_shift, null)
  deployment_alarms                 = try(var.services[each.key].deployment_alarms, null)
  log_retention_days                = var.log_retention_days
  deletion_protection               = var.deletion_protection
}

module "deployer" {
  source = "./modules/deployer"

  name                 = var.name
  applications         = local.applications
  packages             = var.packages
  architecture         = var.architecture
  task_role_arns       = local.task_role_arns
  notification_emails  = var.notification_emails
  approval_domain      = var.approval_domain
  approval_sign_in     = var.approval_sign_in
  approval_concurrency = var.approval_concurrency
  console_concurrency  = var.console_concurrency
  reconcile_every      = var.reconcile_every
  mails_per_minute     = var.mails_per_minute
  session_roles        = var.session_roles
  table_name           = var.table_name
  log_retention_days   = var.log_retention_days
  log_level            = var.log_level
  deletion_protection  = var.deletion_protection
}

# An account has one provider for GitHub.
resource "aws_iam_openid_connect_provider" "github" {
  for_each = toset(length(var.pipelines) > 0 && var.github_provider_arn == null ? ["https://token.actions.githubusercontent.com"] : [])

  url            = each.key
  client_id_list = ["sts.amazonaws.com"]
}

module "pipeline" {
  source   = "./modules/github-oidc"
  for_each = var.pipelines

  name          = "${var.name}-${each.key}-push"
  provider_arn  = coalesce(var.github_provider_arn, try(one(values(aws_iam_openid_connect_provider.github)).arn, null))
  repository    = each.value.repository
  owner_id      = each.value.owner_id
  repository_id = each.value.repository_id
  environment   = each.value.environment
  branch        = each.value.branch
  registry_arn  = module.registry[each.key].arn
}

module "notifications" {
  source = "./modules/notifications"

  name      = var.name
  topic_arn = module.deployer.chat_topic_arn
  slack     = var.chats.slack
  teams     = var.chats.teams
  webhook   = var.webhook
}

module "observability" {
  source = "./modules/observability"

  name       = var.name
  topic_arn  = module.deployer.notification_topic_arn
  thresholds = var.alarm_thresholds

  services  = { for place, service in local.services : place => { application = service.application, balanced = service.health_check_path != null, dimensions = module.service[place].metric_dimensions } }
  databases = { for place, database in module.database : place => { application = split("/", place)[0], identifier = database.identifier, storage_limit_gib = database.storage_limit_gib } }

  deployer = {
    applications      = keys(local.applications)
    state_machine_arn = module.deployer.state_machine_arn
    function_names    = module.deployer.function_names
    dead_letter_names = module.deployer.dead_letter_names
    topic_names       = module.deployer.topic_names
    approval_api_id   = module.deployer.approval_api_id
    console_api_id    = module.deployer.console_api_id
    reconcile_minutes = module.deployer.reconcile_minutes
  }
}
