variable "name" {
  description = "The beginning of every name"
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 20
    error_message = "Write lower-case letters, digits and single hyphens, starting with a letter, at most 20 characters."
  }
}

variable "applications" {
  description = "The applications, by name; modules/applications/README.md lists the fields"
  type        = any
}

variable "packages" {
  description = "The folder that holds <function>/bootstrap.zip for each function; by default that of the bundle which this module is in, or target/lambda of the clone"
  type        = string
  default     = null
}

variable "architecture" {
  description = "The processor that the packages were built for: arm64 or x86_64; by default the bundle's, or arm64 without one"
  type        = string
  default     = null

  validation {
    condition     = var.architecture == null || try(contains(["arm64", "x86_64"], var.architecture), false)
    error_message = "Write arm64 or x86_64."
  }
}

variable "definition_path" {
  description = "The file with the workflow's definition, a template that names functions as $${deploy_services_arn}; by default the one that comes with this module"
  type        = string
  default     = null

  validation {
    condition     = var.definition_path == null || try(fileexists(var.definition_path), false)
    error_message = "There is no workflow definition ${coalesce(var.definition_path, "null")}: write the path of statemachine/release.asl.yaml, or leave it out."
  }
}

variable "task_role_arns" {
  description = "The execution and task roles of all services, which a release passes on to ECS with the task definition: ARNs, or a path of roles such as arn:aws:iam::123456789012:role/services/*"
  type        = list(string)
}

variable "notification_emails" {
  description = "Who is notified of how releases end; each address confirms its subscription once"
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.notification_emails : can(regex("^[^@\\s,<>]+@[^@\\s,<>.]+(\\.[^@\\s,<>.]+)+$", email))])
    error_message = "Write e-mail addresses, such as [\"team@example.com\"]: ${join(", ", [for email in var.notification_emails : email if !can(regex("^[^@\\s,<>]+@[^@\\s,<>.]+(\\.[^@\\s,<>.]+)+$", email))])} does not look like one."
  }
}

variable "approval_domain" {
  description = "The approval page's own name, which the links in mails then begin with, its certificate of ACM in the same region, and its hosted zone in Route 53. Without hosted_zone_id, point the name at the output approval_domain_target yourself, or at what signs people in"
  type = object({
    name            = string
    certificate_arn = string
    hosted_zone_id  = optional(string)
  })
  default = null

  validation {
    condition     = var.approval_domain == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.approval_domain.name)) && try(length(var.approval_domain.name) <= 253, false)
    error_message = "Write a name in lower-case letters without https:// and without a path, such as { name = \"approvals.example.com\", certificate_arn = \"arn:aws:acm:...\" }."
  }

  validation {
    condition     = var.approval_domain == null || can(regex("^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.approval_domain.certificate_arn))
    error_message = "Write the ARN of a certificate in ACM, such as arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012."
  }
}

variable "approval_sign_in" {
  description = "Whose tokens (JWT) let people see the approval page: issuer, audience and, if asked for, scopes. A browser that opens a link sends none, so put what signs people in before the name of approval_domain: a proxy that speaks OpenID Connect (such as oauth2-proxy, or CloudFront with a function at its edge), adds each person's token as the header of identity_source, and passes the name on as Host"
  type = object({
    issuer          = string
    audience        = list(string)
    scopes          = optional(list(string), [])
    identity_source = optional(string, "$request.header.Authorization")
  })
  default = null

  validation {
    condition     = var.approval_sign_in == null || can(regex("^https://[^/\\s?#]+(/[^\\s?#]*)?$", var.approval_sign_in.issuer))
    error_message = "Write the issuer as its tokens name it: https:// and a host, such as https://login.example.com."
  }

  validation {
    condition     = var.approval_sign_in == null || try(length(var.approval_sign_in.audience) > 0, false)
    error_message = "Write at least one audience, such as [\"slipway\"]: without one, a token for any other application of the issuer would do."
  }

  # A token in the query would be in the browser's history.
  validation {
    condition     = var.approval_sign_in == null || can(regex("^\\$request\\.header\\.[A-Za-z0-9-]+$", var.approval_sign_in.identity_source))
    error_message = "Write a header, such as $request.header.Authorization."
  }
}

variable "approval_concurrency" {
  description = "How many requests the approval page answers at the same moment: as many of the account's concurrent executions of Lambda are reserved for it, and 100 must be left for the rest. An account has 1,000 by default; a new one has 10, where nothing can be reserved. null reserves none and limits nothing"
  type        = number
  default     = null

  validation {
    condition     = var.approval_concurrency == null || try(var.approval_concurrency >= 10, false)
    error_message = "Write 10 or more, or null."
  }
}

variable "console_concurrency" {
  description = "How many requests the console's pages answer at the same moment, and so how many of them the operators' API has at most; otherwise as approval_concurrency"
  type        = number
  default     = null

  validation {
    condition     = var.console_concurrency == null || try(var.console_concurrency >= 10, false)
    error_message = "Write 10 or more, or null."
  }
}

variable "table_name" {
  description = "The table's name, where it is another one than name: a table that was restored (docs/runbook.md, \"The table is lost\")"
  type        = string
  default     = null
}

variable "session_roles" {
  description = "The roles whose sessions are named by who enforces the name, as patterns: IAM Identity Center's are. A session's name of any other role is what its caller wrote, and is not shown as who acted"
  type        = list(string)
  default     = ["AWSReservedSSO_*"]

  validation {
    condition     = alltrue([for role in var.session_roles : can(regex("^[A-Za-z0-9+=.@_*-]{1,64}$", role))])
    error_message = "Write names of roles, without their path; * stands for anything, such as AWSReservedSSO_*."
  }
}

variable "mails_per_minute" {
  description = "How many mails of Slipway go alone to one address in a minute; what is more comes in one that sums it up. SNS hands an address ten a second, and suspends it above that"
  type        = number
  default     = 30

  validation {
    condition     = var.mails_per_minute >= 1 && var.mails_per_minute <= 300 && floor(var.mails_per_minute) == var.mails_per_minute
    error_message = "Write a whole number from 1 to 300."
  }
}

variable "reconcile_every" {
  description = "How often the reconciler looks for what was lost: a number of minutes or hours, such as 5 minutes"
  type        = string
  default     = "5 minutes"

  validation {
    condition     = can(regex("^(1 minute|([2-9]|[1-5][0-9]|60) minutes|1 hour|[2-6] hours)$", var.reconcile_every))
    error_message = "Write a number of minutes up to 60 or of hours up to 6, with its unit, such as \"1 minute\", \"5 minutes\" or \"2 hours\"."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept"
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs has, such as 7, 30, 90 or 365."
  }
}

variable "log_level" {
  description = "How much the functions log: error, warn, info, or debug while looking for a fault; what others wrote is held to warnings, because it would log task tokens and links"
  type        = string
  default     = "info"

  # At trace the SDK logs every request whole: task tokens, links and mails.
  validation {
    condition     = contains(["error", "warn", "info", "debug"], var.log_level)
    error_message = "Write error, warn, info or debug: trace would log task tokens and links."
  }
}

variable "deletion_protection" {
  description = "Whether the table refuses to be deleted"
  type        = bool
  default     = true
}
