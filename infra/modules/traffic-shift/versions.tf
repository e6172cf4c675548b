terraform {
  required_version = ">= 1.11"

  # The only module that 5.100 cannot plan. tests/opinions holds it to the schema of the oldest version that is named here.
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.69, < 7"
    }
  }
}
