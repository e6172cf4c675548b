//! `slipway history`.

use std::process::ExitCode;

use clap::Args;
use console::Style;
use jiff::SignedDuration;
use slipway_core::api::{PastRelease, Releases};
use slipway_core::history::Figures;
use slipway_core::release::Outcome;

use super::{application, print};
use crate::show::{Cell, Table, beside_each_other, duration, minute, outcome_style, width};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The application.
    application: String,
    /// How many releases are shown.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    last: usize,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let name = application(&arguments.application)?;
    let mut releases: Releases = client.get(&format!("applications/{name}/releases")).await?;
    releases.releases.truncate(arguments.last);
    print(output, &releases, || lines(&releases, width()));
    Ok(ExitCode::SUCCESS)
}

fn lines(releases: &Releases, width: Option<usize>) -> Vec<String> {
    if releases.releases.is_empty() {
        return vec!["There was no release yet: push an image.".to_owned()];
    }
    let mut table = Table::default();
    let dim = Style::new().dim();
    table.row(
        ["PUSHED (UTC)", "TAG", "DIGEST", "OUTCOME", "STAGE"]
            .map(|name| Cell::from(name).styled(dim.clone())),
    );
    for release in &releases.releases {
        let (cells, why) = row(release);
        table.row_with(cells, [why]);
    }
    let mut lines = table.lines(width);
    lines.push(String::new());
    lines.extend(figures(&releases.figures, width));
    lines
}

/// What a release came to, in cells, and why.
fn row(release: &PastRelease) -> ([Cell; 5], String) {
    let (outcome, stage, mut why) = match &release.end {
        None => (Cell::from("runs").styled(Style::new().cyan()), String::new(), String::new()),
        Some(end) => (
            Cell::from(end.outcome.as_str()).styled(outcome_style(end.outcome)),
            end.stage.as_ref().map(ToString::to_string).unwrap_or_default(),
            // That it went well needs no reason.
            end.reason
                .lines()
                .next()
                .filter(|_| end.outcome != Outcome::Released)
                .unwrap_or_default()
                .to_owned(),
        ),
    };
    if release.quarantined {
        why = format!("quarantined; {why}");
    }
    if let Some(asked) = &release.asked {
        why = format!("{why} ({asked})");
    }
    let cells = [
        minute(release.pushed_at).into(),
        release.image.tag_in_words().into(),
        release.image.digest.short().into(),
        outcome,
        stage.into(),
    ];
    (cells, why.trim().to_owned())
}

/// DORA's four figures in words.
fn figures(figures: &Figures, width: Option<usize>) -> Vec<String> {
    let Figures { days, released, failed, lead_time_seconds, restore_seconds } = figures;
    let seconds = |seconds: Option<i64>| {
        seconds.map_or_else(|| "–".to_owned(), |seconds| duration(SignedDuration::from_secs(seconds)))
    };
    let rate = figures.failure_rate().map_or_else(|| "–".to_owned(), |rate| format!("{:.0} %", rate * 100.0));
    let four = [
        format!("deployment frequency {:.1} a day", f64::from(*released) / f64::from(*days)),
        format!("lead time {}", seconds(*lead_time_seconds)),
        format!("change failure rate {rate}"),
        format!("time to restore {}", seconds(*restore_seconds)),
    ];
    let mut lines = vec![format!("In the last {days} days: {released} released, {failed} failed")];
    lines.extend(beside_each_other(&four, 2, width));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_how_a_release_ended_or_that_it_runs() {
        let image = |tag: &str| json!({ "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": tag });
        let release = |tag: &str, end: serde_json::Value, asked: serde_json::Value| {
            json!({ "id": format!("web-{tag}"), "image": image(tag), "pushed_at": "2026-11-20T08:00:00Z", "begun_at": "2026-11-20T08:00:01Z",
                "end": end, "asked": asked, "quarantined": tag == "v2" })
        };
        let end = json!({ "outcome": "ROLLED_BACK", "stage": "staging", "reason": "it answered 500\nmore", "at": "2026-11-20T08:01:00Z" });
        let releases: Releases = serde_json::from_value(json!({
            "releases": [release("v1", json!(null), json!("Asked for by the role ops: v2 is slow")), release("v2", end, json!(null))],
            "figures": { "days": 30, "released": 3, "failed": 1, "lead_time_seconds": 75 },
        }))
        .expect("it fits");

        let lines: Vec<_> =
            lines(&releases, None).iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect();
        assert_eq!(
            lines,
            [
                "PUSHED (UTC)      TAG  DIGEST        OUTCOME      STAGE",
                "2026-11-20 08:00  v1   a1a1a1a1a1a1  runs                  (Asked for by the role ops: v2 is slow)",
                "2026-11-20 08:00  v2   a1a1a1a1a1a1  ROLLED_BACK  staging  quarantined; it answered 500",
                "",
                "In the last 30 days: 3 released, 1 failed",
                "  deployment frequency 0.1 a day   lead time 1 min 15 s   change failure rate 25 %   time to restore –",
            ]
        );
    }
}
