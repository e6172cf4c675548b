//! The stop-the-line switch: `slipway freeze`, `unfreeze` and `override`.

use std::process::ExitCode;

use clap::Args;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use slipway_core::api::{Application, Done, FreezeRequest, OverrideRequest, UnfreezeRequest};
use slipway_core::freeze::{scope, until_in_words};
use slipway_core::name::{ApplicationName, ReleaseId, StageName};
use slipway_core::span::Span;
use slipway_core::words::capitalized;

use super::act::Asked;
use super::{application, meant, now, path_of, print, print_done};
use crate::show::{width, wrapped};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Freeze {
    #[command(flatten)]
    what: What,
    /// Until when: a length of time (2h, 3d), a date with or without a time in this machine's time zone (2026-12-27,
    /// "2026-12-27 08:00"), or a time as RFC 3339 [default: until somebody lifts it].
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(crate) struct Unfreeze {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Debug, Args)]
pub(crate) struct Override {
    /// The release's id, or its application [default: the only one that runs].
    release: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// What a freeze is of.
#[derive(Debug, Args)]
struct What {
    /// The stage [default: every stage].
    stage: Option<String>,
    /// The application [default: all of them].
    #[arg(long, value_name = "APPLICATION")]
    application: Option<String>,
}

impl What {
    fn read(&self) -> Result<(Option<ApplicationName>, Option<StageName>), Error> {
        let stage = self.stage.as_deref().map(StageName::new).transpose();
        let stage = stage.map_err(|error| Error::Refused(error.to_string()))?;
        Ok((self.application.as_deref().map(application).transpose()?, stage))
    }
}

fn path(application: Option<&ApplicationName>, what: &str) -> String {
    application.map_or_else(|| what.to_owned(), |application| format!("applications/{application}/{what}"))
}

pub(crate) async fn freeze(client: &Client, output: Output, arguments: &Freeze) -> Result<ExitCode, Error> {
    let (application, stage) = arguments.what.read()?;
    let Freeze { until, asked, .. } = arguments;
    refuse_without_reason(&asked.reason)?;
    let until = until.as_deref().map(|text| time(text, now(), &TimeZone::system())).transpose()?;
    asked.confirm(&format!(
        "{} is frozen {}: no release begins to change it; what has begun goes on.",
        capitalized(&scope(application.as_ref(), stage.as_ref())),
        until_in_words(until)
    ))?;
    let request = FreezeRequest { stage, until, reason: asked.reason.clone() };
    let done: Done = client.post(&path(application.as_ref(), "freeze"), &request).await?;
    print(output, &done, || wrapped(&capitalized(&done.words), 0, width()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn unfreeze(
    client: &Client,
    output: Output,
    arguments: &Unfreeze,
) -> Result<ExitCode, Error> {
    let (application, stage) = arguments.what.read()?;
    arguments.asked.confirm(&format!(
        "{} is not frozen any more; releases that wait for it go on at once.",
        capitalized(&scope(application.as_ref(), stage.as_ref()))
    ))?;
    let request = UnfreezeRequest { stage, reason: arguments.asked.reason.clone() };
    let done: Done = client.post(&path(application.as_ref(), "unfreeze"), &request).await?;
    print(output, &done, || wrapped(&capitalized(&done.words), 0, width()));
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn override_freeze(
    client: &Client,
    output: Output,
    arguments: &Override,
) -> Result<ExitCode, Error> {
    let id = meant(client, arguments.release.as_deref()).await?;
    refuse_without_reason(&arguments.asked.reason)?;
    arguments.asked.confirm(&format!(
        "{id} goes on in spite of the freezes that are in force now, with its other gates and approvals. People are notified that you said so."
    ))?;
    let done = let_through(client, &id, &arguments.asked.reason).await?;
    print_done(output, &done);
    Ok(ExitCode::SUCCESS)
}

/// Lets a release through.
pub(super) async fn let_through(client: &Client, id: &ReleaseId, reason: &str) -> Result<Done, Error> {
    let request = OverrideRequest { reason: reason.to_owned() };
    client.post(&format!("{}/override", path_of(id)?), &request).await
}

/// What a person is told of frozen stages before they agree; nothing where none is frozen.
pub(super) fn words(application: &Application, only: Option<&StageName>, overridden: bool) -> String {
    let stages = application.status.stages.iter().filter(|stage| only.is_none_or(|only| stage.name == *only));
    let frozen: Vec<_> =
        stages.filter_map(|stage| Some(stage.frozen.as_ref()?.in_words(&stage.name))).collect();
    match (frozen.is_empty(), overridden) {
        (true, _) => String::new(),
        (false, true) => format!(" It goes on in spite of this: {}.", frozen.join("; ")),
        (false, false) => format!(
            " Frozen: {}. Whether it waits there or ends is the stage's when_frozen.",
            frozen.join("; ")
        ),
    }
}

fn refuse_without_reason(reason: &str) -> Result<(), Error> {
    if reason.trim().is_empty() {
        return Err(Error::Refused("write --reason: it is what people read who wait".to_owned()));
    }
    Ok(())
}

/// A time as people write it.
fn time(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Error> {
    let wrong = || {
        Error::Refused(format!(
            "--until {text:?} is no time: write 2h, 3d, 2026-12-27, \"2026-12-27 08:00\" or 2026-12-27T08:00:00Z"
        ))
    };
    if let Ok(span) = text.parse::<Span>() {
        return Ok(now + SignedDuration::from_secs(i64::from(span.seconds())));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil: DateTime = text.parse().map_err(|_| wrong())?;
    civil.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        let now: Timestamp = "2026-12-23T10:00:00Z".parse().expect("a time");
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        for (text, expected) in [
            ("2h", "2026-12-23T12:00:00Z"),
            ("3d", "2026-12-26T10:00:00Z"),
            ("2026-12-27", "2026-12-26T23:00:00Z"),
            ("2026-12-27 08:00", "2026-12-27T07:00:00Z"),
            ("2026-12-27T08:00", "2026-12-27T07:00:00Z"),
            ("2026-12-27T08:00:00Z", "2026-12-27T08:00:00Z"),
            ("2026-12-27T08:00:00+02:00", "2026-12-27T06:00:00Z"),
        ] {
            let at = time(text, now, &berlin).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(at, expected.parse().expect("a time"), "{text}");
        }
        for text in ["", "tomorrow", "2026-13-01", "0h", "8:00"] {
            let error = time(text, now, &berlin).expect_err(text);
            assert!(error.to_string().contains("write 2h"), "{error}");
        }
    }
}
