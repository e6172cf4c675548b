output "bucket" {
  description = "The bucket's name, once load balancers may write into it"
  value       = aws_s3_bucket_policy.this.bucket
}
