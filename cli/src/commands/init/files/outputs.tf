output "approval_url" {
  description = "The address that approval links begin with"
  value       = module.deployer.approval_url
}

output "operators_api" {
  description = "The operators' API: its address, what a permission for one path begins with, and the policies for operators"
  value       = module.deployer.operators_api
}

output "state_machine_arn" {
  description = "The workflow that each release is an execution of"
  value       = module.deployer.state_machine_arn
}
