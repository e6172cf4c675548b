output "vpc_id" {
  description = "The network's id"
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "The subnets that the internet reaches, for load balancers"
  value       = [for zone in var.availability_zones : aws_subnet.public[zone].id]

  # A load balancer names only subnets, and needs the internet gateway and the routes for as long as it exists.
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

output "private_subnet_ids" {
  description = "The subnets that the internet does not reach, for tasks"
  value       = [for zone in var.availability_zones : aws_subnet.private[zone].id]
}

output "endpoints_security_group_id" {
  description = "The group of the AWS endpoints, which tasks must be let into; there is nothing in it with NAT gateways"
  value       = aws_security_group.endpoints.id
}

output "gateway_prefix_list_ids" {
  description = "The addresses behind the gateways, by service: s3, which tasks must be let out to for the layers of their images, and dynamodb"
  value       = { for service, list in data.aws_ec2_managed_prefix_list.gateway : service => list.id }
}

output "flow_log_group_name" {
  description = "The log group of the flow logs"
  value       = aws_cloudwatch_log_group.flow_logs.name
}
