variable "prefix" {
  description = "The name of the deployer that may change the service, and the beginning of the role's name"
  type        = string
}

variable "name" {
  description = "The ECS service's name"
  type        = string
}

variable "cluster" {
  description = "The name of the ECS cluster that the service runs in"
  type        = string
}

variable "cluster_arn" {
  description = "The ARN of that cluster"
  type        = string
}

variable "task_definition_arn" {
  description = "The template, which the service is made with; releases set what it runs"
  type        = string
}

variable "vpc_id" {
  description = "The network of the target groups"
  type        = string
}

variable "subnet_ids" {
  description = "The subnets of the tasks"
  type        = list(string)
}

variable "security_group_ids" {
  description = "The security groups of the tasks: the load balancer's must be let in at container_port"
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether tasks have public addresses, as in public subnets without endpoints"
  type        = bool
  default     = false
}

variable "listener_arn" {
  description = "The load balancer's listener whose traffic is shifted"
  type        = string
}

variable "priority" {
  description = "The priority of the rule among those of the listener"
  type        = number
  default     = 1
}

variable "paths" {
  description = "The paths of the rule"
  type        = list(string)
  default     = ["/*"]
}

variable "hosts" {
  description = "The hosts of the rule, where several applications share the listener"
  type        = list(string)
  default     = []
}

variable "test_listener_rule_arn" {
  description = "A rule that leads to the new tasks before the traffic is shifted, such as for a hook's own requests; none without one"
  type        = string
  default     = null
}

variable "test" {
  description = "Makes that rule: on a listener of its own (listener_arn), or on the one of the traffic for requests that have a header with a value; paths and hosts are those of the traffic. Its priority must come before the traffic's on the same listener. Both listeners must be of one load balancer"
  type = object({
    listener_arn = optional(string)
    priority     = number
    header       = optional(object({ name = string, value = string }))
  })
  default = null

  validation {
    condition     = var.test == null || try(coalesce(var.test.listener_arn, var.listener_arn) != var.listener_arn || var.test.header != null, false)
    error_message = "Write another listener_arn than the traffic's, or a header: without both the rule would take the traffic itself."
  }

  validation {
    condition     = var.test == null || var.test_listener_rule_arn == null
    error_message = "Write test or test_listener_rule_arn: a service has one test rule."
  }

  validation {
    condition     = var.test == null || try(coalesce(var.test.listener_arn, var.listener_arn) != var.listener_arn || var.test.priority < var.priority, false)
    error_message = "Write a priority of test that is below the one of the traffic: the listener takes the first rule that matches."
  }
}

variable "container_name" {
  description = "The container that answers; the service's name when it is not given"
  type        = string
  default     = null
}

variable "container_port" {
  description = "The port that it listens on"
  type        = number
  default     = 8080
}

variable "health_check_path" {
  description = "The path that the load balancer asks to see whether a task serves"
  type        = string

  validation {
    condition     = startswith(var.health_check_path, "/")
    error_message = "Write a path that starts with /, such as /health."
  }
}

variable "health_check_codes" {
  description = "The HTTP statuses that are good, as ELB writes them"
  type        = string
  default     = "200-299"
}

variable "health_check_grace_period_seconds" {
  description = "How long a new task may fail its health checks before ECS stops it"
  type        = number
  default     = 30
}

variable "deregistration_delay_seconds" {
  description = "How long a task that is being replaced may finish its requests"
  type        = number
  default     = 15
}

variable "strategy" {
  description = "How ECS shifts the traffic: BLUE_GREEN, CANARY or LINEAR; of the last two the first or each part in percent and how long ECS stays at it; of all how long the old tasks stay afterwards"
  type = object({
    type              = string
    percent           = optional(number)
    step_bake_minutes = optional(number)
    bake_minutes      = optional(number, 0)
  })

  validation {
    condition     = contains(["BLUE_GREEN", "CANARY", "LINEAR"], var.strategy.type)
    error_message = "Write BLUE_GREEN, CANARY or LINEAR: for ROLLING use modules/service."
  }

  validation {
    condition     = (var.strategy.type == "BLUE_GREEN") == (var.strategy.percent == null && var.strategy.step_bake_minutes == null) && (var.strategy.percent == null) == (var.strategy.step_bake_minutes == null)
    error_message = "CANARY and LINEAR need percent and step_bake_minutes, and BLUE_GREEN has neither."
  }

  validation {
    condition     = var.strategy.percent == null || try(var.strategy.percent >= (var.strategy.type == "LINEAR" ? 3 : 0.1) && var.strategy.percent <= 100, false)
    error_message = "Write 0.1 to 100 percent for CANARY, and 3 to 100 for LINEAR."
  }

  validation {
    condition     = alltrue([for minutes in [var.strategy.step_bake_minutes, var.strategy.bake_minutes] : minutes == null || try(minutes >= 0 && minutes <= 1440 && floor(minutes) == minutes, false)])
    error_message = "Write whole minutes, 1440 at the most: ECS knows nothing shorter."
  }
}

variable "hooks" {
  description = "Lambda functions that ECS asks while it shifts traffic, by a name of your own: the function, the role with which ECS may invoke it, and at which of ECS's stages, such as POST_TEST_TRAFFIC_SHIFT"
  type        = map(object({ function_arn = string, role_arn = string, stages = list(string) }))
  default     = {}
}

variable "pause" {
  description = "Where ECS waits until the new tasks are verified and somebody continues the deployment, and for how long at most; then it rolls back. The time must be longer than the stage's deploy_timeout and what its people may take to approve"
  type = object({
    stages          = optional(list(string), ["POST_TEST_TRAFFIC_SHIFT"])
    timeout_minutes = number
  })
  default = null

  validation {
    condition = var.pause == null || try(length(var.pause.stages) > 0 && alltrue([for stage in var.pause.stages : contains([
      "RECONCILE_SERVICE", "PRE_SCALE_UP", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT",
    ], stage)]), false)
    error_message = "Write stages at which ECS can pause, such as POST_TEST_TRAFFIC_SHIFT: it cannot while it shifts."
  }

  validation {
    condition     = var.pause == null || try(var.pause.timeout_minutes >= 1 && var.pause.timeout_minutes <= 20160 && floor(var.pause.timeout_minutes) == var.pause.timeout_minutes, false)
    error_message = "Write whole minutes, 1 to 20160 (14 days)."
  }

  validation {
    condition     = var.pause == null || try(!contains(var.pause.stages, "POST_TEST_TRAFFIC_SHIFT") || var.test != null || var.test_listener_rule_arn != null, false)
    error_message = "Write test as well: without a test rule nobody reaches the new tasks at POST_TEST_TRAFFIC_SHIFT."
  }
}

variable "deployment_alarms" {
  description = "The names of CloudWatch alarms by which ECS itself rolls a deployment back, too"
  type        = list(string)
  default     = []
}
