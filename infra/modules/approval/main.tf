locals {
  # The page, its form and its style. Nothing else of this API reaches a function.
  routes = toset(["GET /approvals/{token}", "POST /approvals/{token}", "GET /releases/{token}", "GET /style.css"])

  # The style says nothing about anybody, and the page for those who are not signed in may need it.
  signed_in_routes = var.sign_in == null ? toset([]) : setsubtract(local.routes, ["GET /style.css"])
}

# The mails. SNS sends a message to every subscriber of a topic, so each approver's subscription takes only the
# messages that name them: a link is one person's.

resource "aws_sns_topic" "this" {
  name              = "${var.name}-approvals"
  kms_master_key_id = var.key_arn
}

# Whoever gets on the topic without a filter gets every link, so nobody may subscribe but who applies this.
data "aws_caller_identity" "current" {}

locals {
  # A session's principal is its role, whose path the session does not say.
  session = try(regex("^arn:([a-z-]+):sts::([0-9]{12}):assumed-role/([^/]+)/", data.aws_caller_identity.current.arn), null)

  subscribers = local.session == null ? [data.aws_caller_identity.current.arn] : [
    for path in ["", "*/"] : "arn:${local.session[0]}:iam::${local.session[1]}:role/${path}${local.session[2]}"
  ]
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "SubscribeByTerraformAlone"
    effect    = "Deny"
    actions   = ["sns:Subscribe"]
    resources = [aws_sns_topic.this.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = local.subscribers
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  arn    = aws_sns_topic.this.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "approver" {
  for_each = toset(var.approvers)

  depends_on = [aws_sns_topic_policy.this]

  topic_arn     = aws_sns_topic.this.arn
  protocol      = "email"
  endpoint      = each.key
  filter_policy = jsonencode({ approver = [each.key] })
}

# The page.

resource "aws_apigatewayv2_api" "this" {
  name          = "${var.name}-approvals"
  description   = "The page on which people approve or reject a release"
  protocol_type = "HTTP"

  # With a name of its own there is one way in, and what stands before that name cannot be walked around by the other
  # one.
  disable_execute_api_endpoint = var.domain != null
}

resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; no log of Slipway holds a token, a link or an address
  #checkov:skip=CKV_AWS_338:How long is a variable that validation keeps above 0; releases are in the table, not in logs

  name              = "/aws/apigateway/${var.name}-approvals"
  retention_in_days = var.log_retention_days
}

# An HTTP API cannot tell one client from another (docs/decisions/0021-a-flood-of-the-approval-page.md): its limits are for
# all together, so they are well above what one client sends, and each route has its own. Then who loads the page all the
# time keeps nobody from sending the form.
resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_burst
  }

  dynamic "route_settings" {
    for_each = local.routes

    content {
      route_key              = route_settings.key
      throttling_rate_limit  = var.requests_per_second
      throttling_burst_limit = var.requests_burst
    }
  }

  # No path, query or address: the path is the secret of a link. The route key is "GET /approvals/{token}", as it is
  # written above.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId = "$context.requestId"
      routeKey  = "$context.routeKey"
      status    = "$context.status"
    })
  }

  # API Gateway refuses settings of a route that is not there yet ("Unable to find Route by key").
  depends_on = [aws_apigatewayv2_route.this]
}

resource "aws_apigatewayv2_integration" "decide_approval" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = var.decide_approval_invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:Approvers have no account here: the link in their mail is what lets them in, once, and only its form decides

  for_each = local.routes

  api_id               = aws_apigatewayv2_api.this.id
  route_key            = each.key
  target               = "integrations/${aws_apigatewayv2_integration.decide_approval.id}"
  authorization_type   = contains(local.signed_in_routes, each.key) ? "JWT" : "NONE"
  authorizer_id        = contains(local.signed_in_routes, each.key) ? one(values(aws_apigatewayv2_authorizer.this)).id : null
  authorization_scopes = contains(local.signed_in_routes, each.key) ? var.sign_in.scopes : null
}

# Signing in, for teams to whom a link in a mail is not enough.

resource "aws_apigatewayv2_authorizer" "this" {
  for_each = var.sign_in == null ? {} : { sign-in = var.sign_in }

  api_id           = aws_apigatewayv2_api.this.id
  name             = each.key
  authorizer_type  = "JWT"
  identity_sources = [each.value.identity_source]

  jwt_configuration {
    issuer   = each.value.issuer
    audience = each.value.audience
  }
}

# A name of its own.

resource "aws_apigatewayv2_domain_name" "this" {
  for_each = var.domain == null ? {} : { (var.domain.name) = var.domain }

  domain_name = each.key

  domain_name_configuration {
    certificate_arn = each.value.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  for_each = aws_apigatewayv2_domain_name.this

  api_id      = aws_apigatewayv2_api.this.id
  domain_name = each.value.domain_name
  stage       = aws_apigatewayv2_stage.this.id
}

resource "aws_route53_record" "this" {
  for_each = { for name, domain in { this = var.domain } : domain.name => domain if try(domain.hosted_zone_id, null) != null }

  zone_id = each.value.hosted_zone_id
  name    = each.key
  type    = "A"

  alias {
    name                   = aws_apigatewayv2_domain_name.this[each.key].domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.this[each.key].domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}

resource "aws_lambda_permission" "page" {
  statement_id  = "ApprovalPage"
  action        = "lambda:InvokeFunction"
  function_name = var.decide_approval_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}
