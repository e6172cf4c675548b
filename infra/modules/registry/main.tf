resource "aws_ecr_repository" "this" {
  name         = var.name
  force_delete = var.force_delete

  # A release deploys a digest; the tag beside it must go on meaning that digest.
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}
