//! `slipway diff`.

use std::process::ExitCode;

use clap::Args;
use console::Style;
use slipway_core::api::{Diff, ServiceDiff, StageDiff};

use super::{application, print};
use crate::show::{heading, image, indented, list, warned, width};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The application.
    application: String,
    /// The image: a tag, a digest, or six or more of a digest's first digits [default: what the last stage runs, so that
    /// only newer templates differ].
    image: Option<String>,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let name = application(&arguments.application)?;
    let query = match &arguments.image {
        Some(image) => format!("?{}", form_of(image)),
        None => String::new(),
    };
    let diff: Diff = client.get(&format!("applications/{name}/diff{query}")).await?;
    print(output, &diff, || lines(&diff, width()));
    Ok(ExitCode::SUCCESS)
}

fn form_of(image: &str) -> String {
    serde_urlencoded::to_string([("image", image)]).expect("pairs of texts make a query")
}

fn lines(diff: &Diff, width: Option<usize>) -> Vec<String> {
    let head = format!("A release of {} now", image(&diff.image));
    let mut lines = heading(&head, width);
    lines.extend(diff.stops.iter().flat_map(|stops| warned(&format!("would not begin: {stops}"), 0, width)));
    for stage in &diff.stages {
        lines.extend(in_stage(stage, diff, width));
    }
    lines
}

fn in_stage(stage: &StageDiff, diff: &Diff, width: Option<usize>) -> Vec<String> {
    let StageDiff { name, services, asks, quorum, stops } = stage;
    let mut lines = vec![String::new(), Style::new().bold().apply_to(name.as_str()).to_string()];
    let people: Vec<_> = asks.iter().map(ToString::to_string).collect();
    if !people.is_empty() {
        let words = format!("asks {}; {quorum} must approve", list(&people));
        lines.extend(indented(&words, 2, width));
    }
    lines.extend(stops.iter().flat_map(|stops| warned(&format!("would not change: {stops}"), 2, width)));
    for service in services {
        lines.extend(of_service(service, diff, width));
    }
    lines
}

fn of_service(service: &ServiceDiff, diff: &Diff, width: Option<usize>) -> Vec<String> {
    let ServiceDiff { name, runs, same, changes, stops } = service;
    if let Some(stops) = stops {
        return warned(&format!("{name}: {stops}"), 2, width);
    }
    let runs = runs.as_deref().unwrap_or("nothing yet");
    let what = if *same {
        format!("{name}: the same as it runs ({runs})")
    } else {
        format!("{name}: {runs} → {}", image(&diff.image))
    };
    let mut lines = indented(&what, 2, width);
    if !same {
        let yellow = Style::new().yellow();
        lines.extend(changes.iter().flat_map(|change| {
            let all = indented(change, 6, width).into_iter();
            all.map(|line| yellow.apply_to(line).to_string()).collect::<Vec<_>>()
        }));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_says_what_would_change_who_is_asked_and_what_would_stop_it() {
        let diff: Diff = serde_json::from_value(json!({
            "image": { "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": "v12" },
            "stages": [
                { "name": "staging", "services": [{ "name": "web", "runs": "a1a1a1a1a1a1", "same": true }] },
                { "name": "production", "asks": ["ana@example.com", "bo@example.com"], "quorum": 1,
                  "stops": "the alarm web-5xx is in ALARM: it is", "services": [
                    { "name": "web", "runs": "b2b2b2b2b2b2", "same": false, "changes": ["cpu: 256 → 512"] },
                    { "name": "worker", "same": false, "stops": "there is no task definition production-worker-template" }] },
            ],
        }))
        .expect("it fits");

        let lines: Vec<_> =
            lines(&diff, None).iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect();
        assert_eq!(
            lines,
            [
                "A release of v12 (a1a1a1a1a1a1) now",
                "",
                "staging",
                "  web: the same as it runs (a1a1a1a1a1a1)",
                "",
                "production",
                "  asks ana@example.com and bo@example.com; 1 must approve",
                "  ✗ would not change: the alarm web-5xx is in ALARM: it is",
                "  web: b2b2b2b2b2b2 → v12 (a1a1a1a1a1a1)",
                "      cpu: 256 → 512",
                "  ✗ worker: there is no task definition production-worker-template",
            ]
        );
    }

    #[test]
    fn what_a_person_writes_is_one_parameter() {
        assert_eq!(form_of("v1&stage=x"), "image=v1%26stage%3Dx");
    }
}
