variable "name" {
  description = "The beginning of every name"
  type        = string
}

variable "serve_console_name" {
  description = "The name of the function serve-console"
  type        = string
}

variable "serve_console_invoke_arn" {
  description = "The ARN over which API Gateway calls it"
  type        = string
}

variable "log_retention_days" {
  description = "How long the access log is kept"
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs has, such as 7, 30, 90 or 365."
  }
}
