//! The Lambda function `decide-approval`.

fn main() {}
