//! The Lambda function `verify-service`.

fn main() {}
