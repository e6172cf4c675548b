# The example for services that exist already: what it hands the deployer.

mock_provider "aws" {}

override_module {
  target = module.deployer

  outputs = {
    approval_url           = "https://a1b2c3.execute-api.eu-central-1.amazonaws.com"
    approval_api_id        = "a1b2c3"
    console_api_id         = "d4e5f6"
    notification_topic_arn = "arn:aws:sns:eu-central-1:123456789012:slipway-notifications"
    state_machine_arn      = "arn:aws:states:eu-central-1:123456789012:stateMachine:slipway-release"
    function_names         = {}
    dead_letter_names      = {}
    topic_names            = {}
    reconcile_minutes      = 5
  }
}

override_module {
  target = module.observability

  outputs = {}
}

variables {
  repository     = "shop"
  staging        = { cluster = "shop-staging", service = "shop" }
  production     = { cluster = "shop-production", service = "shop", url = "https://shop.example.com" }
  task_role_arns = ["arn:aws:iam::123456789012:role/shop-task"]
  approvers      = ["ana@example.com"]
}

run "what_is_not_asked_for_is_left_out" {
  command = plan

  module {
    source = "./examples/existing-services"
  }

  assert {
    condition = jsonencode(local.stages.production) == jsonencode({
      name     = "production"
      cluster  = "shop-production"
      services = [{ service = "shop", health = { path = "/health", url = "https://shop.example.com" } }]
    })
    error_message = "A field that is null would be one that is unknown."
  }
}

run "what_is_asked_for_is_handed_over" {
  command = plan

  module {
    source = "./examples/existing-services"
  }

  variables {
    staging    = { cluster = "shop-staging", service = "shop", template = "running", containers = ["app"], target_health = {} }
    production = { cluster = "shop-production", service = "shop", template = "shop", tasks = [{ family = "shop-nightly", container = "app" }] }
    health     = { headers = { "X-Probe" = "1" }, codes = "200,204" }
  }

  assert {
    condition = jsonencode(local.stages.staging) == jsonencode({
      name     = "staging"
      cluster  = "shop-staging"
      services = [{ service = "shop", template = "running", containers = ["app"], target_health = {} }]
    })
    error_message = "target_health takes the place of health."
  }

  assert {
    condition = jsonencode(local.stages.production) == jsonencode({
      name     = "production"
      cluster  = "shop-production"
      tasks    = [{ family = "shop-nightly", container = "app" }]
      services = [{ service = "shop", template = "shop", health = { path = "/health", headers = { "X-Probe" = "1" }, codes = "200,204" } }]
    })
    error_message = "Further tasks are the stage's, headers and statuses the service's."
  }
}

run "a_role_by_a_wildcard_is_refused" {
  command = plan

  module {
    source = "./examples/existing-services"
  }

  variables {
    task_role_arns = ["arn:aws:iam::123456789012:role/*"]
  }

  expect_failures = [var.task_role_arns]
}
