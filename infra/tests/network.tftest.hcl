# The network: who can reach what.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name               = "slipway"
  cidr_block         = "10.20.0.0/16"
  availability_zones = ["eu-central-1a", "eu-central-1b"]
}

run "private_subnets_have_no_way_to_the_internet" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_route.nat) == 0
    error_message = "No NAT gateway, and no route to one, unless asked for."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ecr.api", "ecr.dkr", "logs", "secretsmanager"]) && alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "Fargate finds the registry, the log and secrets under their usual names."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.gateway)) == toset(["s3", "dynamodb"])
    error_message = "Layers come from S3."
  }

  assert {
    condition     = alltrue([for subnet in merge(aws_subnet.public, aws_subnet.private) : subnet.map_public_ip_on_launch != true])
    error_message = "Nothing gets a public address by itself."
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow_logs.retention_in_days == 90
    error_message = "Flow logs have all traffic, and an end."
  }
}

run "nat_is_a_choice" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress = "nat"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_vpc_endpoint.interface) == 0 && length(aws_vpc_endpoint.gateway) == 2
    error_message = "A NAT gateway in each zone instead of the endpoints that cost by the hour."
  }
}

run "one_nat_gateway_is_a_choice" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress              = "nat"
    egress_in_each_zone = false
  }

  assert {
    condition     = toset(keys(aws_nat_gateway.this)) == toset(["eu-central-1a"]) && length(aws_route.nat) == 2
    error_message = "All private subnets leave through the first zone."
  }
}

run "an_unknown_egress_is_refused" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress = "internet"
  }

  expect_failures = [var.egress]
}

run "one_zone_is_refused" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    availability_zones = ["eu-central-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "a_range_that_is_too_small_is_refused" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    cidr_block = "10.20.0.0/24"
  }

  expect_failures = [var.cidr_block]
}

run "a_retention_of_0_is_refused" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}
