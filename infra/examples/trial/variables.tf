variable "approver" {
  description = "Your e-mail address: you approve what goes to production, and are notified of how releases end"
  type        = string

  validation {
    condition     = can(regex("^[^@\\s,<>A-Z]+@[^@\\s,<>.A-Z]+(\\.[^@\\s,<>.A-Z]+)+$", var.approver))
    error_message = "Write your e-mail address in lower case, such as ana@example.com."
  }
}

variable "name" {
  description = "The beginning of every name, and the name of the deployer and of the cluster"
  type        = string
  default     = "trial"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 20
    error_message = "Write lower-case letters, digits and single hyphens, starting with a letter, at most 20 characters."
  }
}

variable "image_architecture" {
  description = "The processor that the application's image is built for: x86_64 or arm64"
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.image_architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept, should the trial live longer than that"
  type        = number
  default     = 7
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
