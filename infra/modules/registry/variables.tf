variable "name" {
  description = "The repository's name, such as web or team/web"
  type        = string
}

variable "force_delete" {
  description = "Whether destroying the repository removes the images in it; otherwise one with images stays"
  type        = bool
  default     = false
}
