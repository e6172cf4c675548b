# What AWS limits and raises for whoever asks. Only AWS knows what it has raised for this account, so a plan that needs
# more than AWS's default is warned about and goes on. Limits that cannot be raised are preconditions of what has them.
#
# The defaults are those of AWS's pages of quotas: Elastic Load Balancing, VPC, IAM, RDS, SNS, CloudWatch, ECS,
# Lambda (100 executions stay unreserved).

locals {
  balanced = [for service in local.services : service if service.health_check_path != null]

  approvers = distinct(flatten([
    for application in local.applications : [for stage in application.stages : stage.approval == null ? [] : tolist(stage.approval.approvers)]
  ]))

  # Of Lambda's concurrent executions, of which 100 stay for the functions that have none of their own.
  reserved = [for reserved in [var.approval_concurrency, var.console_concurrency] : reserved if reserved != null]

  quotas = {
    "load balancers of a region"                   = { needed = length(local.balanced), default = 50 }
    "rules of the endpoints' security group"       = { needed = var.egress == "endpoints" ? length(local.services) : 0, default = 60 }
    "roles of an account"                          = { needed = 2 * length(local.services) + 20, default = 1000 }
    "filter policies of a topic (one an approver)" = { needed = length(local.approvers), default = 200 }
    "databases of a region"                        = { needed = length(var.databases), default = 40 }
    "snapshots by hand of a region"                = { needed = sum(concat([0], flatten([for application in local.applications : [for stage in application.stages : stage.snapshot == null ? 0 : stage.snapshot.keep]]))), default = 100 }
    "alarms of a region"                           = { needed = 5 * length(local.services) + 4 * length(var.databases) + 60, default = 5000 }
    "concurrent executions of functions"           = { needed = length(local.reserved) == 0 ? 0 : sum(local.reserved) + 100, default = 1000 }
    "services of a cluster"                        = { needed = max(0, [for cluster in distinct(values(local.services)[*].cluster) : length([for service in local.services : service if service.cluster == cluster])]...), default = 5000 }
  }

  beyond = [for what, quota in local.quotas : "${what}: ${quota.needed}, and AWS's default is ${quota.default}" if quota.needed > quota.default]
}

check "quotas" {
  assert {
    condition     = length(local.beyond) == 0
    error_message = "The applications need more than AWS's defaults, which AWS raises for whoever asks (Service Quotas in the console, or aws service-quotas request-service-quota-increase):\n${join("\n", [for quota in local.beyond : "  - ${quota}."])}\nWhere this account has more already, there is nothing to do."
  }
}
