# The root with a provider that asks nobody: what it refuses, and the rules that matter.

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
    arn               = "arn:aws:lambda:eu-central-1:123456789012:function:slipway"
    version_arn       = "arn:aws:lambda:eu-central-1:123456789012:function:slipway:7"
    invoke_arn        = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/slipway/invocations"
    name              = "slipway"
    role_name         = "slipway"
    dead_letters_arn  = "arn:aws:sqs:eu-central-1:123456789012:slipway"
    dead_letters_url  = "https://sqs.eu-central-1.amazonaws.com/123456789012/slipway"
    dead_letters_name = "slipway"
  }
}

variables {
  packages = "packages"

  applications = {
    web = {
      repository = "web"
      tags       = ["v*"]

      stages = [
        { name = "staging", services = [{ service = "web", health = { path = "/health" } }] },
        {
          name     = "production"
          services = [{ service = "web", health = { path = "/health" } }, { service = "worker", health = { path = "/alive" } }]
          approval = { approvers = ["ana@example.com"], quorum = 1, expires_after = "24h" }
          bake     = { alarms = ["web-production-5xx"], for = "15m" }
        },
      ]
    }
  }
}

run "more_than_aws_defaults_is_warned_about" {
  command = plan

  variables {
    applications = {
      for number in range(26) : "app-${number}" => {
        repository = "app-${number}"
        tags       = ["v*"]
        stages     = [for stage in ["staging", "production"] : { name = stage, services = [{ service = "app-${number}", health = { path = "/health" } }] }]
      }
    }
  }

  expect_failures = [check.quotas]

  assert {
    condition     = output.quotas["load balancers of a region"] == "52 of 50" && output.quotas["roles of an account"] == "124 of 1000"
    error_message = "How near each is, is an output."
  }
}

run "every_stage_has_its_services" {
  command = plan

  variables {
    services = { "web/production/web" = { cpu_units = 512, memory_mib = 1024 } }
  }

  assert {
    condition     = toset(keys(module.service)) == toset(["web/staging/web", "web/production/web", "web/production/worker"])
    error_message = "One service for each service of each stage."
  }

  assert {
    condition     = toset(keys(aws_ecs_cluster.this)) == toset(["staging", "production"])
    error_message = "One cluster for each cluster that a stage names."
  }

  assert {
    condition     = toset(keys(output.load_balancers)) == toset(["web-staging", "web-production", "worker-production"])
    error_message = "One load balancer for each service."
  }

  assert {
    condition     = length(output.function_names) == 18
    error_message = "Eighteen functions."
  }

  assert {
    condition     = output.rule_names["image-push"] == "slipway-image-push"
    error_message = "Rules have the prefix."
  }
}

run "a_service_that_no_application_has_is_refused" {
  command = plan

  variables {
    services = { "web/qa/web" = {} }
  }

  expect_failures = [var.services]
}

run "a_range_that_is_too_small_is_refused" {
  command = plan

  variables {
    cidr_block = "10.20.0.0/24"
  }

  expect_failures = [var.cidr_block]
}

run "one_zone_is_refused" {
  command = plan

  variables {
    availability_zones = ["eu-central-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "an_unknown_architecture_is_refused" {
  command = plan

  variables {
    architecture = "arm"
  }

  expect_failures = [var.architecture]
}

run "links_begin_with_the_pages_own_name" {
  command = plan

  variables {
    approval_domain = { name = "approvals.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1", hosted_zone_id = "Z1" }
  }

  assert {
    condition     = output.approval_url == "https://approvals.example.com"
    error_message = "The mails name it, not API Gateway's."
  }
}

run "a_page_with_a_scheme_in_its_name_is_refused" {
  command = plan

  variables {
    approval_domain = { name = "https://approvals.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
  }

  expect_failures = [var.approval_domain]
}

run "tokens_for_any_application_are_refused" {
  command = plan

  variables {
    approval_sign_in = { issuer = "https://login.example.com", audience = [] }
  }

  expect_failures = [var.approval_sign_in]
}

run "an_address_that_is_no_address_is_refused" {
  command = plan

  variables {
    notification_emails = ["team"]
  }

  expect_failures = [var.notification_emails]
}

run "a_retention_of_0_is_refused" {
  command = plan

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "a_name_with_capitals_is_refused" {
  command = plan

  variables {
    name = "Slipway"
  }

  expect_failures = [var.name]
}

run "an_unknown_egress_is_refused" {
  command = plan

  variables {
    egress = "vpn"
  }

  expect_failures = [var.egress]
}

run "a_database_of_no_stage_is_refused" {
  command = plan

  variables {
    databases = { "web/qa" = {} }
  }

  expect_failures = [var.databases]
}

run "a_pipeline_of_no_application_is_refused" {
  command = plan

  variables {
    pipelines = { shop = { repository = "example/shop", owner_id = "1", repository_id = "2" } }
  }

  expect_failures = [var.pipelines]
}

run "a_certificate_without_an_address_for_it_is_refused" {
  command = plan

  variables {
    services = { "web/production/web" = { certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" } }
  }

  expect_failures = [var.services]
}
