variable "name" {
  description = "The function's full name, such as slipway-receive-push: also its role's, and the beginning of its queue's"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "Write letters, digits, hyphens and underscores, at most 64 characters."
  }
}

variable "description" {
  description = "What the function does, in one sentence"
  type        = string
}

variable "package" {
  description = "The zip with the function's bootstrap, as cargo lambda build --output-format zip makes it"
  type        = string

  validation {
    condition     = fileexists(var.package)
    error_message = "There is no package ${var.package}: set packages to the folder that holds <function>/bootstrap.zip, which is packages of a release's bundle, or target/lambda after cargo lambda build --release --output-format zip."
  }
}

variable "package_sha256" {
  description = "The SHA-256 that the package must have, as SHA256SUMS of its bundle lists it; null where nothing lists it"
  type        = string
  default     = null

  validation {
    condition     = var.package_sha256 == null || try(filesha256(var.package) == var.package_sha256, false)
    error_message = "The package ${var.package} is not the one that SHA256SUMS of its bundle lists: download the bundle again, and check it with sha256sum -c SHA256SUMS."
  }
}

variable "architecture" {
  description = "The processor that the package was built for: arm64 or x86_64"
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "timeout_seconds" {
  description = "How long one invocation may take"
  type        = number

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "Write a number of seconds from 1 to 900."
  }
}

variable "memory_mib" {
  description = "Memory; the share of a processor grows with it"
  type        = number
  default     = 256

  validation {
    condition     = var.memory_mib >= 128 && var.memory_mib <= 10240
    error_message = "Write a number of MiB from 128 to 10240."
  }
}

variable "reserved_concurrency" {
  description = "How many of the account's concurrent executions are this function's alone, and the most that it has; null for none and no limit of its own"
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null || try(var.reserved_concurrency >= 1, false)
    error_message = "Write 1 or more, or null: 0 would switch the function off."
  }
}

variable "environment" {
  description = "Environment variables"
  type        = map(string)
  default     = {}
}

variable "statements" {
  description = "All that the function may do besides writing its log and its dead letters"
  type = list(object({
    sid       = string
    actions   = list(string)
    resources = list(string)
    conditions = optional(list(object({
      test     = string
      variable = string
      values   = list(string)
    })), [])
  }))

  validation {
    condition     = alltrue([for statement in var.statements : alltrue([for action in statement.actions : can(regex("^[a-z0-9-]+:[A-Za-z]+$", action))])])
    error_message = "Write each action whole, such as dynamodb:GetItem, without a wildcard."
  }
}

variable "log_retention_days" {
  description = "How long the log is kept"
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs has, such as 7, 30, 90 or 365."
  }
}
