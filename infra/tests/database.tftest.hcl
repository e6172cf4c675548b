# The database: private, encrypted, with backups, and without a password that anybody here knows.

mock_provider "aws" {}

variables {
  prefix              = "slipway"
  name                = "web-production"
  vpc_id              = "vpc-1"
  private_subnet_ids  = ["subnet-3", "subnet-4"]
  log_retention_days  = 30
  deletion_protection = true
}

run "what_needs_a_restart_is_written_as_rds_has_it" {
  command = plan

  module {
    source = "./modules/database"
  }

  assert {
    condition     = alltrue([for parameter in aws_db_parameter_group.this.parameter : parameter.apply_method == "pending-reboot" if parameter.name == "rds.force_ssl"])
    error_message = "Otherwise every plan after the apply shows a difference."
  }
}

run "it_is_private_encrypted_and_kept" {
  command = plan

  module {
    source = "./modules/database"
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.storage_encrypted && aws_db_instance.this.deletion_protection
    error_message = "Private, encrypted, not deleted by mistake."
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "RDS makes and keeps the password."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 7 && aws_db_instance.this.copy_tags_to_snapshot && !aws_db_instance.this.skip_final_snapshot
    error_message = "Seven days can be restored, and the last state stays."
  }

  assert {
    condition     = contains([for parameter in aws_db_parameter_group.this.parameter : "${parameter.name}=${parameter.value}"], "rds.force_ssl=1")
    error_message = "TLS is required."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30]) && length(aws_cloudwatch_log_group.this) == 2
    error_message = "Each exported log has an end."
  }
}

run "backups_cannot_be_switched_off" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    backup_retention_days = 0
  }

  expect_failures = [var.backup_retention_days]
}

run "a_minor_version_is_refused" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    engine_version = "17.2"
  }

  expect_failures = [var.engine_version]
}

run "one_subnet_is_refused" {
  command = plan

  module {
    source = "./modules/database"
  }

  variables {
    private_subnet_ids = ["subnet-3"]
  }

  expect_failures = [var.private_subnet_ids]
}
