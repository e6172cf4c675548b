data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

# Who asked the load balancers for what. ELB writes into a bucket of its own region only, and encrypts with S3's key
# only: with a customer key nothing arrives.

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:This is where access logs go; logging it into itself would never end
  #checkov:skip=CKV_AWS_21:Each log is written once under a name of its own, and never changed
  #checkov:skip=CKV_AWS_144:Access logs help to look into what happened; losing them with their region is acceptable
  #checkov:skip=CKV_AWS_145:ELB cannot write access logs with a customer key; S3 encrypts them with its own
  #checkov:skip=CKV2_AWS_62:Nothing waits for a log

  bucket        = "${var.name}-access-logs-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.name}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "remove-old-logs"
    status = "Enabled"

    filter {}

    expiration {
      days = var.retention_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

data "aws_iam_policy_document" "this" {
  # ELB writes the logs of an account below that account's number only, so others' cannot come here.
  statement {
    sid       = "LetLoadBalancersWrite"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.this.arn}/*/AWSLogs/${data.aws_caller_identity.current.account_id}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }

  statement {
    sid       = "RefuseWithoutTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.this.json

  # S3 takes one change of a bucket's access at a time.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
