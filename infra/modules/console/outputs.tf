output "url" {
  description = "The console's address, without a slash at its end"
  value       = aws_apigatewayv2_api.this.api_endpoint
}
