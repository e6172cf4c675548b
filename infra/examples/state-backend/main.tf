# The bucket for the states, which begins with a local state of its own: modules/state-backend/README.md says how.

module "state_backend" {
  source = "../../modules/state-backend"

  name          = var.name
  force_destroy = var.force_destroy
}
