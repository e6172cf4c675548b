output "identifier" {
  description = "The RDS instance's identifier, as its metrics and snapshots name it"
  value       = aws_db_instance.this.identifier
}

output "security_group_id" {
  description = "The database's group, which tasks must be let into"
  value       = aws_security_group.this.id
}

output "port" {
  description = "The port that it listens on"
  value       = local.port
}

output "environment" {
  description = "Environment variables with which libpq, and what is built on it, connects; TLS is required"
  value = {
    PGHOST     = aws_db_instance.this.address
    PGPORT     = tostring(local.port)
    PGDATABASE = var.database
    PGSSLMODE  = "require"
  }
}

output "secrets" {
  description = "The environment variables that ECS reads from the secret when it starts a task: references, not values"
  value = {
    PGUSER     = "${aws_db_instance.this.master_user_secret[0].secret_arn}:username::"
    PGPASSWORD = "${aws_db_instance.this.master_user_secret[0].secret_arn}:password::"
  }
}

output "storage_limit_gib" {
  description = "The storage that RDS may let it grow to"
  value       = var.storage_limit_gib
}
