# The trial with a provider that asks nobody: what keeps its bill small, and what lets `terraform destroy` take all of it.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

# The functions' packages are made by cargo lambda, and are not there.
override_module {
  target = module.deployer.module.function

  outputs = {
    arn               = "arn:aws:lambda:eu-central-1:123456789012:function:trial"
    version_arn       = "arn:aws:lambda:eu-central-1:123456789012:function:trial:7"
    invoke_arn        = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/trial/invocations"
    name              = "trial"
    role_name         = "trial"
    dead_letters_arn  = "arn:aws:sqs:eu-central-1:123456789012:trial"
    dead_letters_url  = "https://sqs.eu-central-1.amazonaws.com/123456789012/trial"
    dead_letters_name = "trial"
  }
}

variables {
  approver = "ana@example.com"
}

run "both_stages_share_a_cluster_and_a_load_balancer" {
  command = plan

  module {
    source = "./examples/trial"
  }

  assert {
    condition     = toset([for service in aws_ecs_service.this : service.name]) == toset(["web-staging", "web-production"])
    error_message = "One service for each stage."
  }

  assert {
    condition     = { for stage, listener in aws_lb_listener.http : stage => listener.port } == { staging = 8080, production = 80 }
    error_message = "The load balancer's port says which stage is meant."
  }

  assert {
    condition     = alltrue([for template in aws_ecs_task_definition.template : tonumber(template.cpu) == 256 && tonumber(template.memory) == 512])
    error_message = "Fargate has no smaller task."
  }

  assert {
    condition     = toset([for template in aws_ecs_task_definition.template : template.family]) == toset(["trial-web-staging-template", "trial-web-production-template"])
    error_message = "A release finds its template by this name."
  }

  assert {
    condition     = alltrue([for service in aws_ecs_service.this : service.tags["slipway:deployer"] == "trial"])
    error_message = "Without the tag the deployer may not change a service."
  }
}

run "whatever_it_makes_can_be_destroyed" {
  command = plan

  module {
    source = "./examples/trial"
  }

  assert {
    condition     = !aws_lb.this.enable_deletion_protection
    error_message = "A protected load balancer would stay."
  }
}

run "an_approver_without_an_address_is_refused" {
  command = plan

  module {
    source = "./examples/trial"
  }

  variables {
    approver = "ana"
  }

  expect_failures = [var.approver]
}
