output "url" {
  description = "The address that approval links begin with, without a slash at its end"
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "topic_arn" {
  description = "The topic that request-approval publishes to"
  value       = aws_sns_topic.this.arn
}

output "topic_name" {
  description = "The topic's name"
  value       = aws_sns_topic.this.name
}
