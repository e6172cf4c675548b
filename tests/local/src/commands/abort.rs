//! `cargo local abort`.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::{Cloud, Settings, progress::heading, requests};

/// How long a release may take to put back what it has begun.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The release's id [default: the only one that runs].
    release: Option<String>,
    /// Why, for everybody who is told.
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let running: Vec<_> = cloud.executions().await?.into_iter().filter(crate::releases::Execution::is_running).collect();
    let names: Vec<_> = running.iter().map(|execution| execution.name.as_str()).collect();
    let execution = match (&arguments.release, running.as_slice()) {
        (Some(release), running) => match running.iter().find(|execution| execution.name == *release) {
            Some(execution) => execution,
            None => bail!("no release {release} runs; those that do: {}", if names.is_empty() { "none".into() } else { names.join(", ") }),
        },
        (None, [only]) => only,
        (None, []) => bail!("no release runs"),
        (None, _) => bail!("several releases run; name one of: {}", names.join(", ")),
    };
    heading(format!("Aborting {}", execution.name));
    println!("What a stage has begun is put back; what has not begun stays as it is.");
    requests::put(cloud.sdk(), "Abort Requested", &json!({ "release": execution.name, "reason": arguments.reason })).await?;
    let ended = cloud.wait_until_ended(&execution.arn, PATIENCE).await?;
    println!("{}: {}", ended.outcome().unwrap_or("It failed"), ended.reason().unwrap_or_default());
    Ok(())
}
