# A function, alone.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}", minified_json = "{}" }
  }
}

variables {
  name               = "slipway-decide-approval"
  description        = "Shows the approval page"
  package            = "./modules/function/README.md"
  architecture       = "arm64"
  timeout_seconds    = 10
  statements         = []
  log_retention_days = 30
}

run "executions_are_reserved_where_that_is_asked_for" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    reserved_concurrency = 50
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 50
    error_message = "So many are the function's alone, and no more."
  }
}

run "none_are_reserved_otherwise" {
  command = plan

  module {
    source = "./modules/function"
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "-1 is Lambda's word for no reservation; 0 would switch the function off."
  }
}

run "a_function_that_is_switched_off_is_refused" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    reserved_concurrency = 0
  }

  expect_failures = [var.reserved_concurrency]
}

run "a_package_with_the_checksum_of_its_bundle_is_taken" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    package        = "./tests/bundle/packages/receive-push/bootstrap.zip"
    package_sha256 = "6329b06886a4d9db0c76729017ba9e16cf31233dec8c0b0f27a5f96f3a17624b"
  }
}

run "a_package_with_another_checksum_is_refused" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    package_sha256 = "6329b06886a4d9db0c76729017ba9e16cf31233dec8c0b0f27a5f96f3a17624b"
  }

  expect_failures = [var.package_sha256]
}

run "a_package_that_its_bundle_does_not_list_is_refused" {
  command = plan

  module {
    source = "./modules/function"
  }

  variables {
    package_sha256 = ""
  }

  expect_failures = [var.package_sha256]
}
