//! `slipway watch`: a release as it goes, as a picture that moves on a terminal and as lines elsewhere.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use console::{Style, Term};
use jiff::{SignedDuration, Timestamp};
use slipway_core::api::{Event, OpenApproval, ReleaseDetail, ServiceStatus, StageOfRelease};
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_core::release::Outcome;

use super::{application, detail, meant, no_release, release_id, releases, running, say};
use crate::show::{
    Cell, Table, duration, fitted, hanging, image, indented, list, minute, outcome_style, width,
    width_beside, wrapped,
};
use crate::{Client, Error, Output};

/// How often the API is asked.
const PAUSE: Duration = Duration::from_millis(1_500);
/// For how long an API that does not answer is asked again.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// How long a push may take to begin a release. ECR's event is there within seconds.
const BEGINNING: SignedDuration = SignedDuration::from_secs(10);
/// The same where the image is named: no other release will do.
const BEGINNING_OF_THIS: SignedDuration = SignedDuration::from_mins(1);
/// How many events are shown below the picture.
const EVENTS: usize = 4;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The release's id, or an application, whose newest release is followed [default: the only release that runs].
    release: Option<String>,
    /// Follow the newest release of this image of the application, as who has pushed it wants: a tag, a digest, or six or more
    /// of a digest's first digits. It may take a minute to begin.
    #[arg(long, requires = "release")]
    image: Option<String>,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let id = match (arguments.release.as_deref(), arguments.image.as_deref()) {
        (Some(name), Some(image)) => begun_with(client, &application(name)?, image).await?,
        (Some(name), None) if release_id(name).is_none() => begun(client, &application(name)?).await?,
        (id, _) => meant(client, id).await?,
    };
    follow(client, output, &id).await
}

/// The release of an application that runs. Who has just pushed is a moment early: where none runs, one is awaited, and
/// then the newest of those that have ended is shown.
async fn begun(client: &Client, name: &ApplicationName) -> Result<ReleaseId, Error> {
    let wait = Wait::of(BEGINNING, format!("no release of {name} runs"));
    loop {
        let releases = releases(client, name).await?;
        if let Some(release) = running(&releases) {
            return Ok(release.id.clone());
        }
        if !wait.goes_on().await {
            let newest = releases.releases.first().ok_or_else(|| no_release(name))?;
            return Ok(newest.id.clone());
        }
    }
}

/// The newest release of an image, running or ended: another one's outcome says nothing about this image.
async fn begun_with(client: &Client, name: &ApplicationName, image: &str) -> Result<ReleaseId, Error> {
    let wait = Wait::of(BEGINNING_OF_THIS, format!("no release of {name} with the image {image} began yet"));
    loop {
        let releases = releases(client, name).await?;
        if let Some(release) = releases.releases.iter().find(|release| release.image.is_named(image)) {
            return Ok(release.id.clone());
        }
        if !wait.goes_on().await {
            return Err(Error::Refused(format!(
                "no release of {name} with the image {image} began within {}: `slipway status {name}` shows the last pushes \
                 that started nothing, and why",
                duration(BEGINNING_OF_THIS)
            )));
        }
    }
}

/// Waiting for a release to begin, which is said once.
struct Wait {
    since: Timestamp,
    patience: SignedDuration,
    why: String,
}

impl Wait {
    fn of(patience: SignedDuration, why: String) -> Self {
        Self { since: super::now(), patience, why }
    }

    /// Waits a moment; false where it has waited for long enough.
    async fn goes_on(&self) -> bool {
        let waited = super::now().duration_since(self.since);
        if waited > self.patience {
            return false;
        }
        if waited < SignedDuration::from_secs(1) {
            let sentence = format!("{}; waiting {} for one to begin", self.why, duration(self.patience));
            eprintln!("{}", wrapped(&sentence, 0, width_beside()).join("\n"));
        }
        tokio::time::sleep(PAUSE).await;
        true
    }
}

