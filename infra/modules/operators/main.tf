# The operators' API: what people and their programs ask about releases, and ask of them. API Gateway proves each caller
# (SigV4) and asks IAM for execute-api:Invoke on the method and path before a function runs.

locals {
  # As functions/operate-releases has them.
  routes = toset([
    "GET /applications",
    "GET /applications/{application}",
    "GET /applications/{application}/audit",
    "GET /applications/{application}/diff",
    "GET /applications/{application}/doctor",
    "GET /applications/{application}/releases",
    "GET /applications/{application}/releases/{release}",
    "GET /applications/{application}/releases/{release}/logs",
    "GET /approvals",
    "GET /board",
    "GET /doctor",
    "GET /dead-letters",
    "GET /openapi.json",
    "POST /applications/{application}/clear",
    "POST /applications/{application}/freeze",
    "POST /applications/{application}/release",
    "POST /applications/{application}/releases/{release}/abort",
    "POST /applications/{application}/releases/{release}/override",
    "POST /applications/{application}/rollback",
    "POST /applications/{application}/unfreeze",
    "POST /freeze",
    "POST /unfreeze",
    "POST /applications/{application}/releases/{release}/resend",
    "POST /dead-letters/redrive",
    "POST /reconcile",
    "POST /console/end",
    "POST /console/enter",
    "POST /console/leave",
    "POST /console/open",
    "POST /console/permissions",
    "POST /console/request",
  ])
}

locals {
  # What serve-console asks, for whoever reaches it.
  of_browsers = toset([for route in ["enter", "leave", "request"] : "POST /console/${route}"])
}

# An API of its own: the approval page's may have a public name, and ask people to sign in.
resource "aws_apigatewayv2_api" "this" {
  name          = "${var.name}-operators"
  description   = "What operators ask about releases, and ask of them"
  protocol_type = "HTTP"
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; it names who asked for what
  #checkov:skip=CKV_AWS_338:How long is a variable that validation keeps above 0; what operators did is in the audit, which is kept for good

  name              = "/aws/apigateway/${var.name}-operators"
  retention_in_days = var.log_retention_days
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  # A person's tool looks once a second; a team has a few of them.
  default_route_settings {
    throttling_rate_limit  = 100
    throttling_burst_limit = 200
  }

  # What browsers ask comes through these, each page with two requests at the most. They take more than the console's API
  # lets through (modules/console), and what they take is not taken from people's commands: "Throttle requests to your HTTP
  # APIs" (API Gateway developer guide) has limits for each route.
  dynamic "route_settings" {
    for_each = local.of_browsers

    content {
      route_key              = route_settings.key
      throttling_rate_limit  = 500
      throttling_burst_limit = 1000
    }
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId = "$context.requestId"
      caller    = "$context.identity.userArn"
      routeKey  = "$context.routeKey"
      path      = "$context.path"
      status    = "$context.status"
    })
  }

  # API Gateway refuses settings of a route that is not there yet ("Unable to find Route by key").
  depends_on = [aws_apigatewayv2_route.this]
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = var.operate_releases_invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = "AWS_IAM"
}

resource "aws_lambda_permission" "this" {
  statement_id  = "OperatorsApi"
  action        = "lambda:InvokeFunction"
  function_name = var.operate_releases_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}

# Where `slipway` finds it.
resource "aws_ssm_parameter" "url" {
  #checkov:skip=CKV2_AWS_34:An address is no secret: who may call it is decided by IAM

  name        = "/${var.name}/operators-api"
  description = "The address of the operators' API, for the command slipway"
  type        = "String"
  value       = aws_apigatewayv2_api.this.api_endpoint
}

# What operators are given. Neither lets anybody write into the table or start an execution.


data "aws_iam_policy_document" "read" {
  statement {
    sid       = "FindTheApi"
    actions   = ["ssm:GetParameter"]
    resources = [aws_ssm_parameter.url.arn]
  }

  statement {
    sid       = "Read"
    actions   = ["execute-api:Invoke"]
    resources = ["${aws_apigatewayv2_api.this.execution_arn}/*/GET/*"]
  }

  # A session shows what its caller proves, one path after the other: no more than they may see.
  statement {
    sid     = "OpenTheConsole"
    actions = ["execute-api:Invoke"]
    resources = [
      "${aws_apigatewayv2_api.this.execution_arn}/*/POST/console/end",
      "${aws_apigatewayv2_api.this.execution_arn}/*/POST/console/open",
      "${aws_apigatewayv2_api.this.execution_arn}/*/POST/console/permissions",
    ]
  }
}

resource "aws_iam_policy" "read" {
  name        = "${var.name}-operators-read"
  description = "See what the operators' API shows: what runs, releases, approvals, the audit"
  policy      = data.aws_iam_policy_document.read.json
}

data "aws_iam_policy_document" "act" {
  statement {
    sid       = "FindTheApi"
    actions   = ["ssm:GetParameter"]
    resources = [aws_ssm_parameter.url.arn]
  }

  statement {
    sid       = "ReadAndAct"
    actions   = ["execute-api:Invoke"]
    resources = ["${aws_apigatewayv2_api.this.execution_arn}/*/*/*"]
  }
}

resource "aws_iam_policy" "act" {
  name        = "${var.name}-operators-act"
  description = "See and do everything that the operators' API has: release, roll back, abort, clear a quarantine, freeze"
  policy      = data.aws_iam_policy_document.act.json
}
