//! `slipway`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    slipway_cli::run().await
}
