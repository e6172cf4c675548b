# The functions: what each may do, and nothing else. functions/README.md says what wakes them.

locals {
  repository_arns = [for application in local.applications : "arn:${local.partition}:ecr:${local.region}:${local.account}:repository/${application.repository}"]
  cluster_arns    = [for cluster in local.clusters : "arn:${local.partition}:ecs:${local.region}:${local.account}:cluster/${cluster}"]
  task_arns       = [for cluster in local.clusters : "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${cluster}/*"]
  service_arns    = [for place in local.places : "arn:${local.partition}:ecs:${local.region}:${local.account}:service/${place.cluster}/${place.service}"]
  family_arns     = [for place in local.places : "arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${place.cluster}-${place.service}:*"]

  # Where one-off tasks run: migrations, and the commands of services without a load balancer.
  migrations = flatten([for application in local.applications : [for stage in application.stages : [for migration in [stage.migration] : { cluster = stage.cluster, service = migration.service } if migration != null]]])
  checks     = flatten([for application in local.applications : [for stage in application.stages : [for service in stage.services : { cluster = stage.cluster, service = service.service } if try(service.steady.command, null) != null]]])
  one_offs   = { run-migration = local.migrations, verify-services = local.checks }

  # The databases whose snapshots are taken, and what Slipway calls its snapshots.
  snapshots  = flatten([for application in local.applications : [for stage in application.stages : [for snapshot in [stage.snapshot] : snapshot if snapshot != null]]])
  rds_prefix = "arn:${local.partition}:rds:${local.region}:${local.account}"
  # Of an instance and of a cluster, each with the actions that take it.
  instance_arns         = distinct([for snapshot in local.snapshots : "${local.rds_prefix}:db:${snapshot.database}" if snapshot.database != null])
  database_cluster_arns = distinct([for snapshot in local.snapshots : "${local.rds_prefix}:cluster:${snapshot.cluster}" if snapshot.database == null])
  snapshot_arns         = length(local.instance_arns) == 0 ? [] : ["${local.rds_prefix}:snapshot:slipway-*"]
  cluster_snapshot_arns = length(local.database_cluster_arns) == 0 ? [] : ["${local.rds_prefix}:cluster-snapshot:slipway-*"]

  own_snapshots = [{ test = "StringLike", variable = "aws:ResourceTag/slipway:release", values = ["*"] }]

  applications_arns = [
    "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${local.applications_path}",
    "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${local.applications_path}/*",
  ]

  # Statements that more than one function has.
  read_applications = { sid = "ReadApplications", actions = ["ssm:GetParametersByPath"], resources = local.applications_arns }
  describe_services = { sid = "DescribeServices", actions = ["ecs:DescribeServices"], resources = local.service_arns }
  use_topic_key     = { sid = "UseTheTopicsKey", actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [aws_kms_key.messages.arn] }
  notify            = { sid = "Notify", actions = ["sns:Publish"], resources = [aws_sns_topic.notifications.arn, aws_sns_topic.chats.arn] }
  put_notifications = { sid = "PutNotifications", actions = ["events:PutEvents"], resources = [local.default_bus_arn], conditions = local.as_notifications }

  # CloudWatch leaves composite alarms out of its answer where less than all is allowed.
  read_alarms = { sid = "ReadAlarms", actions = ["cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory"], resources = ["*"] }

  # ECS has no permission for one task definition's description: all or none.
  describe_task_definitions = { sid = "DescribeTaskDefinitions", actions = ["ecs:DescribeTaskDefinition"], resources = ["*"] }

  pass_task_roles = {
    sid        = "PassTaskRoles"
    actions    = ["iam:PassRole"]
    resources  = var.task_role_arns
    conditions = [{ test = "StringEquals", variable = "iam:PassedToService", values = ["ecs-tasks.amazonaws.com"] }]
  }

  list_tasks = {
    sid        = "ListTasks"
    actions    = ["ecs:ListTasks"]
    resources  = ["*"]
    conditions = [{ test = "ArnEquals", variable = "ecs:cluster", values = local.cluster_arns }]
  }

  find_images    = { sid = "FindImages", actions = ["ecr:DescribeImages"], resources = local.repository_arns }
  read_manifests = { sid = "ReadManifests", actions = ["ecr:BatchGetImage"], resources = local.repository_arns }

  # The configuration of an image, which has its labels, is one of its layers to ECR.
  read_labels = { sid = "ReadLabels", actions = ["ecr:GetDownloadUrlForLayer"], resources = local.repository_arns }
  read_scans  = { sid = "ReadScans", actions = ["ecr:DescribeImageScanFindings"], resources = local.repository_arns }

  # Where a registry has enhanced scanning, ECR asks Inspector for whoever asks it, and Inspector has no resources.
  read_findings = { sid = "ReadFindings", actions = ["inspector2:ListCoverage", "inspector2:ListFindings"], resources = ["*"] }

  # A description of one snapshot or database is asked for like one of all.
  describe_databases = {
    sid       = "DescribeDatabases"
    actions   = ["rds:DescribeDBClusterSnapshots", "rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeDBSnapshots"]
    resources = ["*"]
  }

  # The deployments of services that shift traffic.
  service_deployment_arns = [for place in local.places : "arn:${local.partition}:ecs:${local.region}:${local.account}:service-deployment/${place.cluster}/${place.service}/*"]
  list_deployments        = { sid = "ListDeployments", actions = ["ecs:ListServiceDeployments"], resources = local.service_arns }
  stop_deployments        = { sid = "StopDeployments", actions = ["ecs:StopServiceDeployment"], resources = concat(local.service_deployment_arns, local.service_arns) }

  # What a function may do that runs one-off tasks, for the services that have some.
  run_tasks = {
    for function, places in local.one_offs : function => [
      {
        sid        = "RunTasks"
        actions    = ["ecs:RunTask"]
        resources  = distinct([for place in places : "arn:${local.partition}:ecs:${local.region}:${local.account}:task-definition/${place.cluster}-${place.service}:*"])
        conditions = [{ test = "ArnEquals", variable = "ecs:cluster", values = local.cluster_arns }]
      },
      { sid = "StopTasks", actions = ["ecs:StopTask"], resources = distinct([for place in places : "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${place.cluster}/*"]) },
      {
        sid        = "TagTasks"
        actions    = ["ecs:TagResource"]
        resources  = distinct([for place in places : "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${place.cluster}/*"])
        conditions = [{ test = "StringEquals", variable = "ecs:CreateAction", values = ["RunTask"] }]
      },
      { sid = "ReadTaskLogs", actions = ["logs:GetLogEvents"], resources = distinct([for place in places : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/ecs/${place.cluster}/${place.service}:log-stream:*"]) },
      merge(local.pass_task_roles, { resources = length(places) == 0 ? [] : local.pass_task_roles.resources }),
    ]
  }

  # Whether the holder of a lock, or a release without an outcome, still runs.
  describe_releases = { sid = "DescribeReleases", actions = ["states:DescribeExecution"], resources = ["${replace(local.state_machine_arn, ":stateMachine:", ":execution:")}:*"] }

  # AWS's reference names the family as its resource, its own minimal policies and every denial name none.
  register_revisions = {
    sid        = "RegisterRevisions"
    actions    = ["ecs:RegisterTaskDefinition"]
    resources  = ["*"]
    conditions = [{ test = "StringLike", variable = "aws:RequestTag/slipway:release", values = ["*"] }]
  }

  tag_revisions = {
    sid        = "TagRevisions"
    actions    = ["ecs:TagResource"]
    resources  = local.family_arns
    conditions = [{ test = "StringEquals", variable = "ecs:CreateAction", values = ["RegisterTaskDefinition"] }]
  }

  describe_tasks = { sid = "DescribeTasks", actions = ["ecs:DescribeTasks"], resources = local.task_arns }

  # The table of functions, and those of the workflow: they park task tokens, and end their tasks by them.
  functions = yamldecode(file("${path.module}/functions.yaml"))
  steps     = [for name, function in local.functions : name if can(function.states)]

  environments = {
    receive-push     = merge(local.channels, { SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn, SLIPWAY_APPLICATIONS_PATH = local.applications_path })
    acquire-lock     = { SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn }
    request-approval = merge(local.channels, { SLIPWAY_APPROVAL_TOPIC_ARN = module.approval.topic_arn })
    decide-approval  = { SLIPWAY_APPLICATIONS_PATH = local.applications_path }
    finish-release   = local.channels
    reconcile        = merge(local.channels, { SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn, SLIPWAY_APPLICATIONS_PATH = local.applications_path })

    watch-alarms = merge(local.channels, {
      SLIPWAY_STATE_MACHINE_ARN = local.state_machine_arn
      SLIPWAY_APPLICATIONS_PATH = local.applications_path
      SLIPWAY_DASHBOARDS        = var.name
    })
  }

  # Where the functions that notify people publish.
  channels = {
    SLIPWAY_NOTIFICATION_TOPIC_ARN = aws_sns_topic.notifications.arn
    SLIPWAY_CHAT_TOPIC_ARN         = aws_sns_topic.chats.arn
    SLIPWAY_APPROVAL_URL           = module.approval.url
  }

  # Whose items each function reads and writes, and removes. Task tokens are in CALLBACK#: steps park them,
  # resume-release and the reconciler find them. No approval and no entry of the audit is ever removed.
  parked     = ["CALLBACK#*", "WAKE#*"]
  partitions = { for name, function in local.functions : name => concat(function.partitions, contains(local.steps, name) ? local.parked : []) }
  written    = { for name, function in local.functions : name => lookup(function, "written", local.partitions[name]) }
  removed    = { for name, function in local.functions : name => concat(lookup(function, "removed", []), contains(local.steps, name) ? local.parked : []) }

  # ForAllValues holds where a request names no partition at all, so no function may have an action that can do without
  # one, such as dynamodb:Scan. WARM-UP is what a function asks for while it starts, and is never there. A transaction
  # may be asked about all its partitions for each of its parts: those of one transaction are in one list.
  in_partitions = { for function, partitions in local.partitions : function => [merge(local.leading_keys, { values = concat(partitions, ["WARM-UP"]) })] }
  in_written    = { for function, partitions in local.written : function => [merge(local.leading_keys, { values = partitions })] }
  in_removed    = { for function, partitions in local.removed : function => [merge(local.leading_keys, { values = partitions })] }
  leading_keys  = { test = "ForAllValues:StringLike", variable = "dynamodb:LeadingKeys" }

  statements = {
    receive-push = [
      local.read_applications, local.find_images, local.notify, local.put_notifications, local.use_topic_key,
      { sid = "StartRelease", actions = ["states:StartExecution"], resources = [local.state_machine_arn] },
    ]

    acquire-lock = [local.describe_releases]

    capture-baseline = [
      local.describe_services, local.describe_task_definitions, local.read_alarms, local.find_images,
    ]

    check-image = [
      local.read_manifests, local.read_scans, local.read_findings,
    ]

    request-approval = [
      local.describe_task_definitions, local.find_images, local.read_manifests, local.read_labels, local.use_topic_key,
      local.notify, local.put_notifications,
      { sid = "AskApprovers", actions = ["sns:ListSubscriptionsByTopic", "sns:Publish"], resources = [module.approval.topic_arn] },
    ]

    # The one function that everyone can reach. It notifies nobody and wakes no step: the table's stream hands its
    # decisions to resume-release.
    decide-approval = [local.read_applications]

    snapshot-database = [
      local.describe_databases,
      { sid = "TakeSnapshots", actions = ["rds:CreateDBSnapshot"], resources = concat(local.instance_arns, local.snapshot_arns) },
      { sid = "TakeClusterSnapshots", actions = ["rds:CreateDBClusterSnapshot"], resources = concat(local.database_cluster_arns, local.cluster_snapshot_arns) },
      { sid = "TagSnapshots", actions = ["rds:AddTagsToResource"], resources = concat(local.snapshot_arns, local.cluster_snapshot_arns) },
      # Its own: only those have the tag.
      { sid = "RemoveOwnSnapshots", actions = ["rds:DeleteDBSnapshot"], resources = local.snapshot_arns, conditions = local.own_snapshots },
      { sid = "RemoveOwnClusterSnapshots", actions = ["rds:DeleteDBClusterSnapshot"], resources = local.cluster_snapshot_arns, conditions = local.own_snapshots },
    ]

    run-migration = concat(local.run_tasks["run-migration"], [
      local.describe_services, local.describe_task_definitions, local.list_tasks, local.describe_tasks, local.find_images, local.read_manifests,
      local.read_labels, local.read_alarms, local.register_revisions, local.tag_revisions,
    ])

    deploy-services = [
      local.list_tasks, local.describe_tasks, local.list_deployments, local.describe_task_definitions, local.pass_task_roles, local.find_images, local.read_alarms, local.register_revisions, local.tag_revisions,
      { sid = "UpdateServices", actions = ["ecs:DescribeServices", "ecs:UpdateService"], resources = local.service_arns },
    ]

    verify-services = concat(local.run_tasks["verify-services"], [
      local.describe_services, local.describe_task_definitions, local.list_tasks, local.describe_tasks,
      {
        sid       = "ReadTargets"
        actions   = ["elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"]
        resources = ["*"]
      },
    ])

    bake-stage = [local.read_alarms]

    roll-back = [
      local.list_tasks, local.describe_tasks, local.describe_task_definitions, local.pass_task_roles, local.register_revisions, local.tag_revisions, local.list_deployments,
      local.stop_deployments,
      { sid = "UpdateServices", actions = ["ecs:DescribeServices", "ecs:UpdateService"], resources = local.service_arns },
    ]

    finish-release = [local.notify, local.put_notifications, local.use_topic_key]

    resume-release = [
      {
        sid       = "ReadChanges"
        actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        resources = [aws_dynamodb_table.this.stream_arn]
      },
      { sid = "FindStreams", actions = ["dynamodb:ListStreams"], resources = ["*"] },
      # It can wake a step, and approve nothing.
      { sid = "WakeSteps", actions = ["states:SendTaskFailure"], resources = ["*"] },
    ]

    watch-alarms = [
      local.read_applications, local.notify, local.put_notifications, local.use_topic_key,
      { sid = "StartRelease", actions = ["states:StartExecution"], resources = [local.state_machine_arn] },
    ]

    reconcile = [
      local.read_applications, local.find_images, local.describe_releases, local.describe_services, local.describe_task_definitions,
      local.notify, local.put_notifications, local.use_topic_key,
      { sid = "StartRelease", actions = ["states:StartExecution"], resources = [local.state_machine_arn] },
    ]
  }
}

locals {
  # What every function may do in the table, and a step besides. A task token has no resource of its own.
  table_statements = {
    for name, function in local.functions : name => [
      { sid = "ReadItems", actions = ["dynamodb:GetItem", "dynamodb:Query"], resources = [aws_dynamodb_table.this.arn], conditions = local.in_partitions[name] },
      { sid = "WriteItems", actions = ["dynamodb:PutItem", "dynamodb:UpdateItem"], resources = length(local.written[name]) == 0 ? [] : [aws_dynamodb_table.this.arn], conditions = local.in_written[name] },
      { sid = "RemoveItems", actions = ["dynamodb:DeleteItem"], resources = length(local.removed[name]) == 0 ? [] : [aws_dynamodb_table.this.arn], conditions = local.in_removed[name] },
      { sid = "EndTasks", actions = ["states:SendTaskFailure", "states:SendTaskSuccess"], resources = contains(local.steps, name) ? ["*"] : [], conditions = [] },
    ]
  }
}

locals {
  # Without services there is nothing to name in such a statement, and IAM refuses one that names nothing.
  rights = { for name, function in local.functions : name => [for statement in concat(local.table_statements[name], local.statements[name]) : statement if length(statement.resources) > 0] }
}

module "function" {
  source   = "../function"
  for_each = local.functions

  name               = "${var.name}-${each.key}"
  description        = each.value.description
  package            = "${var.packages}/${each.key}/bootstrap.zip"
  architecture       = var.architecture
  timeout_seconds    = each.value.timeout_seconds
  memory_mib         = each.value.memory_mib
  environment        = merge({ SLIPWAY_TABLE = aws_dynamodb_table.this.name, RUST_LOG = var.log_level }, lookup(local.environments, each.key, {}))
  log_retention_days = var.log_retention_days

  statements = local.rights[each.key]
}

# The changes of the table that the stream hands to resume-release: decisions, pushes, aborts, alarms, locks, and what
# is due.

resource "aws_lambda_event_source_mapping" "decisions" {
  function_name                  = module.function["resume-release"].arn
  event_source_arn               = aws_dynamodb_table.this.stream_arn
  starting_position              = "TRIM_HORIZON"
  batch_size                     = 10
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = 10
  maximum_record_age_in_seconds  = 60 * 60
  function_response_types        = ["ReportBatchItemFailures"]

  filter_criteria {
    filter {
      pattern = jsonencode({
        eventName = ["INSERT", "MODIFY"]
        dynamodb  = { Keys = { pk = { S = [{ prefix = "ABORT#" }, { prefix = "ALARM#" }, { prefix = "APPLICATION#" }, { prefix = "APPROVAL#" }, { prefix = "DUE#" }, { prefix = "LOCK#" }] } } }
      })
    }
  }

  destination_config {
    on_failure {
      destination_arn = module.function["resume-release"].dead_letters_arn
    }
  }
}
