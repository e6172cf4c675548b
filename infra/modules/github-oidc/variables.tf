variable "name" {
  description = "The role's name"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "Write a name for an IAM role, at most 64 characters, such as slipway-web-push."
  }
}

variable "provider_arn" {
  description = "The account's OIDC provider for token.actions.githubusercontent.com, of which an account has one"
  type        = string
}

variable "repository" {
  description = "The GitHub repository whose pipeline pushes, such as example/web"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.repository))
    error_message = "Write the owner and the repository, such as example/web, without a wildcard: another repository's pipeline must not push here."
  }
}

variable "owner_id" {
  description = "The number of the repository's owner: gh api repos/example/web --jq .owner.id"
  type        = string

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.owner_id))
    error_message = "Write the owner's number, which gh api repos/OWNER/REPOSITORY --jq .owner.id shows."
  }
}

variable "repository_id" {
  description = "The number of the repository: gh api repos/example/web --jq .id"
  type        = string

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.repository_id))
    error_message = "Write the repository's number, which gh api repos/OWNER/REPOSITORY --jq .id shows."
  }
}

variable "environment" {
  description = "The GitHub environment that the pushing job names, if it names one; the branch counts otherwise"
  type        = string
  default     = null

  validation {
    condition     = var.environment == null || can(regex("^[A-Za-z0-9._-]+$", var.environment))
    error_message = "Write the environment's name, such as registry, without a wildcard."
  }
}

variable "branch" {
  description = "The branch whose pipeline may push, when the job names no environment"
  type        = string
  default     = "main"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]+$", var.branch))
    error_message = "Write one branch, such as main, without a wildcard: a pull request's branch must not push."
  }
}

variable "registry_arn" {
  description = "The ARN of the ECR repository that the role may push to"
  type        = string

  validation {
    condition     = !strcontains(var.registry_arn, "*")
    error_message = "Write one repository's ARN, without a wildcard."
  }
}
