# What `applications` may hold. Everything below reads a value that can have any shape, so each look at it is
# guarded: a wrong shape is reported under its own rule and is empty to the others.

locals {
  fields = {
    application   = { required = ["repository", "tags", "stages"], optional = [] }
    stage         = { required = ["name", "services"], optional = ["cluster", "deploy_timeout", "strategy", "tasks", "image_check", "approval", "snapshot", "migration", "bake", "freeze", "when_frozen"] }
    service       = { required = ["service"], optional = ["desired_count", "template", "container", "containers", "health", "target_health", "steady"] }
    strategy      = { required = ["type"], optional = ["percent", "step_bake", "bake"] }
    health        = { required = ["path"], optional = ["url", "codes", "headers"] }
    steady        = { required = ["for"], optional = ["command"] }
    task          = { required = ["family"], optional = ["container"] }
    image_check   = { required = ["stop_above"], optional = ["allow", "wait"] }
    allowed       = { required = ["finding", "until"], optional = ["reason"] }
    snapshot      = { required = [], optional = ["database", "cluster", "keep", "wait"] }
    target_health = { required = [], optional = ["command"] }

    migration = { required = ["service", "command"], optional = ["container", "timeout"] }
    approval  = { required = ["approvers", "expires_after"], optional = ["quorum", "remind_before", "confirm_digest", "other_than_pusher", "pushers", "override_alarms"] }
    bake      = { required = ["for", "alarms"], optional = ["watch_for"] }
    freeze    = { required = ["reason"], optional = ["days", "dates", "from", "to", "time_zone"] }
  }

  slug       = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
  ecs_name   = "^[A-Za-z0-9_-]{1,255}$"
  repository = "^[a-z0-9]+([._/-][a-z0-9]+)*$"
  span       = "^[1-9][0-9]*[smhd]$"
  email      = "^[^@\\s,<>[:cntrl:]]+@[^@\\s,<>.[:cntrl:]]+(\\.[^@\\s,<>.[:cntrl:]]+)+$"
  codes      = "^[234][0-9]{2}(-[234][0-9]{2})?(,[234][0-9]{2}(-[234][0-9]{2})?)*$"
  base_url   = "^https?://[^/\\s]+/?$"
  year_hours = 24 * 365
  time       = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
  days       = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
  severities = ["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
  unit_hours = { s = 1 / 3600, m = 1 / 60, h = 1, d = 24 }
}

# Every object of the configuration, with the path that a message shows.
locals {
  application_objects = [
    for name in try(keys(var.applications), []) : { path = "applications.${name}", kind = "application", application = name, value = var.applications[name] }
  ]

  stage_objects = flatten([
    for application in local.application_objects : [
      for index, stage in try(concat(application.value.stages, []), []) :
      { path = "${application.path}.stages[${index}]", kind = "stage", application = application.application, value = stage }
    ]
  ])

  service_objects = flatten([
    for stage in local.stage_objects : [
      for index, service in try(concat(stage.value.services, []), []) : {
        path    = "${stage.path}.services[${index}]"
        kind    = "service"
        value   = service
        cluster = try(tostring(coalesce(try(stage.value.cluster, null), stage.value.name)), "")
      }
    ]
  ])

  health_objects = [
    for service in local.service_objects : { path = "${service.path}.health", kind = "health", value = service.value.health } if try(service.value.health, null) != null
  ]

  target_health_objects = [
    for service in local.service_objects : { path = "${service.path}.target_health", kind = "target_health", value = service.value.target_health } if try(service.value.target_health, null) != null
  ]

  task_objects = flatten([
    for stage in local.stage_objects : [
      for index, task in try(concat(stage.value.tasks, []), []) : { path = "${stage.path}.tasks[${index}]", kind = "task", value = task }
    ]
  ])

  steady_objects = [
    for service in local.service_objects : { path = "${service.path}.steady", kind = "steady", value = service.value.steady } if try(service.value.steady, null) != null
  ]

  image_check_objects = [
    for stage in local.stage_objects : { path = "${stage.path}.image_check", kind = "image_check", value = stage.value.image_check } if try(stage.value.image_check, null) != null
  ]

  allowed_objects = flatten([
    for check in local.image_check_objects : [
      for index, allowed in try(concat(check.value.allow, []), []) : { path = "${check.path}.allow[${index}]", kind = "allowed", value = allowed }
    ]
  ])

  snapshot_objects = [
    for stage in local.stage_objects : { path = "${stage.path}.snapshot", kind = "snapshot", value = stage.value.snapshot } if try(stage.value.snapshot, null) != null
  ]

  migration_objects = [
    for stage in local.stage_objects : {
      path     = "${stage.path}.migration"
      kind     = "migration"
      value    = stage.value.migration
      services = try([for service in stage.value.services : tostring(service.service)], [])
    } if try(stage.value.migration, null) != null
  ]

  strategy_objects = [
    for stage in local.stage_objects : {
      path    = "${stage.path}.strategy"
      kind    = "strategy"
      value   = stage.value.strategy
      type    = try(tostring(stage.value.strategy.type), "")
      timeout = try(tostring(coalesce(try(stage.value.deploy_timeout, null), "30m")), "")
      stage   = stage.path
    } if try(stage.value.strategy, null) != null
  ]

  approval_objects = [
    for stage in local.stage_objects : { path = "${stage.path}.approval", kind = "approval", value = stage.value.approval } if try(stage.value.approval, null) != null
  ]

  bake_objects = [
    for stage in local.stage_objects : { path = "${stage.path}.bake", kind = "bake", value = stage.value.bake } if try(stage.value.bake, null) != null
  ]

  freeze_objects = flatten([
    for stage in local.stage_objects : [
      for index, window in try(concat(stage.value.freeze, []), []) : { path = "${stage.path}.freeze[${index}]", kind = "freeze", value = window }
    ]
  ])

  objects = concat(
    local.application_objects, local.stage_objects, local.service_objects,
    local.health_objects, local.target_health_objects, local.steady_objects, local.task_objects, local.image_check_objects, local.allowed_objects,
    local.strategy_objects, local.approval_objects, local.snapshot_objects, local.migration_objects, local.bake_objects,
    local.freeze_objects,
  )
}

# What is wrong with its shape. Each entry is a whole sentence without its full stop.
locals {
  not_objects = concat(
    can(keys(var.applications)) ? [] : ["applications is no map: write applications = { web = { repository = \"web\", tags = [\"v*\"], stages = [ ... ] } }"],
    [for object in local.objects : "${object.path} is no object: write { ... } with the fields ${join(", ", local.fields[object.kind].required)}" if !can(keys(object.value))],
  )

  unknown_fields = flatten([
    for object in local.objects : [
      for field in try(keys(object.value), []) :
      "${object.path}.${field} is not a field: write only ${join(", ", concat(local.fields[object.kind].required, local.fields[object.kind].optional))}"
      if !contains(concat(local.fields[object.kind].required, local.fields[object.kind].optional), field)
    ]
  ])

  missing_fields = flatten([
    for object in local.objects : [
      for field in local.fields[object.kind].required : "${object.path}.${field} is missing: write it" if can(keys(object.value)) && try(object.value[field], null) == null
    ]
  ])

  lists = concat(
    [for object in local.application_objects : { path = "${object.path}.tags", value = try(object.value.tags, null), example = "[\"v*\"]", of = "pattern of a tag" }],
    [for object in local.application_objects : { path = "${object.path}.stages", value = try(object.value.stages, null), example = "[{ name = \"staging\", services = [ ... ] }]", of = "stage" }],
    [for object in local.stage_objects : { path = "${object.path}.services", value = try(object.value.services, null), example = "[{ service = \"web\", health = { path = \"/health\" } }]", of = "service" }],
    [for object in local.approval_objects : { path = "${object.path}.approvers", value = try(object.value.approvers, null), example = "[\"ana@example.com\"]", of = "e-mail address" }],
    [for object in local.bake_objects : { path = "${object.path}.alarms", value = try(object.value.alarms, null), example = "[\"web-production-5xx\"]", of = "name of a CloudWatch alarm" }],
    [for object in local.migration_objects : { path = "${object.path}.command", value = try(object.value.command, null), example = "[\"python\", \"migrate.py\"]", of = "word of a command" }],
    [for object in local.steady_objects : { path = "${object.path}.command", value = try(object.value.command, null), example = "[\"python\", \"check.py\"]", of = "word of a command" }],
    [for object in local.target_health_objects : { path = "${object.path}.command", value = try(object.value.command, null), example = "[\"python\", \"check.py\"]", of = "word of a command" }],
    [for object in local.service_objects : { path = "${object.path}.containers", value = try(object.value.containers, null), example = "[\"app\"]", of = "name of a container" }],
    [for object in local.stage_objects : { path = "${object.path}.tasks", value = try(object.value.tasks, null), example = "[{ family = \"web-nightly\" }]", of = "task" }],
    [for object in local.stage_objects : { path = "${object.path}.freeze", value = try(object.value.freeze, null), example = "[{ days = [\"SAT\", \"SUN\"], reason = \"weekend\" }]", of = "window" }],
    [for object in local.freeze_objects : { path = "${object.path}.days", value = try(object.value.days, null), example = "[\"SAT\", \"SUN\"]", of = "day of the week" }],
    [for object in local.freeze_objects : { path = "${object.path}.dates", value = try(object.value.dates, null), example = "[\"2026-12-24\"]", of = "date" }],
  )

  empty_lists = [
    for list in local.lists : "${list.path} holds no ${list.of}: write a list with at least one, such as ${list.example}"
    if list.value != null && !try(length(concat(list.value, [])) > 0, false)
  ]
}

# What is wrong with its values.
locals {
  slugs = concat(
    [for object in local.application_objects : { path = object.path, value = object.application }],
    [for object in local.stage_objects : { path = "${object.path}.name", value = try(object.value.name, null) }],
  )

  ecs_names = concat(
    [for object in local.stage_objects : { path = "${object.path}.cluster", value = try(object.value.cluster, null) }],
    [for object in local.service_objects : { path = "${object.path}.service", value = try(object.value.service, null) }],
    [for object in local.service_objects : { path = "${object.path}.container", value = try(object.value.container, null) }],
    [for object in local.service_objects : { path = "${object.path}.template", value = try(object.value.template, null) }],
    [for object in local.task_objects : { path = "${object.path}.family", value = try(object.value.family, null) }],
    [for object in local.task_objects : { path = "${object.path}.container", value = try(object.value.container, null) }],
    [for object in local.migration_objects : { path = "${object.path}.container", value = try(object.value.container, null) }],
  )

  spans = concat(
    [for object in local.stage_objects : { path = "${object.path}.deploy_timeout", value = try(object.value.deploy_timeout, null), example = "30m" }],
    [for object in local.approval_objects : { path = "${object.path}.expires_after", value = try(object.value.expires_after, null), example = "24h" }],
    [for object in local.approval_objects : { path = "${object.path}.remind_before", value = try(object.value.remind_before, null), example = "2h" }],
    [for object in local.bake_objects : { path = "${object.path}.for", value = try(object.value["for"], null), example = "15m" }],
    [for object in local.strategy_objects : { path = "${object.path}.step_bake", value = try(object.value.step_bake, null), example = "10m" }],
    [for object in local.strategy_objects : { path = "${object.path}.bake", value = try(object.value.bake, null), example = "10m" }],
    [for object in local.steady_objects : { path = "${object.path}.for", value = try(object.value["for"], null), example = "30s" }],
    [for object in local.image_check_objects : { path = "${object.path}.wait", value = try(object.value.wait, null), example = "15m" }],
    [for object in local.snapshot_objects : { path = "${object.path}.wait", value = try(object.value.wait, null), example = "1h" }],
    [for object in local.migration_objects : { path = "${object.path}.timeout", value = try(object.value.timeout, null), example = "15m" }],
    [for object in local.bake_objects : { path = "${object.path}.watch_for", value = try(object.value.watch_for, null), example = "24h" }],
  )

  # Both in hours, which only spans have.
  reminders = [
    for object in local.approval_objects : {
      path    = "${object.path}.remind_before"
      before  = try(tonumber(substr(object.value.remind_before, 0, length(object.value.remind_before) - 1)) * local.unit_hours[substr(object.value.remind_before, -1, 1)], null)
      expires = try(tonumber(substr(object.value.expires_after, 0, length(object.value.expires_after) - 1)) * local.unit_hours[substr(object.value.expires_after, -1, 1)], null)
    }
  ]

  # What each strategy of ECS takes, and how long it is at it, in minutes; ECS knows no shorter times.
  strategy_fields = { ROLLING = [], BLUE_GREEN = ["bake"], CANARY = ["percent", "step_bake", "bake"], LINEAR = ["percent", "step_bake", "bake"] }
  strategy_minutes = [
    for object in local.strategy_objects : {
      stage   = object.stage
      type    = object.type
      timeout = try(tonumber(substr(object.timeout, 0, length(object.timeout) - 1)) * local.unit_hours[substr(object.timeout, -1, 1)] * 60, null)
      minutes = sum([
        try(tonumber(substr(object.value.bake, 0, length(object.value.bake) - 1)) * local.unit_hours[substr(object.value.bake, -1, 1)] * 60, 0),
        try((object.type == "LINEAR" ? ceil(100 / object.value.percent) : 1) * tonumber(substr(object.value.step_bake, 0, length(object.value.step_bake) - 1)) * local.unit_hours[substr(object.value.step_bake, -1, 1)] * 60, 0),
      ])
    }
  ]

  switches = flatten([
    for object in local.approval_objects : [
      for field in ["confirm_digest", "other_than_pusher", "override_alarms"] : { path = "${object.path}.${field}", value = try(object.value[field], null) }
    ]
  ])

  freeze_times = flatten([
    for object in local.freeze_objects : [for field in ["from", "to"] : { path = "${object.path}.${field}", value = try(object.value[field], null) }]
  ])

  people = flatten([
    for object in local.approval_objects : [
      for index, approver in try(concat(object.value.approvers, []), []) : { path = "${object.path}.approvers[${index}]", value = try(tostring(approver), "") }
    ]
  ])

  # Whose the identities are that push: each is a list of people, none for a pipeline.
  pushers = flatten([
    for object in local.approval_objects : [
      for identity, people in object.value.pushers : {
        path   = "${object.path}.pushers[${identity}]"
        people = people
      }
    ] if can(keys(object.value.pushers))
  ])

  texts = flatten([
    for list in local.lists : [
      for index, value in try(concat(list.value, []), []) : { path = "${list.path}[${index}]", value = value, of = list.of }
    ] if contains(["pattern of a tag", "name of a CloudWatch alarm", "word of a command", "name of a container"], list.of)
  ])

  wrong_values = concat(
    [for it in local.slugs : "${it.path} does not fit: write lower-case letters, digits and single hyphens, starting with a letter, at most 32 characters" if it.value != null && !(can(regex(local.slug, it.value)) && try(length(it.value) <= 32, false))],
    [for it in local.ecs_names : "${it.path} does not fit: write letters, digits, hyphens and underscores" if it.value != null && !can(regex(local.ecs_name, it.value))],
    [for it in local.application_objects : "${it.path}.repository does not fit: write the name of an ECR repository, such as web or team/web" if try(it.value.repository, null) != null && !(can(regex(local.repository, it.value.repository)) && try(length(it.value.repository) >= 2 && length(it.value.repository) <= 256, false))],
    [for it in local.texts : "${it.path} does not fit: write a ${it.of}" if !can(regex("\\S", it.value))],
    [for it in local.texts : "${it.path} excludes nothing: write the pattern of a tag behind the !, such as !*-arm64" if it.of == "pattern of a tag" && can(regex("^!\\s*$", it.value))],
    [for it in local.application_objects : "${it.path}.tags only excludes: write at least one pattern of the tags that start a release, such as v*" if try(length(it.value.tags) > 0 && alltrue([for tag in it.value.tags : startswith(tag, "!")]), false)],
    [for it in local.spans : "${it.path} does not fit: write a whole number and s, m, h or d, of a year at the most, such as ${it.example}" if it.value != null && !(can(regex(local.span, it.value)) && try(tonumber(substr(it.value, 0, length(it.value) - 1)) * local.unit_hours[substr(it.value, -1, 1)] <= local.year_hours, false))],
    [for it in local.service_objects : "${it.path}.desired_count does not fit: write 1 or more; where no task runs, nothing can be verified" if try(it.value.desired_count, null) != null && !try(it.value.desired_count >= 1 && floor(it.value.desired_count) == it.value.desired_count, false)],
    [for it in local.service_objects : "${it.path} is judged in one way: write health = { path = \"/health\" } for a service behind a load balancer, target_health = {} for one behind a load balancer that cannot be asked from outside or not by HTTP, or steady = { \"for\" = \"30s\" } for one without" if can(keys(it.value)) && length([for field in ["health", "target_health", "steady"] : field if try(it.value[field], null) != null]) != 1],
    [for it in local.service_objects : "${it.path} names containers twice: write containers = [ ... ] alone" if try(it.value.container, null) != null && try(it.value.containers, null) != null],
    [for it in local.strategy_objects : "${it.path}.type does not fit: write ${join(", ", keys(local.strategy_fields))}" if try(it.value.type, null) != null && !contains(keys(local.strategy_fields), it.type)],
    [for it in local.strategy_objects : "${it.path} does not fit ${it.type}: write type and ${length(lookup(local.strategy_fields, it.type, [])) == 0 ? "nothing else" : join(", ", local.strategy_fields[it.type])}; percent and step_bake are needed where they are known" if contains(keys(local.strategy_fields), it.type) && (length(setsubtract([for field, value in try(it.value, {}) : field if value != null], concat(["type"], lookup(local.strategy_fields, it.type, [])))) > 0 || (contains(lookup(local.strategy_fields, it.type, []), "percent") && (try(it.value.percent, null) == null || try(it.value.step_bake, null) == null)))],
    [for it in local.strategy_objects : "${it.path}.percent does not fit: write ${it.type == "LINEAR" ? "3" : "0.1"} to 100, with one decimal at the most" if try(it.value.percent, null) != null && !try(it.value.percent >= (it.type == "LINEAR" ? 3 : 0.1) && it.value.percent <= 100 && floor(it.value.percent * 10) == it.value.percent * 10, false)],
    [for it in local.strategy_objects : "${it.path} does not fit: write step_bake and bake in whole minutes, 1440m at the most, such as 10m: ECS knows nothing shorter" if anytrue([for field in ["step_bake", "bake"] : try(it.value[field], null) != null && !try(floor(tonumber(substr(it.value[field], 0, length(it.value[field]) - 1)) * local.unit_hours[substr(it.value[field], -1, 1)] * 60 + 0.001) * 60 >= tonumber(substr(it.value[field], 0, length(it.value[field]) - 1)) * local.unit_hours[substr(it.value[field], -1, 1)] * 3600 - 0.5 && tonumber(substr(it.value[field], 0, length(it.value[field]) - 1)) * local.unit_hours[substr(it.value[field], -1, 1)] <= 24, false)])],
    [for it in local.strategy_minutes : "${it.stage}.deploy_timeout does not fit: write more than the ${it.minutes} minutes that ${it.type} takes" if try(it.minutes >= it.timeout, false)],
    [for it in local.image_check_objects : "${it.path}.stop_above does not fit: write ${join(", ", local.severities)}: a finding above it stops the stage" if try(it.value.stop_above, null) != null && !contains(local.severities, try(tostring(it.value.stop_above), ""))],
    [for it in local.allowed_objects : "${it.path}.finding does not fit: write the name of a finding, such as CVE-2026-12345" if try(it.value.finding, null) != null && !can(regex("\\S", it.value.finding))],
    [for it in local.allowed_objects : "${it.path}.until does not fit: write the last day on which it passes, such as 2027-03-31" if try(it.value.until, null) != null && !can(formatdate("YYYY", "${it.value.until}T00:00:00Z"))],
    [for it in local.snapshot_objects : "${it.path} names one database: write database, the identifier of an RDS instance, or cluster, that of an Aurora cluster" if can(keys(it.value)) && (try(it.value.database, null) == null) == (try(it.value.cluster, null) == null)],
    [for it in local.snapshot_objects : "${it.path}.keep does not fit: write 1 or more; the release's own snapshot is kept" if try(it.value.keep, null) != null && !try(it.value.keep >= 1 && floor(it.value.keep) == it.value.keep && it.value.keep <= 100, false)],
    [for it in local.migration_objects : "${it.path}.service is no service of the stage: write one of ${join(", ", it.services)}" if try(it.value.service, null) != null && !contains(it.services, try(tostring(it.value.service), ""))],
    [for it in local.health_objects : "${it.path}.path does not fit: write a path that starts with /, such as /health" if try(it.value.path, null) != null && !can(regex("^/\\S*$", it.value.path))],
    [for it in local.health_objects : "${it.path}.url does not fit: write http:// or https:// and a host, such as https://www.example.com" if try(it.value.url, null) != null && !can(regex(local.base_url, it.value.url))],
    [for it in local.health_objects : "${it.path}.codes does not fit: write statuses from 200 to 499 as ELB writes them, such as 200-299 or 200,302" if try(it.value.codes, null) != null && !(can(regex(local.codes, it.value.codes)) && try(alltrue([for part in split(",", it.value.codes) : split("-", part)[0] <= reverse(split("-", part))[0]]), true))],
    [for it in local.health_objects : "${it.path}.headers does not fit: write headers' names and values, such as { X-Probe = \"slipway\" }" if try(it.value.headers, null) != null && !try(alltrue([for name, value in it.value.headers : can(regex("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", name)) && can(regex("^[\\t -~]*$", value))]), false)],
    [for it in local.people : "${it.path} does not fit: write an e-mail address, such as ana@example.com" if !(can(regex(local.email, it.value)) && length(it.value) <= 254)],
    [for it in local.approval_objects : "${it.path}.approvers names someone twice: write each address once" if try(length(distinct([for approver in it.value.approvers : lower(approver)])) < length(it.value.approvers), false)],
    [for it in local.approval_objects : "${it.path}.quorum does not fit: write a number from 1 to the number of approvers" if try(it.value.quorum, null) != null && !try(it.value.quorum >= 1 && it.value.quorum <= length(it.value.approvers) && floor(it.value.quorum) == it.value.quorum, false)],
    [for it in local.approval_objects : "${it.path}.pushers does not fit: write a map of identities, such as { \"*:user/ana\" = [\"ana@example.com\"] }" if try(it.value.pushers, null) != null && !can(keys(it.value.pushers))],
    [for it in local.approval_objects : "${it.path}.other_than_pusher needs pushers: write whose each identity is that pushes, such as { \"*:user/ana\" = [\"ana@example.com\"] }, and [] for a pipeline's" if try(tobool(it.value.other_than_pusher), false) == true && try(length(keys(it.value.pushers)), 0) == 0],
    [for it in local.pushers : "${it.path} does not fit: write the e-mail addresses of the people behind it, and [] for a pipeline" if !try(alltrue([for person in it.people : can(regex(local.email, tostring(person)))]), false)],
    [for it in local.reminders : "${it.path} does not fit: write a time shorter than expires_after" if try(it.before >= it.expires, false)],
    [for it in local.stage_objects : "${it.path}.when_frozen does not fit: write WAIT, END or IGNORE" if try(it.value.when_frozen, null) != null && !try(contains(["WAIT", "END", "IGNORE"], tostring(it.value.when_frozen)), false)],
    [for it in local.freeze_objects : "${it.path}.reason does not fit: write why, for those who wait" if try(it.value.reason, null) != null && !can(regex("\\S", it.value.reason))],
    [for it in local.freeze_objects : "${it.path}.days does not fit: write days of ${join(", ", local.days)}" if try(length(setsubtract(it.value.days, local.days)) > 0, false)],
    [for it in local.freeze_objects : "${it.path}.dates does not fit: write dates such as 2026-12-24" if try(length(it.value.dates), 0) > 0 && !try(alltrue([for date in it.value.dates : can(formatdate("YYYY", "${date}T00:00:00Z"))]), false)],
    [for it in local.freeze_times : "${it.path} does not fit: write hours and minutes, such as 16:00" if it.value != null && !can(regex(local.time, it.value))],
    [for it in local.freeze_objects : "${it.path}.to does not fit: write another time than from; leave out both for the whole day" if try(it.value.from == it.value.to && it.value.from != null, false)],
    [for it in local.freeze_objects : "${it.path}.time_zone does not fit: write a name of IANA's time zone database, such as Europe/Berlin" if try(it.value.time_zone, null) != null && !can(regex("^(UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$", it.value.time_zone))],
    [for it in local.switches : "${it.path} does not fit: write true or false" if it.value != null && !can(tobool(it.value))],
  )
}

# What is there twice.
locals {
  stages_by_name = {
    for stage in local.stage_objects : "${stage.application}/${stage.value.name}" => stage... if can(tostring(stage.value.name)) && try(stage.value.name, null) != null
  }

  services_by_place = {
    for service in local.service_objects : "${service.cluster}/${service.value.service}" => service.path... if service.cluster != "" && can(tostring(service.value.service)) && try(service.value.service, null) != null
  }

  # A release registers revisions in the families of tasks: no service's next revision can come from one of them, and no
  # service's revisions may go there.
  families_of_services = flatten([
    for service in local.service_objects : [
      for family in try(service.value.template, null) == null ? ["${service.cluster}-${service.value.service}-template", "${service.cluster}-${service.value.service}"] : [service.value.template, "${service.cluster}-${service.value.service}-release"] :
      { family = try(tostring(family), ""), service = service.path }
    ] if service.cluster != "" && can(tostring(service.value.service)) && try(service.value.service, null) != null
  ])

  own_families = [
    for service in local.service_objects : service.path
    if try(service.value.template, null) != null && try("${service.cluster}-${service.value.service}-release" == service.value.template, false)
  ]

  tasks_by_family = {
    for task in local.task_objects : task.value.family => task.path... if can(tostring(task.value.family)) && try(task.value.family, null) != null
  }

  applications_by_repository = {
    for application in local.application_objects : application.value.repository => application.path... if can(tostring(application.value.repository)) && try(application.value.repository, null) != null
  }

  duplicates = concat(
    [for path in local.own_families : "${path}.template is the family that releases are registered in: write the family that the service's owner registers"],
    [for family, paths in local.tasks_by_family : "${join(" and ", [for path in paths : "${path}.family"])} are the same: give each stage families of its own" if length(paths) > 1],
    [for it in local.families_of_services : "${join(" and ", local.tasks_by_family[it.family])} is a family of ${it.service}: give tasks a family of their own" if contains(keys(local.tasks_by_family), it.family)],
    [for name, stages in local.stages_by_name : "${join(" and ", [for stage in stages : "${stage.path}.name"])} are the same: give each stage of an application its own name" if length(stages) > 1],
    [for place, paths in local.services_by_place : "${join(" and ", [for path in paths : "${path}.service"])} are the same service ${place}: a service belongs to one stage of one application" if length(paths) > 1],
    [for repository, paths in local.applications_by_repository : "${join(" and ", [for path in paths : "${path}.repository"])} are the same: an image repository belongs to one application" if length(paths) > 1],
  )

  problems = concat(local.not_objects, local.unknown_fields, local.missing_fields, local.empty_lists, local.wrong_values, local.duplicates)
}

# The same with its types, and with every default filled in but the ones that mean "not asked for" (null).
locals {
  applications = {
    for name in try(keys(var.applications), []) : name => {
      repository = tostring(var.applications[name].repository)
      tags       = [for tag in var.applications[name].tags : tostring(tag)]

      stages = [
        for stage in var.applications[name].stages : {
          name           = tostring(stage.name)
          cluster        = tostring(coalesce(try(stage.cluster, null), stage.name))
          deploy_timeout = tostring(coalesce(try(stage.deploy_timeout, null), "30m"))

          strategy = try(stage.strategy, null) == null ? null : {
            for field, value in {
              type      = tostring(stage.strategy.type)
              percent   = try(tonumber(stage.strategy.percent), null)
              step_bake = try(tostring(stage.strategy.step_bake), null)
              bake      = try(tostring(stage.strategy.bake), null)
            } : field => value if value != null
          }

          services = [
            for service in stage.services : {
              service       = tostring(service.service)
              desired_count = tonumber(coalesce(try(service.desired_count, null), 1))
              template      = try(tostring(service.template), null)
              containers    = try(service.containers, null) != null ? [for name in service.containers : tostring(name)] : (try(service.container, null) == null ? null : [tostring(service.container)])
              health = try(service.health, null) == null ? null : {
                path    = tostring(service.health.path)
                url     = try(tostring(service.health.url), null)
                codes   = try(tostring(service.health.codes), null)
                headers = try(service.health.headers, null) == null ? null : { for name, value in service.health.headers : name => tostring(value) }
              }
              target_health = try(service.target_health, null) == null ? null : {
                command = try(service.target_health.command, null) == null ? null : [for word in service.target_health.command : tostring(word)]
              }
              steady = try(service.steady, null) == null ? null : {
                "for"   = tostring(service.steady["for"])
                command = try(service.steady.command, null) == null ? null : [for word in service.steady.command : tostring(word)]
              }
            }
          ]

          tasks = try(stage.tasks, null) == null ? null : [
            for task in stage.tasks : {
              family    = tostring(task.family)
              container = try(tostring(task.container), null)
            }
          ]

          approval = try(stage.approval, null) == null ? null : {
            approvers         = [for approver in stage.approval.approvers : lower(tostring(approver))]
            quorum            = tonumber(coalesce(try(stage.approval.quorum, null), 1))
            expires_after     = tostring(stage.approval.expires_after)
            remind_before     = try(tostring(stage.approval.remind_before), null)
            confirm_digest    = tobool(coalesce(try(stage.approval.confirm_digest, null), false))
            override_alarms   = tobool(coalesce(try(stage.approval.override_alarms, null), false))
            other_than_pusher = tobool(coalesce(try(stage.approval.other_than_pusher, null), false))
            pushers           = try(stage.approval.pushers, null) == null ? null : { for identity, people in stage.approval.pushers : identity => [for person in people : lower(tostring(person))] }
          }

          image_check = try(stage.image_check, null) == null ? null : {
            stop_above = tostring(stage.image_check.stop_above)
            wait       = try(tostring(stage.image_check.wait), null)

            allow = [
              for allowed in try(concat(stage.image_check.allow, []), []) :
              { for field, value in { finding = tostring(allowed.finding), until = tostring(allowed.until), reason = try(tostring(allowed.reason), null) } : field => value if value != null }
            ]
          }

          snapshot = try(stage.snapshot, null) == null ? null : {
            database = try(tostring(stage.snapshot.database), null)
            cluster  = try(tostring(stage.snapshot.cluster), null)
            keep     = tonumber(coalesce(try(stage.snapshot.keep, null), 10))
            wait     = try(tostring(stage.snapshot.wait), null)
          }

          migration = try(stage.migration, null) == null ? null : {
            service   = tostring(stage.migration.service)
            container = try(tostring(stage.migration.container), null)
            command   = [for word in stage.migration.command : tostring(word)]
            timeout   = try(tostring(stage.migration.timeout), null)
          }

          bake = try(stage.bake, null) == null ? null : {
            "for"  = tostring(stage.bake["for"])
            alarms = [for alarm in stage.bake.alarms : tostring(alarm)]

            watch_for = try(tostring(stage.bake.watch_for), null)
          }

          when_frozen = try(tostring(stage.when_frozen), null)

          freeze = try(stage.freeze, null) == null ? null : [
            for window in stage.freeze : {
              for field, value in {
                days      = try(window.days, null) == null ? null : jsonencode([for day in window.days : tostring(day)])
                dates     = try(window.dates, null) == null ? null : jsonencode([for date in window.dates : tostring(date)])
                from      = try(jsonencode(tostring(window.from)), null)
                to        = try(jsonencode(tostring(window.to)), null)
                time_zone = try(jsonencode(tostring(window.time_zone)), null)
                reason    = jsonencode(tostring(window.reason))
              } : field => jsondecode(value) if value != null && value != "null"
            }
          ]
        }
      ]
    } if length(local.problems) == 0
  }
}
