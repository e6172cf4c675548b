variable "applications" {
  description = "The applications, by name, as a person wrote them: README.md lists the fields. Not typed, because Terraform drops fields that a typed object does not know, and a misspelt field must be refused"
  type        = any
}
