output "bucket" {
  description = "The bucket's name"
  value       = aws_s3_bucket_policy.this.bucket
}

output "lock_table" {
  description = "The lock table's name, for Terraform before 1.10"
  value       = aws_dynamodb_table.lock.name
}

output "backend" {
  description = "What to write into backend.tf, for the state of the root"
  value       = <<-HCL
    terraform {
      backend "s3" {
        bucket       = "${aws_s3_bucket.this.bucket}"
        key          = "${var.name}/terraform.tfstate"
        region       = "${data.aws_region.current.name}"
        encrypt      = true
        kms_key_id   = "${aws_kms_key.this.arn}"
        use_lockfile = true
      }
    }
  HCL
}
