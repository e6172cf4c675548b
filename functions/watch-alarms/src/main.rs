//! The Lambda function `watch-alarms`.

fn main() {}
