//! That every task is a step of the one protocol.

use std::collections::{BTreeMap, BTreeSet};

use schemars::schema_for;
use serde_json::{Value, json};
use slipway_core::protocol::{NEAR_SECONDS, TaskError};
use slipway_core::step::{Limits, TASKS};
use slipway_release::StepError;

use super::{Workflow, errors, function_of, functions, repository, rules};

/// How much longer a task waits than its function may run, in seconds at the least: the function can answer at the very
/// end.
const ANSWER_SECONDS: u64 = 2;

#[test]
fn every_task_is_known_to_both_and_calls_its_function() {
    let workflow = Workflow::read();
    let in_asl: BTreeSet<_> =
        workflow.tasks().map(|(state, task)| (state.to_owned(), function_of(task))).collect();
    let in_rust: BTreeSet<_> =
        TASKS.iter().map(|(state, function)| ((*state).to_owned(), (*function).to_owned())).collect();
    assert_eq!(in_asl, in_rust);

    let functions = functions();
    let states = functions
        .iter()
        .flat_map(|(name, function)| function.states.iter().map(move |state| (state.clone(), name.clone())));
    let in_table: BTreeSet<_> = states.collect();
    assert_eq!(in_table, in_rust, "functions.yaml");
    for function in functions.keys() {
        assert!(
            repository(&format!("functions/{function}/src/main.rs")).is_file(),
            "{function} is a function"
        );
    }
}

