//! `cargo local history`.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use clap::Args;
use slipway_core::push::IgnoredPush;
use slipway_core::release::Asked;
use slipway_core::timeline::TimelineEvent;

use crate::{
    Cloud, Settings,
    cloud::APPLICATION,
    history::{History, Past, timeline},
};

/// How much of a reason is shown, in characters.
const REASON: usize = 90;
/// How many pushes that started nothing are shown.
const IGNORED: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The application.
    #[arg(default_value = APPLICATION)]
    application: String,
    /// The timeline of one release: its id, or the tag or digest of its image (the newest release of it).
    #[arg(long)]
    release: Option<String>,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let history = History::find(cloud.sdk(), &arguments.application).await?;
    let text = match &arguments.release {
        Some(name) => {
            let past = history.release(name)?;
            one(past, &timeline(cloud.sdk(), &past.started.release.id).await?)
        }
        None => format!(
            "\n{}: its releases, the newest push first\n{}\n{}{}{}\n",
            arguments.application,
            list(&history),
            ignored(&history),
            figures(&history),
            lock(&history)
        ),
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Who reads it has seen enough: `cargo local history | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// The last pushes that started nothing, the newest first, each with its reason.
fn ignored(history: &History) -> String {
    if history.ignored.is_empty() {
        return String::new();
    }
    let mut text = "  Pushes that started nothing, the newest first\n".to_owned();
    for IgnoredPush { image, at, reason } in history.ignored.iter().rev().take(IGNORED) {
        let _ = writeln!(text, "  {at:.0}  {:<14} {}  {reason}", image.tag, image.digest.short());
    }
    text.push('\n');
    text
}

/// The timeline of a release.
fn one(past: &Past, events: &[TimelineEvent]) -> String {
    let release = &past.started.release;
    let mut text = format!(
        "\n{} {}\n  Release  {}\n  Image    {}\n\n",
        release.application, release.image.tag, release.id, release.image
    );
    let mut before = None;
    for TimelineEvent { at, stage, words, .. } in events {
        let since = before
            .map_or_else(String::new, |before| format!("+{:.1} s", at.duration_since(before).as_secs_f64()));
        before = Some(*at);
        let stage = stage.as_ref().map_or("", |stage| stage.as_str());
        let _ = writeln!(text, "  {}  {since:>10}  {stage:<11} {words}", at.strftime("%Y-%m-%d %H:%M:%S"));
    }
    if events.is_empty() {
        text.push_str("  Nothing is known of how it went.\n");
    }
    text
}

/// The application's figures over all its releases, in words.
fn figures(history: &History) -> String {
    let lead = history
        .lead_time()
        .map(|time| format!("  From push to production: {:.0} s in the middle.", time.as_secs_f64()));
    let failures =
        history.change_failure_rate().map(|rate| format!("  Changes that failed: {:.0} %.", rate * 100.0));
    lead.into_iter().chain(failures).fold(String::new(), |text, line| text + &line + "\n")
}

/// The releases, one line each.
fn list(history: &History) -> String {
    history.releases.iter().fold(String::new(), |mut text, past| {
        let image = &past.started.release.image;
        let quarantined = if history.allow(image).is_err() { "QUARANTINED  " } else { "" };
        let (outcome, stage, reason) = ended(history, past);
        let reason = short(reason);
        let asked = asked(past);
        let (at, tag, digest) = (past.started.at, &image.tag, image.digest.short());
        let line =
            format!("  {at:.0}  {tag:<14} {digest}  {outcome:<11} {stage:<11} {quarantined}{reason}{asked}");
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line.trim_end());
        text
    })
}

/// That a person asked for a release, and why, in words.
fn asked(past: &Past) -> String {
    let Some(Asked { by, reason }) = &past.started.asked else { return String::new() };
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("  (asked for{by}{why})")
}

/// The beginning of a reason.
fn short(reason: &str) -> String {
    match reason.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", reason[..end].trim_end()),
        None => reason.to_owned(),
    }
}

/// A release's outcome, the stage that ended it, and the first line of the reason.
fn ended<'a>(history: &History, past: &'a Past) -> (&'static str, &'a str, &'a str) {
    let Some(ended) = &past.ended else {
        return (if history.holds_lock(&past.started.release) { "runs" } else { "waits" }, "", "");
    };
    let ending = &ended.ending;
    let stage = ending.stage.as_ref().map_or("", |stage| stage.as_str());
    (ending.outcome.as_str(), stage, ending.reason.lines().next().unwrap_or_default())
}

/// Who has the lock and who waits for it, in words.
pub(super) fn lock(history: &History) -> String {
    let generation = history.lock.generation;
    let mut words = match &history.lock.holder {
        Some(holder) => format!("  {} has the lock, as generation {generation}.", holder.release),
        None => format!("  The lock is free; {generation} releases have had it."),
    };
    let waiting: Vec<_> = history.waiting().map(|release| release.id.to_string()).collect();
    if !waiting.is_empty() {
        let verb = if waiting.len() == 1 { "waits" } else { "wait" };
        words.push_str(&format!(" {} {verb} for it.", waiting.join(" and ")));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn past(tag: &str, ended: serde_json::Value) -> Past {
        let image =
            json!({ "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": tag });
        let started = json!({
            "release": { "id": format!("web-{tag}"), "application": "web", "image": image },
            "at": "2026-11-20T08:00:00Z", "pushed_at": "2026-11-20T08:00:00Z",
        });
        Past {
            started: serde_json::from_value(started).expect("it fits"),
            ended: serde_json::from_value(ended).expect("it fits"),
        }
    }

    #[test]
    fn a_long_reason_is_cut_and_says_so() {
        assert_eq!(short(&"ü".repeat(REASON)), "ü".repeat(REASON));
        assert_eq!(short(&"ü".repeat(REASON + 1)), format!("{}…", "ü".repeat(REASON)));
    }

    #[test]
    fn pushes_that_started_nothing_are_shown_with_their_reasons() {
        let push = |tag: &str, at: &str| {
            let image =
                json!({ "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": tag });
            serde_json::from_value(json!({ "image": image, "at": at, "reason": "it is there" }))
                .expect("it fits")
        };
        let mut history = History::default();
        assert_eq!(ignored(&history), "");

        history.ignored = vec![push("main-1", "2026-11-20T08:00:00Z"), push("v2", "2026-11-20T08:01:00Z")];
        let shown = ignored(&history);
        assert_eq!(
            shown.lines().skip(1).collect::<Vec<_>>(),
            [
                "  2026-11-20T08:01:00Z  v2             a1a1a1a1a1a1  it is there",
                "  2026-11-20T08:00:00Z  main-1         a1a1a1a1a1a1  it is there",
                "",
            ]
        );
    }

    #[test]
    fn a_line_says_how_a_release_ended_or_that_it_runs_or_waits() {
        let failed = json!({ "ending": { "outcome": "FAILED", "stage": "staging", "reason": "no image\nmore" }, "at": "2026-11-20T08:01:00Z" });
        let mut again = past("v1", json!(null));
        again.started.asked = Some(Asked { by: "ana".into(), reason: "v2 is slow".into() });
        let holder = json!({ "generation": 2, "holder": { "release": "web-v2", "lease_until": "2026-11-20T08:01:00Z" } });
        let history = History {
            releases: vec![again, past("v3", json!(null)), past("v2", json!(null)), past("v1", failed)],
            lock: serde_json::from_value(holder).expect("it fits"),
            ..History::default()
        };

        let lines = list(&history);

        assert_eq!(
            lines.lines().collect::<Vec<_>>(),
            [
                "  2026-11-20T08:00:00Z  v1             a1a1a1a1a1a1  waits                     (asked for by ana: v2 is slow)",
                "  2026-11-20T08:00:00Z  v3             a1a1a1a1a1a1  waits",
                "  2026-11-20T08:00:00Z  v2             a1a1a1a1a1a1  runs",
                "  2026-11-20T08:00:00Z  v1             a1a1a1a1a1a1  FAILED      staging     no image",
            ]
        );
        assert_eq!(lock(&history), "  web-v2 has the lock, as generation 2. web-v1 and web-v3 wait for it.");
    }
}
