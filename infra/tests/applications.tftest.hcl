# What `applications` refuses. Every run changes one thing of a configuration that fits.

run "what_fits_is_kept_and_defaults_are_filled_in" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = {
      web = {
        repository = "web"
        tags       = ["v*"]

        stages = [
          { name = "staging", services = [{ service = "web", health = { path = "/health" } }] },
          {
            name     = "production"
            cluster  = "main"
            services = [{ service = "web", desired_count = 3, health = { path = "/health", url = "https://www.example.com" } }]
            approval = { approvers = ["ana@example.com", "bo@example.com"], quorum = 2, expires_after = "24h" }
            bake     = { alarms = ["web-production-5xx"], for = "15m" }
          },
        ]
      }
    }
  }

  assert {
    condition     = output.applications.web.stages[0].cluster == "staging" && output.applications.web.stages[1].cluster == "main"
    error_message = "A stage's cluster is its name unless it names another."
  }

  assert {
    condition     = output.applications.web.stages[0].deploy_timeout == "30m" && output.applications.web.stages[0].services[0].desired_count == 1
    error_message = "What is not given has its default."
  }

  assert {
    condition     = output.applications.web.stages[0].approval == null && output.applications.web.stages[0].bake == null
    error_message = "A gate that is not asked for is not there."
  }

  assert {
    condition     = output.applications.web.stages[1].approval.quorum == 2 && output.applications.web.stages[1].bake["for"] == "15m"
    error_message = "What is given is kept."
  }
}

run "a_list_of_applications_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = ["web"]
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_an_application_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }], colour = "blue" } }
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_a_stage_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], snapshots = { database = "web" } }] } }
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_a_service_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/" }, count = 1 }] }] } }
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_a_health_check_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/", port = 80 } }] }] } }
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_an_approval_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = ["ana@example.com"], expires_after = "24h", quorums = 1 } }] } }
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_a_bake_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], bake = { alarms = ["web-5xx"], for = "15m", minutes = 15 } }] } }
  }

  expect_failures = [output.applications]
}

run "a_missing_repository_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "missing_tags_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "missing_stages_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"] } }
  }

  expect_failures = [output.applications]
}

run "a_stage_without_a_name_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ services = [{ service = "web", health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_service_without_a_health_check_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web" }] }] } }
  }

  expect_failures = [output.applications]
}

run "an_approval_without_an_end_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = ["ana@example.com"] } }] } }
  }

  expect_failures = [output.applications]
}

run "a_bake_without_a_length_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], bake = { alarms = ["web-5xx"] } }] } }
  }

  expect_failures = [output.applications]
}

run "no_stages_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [] } }
  }

  expect_failures = [output.applications]
}

run "no_tags_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = [], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_blank_tag_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = [" "], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_stage_without_services_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [] }] } }
  }

  expect_failures = [output.applications]
}

run "two_stages_of_one_name_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }, { name = "staging", cluster = "other", services = [{ service = "web", health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "one_service_in_two_stages_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }, { name = "canary", cluster = "staging", services = [{ service = "web", health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "one_repository_of_two_applications_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }] }, api = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "api", health = { path = "/health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_name_with_capitals_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { Web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_repository_with_a_space_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "we b", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_duration_in_words_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", deploy_timeout = "half an hour", services = [{ service = "web", health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_duration_of_more_than_a_year_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = ["ana@example.com"], expires_after = "366d" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_path_without_a_slash_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "health" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_url_without_a_scheme_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/", url = "www.example.com" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "no_tasks_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", desired_count = 0, health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "half_a_task_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", desired_count = 1.5, health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "an_approver_without_an_address_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = ["ana"], expires_after = "24h" } }] } }
  }

  expect_failures = [output.applications]
}

run "an_approver_twice_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = ["ana@example.com", "ana@example.com"], expires_after = "24h" } }] } }
  }

  expect_failures = [output.applications]
}

run "no_approvers_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = [], expires_after = "24h" } }] } }
  }

  expect_failures = [output.applications]
}

