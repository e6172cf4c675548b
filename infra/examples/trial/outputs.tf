output "repository_url" {
  description = "Where images are pushed to"
  value       = module.registry.url
}

output "staging_url" {
  description = "The address of staging"
  value       = "http://${aws_lb.this.dns_name}:${local.ports.staging}"
}

output "production_url" {
  description = "The address of production"
  value       = "http://${aws_lb.this.dns_name}"
}

output "state_machine_arn" {
  description = "The workflow that each release is an execution of"
  value       = module.deployer.state_machine_arn
}
