variable "name" {
  description = "The beginning of every name that is made, and the value of the tag slipway:deployer"
  type        = string
}

variable "region" {
  description = "The region of the services"
  type        = string
}

variable "account" {
  description = "The account of the services; nothing is made in another one"
  type        = string
}

variable "applications" {
  description = "What Slipway releases, by application; infra/modules/applications/README.md lists the fields"
  type        = any
}

variable "task_role_arns" {
  description = "The execution and task roles of the services and tasks: Slipway passes these on to ECS, and no others"
  type        = list(string)
}

variable "notification_emails" {
  description = "Who is notified of how releases end; each address confirms its subscription once"
  type        = list(string)
  default     = []
}

variable "architecture" {
  description = "The processor that Slipway's functions were built for: arm64 or x86_64; by default the bundle's, or arm64 without one"
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Whether the table refuses to be deleted"
  type        = bool
  default     = true
}