run "what_an_approval_may_ask_for_is_kept" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [
      { name = "staging", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h" } },
      { name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", remind_before = "90m", confirm_digest = true, other_than_pusher = true, pushers = { "arn:aws:iam::123456789012:user/ana" = ["Ana@example.com"], "arn:aws:sts::123456789012:assumed-role/ci/*" = [] } } },
    ] } }
  }

  assert {
    condition     = output.applications.web.stages[0].approval.remind_before == null && !output.applications.web.stages[0].approval.confirm_digest && !output.applications.web.stages[0].approval.other_than_pusher
    error_message = "Nothing of it unless it is asked for."
  }

  assert {
    condition     = output.applications.web.stages[1].approval.remind_before == "90m" && output.applications.web.stages[1].approval.confirm_digest && output.applications.web.stages[1].approval.other_than_pusher && jsonencode(output.applications.web.stages[1].approval.pushers) == jsonencode({ "arn:aws:iam::123456789012:user/ana" = ["ana@example.com"], "arn:aws:sts::123456789012:assumed-role/ci/*" = [] })
    error_message = "What is given is kept."
  }
}

run "a_reminder_in_words_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", remind_before = "half an hour" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_reminder_after_the_end_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", remind_before = "120m" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_switch_in_words_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", confirm_digest = "always" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_pusher_by_name_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", other_than_pusher = "bo@example.com" } }] } }
  }

  expect_failures = [output.applications]
}

run "other_than_pusher_without_whose_each_identity_is_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", other_than_pusher = true } }] } }
  }

  expect_failures = [output.applications]
}

run "a_pusher_who_is_no_address_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", other_than_pusher = true, pushers = { "arn:aws:iam::123456789012:user/ana" = ["ana"] } } }] } }
  }

  expect_failures = [output.applications]
}

run "pushers_that_are_no_map_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["ana@example.com"], expires_after = "2h", pushers = ["ana@example.com"] } }] } }
  }

  expect_failures = [output.applications]
}

run "one_person_in_two_ways_of_writing_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }], approval = { approvers = ["Team@example.com", "team@example.com"], expires_after = "2h" } }] } }
  }

  expect_failures = [output.applications]
}

run "tags_that_only_exclude_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["!*-arm64"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_tag_that_excludes_nothing_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*", "!"], stages = [{ name = "production", services = [{ service = "web", health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_quorum_above_the_approvers_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = ["ana@example.com"], quorum = 2, expires_after = "24h" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_quorum_of_none_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], approval = { approvers = ["ana@example.com"], quorum = 0, expires_after = "24h" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_bake_without_alarms_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], bake = { alarms = [], for = "15m" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_service_that_is_judged_in_two_ways_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" }, steady = { "for" = "30s" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_severity_that_nobody_has_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], image_check = { stop_above = "BAD" } }] } }
  }

  expect_failures = [output.applications]
}

run "an_allowed_finding_without_its_last_day_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], image_check = { stop_above = "LOW", allow = [{ finding = "CVE-2026-1" }] } }] } }
  }

  expect_failures = [output.applications]
}

run "an_allowed_finding_until_no_day_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], image_check = { stop_above = "LOW", allow = [{ finding = "CVE-2026-1", until = "soon" }] } }] } }
  }

  expect_failures = [output.applications]
}

run "a_snapshot_of_no_database_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], snapshot = { keep = 3 } }] } }
  }

  expect_failures = [output.applications]
}

run "a_snapshot_of_two_databases_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], snapshot = { database = "a", cluster = "b" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_snapshot_that_is_not_kept_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], snapshot = { database = "a", keep = 0 } }] } }
  }

  expect_failures = [output.applications]
}

run "a_migration_with_a_service_of_another_stage_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], migration = { service = "api", command = ["migrate"] } }] } }
  }

  expect_failures = [output.applications]
}

run "a_migration_without_a_command_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], migration = { service = "web", command = [] } }] } }
  }

  expect_failures = [output.applications]
}

run "a_steadiness_without_its_time_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "worker", steady = { command = ["check"] } }] }] } }
  }

  expect_failures = [output.applications]
}

run "gates_and_workers_are_kept_with_their_defaults" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = {
      shop = {
        repository = "shop"
        tags       = ["v*"]

        stages = [{
          name        = "production"
          strategy    = { type = "CANARY", percent = 0.5, step_bake = "10m" }
          services    = [{ service = "web", health = { path = "/health" } }, { service = "worker", steady = { "for" = "30s", command = ["check"] } }]
          image_check = { stop_above = "MEDIUM", allow = [{ finding = "CVE-2026-1", until = "2027-03-31" }] }
          snapshot    = { database = "orders" }
          migration   = { service = "web", command = ["python", "migrate.py"] }
        }]
      }
    }
  }

  assert {
    condition     = output.applications.shop.stages[0].snapshot.keep == 10 && output.applications.shop.stages[0].snapshot.cluster == null
    error_message = "Ten snapshots are kept where it is not said."
  }

  assert {
    condition     = output.applications.shop.stages[0].image_check.allow == [{ finding = "CVE-2026-1", until = "2027-03-31" }] && output.applications.shop.stages[0].migration.command == ["python", "migrate.py"]
    error_message = "What is given is kept."
  }

  assert {
    condition     = output.applications.shop.stages[0].services[1].health == null && output.applications.shop.stages[0].services[1].steady.command == ["check"]
    error_message = "A worker is judged by its steadiness."
  }

  assert {
    condition     = output.applications.shop.stages[0].strategy.percent == 0.5 && !can(output.applications.shop.stages[0].strategy.bake)
    error_message = "A strategy has what was given and nothing else."
  }
}

run "a_strategy_that_ecs_does_not_have_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], strategy = { type = "BIG_BANG" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_canary_without_its_part_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], strategy = { type = "CANARY", step_bake = "10m" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_rolling_deployment_with_parts_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], strategy = { type = "ROLLING", percent = 10 } }] } }
  }

  expect_failures = [output.applications]
}

run "a_linear_part_that_is_too_small_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], strategy = { type = "LINEAR", percent = 2, step_bake = "1m" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_bake_shorter_than_a_minute_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], strategy = { type = "BLUE_GREEN", bake = "90s" } }] } }
  }

  expect_failures = [output.applications]
}

run "a_strategy_longer_than_the_time_for_a_deployment_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], strategy = { type = "LINEAR", percent = 10, step_bake = "3m" } }] } }
  }

  expect_failures = [output.applications]
}

run "windows_are_kept_and_nothing_is_filled_in" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = {
      web = {
        repository = "web"
        tags       = ["v*"]
        stages = [{
          name        = "production"
          services    = [{ service = "web", health = { path = "/health" } }]
          when_frozen = "END"
          freeze = [
            { days = ["FRI"], from = "16:00", to = "08:00", time_zone = "Europe/Berlin", reason = "nobody is there" },
            { dates = ["2026-12-24", "2026-12-31"], reason = "holidays" },
          ]
        }]
      }
    }
  }

  assert {
    condition = jsonencode(output.applications.web.stages[0].freeze) == jsonencode([
      { days = ["FRI"], from = "16:00", reason = "nobody is there", time_zone = "Europe/Berlin", to = "08:00" },
      { dates = ["2026-12-24", "2026-12-31"], reason = "holidays" },
    ])
    error_message = "Windows have the fields that slipway-core reads, and no others."
  }

  assert {
    condition     = output.applications.web.stages[0].when_frozen == "END"
    error_message = "What a release does there is kept."
  }
}

run "a_window_without_a_reason_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], freeze = [{ days = ["SAT"] }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_day_that_is_none_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], freeze = [{ days = ["SATURDAY"], reason = "x" }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_date_that_is_none_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], freeze = [{ dates = ["24.12.2026"], reason = "x" }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_time_that_is_none_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], freeze = [{ from = "8:00", reason = "x" }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_window_of_no_length_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], freeze = [{ from = "08:00", to = "08:00", reason = "x" }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_time_zone_that_is_none_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], freeze = [{ time_zone = "+01:00", reason = "x" }] }] } }
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_a_window_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], freeze = [{ until = "08:00", reason = "x" }] }] } }
  }

  expect_failures = [output.applications]
}

run "what_a_release_does_when_frozen_is_one_of_three" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], when_frozen = "QUEUE" }] } }
  }

  expect_failures = [output.applications]
}

run "findings_that_pass_may_have_a_reason_or_none" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/health" } }], image_check = { stop_above = "HIGH", allow = [{ finding = "CVE-2026-1", until = "2027-03-31" }, { finding = "CVE-2026-2", until = "2027-03-31", reason = "not reached" }] } }] } }
  }

  assert {
    condition     = length(output.applications.web.stages[0].image_check.allow) == 2
    error_message = "Both pass."
  }
}

run "services_that_exist_are_taken_as_they_are" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = {
      web = {
        repository = "web"
        tags       = ["v*"]

        stages = [{
          name = "staging"
          services = [
            { service = "web", template = "shop", containers = ["app", "queue"], health = { path = "/health", codes = "200,302", headers = { X-Probe = "slipway" } } },
            { service = "grpc", template = "running", container = "app", target_health = {} },
            { service = "internal", target_health = { command = ["check"] } },
          ]
          tasks = [{ family = "shop-nightly" }, { family = "shop-hourly", container = "job" }]
        }]
      }
    }
  }

  assert {
    condition     = [for service in output.applications.web.stages[0].services : service.template] == ["shop", "running", null]
    error_message = "A service's template is the one that is configured."
  }

  assert {
    condition     = jsonencode([for service in output.applications.web.stages[0].services : service.containers]) == jsonencode([["app", "queue"], ["app"], null])
    error_message = "container is short for one of containers."
  }

  assert {
    condition     = output.applications.web.stages[0].services[0].health.codes == "200,302" && output.applications.web.stages[0].services[0].health.headers["X-Probe"] == "slipway"
    error_message = "What a health check asks for is kept."
  }

  assert {
    condition     = output.applications.web.stages[0].services[1].target_health != null && output.applications.web.stages[0].services[2].target_health.command[0] == "check"
    error_message = "A service may be judged by its load balancer's health checks."
  }

  assert {
    condition     = [for task in output.applications.web.stages[0].tasks : task.family] == ["shop-nightly", "shop-hourly"]
    error_message = "The families of tasks are kept."
  }
}

run "a_service_that_is_judged_by_its_load_balancer_and_through_it_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/" }, target_health = {} }] }] } }
  }

  expect_failures = [output.applications]
}

run "statuses_that_elb_does_not_know_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/", codes = "2xx" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_range_of_statuses_that_ends_before_it_begins_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/", codes = "299-200" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_header_that_is_none_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/", headers = { "a b" = "c" } } }] }] } }
  }

  expect_failures = [output.applications]
}

run "containers_that_are_named_twice_are_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", container = "a", containers = ["b"], health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "the_family_of_releases_as_a_template_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", template = "staging-web-release", health = { path = "/" } }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_task_in_the_family_of_a_service_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/" } }], tasks = [{ family = "staging-web" }] }] } }
  }

  expect_failures = [output.applications]
}

run "a_family_of_two_tasks_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/" } }], tasks = [{ family = "nightly" }, { family = "nightly" }] }] } }
  }

  expect_failures = [output.applications]
}

run "an_unknown_field_of_a_task_is_refused" {
  command = plan

  module {
    source = "./modules/applications"
  }

  variables {
    applications = { web = { repository = "web", tags = ["v*"], stages = [{ name = "staging", services = [{ service = "web", health = { path = "/" } }], tasks = [{ family = "nightly", count = 1 }] }] } }
  }

  expect_failures = [output.applications]
}
