variable "name" {
  description = "The beginning of every name in the network"
  type        = string
}

variable "cidr_block" {
  description = "The network's addresses; each subnet gets a sixteenth"
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr_block)) && try(tonumber(split("/", var.cidr_block)[1]) >= 16 && tonumber(split("/", var.cidr_block)[1]) <= 23, false)
    error_message = "Write an IPv4 range from /16 to /23, such as 10.20.0.0/16: a subnet is a sixteenth of it, and AWS makes none smaller than /28."
  }
}

variable "availability_zones" {
  description = "The zones that have a public and a private subnet each"
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) >= 2 && length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) <= 8
    error_message = "Write two to eight different zones, such as [\"eu-central-1a\", \"eu-central-1b\"]: a load balancer needs two."
  }
}
