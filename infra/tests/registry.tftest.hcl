# The registry: what was released stays what it was, and stays.

mock_provider "aws" {}

variables {
  name     = "web"
  deployer = "slipway"
}

run "tags_stay_and_tagged_images_are_never_removed" {
  command = plan

  module {
    source = "./modules/registry"
  }

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && one(aws_ecr_repository.this.image_scanning_configuration).scan_on_push
    error_message = "Tags cannot be moved, and each push is scanned."
  }

  assert {
    condition     = aws_ecr_repository.this.tags["slipway:deployer"] == "slipway"
    error_message = "The functions may read the images of repositories with their deployer's tag, and no others."
  }

  assert {
    condition     = alltrue([for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : rule.selection.tagStatus == "untagged"])
    error_message = "No rule takes a tagged image: a stage may still run it, or be rolled back to it."
  }
}

run "no_days_are_refused" {
  command = plan

  module {
    source = "./modules/registry"
  }

  variables {
    untagged_days = 0
  }

  expect_failures = [var.untagged_days]
}
