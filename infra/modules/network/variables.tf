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

variable "egress" {
  description = "How tasks reach AWS: endpoints (of the AWS services that a task needs, and nothing else) or nat (the whole internet, through NAT gateways)"
  type        = string
  default     = "endpoints"

  validation {
    condition     = contains(["endpoints", "nat"], var.egress)
    error_message = "Write endpoints, for a network without a way to the internet, or nat, when tasks call services on the internet."
  }
}

variable "egress_in_each_zone" {
  description = "Whether the endpoints or NAT gateways stand in each zone, or in the first alone: that costs half, and when the first zone fails no task can start"
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "How long the flow logs are kept"
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs has, such as 7, 30, 90 or 365."
  }
}
