# Slipway alone, for as many applications as `cargo local bench` asks for; their services stand elsewhere.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

variable "applications" {
  description = "The applications, by name"
  type        = any
}

variable "packages" {
  description = "The folder of the functions' packages"
  type        = string
}

variable "architecture" {
  description = "The processor that they were built for"
  type        = string
}

module "deployer" {
  source = "../../../infra/modules/deployer"

  name                = "growth"
  applications        = var.applications
  packages            = var.packages
  architecture        = var.architecture
  task_role_arns      = ["arn:aws:iam::000000000000:role/services/*"]
  deletion_protection = false
}

module "observability" {
  source = "../../../infra/modules/observability"

  name      = "growth"
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
