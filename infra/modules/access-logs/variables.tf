variable "name" {
  description = "The beginning of the bucket's name, which the account and the region make unique"
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]*$", var.name)) && length(var.name) <= 20
    error_message = "Write lower-case letters, digits and hyphens, at most 20 characters: it begins the name of a bucket."
  }
}

variable "retention_days" {
  description = "How long the logs are kept"
  type        = number
  default     = 90

  validation {
    condition     = var.retention_days >= 1 && floor(var.retention_days) == var.retention_days
    error_message = "Write a whole number of days, 1 or more, such as 90."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket removes the logs in it; otherwise one with logs stays"
  type        = bool
  default     = false
}
