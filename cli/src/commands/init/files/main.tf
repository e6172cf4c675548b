# Slipway alone, for services that exist already. What it releases is in terraform.tfvars; README.md says what to do next.

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { "slipway:environment" = var.name }
  }
}

module "deployer" {
  source = "MODULES/deployer"

  name                = var.name
  applications        = var.applications
  architecture        = var.architecture
  task_role_arns      = var.task_role_arns
  notification_emails = var.notification_emails
  deletion_protection = var.deletion_protection
}

module "observability" {
  source = "MODULES/observability"

  name      = var.name
  topic_arn = module.deployer.notification_topic_arn

  deployer = {
    applications      = keys(var.applications)
    state_machine_arn = module.deployer.state_machine_arn
    function_names    = module.deployer.function_names
    dead_letter_names = module.deployer.dead_letter_names
    topic_names       = module.deployer.topic_names
    approval_api_id   = module.deployer.approval_api_id
    console_api_id    = module.deployer.console_api_id
    reconcile_minutes = module.deployer.reconcile_minutes
  }
}
