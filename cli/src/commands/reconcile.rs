//! `slipway reconcile`.

use std::process::ExitCode;

use clap::Args;
use slipway_core::api::{Done, ReconcileRequest};

use super::print_done;
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) async fn run(client: &Client, output: Output, _arguments: &Arguments) -> Result<ExitCode, Error> {
    let done: Done = client.post("reconcile", &ReconcileRequest {}).await?;
    print_done(output, &done);
    Ok(ExitCode::SUCCESS)
}
