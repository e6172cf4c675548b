variable "name" {
  description = "The repository's name, such as web or team/web"
  type        = string
}

variable "deployer" {
  description = "The name of the deployer that reads the images"
  type        = string
}

variable "force_delete" {
  description = "Whether destroying the repository removes the images in it; otherwise one with images stays"
  type        = bool
  default     = false
}

variable "untagged_days" {
  description = "After how many days images without a tag are removed; tagged ones are never removed by age or number"
  type        = number
  default     = 14

  validation {
    condition     = var.untagged_days >= 1 && floor(var.untagged_days) == var.untagged_days
    error_message = "Write a whole number of days, 1 or more, such as 14."
  }
}
