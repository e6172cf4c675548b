variable "name" {
  description = "The beginning of every name that is made"
  type        = string
  default     = "slipway"
}

variable "repository" {
  description = "The ECR repository whose pushes start releases; the application is called the same, with - in the place of /"
  type        = string
}

variable "tags" {
  description = "Patterns of the tags that start a release"
  type        = list(string)
  default     = ["v*"]
}

variable "staging" {
  description = "The ECS service of staging: its cluster and name; the address under which its load balancer serves it (url), where that is not the load balancer's own name; the family that is registered anyway, or \"running\" for what the service runs (template); the containers that take the image, where its repository does not say so; target_health in the place of requests from outside, for what only its VPC reaches; and further tasks of the same image"
  type = object({
    cluster       = string
    service       = string
    url           = optional(string)
    template      = optional(string)
    containers    = optional(list(string), [])
    target_health = optional(object({ command = optional(list(string)) }))
    tasks         = optional(list(object({ family = string, container = string })), [])
  })
}

variable "production" {
  description = "The same of production"
  type = object({
    cluster       = string
    service       = string
    url           = optional(string)
    template      = optional(string)
    containers    = optional(list(string), [])
    target_health = optional(object({ command = optional(list(string)) }))
    tasks         = optional(list(object({ family = string, container = string })), [])
  })
}

variable "health" {
  description = "What is asked through the load balancer: the path, headers that the application or a rule asks for, and the statuses that are good where that is not any 2xx"
  type        = object({ path = optional(string, "/health"), headers = optional(map(string), {}), codes = optional(string) })
  default     = {}
}

variable "task_role_arns" {
  description = "The execution and task roles that the task definitions name, those of further tasks too: Slipway passes these on to ECS, and no other"
  type        = list(string)

  validation {
    condition     = length(var.task_role_arns) > 0 && alltrue([for arn in var.task_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*]+$", arn))])
    error_message = "Write the ARNs of the roles that the task definitions name, such as [\"arn:aws:iam::123456789012:role/web-execution\"], without a wildcard."
  }
}

variable "approvers" {
  description = "Who is asked before production changes"
  type        = list(string)
}

variable "notification_emails" {
  description = "Who is notified of how releases end"
  type        = list(string)
  default     = []
}

variable "packages" {
  description = "The folder that holds <function>/bootstrap.zip for each function; by default packages of the bundle that this is in, or target/lambda of the clone"
  type        = string
  default     = null
}

variable "architecture" {
  description = "The processor of the functions: arm64 or x86_64; by default the bundle's, or arm64 without one"
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Whether the table refuses to be deleted"
  type        = bool
  default     = true
}
