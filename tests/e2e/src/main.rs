//! `cargo faults`: faults by the hundred.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    slipway_e2e::commands::run().await
}
