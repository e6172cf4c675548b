//! `cargo local send`.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use crate::{Cloud, Settings, events::deliver::Outcome};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The event: JSON in EventBridge's envelope, such as `tests/events/image-push.json`.
    file: PathBuf,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let file = arguments.file.display();
    let text = fs::read(&arguments.file).with_context(|| format!("{file} cannot be read"))?;
    let event: Value = serde_json::from_slice(&text).with_context(|| format!("{file} is not JSON"))?;
    let deliveries = Cloud::attach(settings).await?.deliver(&event).await?;
    if deliveries.is_empty() {
        println!("No rule matches this event.");
    }
    for delivery in deliveries {
        let function = delivery.target.rsplit(':').next().unwrap_or_default();
        match delivery.outcome {
            Outcome::Invoked => println!("{} invoked {function}", delivery.rule),
            Outcome::DeadLetter(reason) => {
                println!("{} → dead-letter queue of {function}: {reason}", delivery.rule);
            }
            Outcome::Dropped(reason) => {
                println!("{} → dropped, {function}: {reason}", delivery.rule);
            }
        }
    }
    Ok(())
}
