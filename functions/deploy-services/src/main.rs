//! The Lambda function `deploy-services`.

fn main() {}
