//! That what went well leads on, and what went wrong leads to one place.

use std::collections::BTreeSet;

use serde_json::Value;
use slipway_core::protocol::TaskError;

use super::{Level, Way, Workflow, errors, rules, ways};

/// Where a stage may change first.
const FIRST_CHANGES: [&str; 2] = ["RunMigration", "DeployServices"];

/// The parts of a stage.
struct Parts<'a> {
    /// Nothing has changed here, and the states that are come to from here without a change.
    before: BTreeSet<&'a str>,
    /// Something may have changed.
    changing: BTreeSet<&'a str>,
    /// From the rollback on.
    rollback: BTreeSet<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(stage: &'a Level) -> Self {
        let changing = stage.reached(&FIRST_CHANGES, |way| way.to != "RollBack" && !says_unchanged(way));
        let before = stage.reached(&[&stage.start], |way| !FIRST_CHANGES.contains(&way.to));
        let rollback = stage.reached(&["RollBack"], |_| true);
        Self { before, changing, rollback }
    }
}

/// Whether the step itself says on this way that nothing was begun.
fn says_unchanged(way: &Way<'_>) -> bool {
    is_restart(way) || (way.caught == ["Unchanged"] && way.to == "FailStage")
}

fn is_restart(way: &Way<'_>) -> bool {
    way.caught == ["Restart"] && way.to == "CaptureBaseline"
}

/// What Step Functions does with an error of a state: it tries the state again, goes to another one, or ends the
/// execution.
#[derive(Debug, PartialEq, Eq)]
enum Handling<'a> {
    TriesAgain,
    GoesTo(&'a str),
    Ends,
}

fn handling<'a>(state: &'a Value, error: &str) -> Handling<'a> {
    let is_for = |rule: &Value| errors(rule).iter().any(|name| *name == error || *name == "States.ALL");
    if rules(state, "Retry").any(is_for) {
        return Handling::TriesAgain;
    }
    let caught = rules(state, "Catch").find(|rule| is_for(rule));
    caught.map_or(Handling::Ends, |rule| Handling::GoesTo(rule["Next"].as_str().expect("a rule leads on")))
}

#[test]
fn every_state_can_be_reached_and_every_next_exists() {
    for level in &Workflow::read().levels {
        let reached = level.reached(&[&level.start], |_| true);
        let all: BTreeSet<_> = level.states.keys().map(String::as_str).collect();
        assert_eq!(reached, all);
    }
}

#[test]
fn every_failure_after_a_change_leads_to_the_rollback() {
    let workflow = Workflow::read();
    let stage = workflow.stage();
    let changing = Parts::of(stage).changing;
    assert!(
        ["VerifyServices", "BakeStage", "StagePassed"].iter().all(|name| changing.contains(name)),
        "{changing:?}"
    );

    for name in &changing {
        let state = stage.state(name);
        assert_ne!(state["Type"], "Fail", "{name} is not where a failure leads");
        if state["Type"] == "Task" {
            assert_eq!(handling(state, "States.Anything"), Handling::GoesTo("RollBack"), "{name}");
        }
        for way in stage.ways(name) {
            if way.caught.is_empty() {
                assert!(changing.contains(way.to), "{name} leads to {}, where nothing has changed", way.to);
            } else {
                assert!(
                    way.to == "RollBack" || says_unchanged(&way),
                    "{name} leads to {} after {:?}",
                    way.to,
                    way.caught
                );
            }
        }
    }
}

#[test]
fn no_failure_before_a_change_leads_to_the_rollback() {
    let workflow = Workflow::read();
    let stage = workflow.stage();
    let before = Parts::of(stage).before;
    assert!(
        ["CheckImageAgain", "SnapshotDatabase", "FailStage"].iter().all(|name| before.contains(name)),
        "{before:?}"
    );
    assert!(!before.contains("RollBack"), "{before:?}");

    for name in before.iter().filter(|name| **name != "FailStage") {
        let state = stage.state(name);
        if state["Type"] == "Task" {
            assert_eq!(handling(state, "States.Anything"), Handling::GoesTo("FailStage"), "{name}");
        }
        for way in stage.ways(name) {
            if way.caught.is_empty() {
                assert_ne!(way.to, "FailStage", "{name} went well");
            } else {
                assert!(
                    way.to == "FailStage" || is_restart(&way),
                    "{name} leads to {} after {:?}",
                    way.to,
                    way.caught
                );
            }
        }
    }
}

#[test]
fn every_way_from_the_rollback_on_ends_in_fail_stage() {
    let workflow = Workflow::read();
    let stage = workflow.stage();
    let Parts { before, changing, rollback } = Parts::of(stage);
    assert_eq!(rollback.intersection(&changing).count(), 0, "{rollback:?}");
    assert_eq!(rollback.intersection(&before).copied().collect::<Vec<_>>(), ["FailStage"], "{rollback:?}");
    assert!(rollback.contains("VerifyBaseline"), "{rollback:?}");

    for name in &rollback {
        let state = stage.state(name);
        if state["Type"] == "Task" {
            assert_eq!(handling(state, "States.Anything"), Handling::GoesTo("FailStage"), "{name}");
        }
        assert_eq!(stage.ways(name).is_empty(), *name == "FailStage", "{name} leads on, but for FailStage");
        assert!(!leads_back(stage, name, |_| true), "{name} is passed once");
    }
    assert_eq!(stage.state("FailStage")["Type"], "Fail");
}

