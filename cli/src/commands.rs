//! What the commands do: ask, and say.

pub(crate) mod act;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod console;
pub(crate) mod decide;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod freeze;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod logs;
pub(crate) mod reconcile;
pub(crate) mod redrive;
pub(crate) mod resend;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod watch;

use std::io::{IsTerminal as _, Write as _};

use jiff::Timestamp;
use serde::Serialize;
use slipway_core::api::{Applications, Done, OpenRelease, PastRelease, ReleaseDetail, Releases};
use slipway_core::name::{ApplicationName, ReleaseId};

use crate::show::{paragraphs, width, width_beside, wrapped};
use crate::{Client, Error, Output};

/// Prints an answer: as its lines, or as the document that it came as.
fn print(output: Output, document: &impl Serialize, lines: impl FnOnce() -> Vec<String>) {
    let text = match output {
        Output::Json => {
            serde_json::to_string_pretty(document).expect("an answer is plain values, which make JSON")
        }
        Output::Text => lines().join("\n"),
    };
    say(&text);
}

/// Prints what was done.
fn print_done(output: Output, done: &Done) {
    print(output, done, || wrapped(&done.words, 0, width()));
}

/// Prints lines. Who reads them may have seen enough: `slipway history web | head`.
fn say(text: &str) {
    let _read = writeln!(std::io::stdout(), "{text}");
}

/// Prints sentences, on as many lines as a terminal needs for them.
fn say_wrapped(sentences: &str) {
    say(&paragraphs(sentences, width()));
}

/// Asks a person; nothing where nobody can be asked. What a program reads stays free of it.
fn agreed(question: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    // The answer stands behind the question.
    let width = width_beside().map(|width| width.saturating_sub(2));
    eprint!("{} ", paragraphs(&format!("{question} [y/N]"), width));
    let _shown = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    Some(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks a person for some words; nothing where nobody can be asked.
fn answered(question: &str) -> Option<String> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    let width = width_beside().map(|width| width.saturating_sub(2));
    eprint!("{} ", paragraphs(&format!("{question}:"), width));
    let _shown = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).ok().map(|_| answer.trim().to_owned())
}

/// The time on this machine.
#[expect(clippy::disallowed_methods, reason = "the one clock of the command")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// An application's name, checked before it becomes a part of a path.
fn application(name: &str) -> Result<ApplicationName, Error> {
    ApplicationName::new(name).map_err(|error| Error::Refused(error.to_string()))
}

fn path_of(release: &ReleaseId) -> Result<String, Error> {
    let application = release.application().ok_or_else(|| {
        Error::Refused(format!("{release} is no release's id: `slipway history APPLICATION` lists them"))
    })?;
    Ok(format!("applications/{application}/releases/{release}"))
}

/// A release that a person means: by its id, by its application (the newest that runs, else the newest of all), or the
/// only one that runs.
async fn meant(client: &Client, name: Option<&str>) -> Result<ReleaseId, Error> {
    let Some(name) = name else {
        let open = client.get::<Applications>("applications").await?;
        let open: Vec<_> = open.applications.iter().flat_map(|application| &application.releases).collect();
        return match open.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => {
                Err(Error::Refused("no release runs: name an application, or a release by its id".to_owned()))
            }
            several => {
                let ids: Vec<_> = several.iter().map(|release| release.id.to_string()).collect();
                Err(Error::Refused(format!("several releases run, name one of: {}", ids.join(", "))))
            }
        };
    };
    if let Some(id) = release_id(name) {
        return Ok(id);
    }
    let application = application(name)?;
    let releases = releases(client, &application).await?;
    let meant = running(&releases).or(releases.releases.first());
    meant.map(|release| release.id.clone()).ok_or_else(|| no_release(&application))
}

/// A name that is a release's id.
fn release_id(name: &str) -> Option<ReleaseId> {
    ReleaseId::new(name).ok().filter(|id| id.application().is_some())
}

async fn releases(client: &Client, application: &ApplicationName) -> Result<Releases, Error> {
    client.get(&format!("applications/{application}/releases")).await
}

/// The newest release that has not ended.
fn running(releases: &Releases) -> Option<&PastRelease> {
    releases.releases.iter().find(|release| release.end.is_none())
}

fn no_release(application: &ApplicationName) -> Error {
    Error::Refused(format!(
        "{application} has had no release: push an image, or `slipway release {application} IMAGE`"
    ))
}

async fn detail(client: &Client, id: &ReleaseId) -> Result<ReleaseDetail, Error> {
    client.get(&path_of(id)?).await
}

/// What happens in a release that has not ended, and whom it waits for.
fn doing(release: &OpenRelease) -> String {
    let stage = release.stage.as_ref().map(|stage| format!(" in {stage}")).unwrap_or_default();
    let state = lower(&release.state);
    let whom = if release.waits_for.is_empty() {
        String::new()
    } else {
        format!(" of {}", crate::show::list(&release.waits_for))
    };
    format!("{state}{stage}{whom}")
}

/// A sentence's beginning in the middle of another one.
fn lower(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
