resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_136:ECR encrypts with its own key; with a customer key, losing the key would lose every image that could be rolled back to

  name         = var.name
  force_delete = var.force_delete

  # What lets the deployer of this name read the images.
  tags = { "slipway:deployer" = var.deployer }

  # A release deploys a digest; the tag beside it must go on meaning that digest.
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

# ECR knows ages and counts, not what runs. What a stage runs, and its baseline, was pushed with a tag that cannot be
# moved, so a rule for tagged images could always take one that is still needed: a stage may run the same image for
# years. Only images without any tag are removed; those are parts that a push left when it was interrupted, and never a
# release. The platforms of an index have no tag either, but ECR expires none that an index refers to before the index
# is gone (ECR user guide, "Lifecycle policy evaluation rules").
resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Untagged images, once they are too old to be a push in progress"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = var.untagged_days }
      action       = { type = "expire" }
    }]
  })
}
