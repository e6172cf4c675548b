//! `cargo local slipway …`: the command that operators have, on this cloud and as its root user.

use std::{ffi::OsString, process::ExitCode};

use clap::Args;

use crate::{Cloud, Settings};

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(super) struct Arguments {
    /// What the command is given, such as `status`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let cloud = Cloud::attach(settings).await?;
    Ok(Box::pin(slipway_cli::run_with(cloud.operators()?, arguments.arguments)).await)
}
