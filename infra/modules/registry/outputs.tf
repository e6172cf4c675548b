output "arn" {
  description = "The repository's ARN"
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "The repository's address: host and name, without a tag"
  value       = aws_ecr_repository.this.repository_url
}
