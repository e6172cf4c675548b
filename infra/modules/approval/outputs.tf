output "url" {
  description = "The address that approval links begin with, without a slash at its end"
  value       = var.domain == null ? aws_apigatewayv2_api.this.api_endpoint : "https://${var.domain.name}"
}

output "api_id" {
  description = "The HTTP API's id, as CloudWatch's metrics name it"
  value       = aws_apigatewayv2_api.this.id
}

output "domain_target" {
  description = "The name of API Gateway's that the page's own name is an alias of; null without one"
  value       = one([for domain in aws_apigatewayv2_domain_name.this : domain.domain_name_configuration[0].target_domain_name])
}

output "topic_arn" {
  description = "The topic that request-approval publishes to"
  value       = aws_sns_topic.this.arn
}

output "topic_name" {
  description = "The topic's name"
  value       = aws_sns_topic.this.name
}
