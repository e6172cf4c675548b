output "role_arn" {
  description = "The role that the pipeline assumes: role-to-assume of aws-actions/configure-aws-credentials"
  value       = aws_iam_role.this.arn
}

output "subjects" {
  description = "Exactly the subjects that the role trusts"
  value       = local.subjects
}
