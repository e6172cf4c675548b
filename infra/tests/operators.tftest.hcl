# The operators' API, alone.

mock_provider "aws" {
  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      execution_arn = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4"
      api_endpoint  = "https://a1b2c3d4.execute-api.eu-central-1.amazonaws.com"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:operators" }
  }

  mock_resource "aws_ssm_parameter" {
    defaults = { arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/slipway/operators-api" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/slipway-operators" }
  }
}

variables {
  name                        = "slipway"
  operate_releases_name       = "slipway-operate-releases"
  operate_releases_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:slipway-operate-releases/invocations"
  log_retention_days          = 30
}

run "every_route_asks_iam" {
  command = apply

  module {
    source = "./modules/operators"
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "AWS_IAM"])
    error_message = "A route without IAM would let anybody in."
  }

  assert {
    condition     = length(aws_apigatewayv2_route.this) > 0 && !contains(keys(aws_apigatewayv2_route.this), "$default")
    error_message = "Each route is written out: what is not, API Gateway refuses."
  }

  assert {
    condition     = aws_ssm_parameter.url.value == "https://a1b2c3d4.execute-api.eu-central-1.amazonaws.com"
    error_message = "The command finds the API by this parameter."
  }
}

run "browsers_take_no_requests_from_commands" {
  command = plan

  module {
    source = "./modules/operators"
  }

  assert {
    condition     = toset([for settings in aws_apigatewayv2_stage.this.route_settings : settings.route_key]) == toset(["POST /console/enter", "POST /console/leave", "POST /console/request"])
    error_message = "What everyone can have asked has limits of its own."
  }

  # The console's API lets 200 requests a second through, and a page asks twice.
  assert {
    condition     = alltrue([for settings in aws_apigatewayv2_stage.this.route_settings : settings.throttling_rate_limit >= 2 * 200 && settings.throttling_burst_limit >= 2 * 400])
    error_message = "A page that the console's API lets through is not refused behind it."
  }
}

run "who_may_read_may_not_act" {
  command = apply

  module {
    source = "./modules/operators"
  }

  assert {
    condition = [for statement in data.aws_iam_policy_document.read.statement : statement.resources if contains(statement.actions, "execute-api:Invoke")] == [
      toset(["arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4/*/GET/*"]),
      toset([for route in ["end", "open", "permissions"] : "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4/*/POST/console/${route}"]),
    ]
    error_message = "The policy for reading lets its holder send something else than GET, and open a session of the console."
  }
}
