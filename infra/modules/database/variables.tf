variable "prefix" {
  description = "The beginning of the names that are shared with the rest of the network: the security group's"
  type        = string
}

variable "name" {
  description = "The RDS instance's identifier, such as web-production"
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 48
    error_message = "Write lower-case letters, digits and single hyphens, starting with a letter, at most 48 characters."
  }
}

variable "database" {
  description = "The database that RDS makes in it"
  type        = string
  default     = "app"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z_][A-Za-z0-9_]{0,62}$", var.database))
    error_message = "Write letters, digits and underscores, starting with a letter, at most 63 characters."
  }
}

variable "vpc_id" {
  description = "The network"
  type        = string
}

variable "private_subnet_ids" {
  description = "The subnets that it may stand in, of two zones at least"
  type        = list(string)

  validation {
    condition     = length(distinct(var.private_subnet_ids)) >= 2
    error_message = "Write private subnets of at least two zones: RDS asks for them even without multi_az."
  }
}

variable "engine_version" {
  description = "PostgreSQL's major version; RDS takes the newest minor one, and upgrades it in the maintenance window"
  type        = string
  default     = "17"
  nullable    = false

  validation {
    condition     = can(regex("^1[3-9]$", var.engine_version))
    error_message = "Write a major version alone, such as 17: minor versions are RDS's."
  }
}

variable "instance_class" {
  description = "The instance's size"
  type        = string
  default     = "db.t3.micro"
  nullable    = false

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "Write a size of RDS, such as db.t3.micro or db.m7g.large."
  }
}

variable "multi_az" {
  description = "Whether a second instance stands by in another zone; it doubles the price"
  type        = bool
  default     = false
  nullable    = false
}

variable "storage_gib" {
  description = "The storage that it begins with"
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.storage_gib >= 20 && floor(var.storage_gib) == var.storage_gib
    error_message = "Write a whole number of GiB, 20 or more: RDS has no gp3 volume below."
  }
}

variable "storage_limit_gib" {
  description = "The storage that RDS may let it grow to"
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.storage_limit_gib >= var.storage_gib * 1.1
    error_message = "Write at least a tenth more than storage_gib (${var.storage_gib}): RDS refuses less."
  }
}

variable "backup_retention_days" {
  description = "How many days back any second can be restored"
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35 && floor(var.backup_retention_days) == var.backup_retention_days
    error_message = "Write a whole number of days from 1 to 35: 0 would switch backups off."
  }
}

variable "apply_immediately" {
  description = "Whether changes that interrupt the database are made at once, or in the maintenance window"
  type        = bool
  default     = false
  nullable    = false
}

variable "final_snapshot" {
  description = "Whether destroying it leaves a last snapshot <name>-final behind"
  type        = bool
  default     = true
  nullable    = false
}

variable "log_retention_days" {
  description = "How long the exported logs are kept"
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write a number of days that CloudWatch Logs has, such as 7, 30, 90 or 365."
  }
}

variable "deletion_protection" {
  description = "Whether it refuses to be deleted"
  type        = bool
}
