output "bucket" {
  description = "The bucket's name"
  value       = module.state_backend.bucket
}

output "backend" {
  description = "backend.tf of the deployer's root"
  value       = module.state_backend.backend
}

output "own_backend" {
  description = "backend.tf of this root"
  value       = replace(module.state_backend.backend, "${var.name}/terraform.tfstate", "state-backend/terraform.tfstate")
}
