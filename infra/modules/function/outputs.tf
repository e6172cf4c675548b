output "arn" {
  description = "The function's ARN"
  value       = aws_lambda_function.this.arn
}

output "version_arn" {
  description = "The ARN of the version that was published last: its code and its variables stay what they are"
  value       = "${aws_lambda_function.this.arn}:${aws_lambda_function.this.version}"
}

output "invoke_arn" {
  description = "The ARN that API Gateway calls"
  value       = aws_lambda_function.this.invoke_arn
}

output "name" {
  description = "The function's name"
  value       = aws_lambda_function.this.function_name
}

output "role_name" {
  description = "The name of the function's role"
  value       = aws_iam_role.this.name
}

output "dead_letters_arn" {
  description = "The ARN of the function's dead-letter queue"
  value       = aws_sqs_queue.dead_letters.arn
}

output "dead_letters_url" {
  description = "The URL of the function's dead-letter queue"
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letters_name" {
  description = "The name of the function's dead-letter queue"
  value       = aws_sqs_queue.dead_letters.name
}
