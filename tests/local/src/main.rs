//! `cargo local`: the local cloud and what a person does on it.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    slipway_local::commands::run().await
}
