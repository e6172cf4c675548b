//! `cargo local history`.

use clap::Args;

use crate::{Cloud, Settings, cloud::APPLICATION, history::History, progress::heading};

/// How much of a reason is shown, in characters.
const REASON: usize = 90;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The application.
    #[arg(default_value = APPLICATION)]
    application: String,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let history = History::read(cloud.sdk(), &arguments.application).await?;
    heading(format!("{}: its releases, the newest push first", arguments.application));
    for past in &history.releases {
        let release = &past.started.release;
        let (outcome, stage, reason) = match &past.ended {
            Some(ended) => (
                ended.ending.outcome.as_str(),
                ended.ending.stage.as_ref().map_or("", |stage| stage.as_str()),
                ended.ending.reason.lines().next().unwrap_or_default(),
            ),
            None => ("runs", "", ""),
        };
        let quarantined = if history.allow(&release.image).is_err() { "  QUARANTINED" } else { "" };
        let reason: String = reason.chars().take(REASON).collect();
        println!(
            "  {:.0}  {:<14} {}  {outcome:<11} {stage:<11} {reason}{quarantined}",
            past.started.at,
            release.image.tag,
            release.image.digest.short()
        );
    }
    println!();
    println!("{}", turn(&history));
    Ok(())
}

/// Who has the turn, in words.
pub(super) fn turn(history: &History) -> String {
    match &history.turn.holder {
        Some(holder) => format!("  The turn has {}, as generation {}.", holder.release, history.turn.generation),
        None => format!("  The turn is free; {} releases have had it.", history.turn.generation),
    }
}
