//! From the errors that Step Functions caught to an ending that a person understands.

use serde::Deserialize;

use crate::name::StageName;
use crate::release::{Ending, Outcome};

/// How a stage ended, as the workflow's `FailStage` states it: in the `Cause` of the error, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct StageEnd {
    #[serde(default)]
    stage: Option<StageName>,
    outcome: Outcome,
    #[serde(default)]
    step: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    rollback: Option<RollbackProblem>,
}

/// What kept a rollback from being done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct RollbackProblem {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
}

/// What `lambda_runtime` and Lambda itself report of a failed function.
#[derive(Deserialize)]
struct FunctionError {
    #[serde(rename = "errorMessage")]
    message: String,
}

/// Reads the ending from what `Stages` was caught with; no error is a release that went through every stage.
#[must_use]
pub fn ending(error: Option<&str>, cause: Option<&str>) -> Ending {
    let Some(error) = error else {
        return Ending { outcome: Outcome::Released, stage: None, reason: "every stage runs the image and was verified".to_owned() };
    };
    let cause = cause.unwrap_or_default();
    let Ok(end) = serde_json::from_str::<StageEnd>(cause) else {
        // Not an ending that the workflow stated: what changed is not known, and a person has to look.
        return Ending {
            outcome: Outcome::Stuck,
            stage: None,
            reason: format!("the workflow failed outside of a stage: {}", in_words(Some(error), Some(cause))),
        };
    };
    let mut reason = match (end.reason, &end.error) {
        (Some(reason), _) => reason,
        (None, error) => in_words(error.as_deref(), end.cause.as_deref()),
    };
    if let Some(step) = end.step {
        reason = format!("{step}: {reason}");
    }
    if let Some(problem) = end.rollback {
        let why = problem.reason.unwrap_or_else(|| in_words(problem.error.as_deref(), problem.cause.as_deref()));
        reason = format!("{reason}. The rollback failed as well: {why}");
    }
    Ending { outcome: end.outcome, stage: end.stage, reason }
}

/// The ending of a release whose execution ended without one: stopped by hand, timed out, or failed where nothing catches.
///
/// `stage` is the last one that it had begun, `changed` whether a service of it runs what the release deployed, `runs` what
/// every service runs now, in words.
#[must_use]
pub fn stopped(stage: Option<StageName>, changed: bool, runs: &[String]) -> Ending {
    let runs = if runs.is_empty() { "nothing is known of what runs".to_owned() } else { runs.join("; ") };
    let (outcome, what) = match (&stage, changed) {
        (Some(stage), true) => (Outcome::Stuck, format!("while {stage} was changed, and nothing was put back")),
        (Some(stage), false) => (Outcome::Failed, format!("before {stage} was changed")),
        (None, _) => (Outcome::Failed, "before any stage was changed".to_owned()),
    };
    Ending { outcome, stage, reason: format!("the execution ended without an outcome, stopped by hand or timed out, {what}. Now {runs}") }
}

/// An error and its cause as Step Functions has them, in words. A function's error comes as JSON.
fn in_words(error: Option<&str>, cause: Option<&str>) -> String {
    let cause = cause.unwrap_or_default();
    let message = serde_json::from_str::<FunctionError>(cause).map_or_else(|_| cause.to_owned(), |error| error.message);
    match (error.unwrap_or("an unnamed error"), message.as_str()) {
        ("States.Timeout", _) => "it did not end in time".to_owned(),
        (error, "") => error.to_owned(),
        (error, message) => format!("{message} ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_is_a_release() {
        assert_eq!(ending(None, None).outcome, Outcome::Released);
    }

    #[test]
    fn a_stages_ending_keeps_its_reason() {
        let cause = r#"{"stage":"staging","outcome":"ROLLED_BACK","step":"VerifyServices","reason":"web answered 500"}"#;
        let ending = ending(Some("ROLLED_BACK"), Some(cause));

        assert_eq!((ending.outcome, ending.stage.expect("a stage").as_str()), (Outcome::RolledBack, "staging"));
        assert_eq!(ending.reason, "VerifyServices: web answered 500");
    }

    #[test]
    fn a_functions_error_is_quoted_with_its_action() {
        let cause = r#"{"stage":"staging","outcome":"FAILED","step":"DeployServices","error":"Refused",
            "cause":"{\"errorType\":\"Refused\",\"errorMessage\":\"ecs:UpdateService was refused: AccessDenied\"}"}"#;
        assert_eq!(ending(Some("FAILED"), Some(cause)).reason, "DeployServices: ecs:UpdateService was refused: AccessDenied (Refused)");
    }

    #[test]
    fn a_failed_rollback_is_stuck_and_says_both() {
        let cause = r#"{"stage":"production","outcome":"STUCK","reason":"the alarm rang",
            "rollback":{"error":"States.Timeout","cause":""}}"#;
        let ending = ending(Some("STUCK"), Some(cause));
        assert_eq!(ending.outcome, Outcome::Stuck);
        assert_eq!(ending.reason, "the alarm rang. The rollback failed as well: it did not end in time");
    }

    #[test]
    fn a_stopped_execution_is_stuck_only_where_it_had_changed_something() {
        let production = StageName::new("production").expect("a name");
        let runs = ["production/web runs web@sha256:1".to_owned()];
        let stuck = stopped(Some(production.clone()), true, &runs);

        assert_eq!((stuck.outcome, stuck.stage), (Outcome::Stuck, Some(production.clone())));
        assert!(stuck.reason.ends_with("Now production/web runs web@sha256:1"), "{}", stuck.reason);
        assert_eq!(stopped(Some(production), false, &runs).outcome, Outcome::Failed);
        assert_eq!(stopped(None, false, &[]).outcome, Outcome::Failed);
    }

    #[test]
    fn an_error_that_no_stage_stated_is_stuck() {
        assert_eq!(ending(Some("States.Runtime"), Some("boom")).outcome, Outcome::Stuck);
    }
}
