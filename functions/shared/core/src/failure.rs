//! From the errors that Step Functions caught to an ending that a person understands.

use serde::Deserialize;

use crate::name::StageName;
use crate::protocol::{End, TaskError};
use crate::release::{Ending, Outcome};
use crate::step::Failure;
use crate::words;

/// What the workflow's `FailStage` states of a stage: in the `Cause` of the error, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct StageFailure {
    stage: StageName,
    failure: Failure,
    /// The rollback's own: without an error where it went well, absent where there was none.
    #[serde(default)]
    rollback: Option<Failure>,
}

/// What `lambda_runtime` and Lambda itself report of a failed function.
#[derive(Deserialize)]
struct FunctionError {
    #[serde(rename = "errorMessage")]
    message: String,
}

/// Reads the ending from what ended the workflow's way; no failure is a release that went through every stage.
/// `begun` are the stages that the release has begun to change, as the table knows them: whatever the workflow says,
/// such a stage was not left unchanged.
#[must_use]
pub fn ending(failure: Option<&Failure>, begun: &[StageName]) -> Ending {
    let Some(failure) = failure else {
        return Ending {
            outcome: Outcome::Released,
            stage: None,
            reason: "every stage runs the image and was verified".to_owned(),
            unjudged: false,
        };
    };
    let Ok(stage) = serde_json::from_str::<StageFailure>(&failure.cause) else {
        let end = stated(failure);
        let (outcome, reason) =
            end.map_or_else(|| (Outcome::Failed, in_words(failure)), |end| (end.outcome, end.reason));
        // Not a stage's ending: what changed is not known, and a person has to look.
        let outcome = if begun.is_empty() { outcome } else { Outcome::Stuck };
        let unjudged = stated(failure).is_none();
        return Ending { outcome, stage: None, reason: format!("{}: {reason}", failure.step), unjudged };
    };
    let StageFailure { stage, failure, rollback } = stage;
    let unjudged = stated(&failure).is_none();
    let (outcome, reason) = match stated(&failure) {
        Some(End { outcome, reason, .. }) => (outcome, reason),
        None => (Outcome::Failed, in_words(&failure)),
    };
    let reason = format!("{}: {reason}", failure.step);
    // Without a rollback nothing was changed, or nothing was restored.
    let unchanged = if outcome == Outcome::RolledBack { Outcome::Failed } else { outcome };
    let (outcome, reason) = match rollback {
        None if begun.contains(&stage) => {
            (Outcome::Stuck, format!("{reason}. {stage} had begun to change, and was not rolled back"))
        }
        None => (unchanged, reason),
        Some(rollback) if rollback.error.is_empty() => (Outcome::RolledBack, reason),
        Some(rollback) if rollback.error == TaskError::Unchanged.as_str() => (unchanged, reason),
        Some(rollback) => {
            let end = stated(&rollback);
            let why = end.as_ref().map_or_else(|| in_words(&rollback), |end| end.reason.clone());
            (
                end.map_or(Outcome::Stuck, |end| end.outcome),
                format!("{reason}. The rollback failed as well: {why}"),
            )
        }
    };
    Ending { outcome, stage: Some(stage), reason, unjudged }
}

/// The end that a step stated itself.
fn stated(failure: &Failure) -> Option<End> {
    let states =
        [TaskError::Unchanged, TaskError::Changed].map(TaskError::as_str).contains(&failure.error.as_str());
    states.then(|| serde_json::from_str(&failure.cause).ok()).flatten()
}

/// The ending of a release whose execution ended without one: stopped by hand, timed out, or failed where nothing
/// catches.
///
/// `stage` is the last one that it had begun, `changed` whether a service of it runs what the release deployed,
/// `runs` what every service runs now, in words.
#[must_use]
pub fn stopped(stage: Option<StageName>, changed: bool, runs: &[String]) -> Ending {
    let runs = if runs.is_empty() { "nothing is known of what runs".to_owned() } else { runs.join("; ") };
    let (outcome, what) = match (&stage, changed) {
        (Some(stage), true) => {
            (Outcome::Stuck, format!("while {stage} was changed, and nothing was rolled back"))
        }
        (Some(stage), false) => (Outcome::Failed, format!("before {stage} was changed")),
        (None, _) => (Outcome::Failed, "before any stage was changed".to_owned()),
    };
    Ending {
        outcome,
        stage,
        reason: format!(
            "the execution ended without an outcome, stopped by hand or timed out, {what}. Now {runs}"
        ),
        unjudged: false,
    }
}

