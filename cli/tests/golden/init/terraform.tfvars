# What Slipway releases, as slipway init saw it: read it, and change what is not as you want it. The fields
# are those of infra/modules/applications/README.md.

name    = "slipway"
region  = "eu-central-1"
account = "111122223333"

applications = {
  # tags of shop can be moved to another image: image_tag_mutability = "IMMUTABLE" makes a tag mean one image
  # it runs the tag main-4f5c0a1b, which v* does not take: write the patterns of the tags that start a release
  # shop-nightly names revision 4 of shop-report: releases reach it once it names the family without a
  # revision
  shop = {
    repository = "shop"
    tags       = ["v*"]
    stages = [
      {
        name    = "staging"
        cluster = "shop-staging"
        services = [
          {
            service  = "web"
            template = "shop-staging-task"
            health   = { path = "/health" }
          },
          {
            service  = "worker"
            template = "shop-staging-worker"
            steady   = { "for" = "30s" }
          },
        ]
      },
      {
        name    = "production"
        cluster = "shop-production"
        services = [
          {
            # web runs shop-task:7, and the first release brings along what changed up to shop-task:9
            service  = "web"
            template = "shop-task"
            health   = { path = "/health", url = "https://shop.example.com", codes = "200-399" }
          },
          {
            service  = "worker"
            template = "shop-production-worker"
            steady   = { "for" = "30s" }
          },
          {
            # rpc is judged by its load balancer's own health checks, because shop-rpc is a load balancer of
            # the type network, which answers no HTTP
            service       = "rpc"
            template      = "shop-rpc"
            target_health = {}
          },
        ]
        tasks    = [{ family = "shop-report", container = "app" }]
        approval = { approvers = ["ana@example.com"], quorum = 1, expires_after = "24h" }
        bake     = { alarms = ["shop-production-5xx"], "for" = "15m" }
      },
    ]
  }
}

# The execution and task roles of the services and tasks: Slipway passes these on to ECS, and no others.
task_role_arns = [
  "arn:aws:iam::111122223333:role/shop-execution",
  "arn:aws:iam::111122223333:role/shop-reports",
  "arn:aws:iam::111122223333:role/shop-task",
]

# Who is notified of how releases end, such as ["team@example.com"].
notification_emails = []
