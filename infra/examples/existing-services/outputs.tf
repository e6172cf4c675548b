output "approval_url" {
  description = "The address that approval links begin with"
  value       = module.deployer.approval_url
}

output "state_machine_arn" {
  description = "The workflow that each release is an execution of"
  value       = module.deployer.state_machine_arn
}
