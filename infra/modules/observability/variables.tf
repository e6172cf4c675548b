variable "name" {
  description = "The beginning of the deployer's dashboards' and alarms' names"
  type        = string
}

variable "topic_arn" {
  description = "The topic that every alarm notifies when it fires"
  type        = string
}

variable "services" {
  description = "The services, by application/stage/service: of whom they are, whether a load balancer asks them, and how CloudWatch's metrics name them (metric_dimensions of the module service)"
  type = map(object({
    application = string
    balanced    = optional(bool, true)
    dimensions  = object({ cluster = string, service = string, load_balancer = optional(string), target_group = optional(string) })
  }))
  default = {}
}

variable "databases" {
  description = "The databases, by application/stage: of whom they are, the RDS instance's identifier, and the storage that it may grow to"
  type        = map(object({ application = string, identifier = string, storage_limit_gib = number }))
  default     = {}
}

variable "deployer" {
  description = "The deployer: its applications, the workflow's ARN, the functions' names by function, the dead-letter queues' names by function or rule, the topics' names by use, the HTTP APIs of the approval page and of the console, and how far apart the reconciliations are"
  type = object({
    applications      = list(string)
    state_machine_arn = string
    function_names    = map(string)
    dead_letter_names = map(string)
    topic_names       = map(string)
    approval_api_id   = string
    console_api_id    = optional(string)
    reconcile_minutes = number
  })
}

variable "thresholds" {
  description = "When an application's alarms fire: 5xx answers in percent of all, the slowest hundredth's seconds, processor and memory in percent, the database's connections"
  type = object({
    errors_percent       = optional(number, 1)
    latency_seconds      = optional(number, 2)
    cpu_percent          = optional(number, 85)
    memory_percent       = optional(number, 85)
    database_connections = optional(number, 70)
  })
  default = {}

  validation {
    condition     = alltrue([for threshold in values(var.thresholds) : threshold > 0])
    error_message = "Write thresholds above 0, such as errors_percent = 1: an alarm at 0 would always fire."
  }

  validation {
    condition     = var.thresholds.errors_percent < 100 && var.thresholds.cpu_percent < 100 && var.thresholds.memory_percent < 100
    error_message = "Write percentages below 100, such as cpu_percent = 85: an alarm at 100 would never fire."
  }
}
