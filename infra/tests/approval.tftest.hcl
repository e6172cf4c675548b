# The approval page and its mails, alone.

mock_provider "aws" {
  mock_resource "aws_apigatewayv2_domain_name" {
    defaults        = { domain_name_configuration = { target_domain_name = "d-1.execute-api.eu-central-1.amazonaws.com", hosted_zone_id = "ZAPI" } }
    override_during = plan
  }
}

variables {
  name                       = "slipway"
  approvers                  = ["ana@example.com", "bo@example.com"]
  key_arn                    = "arn:aws:kms:eu-central-1:123456789012:key/1"
  decide_approval_name       = "slipway-decide-approval"
  decide_approval_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/slipway/invocations"
  log_retention_days         = 30
}

run "a_link_is_one_persons_and_in_no_log" {
  command = plan

  module {
    source = "./modules/approval"
  }

  assert {
    condition     = alltrue([for address, subscription in aws_sns_topic_subscription.approver : jsondecode(subscription.filter_policy) == { approver = [address] }])
    error_message = "SNS sends each message to the one whom it names."
  }

  assert {
    condition     = toset(values(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format))) == toset(["$context.requestId", "$context.routeKey", "$context.status"])
    error_message = "The path holds the token, and an address is a person's: neither they nor the query are logged."
  }

  assert {
    condition     = toset(keys(aws_apigatewayv2_route.this)) == toset(["GET /approvals/{token}", "POST /approvals/{token}", "GET /releases/{token}", "GET /style.css"])
    error_message = "The token is a parameter of its route, so the route's key does not hold it."
  }

}

run "one_client_with_a_hundred_requests_a_second_keeps_nobody_out" {
  command = plan

  module {
    source = "./modules/approval"
  }

  assert {
    condition     = { for settings in aws_apigatewayv2_stage.this.route_settings : settings.route_key => settings.throttling_rate_limit } == { for route in keys(aws_apigatewayv2_route.this) : route => 200 }
    error_message = "Each route has a limit of its own, of twice what that client sends, for all clients together."
  }

  assert {
    condition     = alltrue([for settings in aws_apigatewayv2_stage.this.route_settings : settings.throttling_burst_limit >= settings.throttling_rate_limit])
    error_message = "A second's requests may come at once."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 200 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 400
    error_message = "A route without settings has a limit too: who guesses is slowed down, and costs an end."
  }
}

run "a_limit_that_one_client_reaches_is_refused" {
  command = plan

  module {
    source = "./modules/approval"
  }

  variables {
    requests_per_second = 100
  }

  expect_failures = [var.requests_per_second]
}

run "without_more_the_link_is_enough" {
  command = plan

  module {
    source = "./modules/approval"
  }

  assert {
    condition     = !aws_apigatewayv2_api.this.disable_execute_api_endpoint && length(aws_apigatewayv2_domain_name.this) == 0 && length(aws_apigatewayv2_authorizer.this) == 0 && output.domain_target == null
    error_message = "No name of its own, and nobody signs in."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "NONE"])
    error_message = "The link lets people in."
  }
}

run "the_page_has_a_name_of_its_own_and_no_other" {
  command = plan

  module {
    source = "./modules/approval"
  }

  variables {
    domain = { name = "approvals.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1", hosted_zone_id = "Z1" }
  }

  assert {
    condition     = output.url == "https://approvals.example.com" && aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = "Links begin with the name, and API Gateway's own does not answer."
  }

  assert {
    condition     = aws_apigatewayv2_domain_name.this["approvals.example.com"].domain_name_configuration[0].security_policy == "TLS_1_2"
    error_message = "Nothing older than TLS 1.2."
  }

  assert {
    condition     = aws_apigatewayv2_api_mapping.this["approvals.example.com"].domain_name == "approvals.example.com"
    error_message = "The name leads to the page."
  }

  assert {
    condition     = aws_route53_record.this["approvals.example.com"].zone_id == "Z1" && length(aws_route53_record.this["approvals.example.com"].alias) == 1
    error_message = "The zone has an alias."
  }
}

run "a_name_without_a_zone_is_pointed_by_hand" {
  command = plan

  module {
    source = "./modules/approval"
  }

  variables {
    domain = { name = "approvals.example.com", certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
  }

  assert {
    condition     = length(aws_route53_record.this) == 0 && length(aws_apigatewayv2_domain_name.this) == 1
    error_message = "No record is made where no zone is given."
  }
}

run "who_must_sign_in_needs_a_token_for_everything_but_the_style" {
  command = plan

  module {
    source = "./modules/approval"
  }

  variables {
    sign_in = { issuer = "https://login.example.com", audience = ["slipway"], scopes = ["approvals"] }
  }

  assert {
    condition     = { for key, route in aws_apigatewayv2_route.this : key => route.authorization_type } == { "GET /approvals/{token}" = "JWT", "POST /approvals/{token}" = "JWT", "GET /releases/{token}" = "JWT", "GET /style.css" = "NONE" }
    error_message = "The page and its form need a token, the style needs none."
  }

  assert {
    condition     = aws_apigatewayv2_route.this["POST /approvals/{token}"].authorization_scopes == toset(["approvals"]) && aws_apigatewayv2_route.this["GET /style.css"].authorization_scopes == null
    error_message = "The scopes are asked for where a token is."
  }

  assert {
    condition     = one(values(aws_apigatewayv2_authorizer.this)).authorizer_type == "JWT" && one(values(aws_apigatewayv2_authorizer.this)).identity_sources == toset(["$request.header.Authorization"]) && one(values(aws_apigatewayv2_authorizer.this)).jwt_configuration[0].audience == toset(["slipway"])
    error_message = "The token is the Authorization header's unless another header is named."
  }
}

run "a_certificate_that_is_no_arn_is_refused" {
  command = plan

  module {
    source = "./modules/approval"
  }

  variables {
    domain = { name = "approvals.example.com", certificate_arn = "approvals" }
  }

  expect_failures = [var.domain]
}

run "an_issuer_without_https_is_refused" {
  command = plan

  module {
    source = "./modules/approval"
  }

  variables {
    sign_in = { issuer = "http://login.example.com", audience = ["slipway"] }
  }

  expect_failures = [var.sign_in]
}

run "a_token_in_the_query_is_refused" {
  command = plan

  module {
    source = "./modules/approval"
  }

  variables {
    sign_in = { issuer = "https://login.example.com", audience = ["slipway"], identity_source = "$request.querystring.token" }
  }

  expect_failures = [var.sign_in]
}
