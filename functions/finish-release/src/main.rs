//! The Lambda function `finish-release`.

fn main() {}
