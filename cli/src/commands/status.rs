//! `slipway status`.

use std::process::ExitCode;

use clap::Args;
use console::Style;
use jiff::Timestamp;
use slipway_core::api::{
    ActiveFreeze, Application, ApplicationStatus, Applications, IgnoredPush, OpenRelease, Quarantined,
    Running, ServiceStatus, StageStatus,
};
use slipway_core::freeze::{scope, until_in_words};
use slipway_core::image::Image;
use slipway_core::words::capitalized;

use super::{application, doing, now, print};
use crate::show::{
    Cell, Table, ago, frosted, hanging, heading, image, indented, list, warned, width, wrapped,
};
use crate::{Client, Error, Output};

/// The columns of tasks and of the time, of all applications and of one.
const KEPT: &[usize] = &[3, 4];
const KEPT_OF_ONE: &[usize] = &[2, 3];
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
    let mut lines = if all.applications.is_empty() {
        let nothing = "No application is configured: write one into Terraform's variable applications.";
        wrapped(nothing, 0, width)
    } else {
        let whole = overview(&all.applications, now, image);
        let table = if whole.fits(width) {
            whole
        } else {
            // The digest's digits are the first to go: the tag says it to people.
            overview(&all.applications, now, |image| image.tag_in_words())
        };
        table.lines(width)
    };
    lines.extend(under_way(&all.applications, width));
    let frozen: Vec<_> =
        all.applications.iter().flat_map(|application| frozen(application, &all.freezes)).collect();
    lines.extend(freezes(&all.freezes, &frozen, width));
    let problems = all.applications.iter().flat_map(problems);
    let broken = all.broken.iter().map(|broken| format!("{}: {}", broken.parameter, broken.problem));
    lines.extend(all_warned(problems.chain(broken), width));
    lines
}

fn overview(applications: &[ApplicationStatus], now: Timestamp, words: impl Fn(&Image) -> String) -> Table {
    let mut table = Table::default().keeping(KEPT);
    let dim = Style::new().dim();
    table.row(
        ["APPLICATION", "STAGE", "IMAGE", "TASKS", "SINCE", "APPROVED BY"]
            .map(|name| Cell::from(name).styled(dim.clone())),
    );
    for application in applications {
        for (position, stage) in application.stages.iter().enumerate() {
            let name = if position == 0 { application.name.as_str() } else { "" };
            let mut cells =
                vec![Cell::from(name).styled(Style::new().bold()), Cell::from(stage.name.as_str())];
            cells.extend(of_stage(stage, now, &words));
            table.row(cells);
        }
    }
    table
}

/// How many of its tasks run.
fn tasks(running: u32, desired: u32) -> Cell {
    let tasks = Cell::new(format!("{running}/{desired}"));
    if running < desired { tasks.styled(Style::new().yellow()) } else { tasks }
}

