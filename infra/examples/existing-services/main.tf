# Slipway alone, for ECS services, load balancers and a registry that exist already. infra/README.md says what the
# Terraform of such a service changes first: what Terraform leaves alone, and a tag.

provider "aws" {
  default_tags {
    tags = { "slipway:environment" = var.name }
  }
}

locals {
  # An application's name has no slash, as a repository's of Copilot has: shop/web is the application shop-web.
  application = replace(var.repository, "/", "-")

  # A stage as Slipway's configuration has it: what is not asked for is left out.
  stages = {
    for name, stage in { staging = var.staging, production = var.production } : name => { for field, value in {
      name    = name
      cluster = stage.cluster
      tasks   = length(stage.tasks) > 0 ? stage.tasks : null

      services = [{ for field, value in {
        service       = stage.service
        template      = stage.template
        containers    = length(stage.containers) > 0 ? stage.containers : null
        target_health = stage.target_health == null ? null : { for field, value in stage.target_health : field => value if value != null }

        health = stage.target_health != null ? null : { for field, value in {
          path    = var.health.path
          url     = stage.url
          headers = length(var.health.headers) > 0 ? var.health.headers : null
          codes   = var.health.codes
        } : field => value if value != null }
      } : field => value if value != null }]
    } : field => value if value != null }
  }
}

module "deployer" {
  source = "../../modules/deployer"

  name                = var.name
  packages            = var.packages
  architecture        = var.architecture
  task_role_arns      = var.task_role_arns
  notification_emails = var.notification_emails
  deletion_protection = var.deletion_protection

  applications = {
    (local.application) = {
      repository = var.repository
      tags       = var.tags

      stages = [
        local.stages.staging,
        merge(local.stages.production, { approval = { approvers = var.approvers, quorum = 1, expires_after = "24h" } }),
      ]
    }
  }
}

module "observability" {
  source = "../../modules/observability"

  name      = var.name
  topic_arn = module.deployer.notification_topic_arn

  deployer = {
    applications      = [local.application]
    state_machine_arn = module.deployer.state_machine_arn
    function_names    = module.deployer.function_names
    dead_letter_names = module.deployer.dead_letter_names
    topic_names       = module.deployer.topic_names
    approval_api_id   = module.deployer.approval_api_id
    console_api_id    = module.deployer.console_api_id
    reconcile_minutes = module.deployer.reconcile_minutes
  }
}
