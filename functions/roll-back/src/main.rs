//! The Lambda function `roll-back`.

fn main() {}
