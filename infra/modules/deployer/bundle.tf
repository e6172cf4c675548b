# Where the functions' packages come from: the bundle of a release, or a clone in which they were built. A bundle has
# packages/ beside infra/, and beside packages/ two files that say what is in it: SHA256SUMS and ARCHITECTURE.

locals {
  # The bundle or the clone that this module is in.
  around          = "${path.module}/../../.."
  is_in_bundle    = length(fileset("${local.around}/packages", "*/bootstrap.zip")) > 0
  packages        = trimsuffix(coalesce(var.packages, "${local.around}/${local.is_in_bundle ? "packages" : "target/lambda"}"), "/")
  definition_path = coalesce(var.definition_path, "${local.around}/statemachine/release.asl.yaml")

  # The bundle that the packages are in, which may be another place than this module's.
  bundle              = dirname(local.packages)
  bundle_architecture = fileexists("${local.bundle}/ARCHITECTURE") ? trimspace(file("${local.bundle}/ARCHITECTURE")) : null

  # A bundle without its sums was not unpacked whole, and lists nothing.
  sums         = fileexists("${local.bundle}/SHA256SUMS") ? file("${local.bundle}/SHA256SUMS") : (local.bundle_architecture == null ? null : "")
  architecture = coalesce(var.architecture, local.bundle_architecture, "arm64")

  # The SHA-256 that each package must have: null without a bundle, and empty where the bundle does not list the package.
  sum_of          = local.sums == null ? {} : { for line in regexall("(?m)^([0-9a-f]{64}) [ *]([^\r\n]+)", local.sums) : line[1] => line[0] }
  package_sha256s = { for function in keys(local.functions) : function => local.sums == null ? null : lookup(local.sum_of, "packages/${function}/bootstrap.zip", "") }
}
