# Slipway alone, for ECS services, load balancers and a registry that exist already. infra/README.md says what the
# Terraform of such a service must change first.

provider "aws" {
  default_tags {
    tags = { "slipway:environment" = var.name }
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
    (var.repository) = {
      repository = var.repository
      tags       = var.tags

      stages = [
        {
          name     = "staging"
          cluster  = var.staging.cluster
          services = [{ service = var.staging.service, health = { path = var.health_path, url = var.staging.url } }]
        },
        {
          name     = "production"
          cluster  = var.production.cluster
          services = [{ service = var.production.service, health = { path = var.health_path, url = var.production.url } }]
          approval = { approvers = var.approvers, quorum = 1, expires_after = "24h" }
        },
      ]
    }
  }
}

module "observability" {
  source = "../../modules/observability"

  name      = var.name
  topic_arn = module.deployer.notification_topic_arn

  deployer = {
    applications      = [var.repository]
    state_machine_arn = module.deployer.state_machine_arn
    function_names    = module.deployer.function_names
    dead_letter_names = module.deployer.dead_letter_names
    topic_names       = module.deployer.topic_names
    approval_api_id   = module.deployer.approval_api_id
    reconcile_minutes = module.deployer.reconcile_minutes
  }
}
