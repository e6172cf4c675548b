//! That the states hand over the documents that the steps read.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};
use slipway_core::application::Stage;
use slipway_core::step::{
    AcquireLockInput, Acquired, CaptureBaselineInput, Captured, Deployed, Failure, FinishReleaseInput,
    Limits, ReleaseInput, StageInput, VerifyServicesInput,
};

use super::{Level, Workflow, expressions, name_at};

fn schema<T: JsonSchema>() -> Value {
    serde_json::to_value(schema_for!(T)).expect("a schema is JSON")
}

/// What a step is given.
fn input_of(task: &str) -> Value {
    match task {
        "AcquireLock" => schema::<AcquireLockInput>(),
        "CaptureBaseline" => schema::<CaptureBaselineInput>(),
        "VerifyServices" | "VerifyBaseline" => schema::<VerifyServicesInput>(),
        "FinishRelease" => schema::<FinishReleaseInput>(),
        _ => schema::<StageInput>(),
    }
}

#[test]
fn every_step_is_given_what_it_reads() {
    let workflow = Workflow::read();
    for (name, task) in workflow.tasks() {
        let schema = input_of(name);
        match &task["Arguments"]["Payload"]["input"] {
            Value::String(all) if all == "{% $states.input %}" => {
                let handed_over = handed_to(&workflow, name);
                assert!(!handed_over.is_empty(), "{name}");
                for (from, document) in handed_over {
                    fits(&format!("{name} from {from}"), document, &schema, &schema);
                }
            }
            input => fits(name, input, &schema, &schema),
        }
    }
}

/// What is handed to a state on each way to it.
fn handed_to<'a>(workflow: &'a Workflow, name: &str) -> Vec<(&'a str, &'a Value)> {
    let on_ways = |level: &'a Level| {
        level
            .states
            .keys()
            .flat_map(|from| level.ways(from).into_iter().map(move |way| (from.as_str(), way)))
            .collect::<Vec<_>>()
    };
    let mut found: Vec<_> = workflow
        .levels
        .iter()
        .flat_map(on_ways)
        .filter(|(_, way)| way.to == name)
        .map(|(from, way)| (from, &way.rule["Output"]))
        .collect();
    for level in workflow.levels.iter().filter(|level| level.start == name) {
        if let Some(map) = &level.map {
            found.push((map, &workflow.outside().state(map)["ItemSelector"]));
        }
    }
    found
}

/// A document has the fields of its type, as far as that is known before its expressions are evaluated.
fn fits(at: &str, document: &Value, schema: &Value, root: &Value) {
    let schema = resolved(schema, root);
    match document {
        Value::String(expression) if expression.starts_with("{%") => {}
        Value::Object(fields) => {
            let known = schema["properties"].as_object().unwrap_or_else(|| panic!("{at} is an object"));
            for (field, value) in fields {
                let known =
                    known.get(field).unwrap_or_else(|| panic!("{at} hands over {field}, which nobody reads"));
                fits(&format!("{at}: {field}"), value, known, root);
            }
            for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                assert!(fields.contains_key(field), "{at} hands over {field}");
            }
        }
        value => {
            let schema = json!({ "$defs": root["$defs"], "allOf": [schema] });
            assert!(jsonschema::is_valid(&schema, value), "{at}: {value}");
        }
    }
}

/// A schema without the reference that it may be, and without the null of what may be absent.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return resolved(&root["$defs"][name], root);
    }
    match schema["anyOf"].as_array() {
        Some(one_of) => resolved(&one_of[0], root),
        None => schema,
    }
}

#[test]
fn every_failure_of_a_stage_says_where_and_why() {
    let workflow = Workflow::read();
    let failure = schema::<Failure>();
    let mut failures = 0;
    for state in ["FailStage", "RollBack"] {
        let from_elsewhere = handed_to(&workflow, state)
            .into_iter()
            .filter(|(from, _)| !["RollBack", "VerifyBaseline"].contains(from));
        for (from, document) in from_elsewhere {
            let fields: BTreeSet<_> =
                document.as_object().into_iter().flatten().map(|(field, _)| field.as_str()).collect();
            assert_eq!(fields, BTreeSet::from(["failure", "stage"]), "from {from}");
            fits(from, &document["failure"], &failure, &failure);
            failures += 1;
        }
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn every_field_that_is_read_is_one_of_its_document() {
    let workflow = Workflow::read();
    let variables = BTreeMap::from([
        ("begun", schema::<ReleaseInput>()),
        ("held", schema::<Acquired>()),
        ("stage", schema::<Stage>()),
        ("limits", schema::<Limits>()),
        ("deployed", schema::<Deployed>()),
    ]);
    let results = BTreeMap::from([
        ("AcquireLock", schema::<Acquired>()),
        ("CaptureBaseline", schema::<Captured>()),
        ("DeployServices", schema::<Deployed>()),
        ("RollBack", schema::<Deployed>()),
    ]);
    for (name, state) in workflow.states() {
        for (_, expression) in expressions(state) {
            for (variable, schema) in &variables {
                for field in fields_after(expression, &format!("${variable}.")) {
                    assert!(schema["properties"].get(field).is_some(), "{name} reads {field} of ${variable}");
                }
            }
            for field in fields_after(expression, "$states.result.") {
                assert!(
                    results[name]["properties"].get(field).is_some(),
                    "{name} reads {field} of its result"
                );
            }
        }
    }
}

/// The names that follow a path in an expression.
fn fields_after<'a>(expression: &'a str, path: &str) -> Vec<&'a str> {
    expression.split(path).skip(1).map(name_at).collect()
}
