//! That the workflow decides nothing: what is more than a path or an object literal is in Rust.

use serde_json::Value;
use slipway_core::release::Outcome;

use super::{Workflow, expressions, function_of, name_at};

/// Every outcome.
const OUTCOMES: [Outcome; 7] = [
    Outcome::Released,
    Outcome::RolledBack,
    Outcome::Rejected,
    Outcome::Expired,
    Outcome::Superseded,
    Outcome::Failed,
    Outcome::Stuck,
];

/// The fields that hold a number: those of a Retry, time-outs, and that stages come one after the other.
const NUMBERS: [&str; 6] =
    ["IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "TimeoutSeconds", "MaxConcurrency"];

#[test]
fn no_outcome_stands_in_the_workflow() {
    let workflow = Workflow::read();
    let words = workflow.text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let outcomes: Vec<_> =
        words.filter(|word| OUTCOMES.iter().any(|outcome| outcome.as_str() == *word)).collect();
    assert_eq!(outcomes, Vec::<&str>::new());
}

#[test]
fn no_count_stands_outside_of_retries_and_time_outs() {
    fn numbers<'a>(field: &'a str, value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Number(_) => found.push(field),
            Value::Array(values) => values.iter().for_each(|value| numbers(field, value, found)),
            Value::Object(fields) => fields.iter().for_each(|(field, value)| numbers(field, value, found)),
            _ => {}
        }
    }
    let workflow = Workflow::read();
    let mut found = Vec::new();
    numbers("", &workflow.definition, &mut found);
    assert!(found.iter().all(|field| NUMBERS.contains(field)), "{found:?}");

    for (field, expression) in outside_of_time_outs(&workflow) {
        // How much of a cause there is room for is no count.
        let counts = match room_for_a_cause(expression) {
            Some((before, _, after)) => format!("{before}{after}"),
            None => expression.to_owned(),
        };
        assert!(!counts.contains(|c: char| c.is_ascii_digit()), "{field}: {expression}");
    }
}

/// How many characters of a cause an expression keeps, between what stands before and after that.
fn room_for_a_cause(expression: &str) -> Option<(&str, usize, &str)> {
    let (before, rest) = expression.split_once("$substring($string($states.errorOutput.Cause), 0, ")?;
    let (room, after) = rest.split_once(')')?;
    Some((before, room.parse().ok()?, after))
}

#[test]
fn the_causes_of_a_failure_and_its_rollback_fit_into_one() {
    // A cause has room for 32,768 characters: AWS Step Functions API reference, "ExecutionFailedEventDetails".
    const ROOM: usize = 32_768;
    let workflow = Workflow::read();
    let rooms: Vec<_> = workflow
        .states()
        .flat_map(|(_, state)| expressions(state))
        .filter_map(|(_, text)| room_for_a_cause(text))
        .collect();
    assert!(!rooms.is_empty());
    for (_, room, _) in rooms {
        // A quote and a backslash become two characters each, and FailStage adds little to both causes.
        assert!(room * 2 * 2 < ROOM, "{room}");
    }
}

#[test]
fn no_expression_compares_or_calculates() {
    for (field, expression) in outside_of_time_outs(&Workflow::read()) {
        let inside = expression.trim_start_matches("{%").trim_end_matches("%}");
        assert!(!inside.contains(['=', '<', '>', '&', '+', '*', '/', '^', '%']), "{field}: {expression}");
        for word in [" and ", " or ", " in "] {
            assert!(!inside.contains(word), "{field}: {expression}");
        }
        let called =
            inside.split('$').skip(1).map(name_at).filter(|name| inside.contains(&format!("${name}(")));
        for name in called {
            assert!(
                ["exists", "substring", "merge", "string"].contains(&name),
                "{field} calls {name}: {expression}"
            );
        }
    }
}

fn outside_of_time_outs(workflow: &Workflow) -> Vec<(&str, &str)> {
    workflow
        .states()
        .flat_map(|(_, state)| expressions(state))
        .filter(|(field, _)| *field != "TimeoutSeconds")
        .collect()
}

#[test]
fn a_task_is_a_verb_and_its_object_and_a_choice_a_question() {
    let workflow = Workflow::read();
    for (name, state) in workflow.states() {
        let words = name.trim_end_matches('?');
        let pascal_case = words.starts_with(|c: char| c.is_ascii_uppercase())
            && words.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(pascal_case, "{name}");
        assert_eq!(name.ends_with('?'), state["Type"] == "Choice", "{name}");
    }
    // A function is called by its verb.
    for (name, task) in workflow.tasks() {
        let function = function_of(task);
        let verb = function.split('-').next().unwrap_or_default();
        assert!(
            name.to_lowercase().starts_with(verb) && name.len() > verb.len(),
            "{name} says what {function} does"
        );
    }
}

#[test]
fn templates_leave_jsonata_alone() {
    let workflow = Workflow::read();
    assert!(
        !workflow.text.contains("%{"),
        "Terraform's templates read a per cent sign before a brace as their own"
    );
}
