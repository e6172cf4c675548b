//! `cargo local release` and `cargo local rollback`: an image that was pushed before, through every stage again.

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde_json::json;
use slipway_core::image::{Digest, Image};

use crate::{
    Cloud, Settings,
    cloud::APPLICATION,
    history::History,
    progress::{heading, note},
    requests,
};

/// How long a release may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The image: a tag, or a digest or its first six digits or more.
    image: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The application.
    #[arg(default_value = APPLICATION)]
    application: String,
    /// The image to roll back to, by tag or digest [default: the newest one that was released before what runs].
    #[arg(long, value_name = "IMAGE")]
    to: Option<String>,
    /// This stage alone, and not all of them from the first on; the image must have been released before.
    #[arg(long)]
    stage: Option<String>,
    /// Why, for the history.
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Debug, Args)]
struct Asked {
    /// The application.
    #[arg(long, default_value = APPLICATION)]
    application: String,
    /// Why, for the history.
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let Asked { application, reason } = &arguments.asked;
    let history = History::find(cloud.sdk(), application).await?;
    let image = history.image(&arguments.image)?;
    heading(format!("Releasing {} ({}) again", image.tag, image.digest.short()));
    ask(&cloud, &history, (application, None), &image, reason).await
}

pub(super) async fn rollback(settings: &Settings, arguments: &Rollback) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let Rollback { application, to, stage, reason } = arguments;
    let history = History::find(cloud.sdk(), application).await?;
    let runs = cloud.last_stage_runs(application).await?;
    let image = match to {
        Some(name) => history.image(name)?,
        None => history.before(runs.as_ref())?,
    };
    let from = runs.as_ref().map_or_else(|| "nothing".to_owned(), |runs| in_words(&history, runs));
    heading(format!("Rolling back from {from} to {} ({})", image.tag, image.digest.short()));
    ask(&cloud, &history, (application, stage.as_deref()), &image, reason).await
}

fn in_words(history: &History, digest: &Digest) -> String {
    match history.image(digest.hex()) {
        Ok(image) => format!("{} ({})", image.tag, digest.short()),
        Err(_) => digest.short().to_owned(),
    }
}

async fn ask(
    cloud: &Cloud,
    history: &History,
    (application, stage): (&str, Option<&str>),
    image: &Image,
    reason: &str,
) -> anyhow::Result<()> {
    history.allow(image)?;
    let stages = cloud.stage_names(application).await?;
    if let Some(stage) = stage.filter(|stage| !stages.iter().any(|one| one == stage)) {
        bail!("{application} has no stage {stage}; write one of {}", stages.join(", "));
    }
    let before = cloud.executions_of(image.digest.as_str()).await?.len();
    let detail = json!({ "application": application, "digest": image.digest, "tag": image.tag, "stage": stage, "reason": reason });
    requests::put(cloud.sdk(), "Release Requested", &detail).await?;
    let asked = Instant::now();
    let release = loop {
        let executions = cloud.executions_of(image.digest.as_str()).await?;
        if executions.len() > before
            && let Some(newest) = executions.into_iter().next()
        {
            break newest;
        }
        if asked.elapsed() > PATIENCE {
            bail!("no release began within {} s; see `cargo local logs receive-push`", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    match stage {
        Some(stage) => println!(
            "The release {} has begun. It changes {stage} alone, with every gate but its alarms.",
            release.name
        ),
        None => println!(
            "The release {} has begun. It goes through every stage and gate, like a push.",
            release.name
        ),
    }
    let lock = History::read(cloud.sdk(), application).await?.lock;
    if let Some(holder) = lock.holder.filter(|holder| holder.release.as_str() != release.name) {
        note(format!(
            "{} has the lock, and finishes the stage that it changes first. To roll that back at once:",
            holder.release
        ));
        note(format!("cargo local abort {}", holder.release));
    }
    note("cargo local inbox     shows the mail that asks for the approval");
    note("cargo local approve   opens its link and approves");
    note("cargo local status    shows how far it is");
    Ok(())
}
