//! `cargo local lift`.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::{Cloud, Settings, cloud::APPLICATION, history::History, progress::note, requests};

/// How many looks, a tenth of a second apart, the event has to arrive.
const LOOKS: u32 = 300;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The image: a tag, or a digest or its first six digits or more.
    image: String,
    /// The application.
    #[arg(long, default_value = APPLICATION)]
    application: String,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let Arguments { application, reason, .. } = arguments;
    let history = History::find(cloud.sdk(), application).await?;
    let image = history.image(&arguments.image)?;
    if history.allow(&image).is_ok() {
        bail!("{} ({}) is not quarantined", image.tag, image.digest.short());
    }
    let detail = json!({ "application": application, "digest": image.digest, "reason": reason });
    requests::put(cloud.sdk(), "Quarantine Lift Requested", &detail).await?;
    for _ in 0..LOOKS {
        if History::read(cloud.sdk(), application).await?.allow(&image).is_ok() {
            println!(
                "{} ({}) may be released again. Nothing is released by that alone:",
                image.tag,
                image.digest.short()
            );
            note(format!("cargo local release {}", image.tag));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the quarantine still holds; see `cargo local logs receive-push`");
}
