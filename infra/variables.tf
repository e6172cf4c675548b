variable "name" {
  description = "The beginning of every name, so that several can live in one account"
  type        = string
  default     = "slipway"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 20
    error_message = "Write lower-case letters, digits and single hyphens, starting with a letter, at most 20 characters."
  }
}

variable "applications" {
  description = "What Slipway releases, by application: its image repository, the tags that start a release, and its stages in order. modules/applications/README.md lists the fields and checks them"
  type        = any
}

variable "services" {
  description = "How the ECS services run, by application/stage/service, such as \"web/production/web\"; what is not named here has the defaults of modules/service"
  type = map(object({
    command                           = optional(list(string))
    container_port                    = optional(number)
    cpu_units                         = optional(number)
    memory_mib                        = optional(number)
    architecture                      = optional(string)
    environment                       = optional(map(string), {})
    secrets                           = optional(map(string), {})
    secrets_key_arns                  = optional(list(string))
    certificate_arn                   = optional(string)
    scaling                           = optional(object({ minimum = number, maximum = number, cpu_percent = optional(number, 60) }))
    read_only_root_filesystem         = optional(bool)
    writable_paths                    = optional(list(string))
    health_check_grace_period_seconds = optional(number)
    deregistration_delay_seconds      = optional(number)
    deployment_alarms                 = optional(list(string))
    traffic_shift                     = optional(bool)
  }))
  default = {}

  validation {
    condition     = alltrue([for place, settings in var.services : contains(keys(local.services), place)])
    error_message = "There is no service ${join(", ", [for place, settings in var.services : place if !contains(keys(local.services), place)])} in applications: write keys of the form application/stage/service, of which there are ${join(", ", keys(local.services))}."
  }

  validation {
    condition     = alltrue([for place, settings in var.services : settings.certificate_arn == null || !contains(keys(local.services), place) || try(startswith(local.services[place].health_check_url, "https://"), false)])
    error_message = "A service with a certificate_arn answers only under the certificate's name: write it in applications as health = { path = \"/health\", url = \"https://www.example.com\" } for ${join(", ", [for place, settings in var.services : place if settings.certificate_arn != null])}."
  }
}

variable "databases" {
  description = "The PostgreSQL databases, by application/stage, such as \"web/production\" = {}: the stage's services reach it, and no other; modules/database/README.md says how"
  type = map(object({
    engine_version        = optional(string)
    instance_class        = optional(string)
    multi_az              = optional(bool)
    storage_gib           = optional(number)
    storage_limit_gib     = optional(number)
    backup_retention_days = optional(number)
    final_snapshot        = optional(bool)
  }))
  default = {}

  validation {
    condition     = alltrue([for place, settings in var.databases : contains(local.stages, place)])
    error_message = "There is no stage ${join(", ", [for place, settings in var.databases : place if !contains(local.stages, place)])} in applications: write keys of the form application/stage, of which there are ${join(", ", local.stages)}."
  }
}

variable "packages" {
  description = "The folder that holds <function>/bootstrap.zip for each function; by default packages of the bundle that this is in, or target/lambda of the clone, as cargo lambda build --output-format zip makes it"
  type        = string
  default     = null
}

variable "architecture" {
  description = "The processor of the functions, and of the services that name no other: arm64 or x86_64; by default the bundle's, or arm64 without one"
  type        = string
  default     = null

  validation {
    condition     = var.architecture == null || try(contains(["arm64", "x86_64"], var.architecture), false)
    error_message = "Write arm64 or x86_64."
  }
}

variable "cidr_block" {
  description = "The network's addresses"
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.cidr_block)) && try(tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 23, false)
    error_message = "Write an IPv4 range from /16 to /23, such as 10.20.0.0/16: a subnet is a sixteenth of it, and AWS makes none smaller than /28."
  }
}

variable "availability_zones" {
  description = "The zones of the network; the region's first two when none are named"
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.availability_zones) == 0 || (length(distinct(var.availability_zones)) >= 2 && length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) <= 8)
    error_message = "Write two to eight different zones, such as [\"eu-central-1a\", \"eu-central-1b\"], or none: a load balancer needs two."
  }
}

