# The console: pages that show what the operators' API answers. Everyone can reach them; who is in a session is for
# operate-releases to say, which serve-console asks with the secret of the browser's cookie.

locals {
  # As functions/serve-console has them. Nothing else of this API reaches a function.
  routes = toset([
    "GET /",
    "GET /applications/{application}",
    "GET /applications/{application}/audit",
    "GET /applications/{application}/clear",
    "GET /applications/{application}/freeze",
    "GET /applications/{application}/release",
    "GET /applications/{application}/releases/{release}",
    "GET /applications/{application}/releases/{release}/abort",
    "GET /applications/{application}/rollback",
    "GET /applications/{application}/unfreeze",
    "GET /approvals",
    "GET /enter/{token}",
    "GET /health",
    "GET /script.js",
    "GET /style.css",
    "POST /applications/{application}/clear",
    "POST /applications/{application}/freeze",
    "POST /applications/{application}/release",
    "POST /applications/{application}/releases/{release}/abort",
    "POST /applications/{application}/rollback",
    "POST /applications/{application}/unfreeze",
    "POST /enter/{token}",
    "POST /leave",
  ])
}

# An API of its own: its cookie is of its host alone, and the approval page's may have a public name.
resource "aws_apigatewayv2_api" "this" {
  name          = "${var.name}-console"
  description   = "The console: pages that show what the operators' API answers"
  protocol_type = "HTTP"
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; no log of Slipway holds a token, a link or an address
  #checkov:skip=CKV_AWS_338:How long is a variable that validation keeps above 0; what operators did is in the audit, which is kept for good

  name              = "/aws/apigateway/${var.name}-console"
  retention_in_days = var.log_retention_days
}

# The limits are for all clients together (docs/decisions/0021-a-flood-of-the-approval-page.md); operate-releases counts the
# requests of each session besides.
resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = 200
    throttling_burst_limit = 400
  }

  # No path, query or address: the path of a one-time address is its secret. The route key is "GET /enter/{token}", as it is
  # written above.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId = "$context.requestId"
      routeKey  = "$context.routeKey"
      status    = "$context.status"
    })
  }
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = var.serve_console_invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:A browser has no AWS credentials: its cookie says whose session it is in, and IAM was asked by who opened it

  for_each = local.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = "NONE"
}

resource "aws_lambda_permission" "this" {
  statement_id  = "Console"
  action        = "lambda:InvokeFunction"
  function_name = var.serve_console_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}