/// What a stage runs, in cells.
fn of_stage(stage: &StageStatus, now: Timestamp, words: impl Fn(&Image) -> String) -> [Cell; 4] {
    let (running, desired) = stage
        .services
        .iter()
        .fold((0, 0), |(running, desired), service| (running + service.running, desired + service.desired));
    let tasks = tasks(running, desired);
    match &stage.runs {
        None => ["nothing yet".into(), tasks, "".into(), "".into()],
        Some(Running { image: runs, since, approved_by, restored_from, .. }) => {
            let since = ago(*since, now);
            let since = if restored_from.is_some() { format!("{since}, restored") } else { since };
            let people: Vec<_> = approved_by.iter().map(ToString::to_string).collect();
            [words(runs).into(), tasks, since.into(), list(&people).into()]
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
        let until = until_in_words(freeze.until);
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

/// The releases that are under way: a line for each, or two where one has no room.
fn under_way(applications: &[ApplicationStatus], width: Option<usize>) -> Vec<String> {
    let (cyan, dim) = (Style::new().cyan(), Style::new().dim());
    let all = applications
        .iter()
        .flat_map(|application| application.releases.iter().map(move |release| (&application.name, release)));
    let all: Vec<_> = all
        .map(|(name, release)| (format!("{name} {}", release.image.tag_in_words()), doing(release), release))
        .collect();
    if all.is_empty() {
        return Vec::new();
    }
    let mut table = Table::default();
    for (what, does, OpenRelease { id, .. }) in &all {
        let id = Cell::from(id.as_str()).styled(dim.clone());
        table.row([Cell::from("●").styled(cyan.clone()), what.as_str().into(), does.as_str().into(), id]);
    }
    let mut lines = vec![String::new()];
    if table.fits(width) {
        lines.extend(table.lines(width));
        return lines;
    }
    for (what, does, OpenRelease { id, .. }) in &all {
        let sentence = hanging(&format!("{what} {does}"), 2, width);
        let mut sentence = sentence.into_iter();
        let first = sentence.next().unwrap_or_default();
        lines.push(format!("{} {first}", cyan.apply_to("●")));
        lines.extend(sentence);
        let id = indented(id.as_str(), 2, width).into_iter();
        lines.extend(id.map(|line| dim.apply_to(line).to_string()));
    }
    lines
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
    let mut lines = heading(status.name.as_str(), width);
    let table = |words: &dyn Fn(&Image) -> String| {
        let mut table = Table::default().keeping(KEPT_OF_ONE);
        for stage in &status.stages {
            let cells = of_stage(stage, now, words);
            table.row([Cell::from(format!("  {}", stage.name))].into_iter().chain(cells));
        }
        table
    };
    let whole = table(&image);
    let table = if whole.fits(width) { whole } else { table(&|image| image.tag_in_words()) };
    for (line, stage) in table.lines(width).into_iter().zip(&status.stages) {
        lines.push(line);
        let mut services = Table::default();
        for ServiceStatus { name, running, desired, .. } in
            stage.services.iter().filter(|_| stage.services.len() > 1)
        {
            services.row([Cell::from("   "), tasks(*running, *desired), name.as_str().into()]);
        }
        lines.extend(services.lines(width));
        let given = stage.runs.iter().flat_map(|runs| &runs.tasks);
        let given: Vec<_> = given.map(|task| task.task_definition.name().to_owned()).collect();
        if !given.is_empty() {
            lines.extend(indented(&format!("schedules run {}", list(&given)), 4, width));
        }
    }
    lines.extend(under_way(std::slice::from_ref(status), width));
    if let Some(lock) = lock.as_ref().filter(|_| status.releases.len() > 1) {
        lines.extend(indented(&format!("{lock} has the lock."), 2, width));
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
        let tag = tag.as_deref().unwrap_or("–");
        let why = reason.lines().next().unwrap_or_default();
        let cells = [format!("  {tag}").into(), digest.short().into(), ago(*since, now).into()];
        table.row_with(cells, [format!("{outcome}: {why}")]);
    }
    let heading = "Quarantined, until somebody clears them (slipway clear):".to_owned();
    [String::new(), heading].into_iter().chain(table.lines(width)).collect()
}

fn pushes(ignored: &[IgnoredPush], now: Timestamp, width: Option<usize>) -> Vec<String> {
    if ignored.is_empty() {
        return Vec::new();
    }
    let mut table = Table::default();
    for IgnoredPush { image, at, reason } in ignored.iter().take(IGNORED) {
        let cells =
            [format!("  {}", image.tag_in_words()).into(), image.digest.short().into(), ago(*at, now).into()];
        table.row_with(cells, [reason.clone()]);
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
                "APPLICATION  STAGE       IMAGE               TASKS  SINCE    APPROVED BY",
                "web          staging     v12 (a1a1a1a1a1a1)  1/2    2 h ago  ana@example.com",
                "             production  nothing yet         2/2",
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
    fn what_schedules_run_is_shown_with_the_stage() {
        let mut one: serde_json::Value = serde_json::to_value(&all().applications[0]).expect("JSON");
        one["stages"][0]["runs"]["tasks"] = json!([{ "family": "web-nightly",
            "task_definition": "arn:aws:ecs:eu-central-1:111122223333:task-definition/web-nightly:8" }]);
        one["quarantined"] = json!([]);
        one["ignored"] = json!([]);
        let one: Application = serde_json::from_value(one).expect("it fits");
        let lines = plain(&alone(&one, "2026-11-20T10:00:00Z".parse().expect("a time"), None));
        assert!(lines.contains(&"    schedules run web-nightly:8".to_owned()), "{lines:#?}");
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
