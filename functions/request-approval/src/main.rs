//! The Lambda function `request-approval`.

fn main() {}
