locals {
  port   = 5432
  family = "postgres${split(".", var.engine_version)[0]}"
  logs   = toset(["postgresql", "upgrade"])
}

# RDS would make these without an end.
resource "aws_cloudwatch_log_group" "this" {
  for_each = local.logs

  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts it with its own key; it holds slow statements, without their parameters
  #checkov:skip=CKV_AWS_338:How long is a variable that validation keeps above 0; a year of database logs is a choice of price

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Where the database ${var.name} may stand"
  subnet_ids  = var.private_subnet_ids
}

# Who may connect is written beside the one who does (service), by the group's id.
resource "aws_security_group" "this" {
  name        = "${var.prefix}-${var.name}-database"
  description = "Database ${var.name}"
  vpc_id      = var.vpc_id
}

resource "aws_db_parameter_group" "this" {
  name        = "${var.name}-${local.family}"
  description = "How the database ${var.name} is set"
  family      = local.family

  # PostgreSQL refuses who does not speak TLS.
  parameter {
    name  = "rds.force_ssl"
    value = "1"
    # RDS has it wait for a restart, and Terraform would find that changed with every plan.
    apply_method = "pending-reboot"
  }

  # What changed the schema, and what took longer than a second; statements themselves can hold what people entered.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }

  parameter {
    name  = "log_parameter_max_length"
    value = "0"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_118:Enhanced monitoring writes paid logs by the second; the alarms need what RDS measures for nothing
  #checkov:skip=CKV_AWS_157:Two zones double the price, so they are the variable multi_az
  #checkov:skip=CKV_AWS_161:Tasks sign in with the secret that RDS keeps; a second way in would be one more to watch
  #checkov:skip=CKV_AWS_293:Deletion protection is a variable, on unless an environment is to be thrown away
  #checkov:skip=CKV_AWS_353:Not every size has Performance Insights; slow statements are in the log

  identifier     = var.name
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  multi_az       = var.multi_az
  db_name        = var.database
  port           = local.port

  # RDS makes the password, keeps it in Secrets Manager and changes it every seven days: it is in no variable and no
  # state.
  username                    = "postgres"
  manage_master_user_password = true

  storage_type          = "gp3"
  allocated_storage     = var.storage_gib
  max_allocated_storage = var.storage_limit_gib
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false

  # Backups from which any second of these days can be restored.
  backup_retention_period   = var.backup_retention_days
  backup_window             = "02:00-03:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  skip_final_snapshot       = !var.final_snapshot
  final_snapshot_identifier = var.final_snapshot ? "${var.name}-final" : null

  maintenance_window          = "sun:03:30-sun:04:30"
  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = false
  apply_immediately           = var.apply_immediately

  enabled_cloudwatch_logs_exports = local.logs
  deletion_protection             = var.deletion_protection

  # The second is what lets the deployer of this name take snapshots.
  tags = { Name = var.name, "slipway:deployer" = var.prefix }

  depends_on = [aws_cloudwatch_log_group.this]
}
