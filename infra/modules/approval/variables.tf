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

variable "requests_per_second" {
  description = "How many requests the page takes each second; more are answered with 429"
  type        = number
  default     = 10

  validation {
    condition     = var.requests_per_second >= 1
    error_message = "Write 1 or more."
  }
}

variable "requests_burst" {
  description = "How many requests the page takes at once"
  type        = number
  default     = 20

  validation {
    condition     = var.requests_burst >= 1
    error_message = "Write 1 or more."
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