/// Follows a release until it ends. Where the API does not answer for a while, it goes on as soon as it does.
pub(super) async fn follow(client: &Client, output: Output, id: &ReleaseId) -> Result<ExitCode, Error> {
    let mut screen = Screen::new(output);
    let mut unanswered: Option<Timestamp> = None;
    loop {
        match detail(client, id).await {
            Ok(detail) => {
                unanswered = None;
                screen.show(&detail);
                if let Some(end) = &detail.end {
                    let released = end.outcome == Outcome::Released;
                    return Ok(if released { ExitCode::SUCCESS } else { ExitCode::FAILURE });
                }
            }
            Err(error) if error.may_be_asked_again() => {
                let since = *unanswered.get_or_insert_with(super::now);
                if super::now().duration_since(since) > PATIENCE {
                    return Err(error);
                }
                screen.wait(&error);
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where a release is shown.
enum Screen {
    /// A terminal: the picture of the time before, of so many lines and so wide, is replaced.
    Moving { terminal: Term, lines: usize, width: u16 },
    /// No terminal: each thing that happens is a line.
    Lines { shown: usize, state: String },
    /// The document, once it ends.
    Document,
}

impl Screen {
    fn new(output: Output) -> Self {
        let terminal = Term::stdout();
        match output {
            Output::Json => Self::Document,
            // One without colours (TERM=dumb), or with NO_COLOR, is sent nothing but text.
            Output::Text if terminal.is_term() && terminal.features().colors_supported() => {
                Self::Moving { terminal, lines: 0, width: 0 }
            }
            Output::Text => Self::Lines { shown: 0, state: String::new() },
        }
    }

    fn show(&mut self, detail: &ReleaseDetail) {
        match self {
            Self::Moving { terminal, lines, width } => {
                let (height, wide) = terminal.size();
                let mut picture = picture(detail, Some(usize::from(wide)));
                if detail.end.is_none() {
                    // What does not fit would scroll away, and could not be replaced.
                    picture.truncate(usize::from(height).saturating_sub(1).max(4));
                }
                // A terminal that has another width now has broken the lines anew: that picture stays where it is.
                let before = if *width == wide { *lines } else { 0 };
                let _written = terminal.write_str(&drawn(&picture, before));
                (*lines, *width) = (picture.len(), wide);
            }
            Self::Lines { shown, state } => {
                // How it ended stands below.
                for event in detail.events.iter().skip(*shown).filter(|event| event.step != "ENDED") {
                    say_hanging(&happened(event));
                }
                *shown = detail.events.len().max(*shown);
                let now = now_in_words(detail);
                if now != *state && detail.end.is_none() {
                    say_hanging(&format!("{} … {now}", detail.now.strftime("%H:%M:%S")));
                    *state = now;
                }
                if let Some(end) = &detail.end {
                    say(&wrapped(&format!("{}: {}", end.outcome, end.reason), 0, width()).join("\n"));
                }
            }
            Self::Document => {
                if detail.end.is_some() {
                    super::print(Output::Json, detail, Vec::new);
                }
            }
        }
    }

    /// Says that the API does not answer just now.
    fn wait(&mut self, error: &Error) {
        let words = format!("{error}; asking again");
        let lines = wrapped(&words, 0, width_beside()).join("\n");
        if let Self::Lines { state, .. } = self {
            if *state != words {
                eprintln!("{lines}");
                *state = words;
            }
        } else {
            eprintln!("{lines}");
            if let Self::Moving { lines, .. } = self {
                // It stays above the next picture.
                *lines = 0;
            }
        }
    }
}

/// Prints something that happened; its further lines stand below its words, and not below its time.
fn say_hanging(text: &str) {
    say(&hanging(text, "00:00:00 ".len(), width()).join("\n"));
}

/// A picture in place of the one before, of so many lines: each line is written over, so that none is empty meanwhile.
fn drawn(picture: &[String], before: usize) -> String {
    let up = if before > 0 { format!("\u{1b}[{before}A\r") } else { String::new() };
    // Cleared before it is written: behind a line that is as wide as the terminal there is nothing to clear.
    let lines: Vec<_> = picture.iter().map(|line| format!("\u{1b}[2K{line}\n")).collect();
    format!("{up}{}\u{1b}[J", lines.concat())
}

/// The release: its stages, what happens in the one that it is in, and what has happened last.
fn picture(detail: &ReleaseDetail, width: Option<usize>) -> Vec<String> {
    let ReleaseDetail { release, begun_at, asked, stages, end, now, .. } = detail;
    let took = end.as_ref().map_or(*now, |end| end.at).duration_since(*begun_at);
    let bold = Style::new().bold();
    let head = format!("{} {}", release.application, image(&release.image));
    let mut lines = vec![
        fitted(&format!("{}  {}", bold.apply_to(head), duration(took)), width),
        fitted(&Style::new().dim().apply_to(release.id.as_str()).to_string(), width),
    ];
    lines.extend(asked.iter().flat_map(|asked| wrapped(asked, 0, width)));
    let mut table = Table::default();
    for stage in stages {
        table.row(of_stage(stage, detail));
    }
    lines.extend(table.lines(width));
    if let Some(holder) = &detail.waits_for_lock_of {
        lines.extend(indented(&format!("waits for {holder}, which has the lock"), 2, width));
    }
    lines.extend(detail.approvals.iter().flat_map(|approval| asked_people(approval, width)));
    lines.extend(services(&detail.services, width));
    lines.push(String::new());
    if let Some(end) = end {
        let style = outcome_style(end.outcome);
        let sentence = format!("{}: {}", end.outcome, end.reason);
        lines.extend(wrapped(&sentence, 0, width).into_iter().map(|line| style.apply_to(line).to_string()));
    } else {
        let last = detail.events.iter().rev().take(EVENTS).rev();
        let dim = Style::new().dim();
        lines.extend(last.map(|event| dim.apply_to(fitted(&happened(event), width)).to_string()));
    }
    lines
}

fn of_stage(stage: &StageOfRelease, detail: &ReleaseDetail) -> Vec<Cell> {
    let StageOfRelease { name, state, words, active, ran, seconds } = stage;
    let (sign, style) = match state.as_str() {
        "RELEASED" => ("✓", Style::new().green()),
        "ROLLING_BACK" => ("↩", Style::new().yellow()),
        "LATER" | "NOT_REACHED" => ("·", Style::new().dim()),
        "SUPERSEDED" | "EXPIRED" => ("–", Style::new().yellow()),
        _ if *active => ("●", Style::new().cyan()),
        _ => ("✗", Style::new().red()),
    };
    let took = seconds.map_or_else(String::new, |seconds| duration(SignedDuration::from_secs(seconds)));
    let change = ran
        .as_ref()
        .map_or_else(String::new, |ran| format!("{ran} → {}", detail.release.image.tag_in_words()));
    vec![
        Cell::new(format!("  {sign}")).styled(style.clone()),
        Cell::from(name.as_str()),
        Cell::from(words.as_str()).styled(style),
        took.into(),
        change.into(),
    ]
}

fn asked_people(approval: &OpenApproval, width: Option<usize>) -> Vec<String> {
    let silent: Vec<_> = approval.silent().collect();
    let OpenApproval { quorum, approvers, expires_at, .. } = approval;
    let sentence = format!(
        "{quorum} of {} must approve until {} UTC; no answer yet of {}",
        approvers.len(),
        minute(*expires_at),
        list(&silent)
    );
    indented(&sentence, 4, width)
}

fn services(services: &[ServiceStatus], width: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    for ServiceStatus { name, running, desired, messages, problem, .. } in services {
        lines.push(fitted(&format!("    {name}  {running}/{desired} tasks"), width));
        let newest = messages.first().map(|message| &message.words);
        // Whole: what ECS says is wrong stands at the end.
        lines.extend(problem.iter().chain(newest).flat_map(|words| indented(words, 6, width)));
    }
    lines
}

fn happened(event: &Event) -> String {
    let stage = event.stage.as_ref().map(|stage| format!("{stage}: ")).unwrap_or_default();
    let words = slipway_core::words::exact(&event.words);
    format!("{} {stage}{words}", event.at.strftime("%H:%M:%S"))
}

/// What happens now, in words.
fn now_in_words(detail: &ReleaseDetail) -> String {
    if let Some(holder) = &detail.waits_for_lock_of {
        return format!("waits for {holder}, which has the lock");
    }
    let active = detail.stages.iter().find(|stage| stage.active);
    let state = active.map_or_else(
        || "goes on".to_owned(),
        |stage| format!("{}: {}", stage.name, super::lower(&stage.words)),
    );
    let silent: Vec<_> = detail.approvals.iter().flat_map(OpenApproval::silent).collect();
    if silent.is_empty() { state } else { format!("{state}; no answer yet of {}", list(&silent)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn detail(end: &serde_json::Value) -> ReleaseDetail {
        let image =
            json!({ "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": "v12" });
        let approvers = json!([
            { "address": "ana@example.com", "answer": "APPROVED", "answered_at": "2026-11-20T08:01:00Z", "reachable": true },
            { "address": "bo@example.com", "reachable": true },
        ]);
        let approvals = if end.is_null() {
            json!([{ "release": "web-2", "application": "web", "stage": "production", "image": image, "asked_at": "2026-11-20T08:00:30Z",
                "expires_at": "2026-11-21T08:00:30Z", "quorum": 2, "approvers": approvers }])
        } else {
            json!([])
        };
        serde_json::from_value(json!({
            "id": "web-2", "application": "web", "image": image,
            "pushed_at": "2026-11-20T08:00:00Z", "begun_at": "2026-11-20T08:00:00Z", "now": "2026-11-20T08:01:05Z",
            "stages": [
                { "name": "staging", "state": "RELEASED", "words": "Released", "active": false, "ran": "v11", "seconds": 30 },
                { "name": "production", "state": if end.is_null() { "ASKED" } else { "ROLLED_BACK" }, "words": if end.is_null() { "Waits for approval" } else { "Rolled back" },
                  "active": end.is_null(), "ran": "v11", "seconds": 35 },
            ],
            "approvals": approvals,
            "services": [{ "name": "web", "running": 2, "desired": 2, "messages": [{ "at": "2026-11-20T08:01:00Z", "words": "(service web) has reached a steady state." }] }],
            "events": [{ "at": "2026-11-20T08:00:00Z", "step": "BEGAN", "words": "v12 was pushed" },
                { "at": "2026-11-20T08:00:30Z", "stage": "production", "step": "ASKED", "words": "Asked ana and bo" }],
            "end": end,
        }))
        .expect("it fits")
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect()
    }

    #[test]
    fn a_release_is_shown_with_its_stages_and_whom_it_waits_for() {
        assert_eq!(
            plain(&picture(&detail(&json!(null)), None)),
            [
                "web v12 (a1a1a1a1a1a1)  1 min 5 s",
                "web-2",
                "  ✓  staging     Released            30 s  v11 → v12",
                "  ●  production  Waits for approval  35 s  v11 → v12",
                "    2 of 2 must approve until 2026-11-21 08:00 UTC; no answer yet of bo@example.com",
                "    web  2/2 tasks",
                "      (service web) has reached a steady state.",
                "",
                "08:00:00 v12 was pushed",
                "08:00:30 production: Asked ana and bo",
            ]
        );
        assert_eq!(
            now_in_words(&detail(&json!(null))),
            "production: waits for approval; no answer yet of bo@example.com"
        );
    }

    #[test]
    fn its_end_is_said_with_the_reason() {
        let end = json!({ "outcome": "ROLLED_BACK", "stage": "production", "reason": "it answered 500", "at": "2026-11-20T08:01:00Z" });
        let lines = plain(&picture(&detail(&end), Some(80)));
        assert!(lines.contains(&"  ✗  production  Rolled back  35 s  v11 → v12".to_owned()), "{lines:#?}");
        assert_eq!(lines.last().map(String::as_str), Some("ROLLED_BACK: it answered 500"));
    }

    #[test]
    fn a_picture_is_written_over_the_one_before() {
        assert_eq!(drawn(&["a".to_owned()], 0), "\u{1b}[2Ka\n\u{1b}[J");
        assert_eq!(
            drawn(&["a".to_owned(), "b".to_owned()], 3),
            "\u{1b}[3A\r\u{1b}[2Ka\n\u{1b}[2Kb\n\u{1b}[J"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 80, 140] {
            for line in picture(&detail(&json!(null)), Some(width)) {
                assert!(console::measure_text_width(&line) <= width, "{width}: {line}");
            }
        }
    }
}
