//! The Lambda function `resume-release`.

fn main() {}
