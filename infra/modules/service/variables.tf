variable "prefix" {
  description = "The beginning of the names that are shared with the rest of the account: roles and security groups"
  type        = string
}

variable "name" {
  description = "The ECS service's name, which its container has too"
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", "${var.name}-${var.cluster}")) && length("${var.name}-${var.cluster}") <= 32
    error_message = "The load balancer would be called ${var.name}-${var.cluster}: choose names of the service and the cluster that make letters, digits and hyphens, at most 32 characters together."
  }

  validation {
    condition     = length("${var.prefix}-${var.cluster}-${var.name}-load-balancer") <= 64
    error_message = "The roles would be called ${var.prefix}-${var.cluster}-${var.name}-execution: choose shorter names, so that they stay under 64 characters."
  }
}

variable "cluster" {
  description = "The name of the ECS cluster that the service runs in"
  type        = string
}

variable "cluster_arn" {
  description = "The ARN of that cluster"
  type        = string
}

variable "vpc_id" {
  description = "The network"
  type        = string
}

variable "public_subnet_ids" {
  description = "The subnets of the load balancer"
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "The subnets of the tasks"
  type        = list(string)
}

variable "endpoints_security_group_id" {
  description = "The group of the network's AWS endpoints"
  type        = string
}

variable "s3_prefix_list_id" {
  description = "The addresses of S3 behind the network's gateway"
  type        = string
}

variable "repository_url" {
  description = "The address of the image repository, without a tag"
  type        = string
}

variable "repository_arn" {
  description = "The ARN of the image repository, which tasks may pull from"
  type        = string
}

variable "health_check_path" {
  description = "The path that the load balancer asks to see whether a task serves"
  type        = string

  validation {
    condition     = startswith(var.health_check_path, "/")
    error_message = "Write a path that starts with /, such as /health."
  }
}

variable "container_port" {
  description = "The port that the application listens on"
  type        = number
  default     = 8080

  validation {
    condition     = var.container_port >= 1 && var.container_port <= 65535 && floor(var.container_port) == var.container_port
    error_message = "Write a port from 1 to 65535."
  }
}

variable "cpu_units" {
  description = "The task's share of processors, in 1/1024"
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu_units)
    error_message = "Write a size that Fargate has: 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "memory_mib" {
  description = "The task's memory"
  type        = number
  default     = 512

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = range(1024, 4097, 1024)
      1024 = range(2048, 8193, 1024)
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
      8192 = range(16384, 61441, 4096)
    }, var.cpu_units, range(32768, 122881, 8192)), var.memory_mib)
    error_message = "Fargate has no task with ${var.cpu_units} CPU units and ${var.memory_mib} MiB: write a memory that goes with the CPU, such as 512 with 256, 1024 with 512, or 2048 with 1024."
  }
}

variable "architecture" {
  description = "The processor that the application's image is built for: arm64 or x86_64"
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "environment" {
  description = "The container's environment variables; no secrets, because a task definition can be read by many"
  type        = map(string)
  default     = {}
}

variable "health_check_grace_period_seconds" {
  description = "How long a new task may fail its health checks before ECS stops it"
  type        = number
  default     = 30

  validation {
    condition     = var.health_check_grace_period_seconds >= 0 && var.health_check_grace_period_seconds <= 7200
    error_message = "Write a number of seconds from 0 to 7200."
  }
}

variable "deregistration_delay_seconds" {
  description = "How long a task that is being replaced may finish its requests; every deployment and rollback waits for it"
  type        = number
  default     = 15

  validation {
    condition     = var.deregistration_delay_seconds >= 0 && var.deregistration_delay_seconds <= 3600
    error_message = "Write a number of seconds from 0 to 3600."
  }
}

variable "log_retention_days" {
  description = "How long the application's log is kept"
  type        = number
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted"
  type        = bool
}
