# Everything that the root can make, for one application with two stages: the network with a way to the internet, a
# database in each stage, HTTPS, scaling, pipelines.

provider "aws" {
  default_tags {
    tags = { "slipway:environment" = var.name }
  }
}

module "slipway" {
  source = "../.."

  name                = var.name
  packages            = var.packages
  architecture        = var.architecture
  deletion_protection = var.deletion_protection
  notification_emails = ["team@example.com"]
  log_retention_days  = 30
  cidr_block          = "10.30.0.0/16"
  egress              = var.egress

  applications = {
    shop = {
      repository = "shop"
      tags       = ["v*"]

      stages = [
        {
          name     = "staging"
          cluster  = "shop-staging"
          services = [{ service = "shop", health = { path = "/health" } }]
        },
        {
          name     = "production"
          cluster  = "shop-production"
          services = [{ service = "shop", desired_count = 2, health = { path = "/health", url = var.url } }]
          approval = { approvers = ["ana@example.com", "bo@example.com"], quorum = 1, expires_after = "24h" }
          bake     = { alarms = ["shop-shop-production-5xx", "shop-shop-production-latency"], for = "15m" }
        },
      ]
    }
  }

  services = {
    "shop/staging/shop" = { architecture = "x86_64" }

    "shop/production/shop" = {
      architecture    = "x86_64"
      cpu_units       = 512
      memory_mib      = 1024
      environment     = { LOG_LEVEL = "info" }
      certificate_arn = var.certificate_arn
      scaling         = var.scaling
    }
  }

  databases = {
    "shop/staging"    = { final_snapshot = var.deletion_protection }
    "shop/production" = { final_snapshot = var.deletion_protection, multi_az = true, instance_class = "db.t3.small" }
  }

  pipelines = {
    shop = { repository = "example/shop", owner_id = "1234567", repository_id = "7654321", environment = "registry" }
  }
}
