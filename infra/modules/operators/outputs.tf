output "url" {
  description = "The API's address, without a slash at its end"
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "execution_arn" {
  description = "What a permission for one path begins with: add /$default/METHOD/PATH"
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "policy_arns" {
  description = "Policies for operators: read for what the API shows, act for all of it"
  value       = { read = aws_iam_policy.read.arn, act = aws_iam_policy.act.arn }
}
