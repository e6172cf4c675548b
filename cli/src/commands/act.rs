//! What changes something: `slipway release`, `rollback`, `abort` and `clear`. Each says what will happen, and asks.

use std::process::ExitCode;

use clap::Args;
use slipway_core::api::{
    AbortRequest, Application, ClearRequest, Done, ReleaseBegun, ReleaseRequest, RollbackRequest,
};
use slipway_core::name::{ApplicationName, ReleaseId, StageName};

use super::{agreed, application, detail, freeze, meant, path_of, print, print_done, say_wrapped, watch};
use crate::show::{image, list, paragraphs, width, wrapped};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The application.
    application: String,
    /// The image: a tag, a digest, or six or more of a digest's first digits.
    image: String,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The application.
    application: String,
    /// The image to go back to [default: the newest one that was released before what runs].
    #[arg(long, value_name = "IMAGE")]
    to: Option<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// This stage alone, and not all of them from the first on; the image must have been released before.
    #[arg(long)]
    stage: Option<String>,
    #[command(flatten)]
    asked: Asked,
    /// Let the release through the freezes that are in force now; --reason says why, and people are notified.
    #[arg(long, requires = "reason")]
    override_freeze: bool,
    /// Follow the release until it ends; the exit code says whether it was RELEASED.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Abort {
    /// The release's id [default: the only one that runs].
    release: Option<String>,
    #[command(flatten)]
    asked: Asked,
    /// Follow the release until it has ended.
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// The application.
    application: String,
    /// The image: a tag, a digest, or six or more of a digest's first digits.
    image: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Why, for everybody who is notified; 200 characters on one line.
    #[arg(long, default_value = "")]
    pub(super) reason: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

impl Asked {
    /// Says what will happen, and asks whether it should.
    pub(super) fn confirm(&self, what: &str) -> Result<(), Error> {
        confirmed(self.yes, what)
    }
}

/// Says what will happen, and asks whether it should; not where the person has said yes before.
pub(super) fn confirmed(yes: bool, what: &str) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    match agreed(&format!("{what} Go on?")) {
        Some(true) => Ok(()),
        Some(false) => Err(Error::Refused("nothing was changed".to_owned())),
        None => Err(Error::Refused(format!("{what} Nobody can be asked here: repeat it with --yes"))),
    }
}

pub(crate) async fn release(client: &Client, output: Output, arguments: &Release) -> Result<ExitCode, Error> {
    let name = application(&arguments.application)?;
    let stage = stage(&arguments.how)?;
    let status = status(client, &name).await?;
    let path = route_of(&status, stage.as_ref())?;
    let Release { image, how, .. } = arguments;
    let frozen = freeze::words(&status, stage.as_ref(), how.override_freeze);
    how.asked.confirm(&format!("{image} of {name} goes to {path}, with every gate and approval.{frozen}"))?;
    let request = ReleaseRequest { image: image.clone(), stage, reason: how.asked.reason.clone() };
    let begun = client.post(&format!("applications/{name}/release"), &request).await?;
    follow(client, output, &begun, how).await
}

pub(crate) async fn rollback(
    client: &Client,
    output: Output,
    arguments: &Rollback,
) -> Result<ExitCode, Error> {
    let name = application(&arguments.application)?;
    let stage = stage(&arguments.how)?;
    let status = status(client, &name).await?;
    let path = route_of(&status, stage.as_ref())?;
    let Rollback { to, how, .. } = arguments;
    let now = runs(&status, stage.as_ref());
    let frozen = freeze::words(&status, stage.as_ref(), how.override_freeze);
    let to_what = to
        .as_deref()
        .map_or_else(|| "to the image that was released before it".to_owned(), |to| format!("to {to}"));
    how.asked.confirm(&format!(
        "{name} goes back from {now} {to_what}: a release to {path}, with every gate and approval.{frozen}"
    ))?;
    let request = RollbackRequest { to: to.clone(), stage, reason: how.asked.reason.clone() };
    let begun = client.post(&format!("applications/{name}/rollback"), &request).await?;
    follow(client, output, &begun, how).await
}

