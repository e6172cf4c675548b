variable "name" {
  description = "The beginning of the names; the account and the region make the bucket's unique"
  type        = string
  default     = "slipway"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 20
    error_message = "Write lower-case letters, digits and single hyphens, starting with a letter, at most 20 characters."
  }
}

variable "version_retention_days" {
  description = "How long earlier versions of a state are kept; the newest twenty of them are always"
  type        = number
  default     = 90

  validation {
    condition     = var.version_retention_days >= 1 && floor(var.version_retention_days) == var.version_retention_days
    error_message = "Write a whole number of days, 1 or more, such as 90."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket removes the states in it; otherwise one with states stays"
  type        = bool
  default     = false
}