/// `cargo lambda build --release` builds the default members: what is deployed, and nothing else.
#[test]
fn a_release_build_makes_the_functions_and_nothing_else() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(repository("Cargo.toml"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let named = |field: &str| metadata[field].as_array().expect("a list").clone();
    let defaults = named("workspace_default_members");
    let members = named("packages").into_iter().filter(|package| defaults.contains(&package["id"]));
    let names: BTreeSet<_> =
        members.map(|package| package["name"].as_str().unwrap_or_default().to_owned()).collect();

    assert_eq!(names, functions().into_keys().collect());
}

#[test]
fn every_placeholder_is_one_that_terraform_fills_in() {
    let workflow = Workflow::read();
    let placeholders: BTreeSet<_> = workflow
        .text
        .split("${")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
        .collect();

    let functions = functions();
    let steps = functions.iter().filter(|(_, function)| !function.states.is_empty());
    let filled_in: BTreeSet<_> = steps
        .map(|(name, _)| format!("{}_arn", name.replace('-', "_")))
        .chain(["partition".to_owned()])
        .collect();
    assert_eq!(placeholders, filled_in);
}

#[test]
fn the_workflow_stays_small() {
    let workflow = Workflow::read();
    let (states, lines) = (workflow.states().count(), workflow.text.lines().count());
    assert!(states <= 30, "{states} states");
    assert!(lines <= 900, "{lines} lines");
}

#[test]
fn no_state_waits_but_by_a_task_token() {
    let workflow = Workflow::read();
    for (name, state) in workflow.states() {
        assert_ne!(state["Type"], "Wait", "{name}");
    }
    for (name, task) in workflow.tasks() {
        assert_eq!(task["Resource"], "arn:${partition}:states:::lambda:invoke.waitForTaskToken", "{name}");
    }
}

#[test]
fn every_task_hands_over_its_token_its_attempt_and_its_name() {
    for (name, task) in Workflow::read().tasks() {
        let mut payload = task["Arguments"]["Payload"]
            .as_object()
            .unwrap_or_else(|| panic!("{name} has a payload"))
            .clone();
        let input = payload.remove("input");
        assert!(input.is_some(), "{name} hands over an input");
        let protocol = json!({
            "token": "{% $states.context.Task.Token %}",
            "attempt": { "entered_at": "{% $states.context.State.EnteredTime %}", "retry": "{% $states.context.State.RetryCount %}" },
            "state": "{% $states.context.State.Name %}",
        });
        assert_eq!(Value::Object(payload), protocol, "{name}");
    }
}

#[test]
fn every_task_is_tried_again_in_the_same_way() {
    let workflow = Workflow::read();
    let retries: BTreeMap<_, _> = workflow.tasks().map(|(name, task)| (name, &task["Retry"])).collect();
    for (name, retry) in &retries {
        assert_eq!(retry, &retries["AcquireLock"], "{name}");
    }

    let [look_again, woken, throttled, transient] =
        retries["AcquireLock"].as_array().expect("retriers").as_slice()
    else {
        panic!("four retriers")
    };
    assert_eq!(errors(look_again), ["LookAgain"]);
    assert_eq!(errors(woken), ["Woken", "States.Timeout"]);
    for (rule, seconds) in [(look_again, 15), (woken, 1)] {
        assert_eq!((&rule["IntervalSeconds"], &rule["BackoffRate"]), (&json!(seconds), &json!(1)), "{rule}");
    }
    // The simulation of many releases at one moment has the same numbers (`tests/local/src/bench/quotas.rs`).
    for (rule, seconds) in [(throttled, 120), (transient, 60)] {
        let delays = (&rule["JitterStrategy"], &rule["MaxDelaySeconds"]);
        assert_eq!(delays, (&json!("FULL"), &json!(seconds)), "{rule}");
    }
    assert_eq!(errors(throttled), ["Throttled", "Lambda.TooManyRequestsException"]);
    let names = errors(transient);
    for name in ["Transient", "Lambda.ServiceException", "Lambda.SdkClientException"] {
        assert!(names.contains(&name), "{name} is tried again");
    }
    // A state may live for days, and its retriers' counts never go back.
    for rule in [look_again, woken, throttled, transient] {
        assert!(rule["MaxAttempts"].as_u64().is_some_and(|attempts| attempts >= 500), "{rule}");
    }
}

#[test]
fn every_task_and_the_map_catch_whatever_is_left() {
    let workflow = Workflow::read();
    for (name, state) in
        workflow.states().filter(|(_, state)| state["Type"] == "Task" || state["Type"] == "Map")
    {
        let caught: Vec<_> = rules(state, "Catch").map(errors).collect();
        let (last, before) = caught.split_last().unwrap_or_else(|| panic!("{name} catches"));
        assert_eq!(*last, ["States.ALL"], "{name}");
        assert!(
            !before.iter().flatten().any(|error| error.starts_with("States.")),
            "{name} catches by name before"
        );
    }
}

#[test]
fn every_error_name_is_one_that_can_come() {
    let workflow = Workflow::read();
    let handled = |field: &str| -> BTreeSet<String> {
        let states = workflow.states();
        states
            .flat_map(|(_, state)| {
                rules(state, field).flat_map(errors).map(ToOwned::to_owned).collect::<Vec<_>>()
            })
            .collect()
    };
    let of_aws = |name: &String| {
        ["States.", "Lambda.", "Runtime.", "Sandbox."].iter().any(|prefix| name.starts_with(prefix))
    };
    let ours = |names: BTreeSet<String>| -> BTreeSet<String> {
        names.into_iter().filter(|name| !of_aws(name)).collect()
    };
    let (retried, caught) = (ours(handled("Retry")), ours(handled("Catch")));

    let thrown: BTreeSet<_> = StepError::NAMES.iter().map(ToString::to_string).collect();
    let answered: BTreeSet<_> = TaskError::ALL.iter().map(|error| error.as_str().to_owned()).collect();
    let again = [TaskError::LookAgain, TaskError::Woken].map(|error| error.as_str().to_owned());
    assert_eq!(
        retried.difference(&thrown).cloned().collect::<BTreeSet<_>>(),
        BTreeSet::from(again),
        "of the errors that steps answer"
    );
    assert_eq!(
        retried.intersection(&thrown).collect::<Vec<_>>(),
        ["Throttled", "Transient"],
        "of the errors that functions throw"
    );
    assert!(caught.is_subset(&answered), "{caught:?}");
}

#[test]
fn every_time_out_leaves_the_function_its_time() {
    let functions = functions();
    let limits: BTreeSet<_> =
        serde_json::to_value(schema_for!(Limits)).expect("a schema is JSON")["properties"]
            .as_object()
            .expect("limits are an object")
            .keys()
            .cloned()
            .collect();
    let mut used = BTreeSet::new();
    for (name, task) in Workflow::read().tasks() {
        let function = function_of(task);
        let floor = match &task["TimeoutSeconds"] {
            Value::Number(seconds) => seconds.as_u64().expect("whole seconds"),
            expression => {
                let (floor, limit) = what_is_left(expression.as_str().unwrap_or_default())
                    .unwrap_or_else(|| panic!("{name} counts what is left: {expression}"));
                // A rollback may take as long as a deployment.
                let own = if name == "RollBack" {
                    "deploy_services".to_owned()
                } else {
                    function.replace('-', "_")
                };
                assert_eq!(limit, own, "{name} has the limit of its step");
                used.insert(limit);
                floor
            }
        };
        let least = u64::from(functions[&function].timeout_seconds) + ANSWER_SECONDS;
        assert!(floor >= least, "{name} waits {floor} s at the least, and {function} may need {least} s");
        // A shorter wait parks no callback, but its time-out must not come first.
        assert!(
            i64::try_from(floor).is_ok_and(|floor| floor > NEAR_SECONDS),
            "{name} waits {floor} s at the least"
        );
    }
    assert_eq!(used, limits, "every limit is one that a state waits for");
}

/// The floor, and the name of the limit, of a time-out that counts what is left since its state was entered.
fn what_is_left(expression: &str) -> Option<(u64, String)> {
    let rest = expression.strip_prefix("{% $max([")?;
    let (floor, rest) = rest.split_once(", $limits.")?;
    let limit = rest
        .strip_suffix(" - $floor(($millis() - $toMillis($states.context.State.EnteredTime)) / 1000)]) %}")?;
    Some((floor.parse().ok()?, limit.to_owned()))
}
