variable "name" {
  description = "The beginning of the names"
  type        = string
  default     = "slipway"
}

variable "force_destroy" {
  description = "Whether destroying the bucket removes the states in it"
  type        = bool
  default     = false
}
