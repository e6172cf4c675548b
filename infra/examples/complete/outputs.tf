output "approval_url" {
  description = "The address that approval links begin with"
  value       = module.slipway.approval_url
}

output "load_balancers" {
  description = "The load balancers' DNS names"
  value       = module.slipway.load_balancers
}

output "repository_urls" {
  description = "Where images are pushed to"
  value       = module.slipway.repository_urls
}

output "pipeline_role_arns" {
  description = "The roles that pipelines assume to push"
  value       = module.slipway.pipeline_role_arns
}
