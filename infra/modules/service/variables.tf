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

variable "egress" {
  description = "How tasks reach AWS: over the network's endpoints, or over its NAT gateways (nat), which lets them out to port 443 of the internet"
  type        = string
  default     = "endpoints"
  nullable    = false

  validation {
    condition     = contains(["endpoints", "nat"], var.egress)
    error_message = "Write endpoints or nat, as the network has it."
  }
}

variable "endpoints_security_group_id" {
  description = "The group of the network's AWS endpoints; not used with nat"
  type        = string
  default     = null
}

variable "gateway_prefix_list_ids" {
  description = "The addresses behind the network's gateways, by service, such as s3: tasks may reach these"
  type        = map(string)
}

variable "database" {
  description = "The database that tasks may reach, if there is one: its group and its port"
  type        = object({ security_group_id = string, port = number })
  default     = null
}

variable "https" {
  description = "The certificate with which the load balancer speaks HTTPS; HTTP then only redirects. Without one it speaks HTTP"
  type        = object({ certificate_arn = string })
  default     = null

  validation {
    condition     = var.https == null || can(regex("^arn:[a-z-]+:acm:", var.https.certificate_arn))
    error_message = "Write https = { certificate_arn = \"arn:aws:acm:...\" }: a certificate of ACM in the load balancer's region."
  }
}

variable "access_logs_bucket" {
  description = "The bucket that the load balancer writes its access logs to; none without one"
  type        = string
  default     = null
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
  description = "The path that the load balancer asks to see whether a task serves; without one there is no load balancer, as for a worker"
  type        = string
  default     = null

  validation {
    condition     = var.health_check_path == null || try(startswith(var.health_check_path, "/"), false)
    error_message = "Write a path that starts with /, such as /health."
  }
}

variable "traffic_shift" {
  description = "Whether ECS may shift the service's traffic between two target groups (BLUE_GREEN, CANARY, LINEAR): makes the second one, the listener rule and the role; README.md says what is left to do by hand"
  type        = bool
  default     = false
  nullable    = false
}

variable "command" {
  description = "What the container runs instead of the image's own command, for a worker of the same image"
  type        = list(string)
  default     = null
}

variable "container_port" {
  description = "The port that the application listens on"
  type        = number
  default     = 8080
  nullable    = false

  validation {
    condition     = var.container_port >= 1 && var.container_port <= 65535 && floor(var.container_port) == var.container_port
    error_message = "Write a port from 1 to 65535."
  }
}

variable "cpu_units" {
  description = "The task's share of processors, in 1/1024"
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu_units)
    error_message = "Write a size that Fargate has: 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "memory_mib" {
  description = "The task's memory"
  type        = number
  default     = 512
  nullable    = false

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
  nullable    = false
}

variable "secrets" {
  description = "The container's environment variables that come from Secrets Manager, by name: the secret's ARN, with :key:: behind it for one key of a JSON secret. ECS reads them when it starts a task"
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "secrets_key_arns" {
  description = "The customer's keys that those secrets are encrypted with; none for secrets under Secrets Manager's own key"
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secrets_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", arn))])
    error_message = "Write the ARNs of keys, such as [\"arn:aws:kms:eu-central-1:123456789012:key/12345678-1234-1234-1234-123456789012\"]: an alias is no resource of a permission."
  }
}

variable "read_only_root_filesystem" {
  description = "Whether the container's file system cannot be written to, besides writable_paths"
  type        = bool
  default     = true
  nullable    = false
}

variable "writable_paths" {
  description = "Folders of the container that can be written to, and are empty in each new task. A container whose user is not root needs VOLUME for them in its Dockerfile: Fargate takes their owner and mode from there"
  type        = list(string)
  default     = ["/tmp"]
  nullable    = false

  validation {
    condition     = alltrue([for path in var.writable_paths : can(regex("^(/[A-Za-z0-9._-]+)+$", path))])
    error_message = "Write absolute paths without a slash at the end, such as [\"/tmp\"]."
  }
}

variable "scaling" {
  description = "Between which numbers of tasks the service scales, and the average processor use in percent that it keeps; a fixed number of tasks without it"
  type        = object({ minimum = number, maximum = number, cpu_percent = optional(number, 60) })
  default     = null

  validation {
    condition     = var.scaling == null || try(var.scaling.minimum >= 1 && var.scaling.maximum > var.scaling.minimum && var.scaling.cpu_percent >= 10 && var.scaling.cpu_percent <= 90, false)
    error_message = "Write scaling = { minimum = 2, maximum = 6, cpu_percent = 60 }: a minimum of 1 or more, a maximum above it, and 10 to 90 percent."
  }
}

variable "health_check_grace_period_seconds" {
  description = "How long a new task may fail its health checks before ECS stops it"
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.health_check_grace_period_seconds >= 0 && var.health_check_grace_period_seconds <= 7200
    error_message = "Write a number of seconds from 0 to 7200."
  }
}

variable "deregistration_delay_seconds" {
  description = "How long a task that is being replaced may finish its requests; every deployment and rollback waits for it"
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.deregistration_delay_seconds >= 0 && var.deregistration_delay_seconds <= 3600
    error_message = "Write a number of seconds from 0 to 3600."
  }
}

variable "deployment_alarms" {
  description = "The names of CloudWatch alarms that exist already, by which ECS itself rolls a deployment back, too: those of the stage's bake"
  type        = list(string)
  default     = []
  nullable    = false
}

variable "log_retention_days" {
  description = "How long the application's log is kept"
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs has, such as 7, 30, 90 or 365."
  }
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted"
  type        = bool
}
