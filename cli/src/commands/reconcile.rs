//! `slipway reconcile`.

use std::process::ExitCode;

use clap::Args;
use slipway_core::api::{Done, ReconcileRequest};

use super::print;
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) async fn run(client: &Client, output: Output, _arguments: &Arguments) -> Result<ExitCode, Error> {
    let done: Done = client.post("reconcile", &ReconcileRequest {}).await?;
    print(output, &done, || vec![done.words.clone()]);
    Ok(ExitCode::SUCCESS)
}
