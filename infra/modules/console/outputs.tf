output "url" {
  description = "The console's address, without a slash at its end"
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "api_id" {
  description = "The console's HTTP API, as CloudWatch's metrics name it"
  value       = aws_apigatewayv2_api.this.id
}