/// An error and its cause as Step Functions has them, in words. A function's error comes as JSON.
fn in_words(failure: &Failure) -> String {
    let Failure { error, cause, .. } = failure;
    let message =
        serde_json::from_str::<FunctionError>(cause).map_or_else(|_| cause.clone(), |error| error.message);
    let message = words::sentence(&message);
    match (if error.is_empty() { "an unnamed error" } else { error }, message.as_str()) {
        ("States.Timeout", _) => "it did not end in time".to_owned(),
        (error, "") => error.to_owned(),
        (error, message) => format!("{message} ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(stage: &str) -> StageName {
        StageName::new(stage).expect("a name")
    }

    fn failure(step: &str, error: &str, cause: &dyn std::fmt::Display) -> Failure {
        Failure { step: step.into(), error: error.into(), cause: cause.to_string() }
    }

    fn end(outcome: Outcome, reason: &str, changed: bool) -> serde_json::Value {
        serde_json::to_value(End { outcome, reason: reason.into(), changed }).expect("JSON")
    }

    /// How a release ends whose stage production failed so, and was rolled back so.
    fn ends(failed: &Failure, rollback: Option<&Failure>, begun: bool) -> Ending {
        let mut cause = serde_json::json!({ "stage": "production", "failure": failed });
        if let Some(rollback) = rollback {
            cause["rollback"] = serde_json::to_value(rollback).expect("JSON");
        }
        let begun = if begun { vec![name("production")] } else { vec![] };
        ending(Some(&failure("Stages", "StageFailed", &cause)), &begun)
    }

    #[test]
    fn no_failure_is_a_release() {
        assert_eq!(ending(None, &[name("staging")]).outcome, Outcome::Released);
    }

    #[test]
    fn an_end_before_the_first_change_is_the_releases_own() {
        let rejected = failure("RequestApproval", "Unchanged", &end(Outcome::Rejected, "bo said no", false));
        let ending = ends(&rejected, None, false);

        assert_eq!((ending.outcome, ending.stage), (Outcome::Rejected, Some(name("production"))));
        assert_eq!(ending.reason, "RequestApproval: bo said no");
    }

    #[test]
    fn an_end_after_it_is_what_the_rollback_came_to() {
        let unhealthy =
            failure("VerifyServices", "Changed", &end(Outcome::RolledBack, "web answered 500", true));
        let with = |rollback: &Failure| ends(&unhealthy, Some(rollback), true);

        assert_eq!(with(&failure("VerifyBaseline", "", &"")).outcome, Outcome::RolledBack);
        assert!(!with(&failure("VerifyBaseline", "", &"")).unjudged, "a step said so");
        let unavailable = failure("VerifyServices", "Unavailable", &"ECS could not be asked for ten minutes");
        let back = ends(&unavailable, Some(&failure("VerifyBaseline", "", &"")), true);
        assert_eq!((back.outcome, back.unjudged), (Outcome::RolledBack, true));
        assert_eq!(with(&failure("VerifyBaseline", "", &"")).reason, "VerifyServices: web answered 500");
        let stuck =
            with(&failure("RollBack", "Changed", &end(Outcome::Stuck, "web runs something else", true)));
        assert_eq!(stuck.outcome, Outcome::Stuck);
        assert_eq!(
            stuck.reason,
            "VerifyServices: web answered 500. The rollback failed as well: web runs something else"
        );
        assert_eq!(with(&failure("RollBack", "States.Timeout", &"")).outcome, Outcome::Stuck);
        let newer =
            with(&failure("RollBack", "Changed", &end(Outcome::Superseded, "v3 was deployed over it", true)));
        assert_eq!(newer.outcome, Outcome::Superseded);
    }

    #[test]
    fn a_rollback_that_finds_nothing_changed_says_so() {
        let refused = failure(
            "DeployServices",
            "Refused",
            &r#"{"errorType":"Refused","errorMessage":"ecs:RegisterTaskDefinition was refused"}"#,
        );
        let nothing = failure("RollBack", "Unchanged", &end(Outcome::Failed, "nothing was changed", false));
        let ending = ends(&refused, Some(&nothing), false);

        assert_eq!(ending.outcome, Outcome::Failed);
        assert_eq!(ending.reason, "DeployServices: ecs:RegisterTaskDefinition was refused (Refused)");
    }

    #[test]
    fn a_stage_that_had_begun_to_change_is_never_called_unchanged() {
        let timed_out = failure("SnapshotDatabase", "States.Timeout", &"");
        assert_eq!(ends(&timed_out, None, false).outcome, Outcome::Failed);
        assert_eq!(ends(&timed_out, None, true).outcome, Outcome::Stuck);
        let outside = failure("Stages", "States.ExceedToleratedFailureThreshold", &"boom");
        assert_eq!(ending(Some(&outside), &[name("staging")]).outcome, Outcome::Stuck);
        assert_eq!(ending(Some(&outside), &[]).outcome, Outcome::Failed);
    }

    #[test]
    fn a_release_that_never_held_the_lock_ends_as_it_was_stated() {
        let superseded =
            failure("AcquireLock", "Unchanged", &end(Outcome::Superseded, "superseded by v3", false));
        let ending = ending(Some(&superseded), &[]);
        assert_eq!(
            (ending.outcome, ending.reason.as_str()),
            (Outcome::Superseded, "AcquireLock: superseded by v3")
        );
    }

    #[test]
    fn a_stopped_execution_is_stuck_only_where_it_had_begun_to_change_something() {
        let production = name("production");
        let runs = ["production/web runs web@sha256:1".to_owned()];
        let stuck = stopped(Some(production.clone()), true, &runs);

        assert_eq!((stuck.outcome, stuck.stage), (Outcome::Stuck, Some(production.clone())));
        assert!(stuck.reason.ends_with("Now production/web runs web@sha256:1"), "{}", stuck.reason);
        assert_eq!(stopped(Some(production), false, &runs).outcome, Outcome::Failed);
        assert_eq!(stopped(None, false, &[]).outcome, Outcome::Failed);
    }
}