variable "egress" {
  description = "How tasks reach AWS: endpoints (of the AWS services that a task needs, and nothing else) or nat (the whole internet, through NAT gateways)"
  type        = string
  default     = "endpoints"

  validation {
    condition     = contains(["endpoints", "nat"], var.egress)
    error_message = "Write endpoints, for a network without a way to the internet, or nat, when tasks call services on the internet."
  }
}

variable "egress_in_each_zone" {
  description = "Whether the endpoints or NAT gateways stand in each zone, or in the first alone: that costs half, and when the first zone fails no task can start"
  type        = bool
  default     = true
}

variable "notification_emails" {
  description = "Who is notified of how releases end and which alarms fire; each address confirms its subscription once"
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.notification_emails : can(regex("^[^@\\s,<>]+@[^@\\s,<>.]+(\\.[^@\\s,<>.]+)+$", email))])
    error_message = "Write e-mail addresses, such as [\"team@example.com\"]: ${join(", ", [for email in var.notification_emails : email if !can(regex("^[^@\\s,<>]+@[^@\\s,<>.]+(\\.[^@\\s,<>.]+)+$", email))])} does not look like one."
  }
}

variable "chats" {
  description = "The Slack and Microsoft Teams channels that are notified, each by a name of your own; modules/notifications/README.md says what a person has to do once"
  type = object({
    slack = optional(map(object({ workspace_id = string, channel_id = string })), {})
    teams = optional(map(object({ tenant_id = string, team_id = string, channel_id = string })), {})
  })
  default = {}

  validation {
    condition     = alltrue([for channel in values(var.chats.slack) : can(regex("^T[A-Z0-9]+$", channel.workspace_id)) && can(regex("^[CGD][A-Z0-9]+$", channel.channel_id))])
    error_message = "Write a Slack workspace's id, such as T0123ABCD, and a channel's, such as C0123ABCD: the names that people see are others."
  }
}

variable "webhook" {
  description = "An HTTPS address that gets each notification as JSON in a POST, and the header that it knows Slipway by, such as { url = \"https://hooks.example.com/slipway\", header = \"X-Api-Key\", value = \"…\" }"
  type        = object({ url = string, header = string, value = string })
  default     = null
  sensitive   = true

  validation {
    condition     = var.webhook == null || can(regex("^https://[^\\s*]+$", var.webhook.url))
    error_message = "Write webhook.url as https:// and a host, such as https://hooks.example.com/slipway: EventBridge calls nothing else."
  }

  validation {
    condition     = var.webhook == null || (can(regex("^[A-Za-z0-9-]+$", var.webhook.header)) && try(length(var.webhook.value) > 0, false))
    error_message = "Write webhook.header as a header's name, such as X-Api-Key, and webhook.value as the secret that the address knows: without one, anybody could send it false notifications."
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

variable "pipelines" {
  description = "The GitHub repositories whose pipelines push images, by application: each gets a role that can push to the application's registry and do nothing else; modules/github-oidc/README.md says how"
  type = map(object({
    repository    = string
    owner_id      = string
    repository_id = string
    environment   = optional(string)
    branch        = optional(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for application, pipeline in var.pipelines : contains(keys(local.applications), application)])
    error_message = "There is no application ${join(", ", [for application, pipeline in var.pipelines : application if !contains(keys(local.applications), application)])} in applications: write keys of it, of which there are ${join(", ", keys(local.applications))}."
  }
}

variable "github_provider_arn" {
  description = "The account's OIDC provider for GitHub, when it has one; otherwise it is made for the first pipeline"
  type        = string
  default     = null
}

variable "alarm_thresholds" {
  description = "When an application's alarms fire; modules/observability/README.md lists the alarms"
  type = object({
    errors_percent       = optional(number, 1)
    latency_seconds      = optional(number, 2)
    cpu_percent          = optional(number, 85)
    memory_percent       = optional(number, 85)
    database_connections = optional(number, 70)
  })
  default = {}
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
  description = "Whether the table, databases, load balancers, and repositories and buckets with something in them refuse to be deleted"
  type        = bool
  default     = true
}
