//! `cargo local abort`.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::{
    Cloud, Settings,
    progress::heading,
    releases::{self, Execution, Step},
    requests,
};

/// How long a release may take to roll back what it has begun.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The release's id [default: the only one that runs].
    release: Option<String>,
    /// Why, for everybody who is notified.
    #[arg(long, default_value = "")]
    reason: String,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let running: Vec<_> = cloud.executions().await?.into_iter().filter(Execution::is_running).collect();
    let names: Vec<_> = running.iter().map(|execution| execution.name.as_str()).collect();
    let execution = match (&arguments.release, running.as_slice()) {
        (Some(release), running) => match running.iter().find(|execution| execution.name == *release) {
            Some(execution) => execution,
            None => bail!(
                "no release {release} runs; those that do: {}",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            ),
        },
        (None, [only]) => only,
        (None, []) => bail!("no release runs"),
        (None, _) => bail!("several releases run; name one of: {}", names.join(", ")),
    };
    heading(format!("Aborting {}", execution.name));
    println!("{}", consequence(&releases::steps(cloud.sdk(), &execution.arn).await?));
    requests::put(
        cloud.sdk(),
        "Abort Requested",
        &json!({ "release": execution.name, "reason": arguments.reason }),
    )
    .await?;
    let ended = cloud.wait_until_ended(&execution.arn, PATIENCE).await?;
    println!("{}: {}", ended.outcome().unwrap_or("It failed"), ended.reason().unwrap_or_default());
    Ok(())
}

/// How far a release is with a stage.
enum Progress {
    Unchanged,
    Changing,
    RollingBack,
}

/// What an abort does to the stages, after what the release did so far.
fn consequence(steps: &[Step]) -> String {
    let mut passed = Vec::new();
    let mut stage = None;
    let mut progress = Progress::Unchanged;
    for step in steps.iter().filter(|step| step.entered) {
        match step.state.as_str() {
            "CaptureBaseline" => (stage, progress) = (step.stage.as_deref(), Progress::Unchanged),
            "RunMigration" | "DeployServices" => progress = Progress::Changing,
            "RollBack" => progress = Progress::RollingBack,
            "StagePassed" => passed.extend(stage.take()),
            _ => {}
        }
    }
    let mut words: Vec<_> =
        passed.into_iter().map(|stage| format!("{stage} is through, and keeps the image.")).collect();
    match (stage, progress) {
        (None, _) if words.is_empty() => words.push("No stage has begun to change.".to_owned()),
        (None, _) => {}
        (Some(stage), Progress::Unchanged) => {
            words.push(format!("{stage} has not begun to change, and stays as it is."));
        }
        (Some(stage), Progress::Changing) => {
            words.push(format!(
                "{stage} has begun to change: it is rolled back, and the image is quarantined."
            ));
        }
        (Some(stage), Progress::RollingBack) => {
            words.push(format!("{stage} is already being rolled back; that goes on."));
        }
    }
    words.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(states: &[(&str, Option<&str>)]) -> Vec<Step> {
        let step = |(state, stage): &(&str, Option<&str>)| Step {
            state: (*state).to_owned(),
            stage: stage.map(str::to_owned),
            entered: true,
            is_map: false,
            at: 0,
            result: None,
        };
        states.iter().map(step).collect()
    }

    #[test]
    fn an_abort_says_what_becomes_of_each_stage() {
        let waiting = [("AcquireLock", None)];
        assert_eq!(consequence(&steps(&waiting)), "No stage has begun to change.");

        let staging = [("CaptureBaseline", Some("staging")), ("DeployServices", None)];
        assert!(consequence(&steps(&staging)).starts_with("staging has begun to change: it is rolled back"));

        let rolling_back = [&staging[..], &[("RollBack", None)]].concat();
        assert_eq!(consequence(&steps(&rolling_back)), "staging is already being rolled back; that goes on.");

        let production = [
            &staging[..],
            &[("StagePassed", None), ("CaptureBaseline", Some("production")), ("RequestApproval", None)],
        ]
        .concat();
        assert_eq!(
            consequence(&steps(&production)),
            "staging is through, and keeps the image.\nproduction has not begun to change, and stays as it is."
        );
    }
}
