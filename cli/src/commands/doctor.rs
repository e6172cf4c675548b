//! `slipway doctor`.

use std::process::ExitCode;

use clap::Args;
use console::Style;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use slipway_core::doctor::{Checkup, Finding, Severity};

use super::{application, print};
use crate::show::{signed, width, wrapped};
use crate::{Client, Error, Output};

/// How many applications are looked at at once.
const AT_ONCE: usize = 4;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The application [default: the deployer itself, and all of them].
    application: Option<String>,
    /// Show what is fine as well.
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let checkup = match &arguments.application {
        Some(name) => client.get(&format!("applications/{}/doctor", application(name)?)).await?,
        None => everything(client).await?,
    };
    print(output, &checkup, || lines(&checkup, arguments.all, width()));
    Ok(if checkup.stops() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The checkup of the deployer, with those of all applications.
async fn everything(client: &Client) -> Result<Checkup, Error> {
    let mut whole: Checkup = client.get("doctor").await?;
    let paths: Vec<_> = whole.applications.iter().map(|name| format!("applications/{name}/doctor")).collect();
    let each = paths.iter().map(|path| client.get::<Checkup>(path));
    let each: Vec<_> = stream::iter(each.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    for one in each {
        whole.and(one);
    }
    Ok(whole)
}

/// The findings, those of one stage together, and then how many things were looked at.
fn lines(checkup: &Checkup, all: bool, width: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, findings) in by_place(&checkup.findings) {
        lines.push(Style::new().bold().apply_to(place).to_string());
        lines.extend(findings.into_iter().flat_map(|finding| of_finding(finding, width)));
        lines.push(String::new());
    }
    if all && !checkup.healthy.is_empty() {
        let green = Style::new().green();
        let healthy = checkup.healthy.iter();
        lines.extend(healthy.flat_map(|line| signed("✓", &green, line, 0, width)));
        lines.push(String::new());
    }
    lines.extend(wrapped(&summary(checkup), 0, width));
    lines
}

/// The findings by application and stage, in the order in which they were looked at; what stops a release comes first.
fn by_place(findings: &[Finding]) -> Vec<(String, Vec<&Finding>)> {
    let mut places: Vec<(String, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let place = match (&finding.application, &finding.stage) {
            (None, _) => "the deployer".to_owned(),
            (Some(application), None) => application.to_string(),
            (Some(application), Some(stage)) => format!("{application} {stage}"),
        };
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, its)) => its.push(finding),
            None => places.push((place, vec![finding])),
        }
    }
    for (_, its) in &mut places {
        its.sort_by_key(|finding| finding.severity != Severity::Stops);
    }
    places
}

/// What is wrong, and on the next line what to do.
fn of_finding(finding: &Finding, width: Option<usize>) -> Vec<String> {
    let (sign, style) = match finding.severity {
        Severity::Stops => ("✗", Style::new().red()),
        Severity::Warns => ("!", Style::new().yellow()),
    };
    let mut lines = signed(sign, &style, &finding.what, 2, width);
    lines.extend(signed("→", &Style::new(), &finding.remedy, 4, width));
    lines
}

fn summary(checkup: &Checkup) -> String {
    let stops = checkup.findings.iter().filter(|finding| finding.severity == Severity::Stops).count();
    let warns = checkup.findings.len() - stops;
    let looked = match checkup.looked_at() {
        1 => "Looked at 1 thing".to_owned(),
        many => format!("Looked at {many} things"),
    };
    if checkup.findings.is_empty() {
        return format!("{looked}: all is fine.");
    }
    let warned = if warns == 1 { "1 is a warning".to_owned() } else { format!("{warns} are warnings") };
    let fine = match checkup.healthy.len() {
        1 => "1 is fine".to_owned(),
        many => format!("{many} are fine"),
    };
    format!("{looked}: {stops} would stop a release, {warned}, {fine}.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checkup() -> Checkup {
        serde_json::from_value(json!({
            "applications": ["web"],
            "healthy": ["web: the repository web is there", "web staging: the alarm web-5xx is OK"],
            "findings": [
                { "subject": "DeadLetters", "severity": "Warns", "what": "2 messages lie in slipway-reconcile-dead-letters",
                  "remedy": "hand them over again" },
                { "subject": "Drift", "severity": "Warns", "what": "web runs production-web:8, and not production-web:7, which was released",
                  "remedy": "write lifecycle { ignore_changes = [task_definition] } into its aws_ecs_service, then release what ran before again (slipway rollback)",
                  "application": "web", "stage": "production", "service": "web" },
                { "subject": "Template", "severity": "Stops", "what": "there is no task definition staging-web-template",
                  "remedy": "apply the Terraform that registers it", "application": "web", "stage": "staging", "service": "web" },
                { "subject": "Alarm", "severity": "Stops", "what": "the alarm web-5xx does not exist",
                  "remedy": "make it", "application": "web", "stage": "production" },
            ],
        }))
        .expect("it fits")
    }

    fn plain(checkup: &Checkup, all: bool, width: Option<usize>) -> Vec<String> {
        let lines = lines(checkup, all, width);
        lines.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect()
    }

    #[test]
    fn findings_stand_by_application_and_stage_each_with_its_remedy_below() {
        assert_eq!(
            plain(&checkup(), false, None),
            [
                "the deployer",
                "  ! 2 messages lie in slipway-reconcile-dead-letters",
                "    → hand them over again",
                "",
                "web production",
                "  ✗ the alarm web-5xx does not exist",
                "    → make it",
                "  ! web runs production-web:8, and not production-web:7, which was released",
                "    → write lifecycle { ignore_changes = [task_definition] } into its aws_ecs_service, then release what ran before again (slipway rollback)",
                "",
                "web staging",
                "  ✗ there is no task definition staging-web-template",
                "    → apply the Terraform that registers it",
                "",
                "Looked at 6 things: 2 would stop a release, 2 are warnings, 2 are fine.",
            ]
        );
    }

    #[test]
    fn what_is_fine_is_shown_on_request_and_counted_in_any_case() {
        let healthy = Checkup { findings: vec![], ..checkup() };
        assert_eq!(plain(&healthy, false, None), ["Looked at 2 things: all is fine."]);
        assert_eq!(
            plain(&healthy, true, None),
            [
                "✓ web: the repository web is there",
                "✓ web staging: the alarm web-5xx is OK",
                "",
                "Looked at 2 things: all is fine.",
            ]
        );
    }

    #[test]
    fn a_checkup_fits_terminals_of_both_widths() {
        for width in [80, 140] {
            for line in plain(&checkup(), true, Some(width)) {
                assert!(console::measure_text_width(&line) <= width, "{width}: {line}");
            }
        }
        let narrow = plain(&checkup(), false, Some(80));
        assert_eq!(
            narrow[8..10],
            [
                "    → write lifecycle { ignore_changes = [task_definition] } into its",
                "      aws_ecs_service, then release what ran before again (slipway rollback)",
            ]
        );
    }
}