pub(crate) async fn abort(client: &Client, output: Output, arguments: &Abort) -> Result<ExitCode, Error> {
    let id = meant(client, arguments.release.as_deref()).await?;
    let release = detail(client, &id).await?;
    if let Some(end) = &release.end {
        return Err(Error::Refused(format!("{id} has ended {} already: {}", end.outcome, end.reason)));
    }
    let through: Vec<_> = release
        .stages
        .iter()
        .filter(|stage| stage.state == "RELEASED")
        .map(|stage| stage.name.to_string())
        .collect();
    let through = if through.is_empty() {
        String::new()
    } else {
        format!(" {} is through, and keeps the image.", list(&through))
    };
    let active = release.stages.iter().find(|stage| stage.active);
    let active = match active.map(|stage| (stage.state.as_str(), &stage.name)) {
        Some(("FROZEN" | "CHECKED" | "ASKED", name)) => {
            format!("{name} has not begun to change, and stays as it is.")
        }
        Some(("ROLLING_BACK", name)) => format!("{name} is being rolled back already; that goes on."),
        Some((_, name)) => {
            format!("{name} has begun to change: it is rolled back, and the image is quarantined.")
        }
        None => "No stage changes now.".to_owned(),
    };
    let what = image(&release.release.image);
    arguments.asked.confirm(&format!(
        "The release of {what} of {} ends. {active}{through}",
        release.release.application
    ))?;
    let request = AbortRequest { reason: arguments.asked.reason.clone() };
    let done: Done = client.post(&format!("{}/abort", path_of(&id)?), &request).await?;
    if arguments.wait {
        return watch::follow(client, output, &id).await;
    }
    print_done(output, &done);
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn clear(client: &Client, output: Output, arguments: &Clear) -> Result<ExitCode, Error> {
    let name = application(&arguments.application)?;
    let Clear { image, asked, .. } = arguments;
    asked.confirm(&format!(
        "{image} of {name} may be released again, by a push or by somebody who asks; nothing starts now."
    ))?;
    let request = ClearRequest { image: image.clone(), reason: asked.reason.clone() };
    let done: Done = client.post(&format!("applications/{name}/clear"), &request).await?;
    print(output, &done, || {
        let mut lines = wrapped(&done.words, 0, width());
        lines.extend(wrapped(&format!("To release it: slipway release {name} {image}"), 0, width()));
        lines
    });
    Ok(ExitCode::SUCCESS)
}

fn stage(how: &How) -> Result<Option<StageName>, Error> {
    how.stage.as_deref().map(StageName::new).transpose().map_err(|error| Error::Refused(error.to_string()))
}

async fn status(client: &Client, name: &ApplicationName) -> Result<Application, Error> {
    client.get(&format!("applications/{name}")).await
}

/// The stages that a release goes through, in words.
fn route_of(application: &Application, stage: Option<&StageName>) -> Result<String, Error> {
    let stages: Vec<_> = application.status.stages.iter().map(|stage| stage.name.to_string()).collect();
    match stage {
        None => Ok(list(&stages)),
        Some(stage) if stages.iter().any(|one| one == stage.as_str()) => Ok(format!("{stage} alone")),
        Some(stage) => Err(Error::Refused(format!(
            "{} has no stage {stage}: write one of {}",
            application.status.name,
            stages.join(", ")
        ))),
    }
}

/// What the stage runs, or the last one, in words.
fn runs(application: &Application, stage: Option<&StageName>) -> String {
    let mut stages = application.status.stages.iter();
    let stage = match stage {
        Some(name) => stages.find(|stage| stage.name == *name),
        None => stages.next_back(),
    };
    let runs = stage.and_then(|stage| stage.runs.as_ref());
    runs.map_or_else(|| "what runs".to_owned(), |runs| image(&runs.image))
}

async fn follow(client: &Client, output: Output, begun: &ReleaseBegun, how: &How) -> Result<ExitCode, Error> {
    if how.override_freeze {
        let let_through = freeze::let_through(client, &begun.release, &how.asked.reason).await;
        let_through.map_err(|error| {
            Error::Refused(format!(
                "{} has begun, and no freeze is overridden for it: {error}",
                begun.release
            ))
        })?;
    }
    if how.wait {
        if output == Output::Text {
            say_wrapped(&words(begun));
        }
        return watch::follow(client, output, &begun.release).await;
    }
    print(output, begun, || {
        vec![paragraphs(&format!("{}\nTo follow it: slipway watch {}", words(begun), begun.release), width())]
    });
    Ok(ExitCode::SUCCESS)
}

fn words(begun: &ReleaseBegun) -> String {
    let ReleaseBegun { release, image: what, stage, waits_for_lock_of } = begun;
    let alone = stage.as_ref().map(|stage| format!(", for {stage} alone")).unwrap_or_default();
    let mut lines = vec![format!("The release {release} of {} has begun{alone}.", image(what))];
    if let Some(holder) = waits_for_lock_of {
        lines.push(hold(holder));
    }
    lines.join("\n")
}

fn hold(holder: &ReleaseId) -> String {
    format!(
        "{holder} has the lock, and finishes the stage that it changes first. To roll that back at once: slipway abort {holder}"
    )
}
