variable "name" {
  description = "The beginning of every name"
  type        = string
}

variable "approvers" {
  description = "The e-mail addresses of all who may be asked; each gets one subscription, which they confirm once"
  type        = list(string)
}

variable "key_arn" {
  description = "The key that encrypts the messages in the topic"
  type        = string
}

variable "decide_approval_name" {
  description = "The name of the function decide-approval"
  type        = string
}

variable "decide_approval_invoke_arn" {
  description = "The ARN over which API Gateway calls it"
  type        = string
}

variable "domain" {
  description = "The approval page's own name, which the links in mails then begin with, its certificate of ACM in the same region, and its hosted zone in Route 53. Without hosted_zone_id, point the name at the output domain_target yourself, or at what signs people in"
  type = object({
    name            = string
    certificate_arn = string
    hosted_zone_id  = optional(string)
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain.name)) && try(length(var.domain.name) <= 253, false)
    error_message = "Write a name in lower-case letters without https:// and without a path, such as { name = \"approvals.example.com\", certificate_arn = \"arn:aws:acm:...\" }."
  }

  validation {
    condition     = var.domain == null || can(regex("^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.domain.certificate_arn))
    error_message = "Write the ARN of a certificate in ACM, such as arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012."
  }
}

variable "sign_in" {
  description = "Whose tokens (JWT) let people see the approval page: issuer, audience and, if asked for, scopes. A browser that opens a link sends none, so put what signs people in before the name of domain: a proxy that speaks OpenID Connect (such as oauth2-proxy, or CloudFront with a function at its edge), adds each person's token as the header of identity_source, and passes the name on as Host"
  type = object({
    issuer          = string
    audience        = list(string)
    scopes          = optional(list(string), [])
    identity_source = optional(string, "$request.header.Authorization")
  })
  default = null

  validation {
    condition     = var.sign_in == null || can(regex("^https://[^/\\s?#]+(/[^\\s?#]*)?$", var.sign_in.issuer))
    error_message = "Write the issuer as its tokens name it: https:// and a host, such as https://login.example.com."
  }

  validation {
    condition     = var.sign_in == null || try(length(var.sign_in.audience) > 0, false)
    error_message = "Write at least one audience, such as [\"slipway\"]: without one, a token for any other application of the issuer would do."
  }

  # A token in the query would be in the browser's history.
  validation {
    condition     = var.sign_in == null || can(regex("^\\$request\\.header\\.[A-Za-z0-9-]+$", var.sign_in.identity_source))
    error_message = "Write a header, such as $request.header.Authorization."
  }
}

variable "requests_per_second" {
  description = "How many requests each route of the page takes in a second, of all clients together; more are answered with 429"
  type        = number
  default     = 200

  # One client sends a hundred a second without trying hard.
  validation {
    condition     = var.requests_per_second >= 150 && var.requests_per_second <= 10000
    error_message = "Write 150 to 10000: with less one client keeps approvers out, and an account has 10,000 by default."
  }
}

variable "requests_burst" {
  description = "How many requests each route of the page takes at once, before they are counted by the second"
  type        = number
  default     = 400

  validation {
    condition     = var.requests_burst >= 1 && var.requests_burst <= 5000
    error_message = "Write 1 to 5000, which is what an account has by default."
  }
}

variable "log_retention_days" {
  description = "How long the access log is kept"
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs has, such as 7, 30, 90 or 365."
  }
}
