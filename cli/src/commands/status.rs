//! `slipway status`.

use std::process::ExitCode;

use clap::Args;
use console::Style;
use jiff::Timestamp;
use slipway_core::api::{
    ActiveFreeze, Application, ApplicationStatus, Applications, Ignored, Quarantined, Running, ServiceStatus,
    StageStatus,
};
use slipway_core::freeze::scope;
use slipway_core::words::capitalized;

use super::{application, doing, now, print};
use crate::show::{Cell, Table, ago, frosted, image, list, minute, warned, width};
use crate::{Client, Error, Output};

/// How many pushes that started nothing are shown.
const IGNORED: usize = 5;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The application [default: all of them].
    application: Option<String>,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    match &arguments.application {
        None => {
            let all: Applications = client.get("applications").await?;
            print(output, &all, || everything(&all, now(), width()));
        }
        Some(name) => {
            let one: Application = client.get(&format!("applications/{}", application(name)?)).await?;
            print(output, &one, || alone(&one, now(), width()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each stage of each application, and what is under way and wrong below.
fn everything(all: &Applications, now: Timestamp, width: Option<usize>) -> Vec<String> {
    let mut table = Table::default();
    let dim = Style::new().dim();
    table.row(
        ["APPLICATION", "STAGE", "IMAGE", "TASKS", "SINCE", "APPROVED BY"]
            .map(|name| Cell::from(name).styled(dim.clone())),
    );
    for application in &all.applications {
        for (position, stage) in application.stages.iter().enumerate() {
            let name = if position == 0 { application.name.as_str() } else { "" };
            let mut cells =
                vec![Cell::from(name).styled(Style::new().bold()), Cell::from(stage.name.as_str())];
            cells.extend(of_stage(stage, now));
            table.row(cells);
        }
    }
    let mut lines = if all.applications.is_empty() {
        vec!["No application is configured: write one into Terraform's variable applications.".to_owned()]
    } else {
        table.lines(width)
    };
    let under_way: Vec<_> = all.applications.iter().flat_map(releases).collect();
    if !under_way.is_empty() {
        lines.push(String::new());
        let mut table = Table::default();
        for cells in under_way {
            table.row(cells);
        }
        lines.extend(table.lines(width));
    }
    let frozen: Vec<_> =
        all.applications.iter().flat_map(|application| frozen(application, &all.freezes)).collect();
    lines.extend(freezes(&all.freezes, &frozen, width));
    let problems = all.applications.iter().flat_map(problems);
    let broken = all.broken.iter().map(|broken| format!("{}: {}", broken.parameter, broken.problem));
    lines.extend(all_warned(problems.chain(broken), width));
    lines
}

/// What a stage runs, in cells.
fn of_stage(stage: &StageStatus, now: Timestamp) -> [Cell; 4] {
    let (running, desired) = stage
        .services
        .iter()
        .fold((0, 0), |(running, desired), service| (running + service.running, desired + service.desired));
    let tasks = Cell::new(format!("{running}/{desired}"));
    let tasks = if running < desired { tasks.styled(Style::new().yellow()) } else { tasks };
    match &stage.runs {
        None => ["nothing released yet".into(), tasks, "".into(), "".into()],
        Some(Running { image: runs, since, approved_by, restored_from, .. }) => {
            let since = ago(*since, now);
            let since = if restored_from.is_some() { format!("{since}, restored") } else { since };
            let people: Vec<_> = approved_by.iter().map(ToString::to_string).collect();
            [image(runs).into(), tasks, since.into(), list(&people).into()]
        }
    }
}

/// The stages of an application that are frozen, in words, but those that `people` have frozen as a whole.
fn frozen(application: &ApplicationStatus, people: &[ActiveFreeze]) -> Vec<String> {
    let is_said = |stage: &StageStatus| {
        people.iter().any(|freeze| {
            freeze.application.as_ref().is_none_or(|name| *name == application.name)
                && freeze.stage.as_ref().is_none_or(|name| *name == stage.name)
        })
    };
    let stages = application.stages.iter().filter(|stage| !is_said(stage));
    let frozen = stages.filter_map(|stage| Some(stage.frozen.as_ref()?.in_words(&stage.name)));
    frozen.map(|words| format!("{} {words}", application.name)).collect()
}

/// What is frozen: people's freezes, and other stages that are; of hundreds some.
fn freezes(people: &[ActiveFreeze], stages: &[String], width: Option<usize>) -> Vec<String> {
    const SHOWN: usize = 10;
    let people = people.iter().map(|freeze| {
        let what = scope(freeze.application.as_ref(), freeze.stage.as_ref());
        let until = freeze.until.map_or_else(
            || "until somebody lifts it".to_owned(),
            |until| format!("until {} UTC", minute(until)),
        );
        format!("{} is frozen {until} by {}: {}", capitalized(&what), freeze.by, freeze.reason)
    });
    let left = stages.len().saturating_sub(SHOWN);
    let more = (left > 0).then(|| format!("{left} more stages are frozen."));
    let words = people.chain(stages.iter().take(SHOWN).cloned()).chain(more);
    let mut lines: Vec<_> = words.flat_map(|words| frosted(&words, width)).collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// The releases that are under way, in cells.
fn releases(application: &ApplicationStatus) -> Vec<[Cell; 4]> {
    let cells = application.releases.iter().map(|release| {
        [
            Cell::from("●").styled(Style::new().cyan()),
            format!("{} {}", application.name, release.image.tag_in_words()).into(),
            doing(release).into(),
            Cell::from(release.id.as_str()).styled(Style::new().dim()),
        ]
    });
    cells.collect()
}

fn problems(application: &ApplicationStatus) -> impl Iterator<Item = String> {
    let services = application
        .stages
        .iter()
        .flat_map(|stage| stage.services.iter().map(move |service| (&stage.name, service)));
    services.filter_map(|(stage, ServiceStatus { problem, .. })| {
        problem.as_ref().map(|problem| format!("{} {stage}: {problem}", application.name))
    })
}

fn all_warned(problems: impl Iterator<Item = String>, width: Option<usize>) -> Vec<String> {
    let mut lines: Vec<_> = problems.flat_map(|problem| warned(&problem, 0, width)).collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// One application with its services, quarantined images, and pushes that started nothing.
fn alone(one: &Application, now: Timestamp, width: Option<usize>) -> Vec<String> {
    let Application { status, lock, quarantined, ignored } = one;
    let mut lines = vec![Style::new().bold().apply_to(status.name.as_str()).to_string()];
    let mut table = Table::default();
    for stage in &status.stages {
        let mut cells = vec![Cell::from(format!("  {}", stage.name))];
        cells.extend(of_stage(stage, now));
        table.row(cells);
        for service in stage.services.iter().filter(|_| stage.services.len() > 1) {
            let tasks = format!("{}/{}", service.running, service.desired);
            table.row([format!("    {}", service.name).into(), "".into(), tasks.into()]);
        }
    }
    lines.extend(table.lines(width));
    let mut table = Table::default();
    for cells in releases(status) {
        table.row(cells);
    }
    if !table.is_empty() {
        lines.push(String::new());
        lines.extend(table.lines(width));
    }
    if let Some(lock) = lock.as_ref().filter(|_| status.releases.len() > 1) {
        lines.push(format!("  {lock} has the lock."));
    }
    lines.extend(freezes(&[], &frozen(status, &[]), width));
    lines.extend(all_warned(problems(status), width));
    lines.extend(quarantines(quarantined, now, width));
    lines.extend(pushes(ignored, now, width));
    lines
}

fn quarantines(quarantined: &[Quarantined], now: Timestamp, width: Option<usize>) -> Vec<String> {
    if quarantined.is_empty() {
        return Vec::new();
    }
    let mut table = Table::default();
    for Quarantined { digest, tag, outcome, reason, since, .. } in quarantined {
        let tag = tag.clone().unwrap_or_default();
        let why = reason.lines().next().unwrap_or_default();
        table.row([
            format!("  {tag}").into(),
            digest.short().into(),
            ago(*since, now).into(),
            format!("{outcome}: {why}").into(),
        ]);
    }
    let heading = "Quarantined, until somebody clears them (slipway clear):".to_owned();
    [String::new(), heading].into_iter().chain(table.lines(width)).collect()
}

fn pushes(ignored: &[Ignored], now: Timestamp, width: Option<usize>) -> Vec<String> {
    if ignored.is_empty() {
        return Vec::new();
    }
    let mut table = Table::default();
    for Ignored { image, at, reason } in ignored.iter().take(IGNORED) {
        table.row([
            format!("  {}", image.tag_in_words()).into(),
            image.digest.short().into(),
            ago(*at, now).into(),
            reason.as_str().into(),
        ]);
    }
    let heading = "Pushes that started nothing:".to_owned();
    [String::new(), heading].into_iter().chain(table.lines(width)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all() -> Applications {
        let image =
            json!({ "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": "v12" });
        let service = json!({ "name": "web", "running": 1, "desired": 2, "task_definition": "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:7" });
        let stage = json!({ "name": "staging", "cluster": "staging", "services": [service],
            "runs": { "image": image, "release": "web-1", "since": "2026-11-20T08:00:00Z", "approved_by": ["ana@example.com"], "services": [] } });
        let drifted = json!({ "name": "production", "cluster": "production", "services": [
            { "name": "web", "running": 2, "desired": 2, "problem": "web runs production-web:8, and not production-web:7, which was released" }] });
        let open = json!({ "id": "web-2", "image": image, "begun_at": "2026-11-20T09:00:00Z", "stage": "production",
            "state": "Waits for approval", "since": "2026-11-20T09:01:00Z", "waits_for": ["ana@example.com", "bo@example.com"] });
        serde_json::from_value(json!({
            "applications": [{ "name": "web", "stages": [stage, drifted], "releases": [open] }],
            "freezes": [{ "stage": "production", "until": "2026-11-21T08:00:00Z", "reason": "the sale", "by": "the IAM user ana", "since": "2026-11-20T08:00:00Z" }],
            "broken": [{ "parameter": "/slipway/applications/shop", "problem": "stages: it is empty" }],
        }))
        .expect("it fits")
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect()
    }

    #[test]
    fn a_status_says_what_runs_what_is_under_way_and_what_is_wrong() {
        let lines = plain(&everything(&all(), "2026-11-20T10:00:00Z".parse().expect("a time"), None));
        assert_eq!(
            lines,
            [
                "APPLICATION  STAGE       IMAGE                 TASKS  SINCE    APPROVED BY",
                "web          staging     v12 (a1a1a1a1a1a1)    1/2    2 h ago  ana@example.com",
                "             production  nothing released yet  2/2",
                "",
                "●  web v12  waits for approval in production of ana@example.com and bo@example.com  web-2",
                "",
                "❄ Production of every application is frozen until 2026-11-21 08:00 UTC by the IAM user ana: the sale",
                "",
                "✗ web production: web runs production-web:8, and not production-web:7, which was released",
                "✗ /slipway/applications/shop: stages: it is empty",
            ]
        );
    }

    #[test]
    fn a_status_fits_a_narrow_terminal() {
        for width in [60, 80] {
            for line in everything(&all(), "2026-11-20T10:00:00Z".parse().expect("a time"), Some(width)) {
                assert!(console::measure_text_width(&line) <= width, "{width}: {line}");
            }
        }
    }
}
