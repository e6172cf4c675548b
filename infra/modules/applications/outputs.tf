output "applications" {
  description = "The applications, by name, with their types and defaults; null where a gate is not asked for"
  value       = local.applications

  precondition {
    condition     = length(local.problems) == 0
    error_message = "The variable applications does not fit:\n${join("\n", [for problem in local.problems : "  - ${problem}."])}"
  }
}
