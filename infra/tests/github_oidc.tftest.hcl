# The pipeline's role: who may become it.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name          = "slipway-web-push"
  provider_arn  = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  repository    = "example/web"
  owner_id      = "11"
  repository_id = "22"
  registry_arn  = "arn:aws:ecr:eu-central-1:123456789012:repository/web"
}

run "a_branch_is_trusted_in_both_forms_of_sub" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  assert {
    condition     = output.subjects == ["repo:example/web:ref:refs/heads/main", "repo:example@11/web@22:ref:refs/heads/main"]
    error_message = "Exactly the branch, by name and by number."
  }

  assert {
    condition     = alltrue([for condition in data.aws_iam_policy_document.trust.statement[0].condition : condition.test == "StringEquals" && alltrue([for value in condition.values : !strcontains(value, "*")])])
    error_message = "Subjects and audience are compared whole."
  }

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.push.statement : statement.sid == "SignInToRegistry" || toset(statement.resources) == toset(["arn:aws:ecr:eu-central-1:123456789012:repository/web"])])
    error_message = "It may push to one registry."
  }
}

run "an_environment_is_trusted_in_both_forms_of_sub" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    environment = "registry"
  }

  assert {
    condition     = output.subjects == ["repo:example/web:environment:registry", "repo:example@11/web@22:environment:registry"]
    error_message = "Exactly the environment, by name and by number."
  }
}

run "a_wildcard_repository_is_refused" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    repository = "example/*"
  }

  expect_failures = [var.repository]
}

run "a_wildcard_branch_is_refused" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    branch = "*"
  }

  expect_failures = [var.branch]
}

run "a_wildcard_environment_is_refused" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    environment = "*"
  }

  expect_failures = [var.environment]
}

run "a_name_for_a_number_is_refused" {
  command = plan

  module {
    source = "./modules/github-oidc"
  }

  variables {
    owner_id = "example"
  }

  expect_failures = [var.owner_id]
}
