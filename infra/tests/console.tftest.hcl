# The console, alone.

mock_provider "aws" {
  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      execution_arn = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4"
      api_endpoint  = "https://a1b2c3d4.execute-api.eu-central-1.amazonaws.com"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:console" }
  }
}

variables {
  name                     = "slipway"
  serve_console_name       = "slipway-serve-console"
  serve_console_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/slipway/invocations"
  log_retention_days       = 30
}

run "what_is_let_through_is_taken_by_the_operators_api" {
  command = plan

  module {
    source = "./modules/console"
  }

  # infra/tests/operators.tftest.hcl has the other end.
  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 200 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 400
    error_message = "The three routes of the operators' API take twice as much as this."
  }
}

run "a_one_time_address_is_in_no_log" {
  command = plan

  module {
    source = "./modules/console"
  }

  assert {
    condition     = toset(values(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format))) == toset(["$context.requestId", "$context.routeKey", "$context.status"])
    error_message = "The path holds the token, and an address is a person's: neither they nor the query are logged."
  }

  assert {
    condition     = !contains(keys(aws_apigatewayv2_route.this), "$default") && alltrue([for route in keys(aws_apigatewayv2_route.this) : !strcontains(route, "+}")])
    error_message = "Each route is written out: what is not, API Gateway refuses."
  }

  assert {
    condition     = toset([for route in keys(aws_apigatewayv2_route.this) : route if startswith(route, "POST ") && !startswith(route, "POST /applications/{application}/")]) == toset(["POST /enter/{token}", "POST /leave"])
    error_message = "Beside what is done to an application, the pages let a browser in and out."
  }
}
