variable "name" {
  description = "The beginning of every name"
  type        = string
  default     = "shop"
}

variable "url" {
  description = "The address of production: https:// with a certificate"
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "The certificate of that address, in ACM"
  type        = string
  default     = null
}

variable "egress" {
  description = "How tasks reach AWS: endpoints or nat"
  type        = string
  default     = "nat"
}

variable "scaling" {
  description = "Between which numbers of tasks production scales"
  type        = object({ minimum = number, maximum = number, cpu_percent = optional(number) })
  default     = { minimum = 2, maximum = 6, cpu_percent = 60 }
}

variable "packages" {
  description = "The folder that holds <function>/bootstrap.zip for each function; by default packages of the bundle that this is in, or target/lambda of the clone"
  type        = string
  default     = null
}

variable "architecture" {
  description = "The processor of the functions: arm64 or x86_64; by default the bundle's, or arm64 without one"
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Whether what holds data refuses to be deleted, and databases leave a last snapshot"
  type        = bool
  default     = true
}
