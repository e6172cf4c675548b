output "vpc_id" {
  description = "The network's id"
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "The subnets that the internet reaches, for load balancers"
  value       = [for zone in var.availability_zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "The subnets that the internet does not reach, for tasks"
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

output "endpoints_security_group_id" {
  description = "The group of the AWS endpoints, which tasks must be let into"
  value       = aws_security_group.endpoints.id
}

output "s3_prefix_list_id" {
  description = "The addresses of S3, which tasks must be let out to for the layers of their images"
  value       = data.aws_ec2_managed_prefix_list.s3.id
}
