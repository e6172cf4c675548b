//! The Lambda function `receive-push`.

fn main() {}
