//! The Lambda function `capture-baseline`.

fn main() {}