#[test]
fn each_error_of_a_step_leads_where_the_protocol_says() {
    let workflow = Workflow::read();
    for (name, task) in workflow.tasks() {
        for error in [TaskError::LookAgain, TaskError::Woken] {
            assert_eq!(handling(task, error.as_str()), Handling::TriesAgain, "{name} and {error:?}");
        }
    }
    let stage = workflow.stage();
    let Parts { before, changing, rollback } = Parts::of(stage);
    for (name, task) in stage.states.iter().filter(|(_, state)| state["Type"] == "Task") {
        let name = name.as_str();
        let [restart, unchanged, changed] = if name == stage.start {
            // It has captured no baseline that it could capture anew.
            ["FailStage"; 3]
        } else if before.contains(name) {
            ["CaptureBaseline", "FailStage", "FailStage"]
        } else if changing.contains(name) {
            ["CaptureBaseline", "FailStage", "RollBack"]
        } else {
            assert!(rollback.contains(name), "{name}");
            ["FailStage"; 3]
        };
        for (error, to) in
            [(TaskError::Restart, restart), (TaskError::Unchanged, unchanged), (TaskError::Changed, changed)]
        {
            assert_eq!(handling(task, error.as_str()), Handling::GoesTo(to), "{name} and {error:?}");
        }
    }
}

#[test]
fn no_way_leads_back_but_to_a_new_baseline() {
    let workflow = Workflow::read();
    for level in &workflow.levels {
        for name in level.states.keys() {
            assert!(!leads_back(level, name, |way| !is_restart(way)), "{name} is passed again");
        }
    }
}

/// Whether a state is come to again from itself, on the ways that are followed.
fn leads_back(level: &Level, name: &str, follows: impl Fn(&Way<'_>) -> bool) -> bool {
    let nexts: Vec<_> = level.ways(name).into_iter().filter(|way| follows(way)).map(|way| way.to).collect();
    level.reached(&nexts, follows).contains(name)
}

#[test]
fn a_stage_passes_the_gates_that_it_has_and_no_others() {
    let workflow = Workflow::read();
    let stage = workflow.stage();
    let fields = ["image_check", "approval", "snapshot", "migration", "bake", "tasks"];
    for chosen in 0..1_u32 << fields.len() {
        let has: BTreeSet<_> =
            (0..fields.len()).filter(|index| chosen >> index & 1 == 1).map(|index| fields[index]).collect();
        let all = |asked: &[&str]| asked.iter().all(|field| has.contains(field));

        let passed = good_way(stage, &has);

        let expected: Vec<_> = [
            ("CaptureBaseline", all(&[])),
            ("CheckImage", all(&["image_check"])),
            ("RequestApproval", all(&["approval"])),
            ("CheckImageAgain", all(&["image_check", "approval"])),
            ("SnapshotDatabase", all(&["snapshot"])),
            ("RunMigration", all(&["migration"])),
            ("DeployServices", all(&[])),
            ("VerifyServices", all(&[])),
            ("BakeStage", all(&["bake"]) || all(&["tasks"])),
            ("StagePassed", all(&[])),
        ]
        .into_iter()
        .filter_map(|(name, passes)| passes.then_some(name))
        .collect();
        assert_eq!(passed, expected, "with {has:?}");
    }
}

/// The states that a stage with these fields passes where all goes well, without the choices.
fn good_way<'a>(stage: &'a Level, has: &BTreeSet<&str>) -> Vec<&'a str> {
    let (mut passed, mut name) = (Vec::new(), stage.start.as_str());
    loop {
        let state = stage.state(name);
        if state["Type"] != "Choice" {
            passed.push(name);
        }
        let holds = |rule: &&Value| asked(rule).is_some_and(|field| has.contains(field));
        let chosen = rules(state, "Choices").find(holds).unwrap_or(state);
        let Some(next) = ways(chosen).into_iter().find(|way| way.caught.is_empty()) else { return passed };
        name = next.to;
    }
}

/// The field of the stage whose presence a choice asks for.
fn asked(rule: &Value) -> Option<&str> {
    rule["Condition"].as_str()?.strip_prefix("{% $exists($stage.")?.strip_suffix(") %}")
}

#[test]
fn a_choice_asks_only_what_the_stage_has() {
    for (name, state) in Workflow::read().states() {
        for rule in rules(state, "Choices") {
            assert!(
                asked(rule).is_some_and(|field| field == super::name_at(field)),
                "{name} asks {}",
                rule["Condition"]
            );
        }
    }
}

#[test]
fn no_stage_passes_that_was_not_verified() {
    let workflow = Workflow::read();
    let stage = workflow.stage();
    for proof in ["CaptureBaseline", "DeployServices", "VerifyServices"] {
        let without = stage.reached(&[&stage.start], |way| way.to != proof);
        assert_eq!(without.contains("StagePassed"), proof == stage.start, "without {proof}");
    }
}

#[test]
fn every_end_of_a_release_is_finished() {
    let workflow = Workflow::read();
    let outside = workflow.outside();
    for (name, state) in
        outside.states.iter().filter(|(name, state)| *name != "FinishRelease" && !ways(state).is_empty())
    {
        assert_eq!(handling(state, "States.Anything"), Handling::GoesTo("FinishRelease"), "{name}");
    }
    let without = outside.reached(&[&outside.start], |way| way.to != "FinishRelease");
    let ended: Vec<_> = without
        .into_iter()
        .filter(|name| *name != "FinishRelease" && outside.ways(name).is_empty())
        .collect();
    assert_eq!(ended, Vec::<&str>::new(), "the execution ends before FinishRelease");
    assert_eq!(
        handling(outside.state("FinishRelease"), "States.Anything"),
        Handling::GoesTo("NotificationFailed")
    );
}
