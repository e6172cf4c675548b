//! Holds the documents between states, the workflow and the Rust types together. Needs no cloud.

mod picture;
mod workflow;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway_core::application::Application;
use slipway_core::release::Ending;
use slipway_core::step::{
    ApprovalRequested, CaptureBaselineInput, Captured, DeployServicesInput, Deployed, FinishReleaseInput, GateInput, Gated, ReleaseInput,
    RequestApprovalInput, Restored, TASKS, TakeTurnInput, Turned, VerifyServiceInput, WaitRequest,
};
use slipway_core::verification::Verification;
use slipway_core::wait::WaitResult;
use slipway_runtime::StepError;
use workflow::Workflow;

fn statemachine() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../statemachine")
}

/// The schema is what the committed one says, and the committed example fits it and is read and written unchanged.
fn hold<T: JsonSchema + Serialize + DeserializeOwned>(name: &str) {
    let schema = serde_json::to_value(schema_for!(T)).expect("a schema is JSON");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
    expectorate::assert_contents(statemachine().join(format!("schemas/{name}.json")), &text);

    let folder = statemachine().join("examples");
    let mut examples = 0;
    for file in fs::read_dir(&folder).expect("the folder of examples").flatten() {
        let file_name = file.file_name().to_string_lossy().into_owned();
        if file_name != format!("{name}.json") && !file_name.starts_with(&format!("{name}.")) {
            continue;
        }
        let example: Value = serde_json::from_str(&fs::read_to_string(file.path()).expect("it can be read")).expect("an example is JSON");
        jsonschema::validate(&schema, &example).unwrap_or_else(|error| panic!("{file_name} does not fit its schema: {error}"));
        let read: T = serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{file_name} is not read: {error}"));
        assert_eq!(serde_json::to_value(read).expect("it is written"), example, "{file_name} is written as it was read");
        examples += 1;
    }
    assert!(examples > 0, "there is an example of {name} in {}", folder.display());
}

#[test]
fn every_document_between_states_has_its_schema_and_an_example() {
    hold::<Application>("application");
    hold::<ReleaseInput>("release");
    hold::<TakeTurnInput>("take-turn.input");
    hold::<Turned>("take-turn.output");
    hold::<CaptureBaselineInput>("capture-baseline.input");
    hold::<Captured>("capture-baseline.output");
    hold::<RequestApprovalInput>("request-approval.input");
    hold::<ApprovalRequested>("request-approval.output");
    hold::<GateInput>("gate.input");
    hold::<Gated>("gate.output");
    hold::<DeployServicesInput>("deploy-services.input");
    hold::<Deployed>("deploy-services.output");
    hold::<Restored>("roll-back.output");
    hold::<VerifyServiceInput>("verify-service.input");
    hold::<Verification>("verify-service.output");
    hold::<WaitRequest>("resume-release.input");
    hold::<WaitResult>("resume-release.output");
    hold::<FinishReleaseInput>("finish-release.input");
    hold::<Ending>("finish-release.output");
}

#[test]
fn the_picture_in_the_readme_is_the_workflow() {
    let (begin, end) = ("<!-- made from release.asl.json -->\n```mermaid\n", "```\n<!-- end of the picture -->");
    let machine = fs::read_to_string(statemachine().join("release.asl.json")).expect("the workflow");
    let machine: Value = serde_json::from_str(&machine).expect("the workflow is JSON");
    let readme = fs::read_to_string(statemachine().join("README.md")).expect("the README");
    let (before, rest) = readme.split_once(begin).expect("the README has a place for the picture");
    let (_, after) = rest.split_once(end).expect("the picture ends");

    expectorate::assert_contents(statemachine().join("README.md"), &format!("{before}{begin}{}{end}{after}", picture::of(&machine)));
}

#[test]
fn every_task_is_known_to_both_and_calls_its_function() {
    let workflow = Workflow::read();
    let in_asl: BTreeSet<_> = workflow.tasks().map(|(state, task)| (state.to_owned(), task.function())).collect();
    let in_rust: BTreeSet<_> = TASKS.iter().map(|(state, function)| ((*state).to_owned(), (*function).to_owned())).collect();
    assert_eq!(in_asl, in_rust);
    for (_, function) in TASKS {
        let main = statemachine().join(format!("../functions/{function}/src/main.rs"));
        assert!(main.is_file(), "{function} is a function");
    }
}

#[test]
fn every_placeholder_is_a_function_that_terraform_fills_in() {
    let placeholders = Workflow::read().placeholders();
    let functions: BTreeSet<_> = TASKS.iter().map(|(_, function)| format!("{}_arn", function.replace('-', "_"))).collect();
    assert_eq!(placeholders, functions);

    let terraform = fs::read_to_string(statemachine().join("../infra/modules/deployer/workflow.tf")).expect("the deployer's workflow");
    let list = terraform.split_once("workflow_functions = toset([").expect("the list of functions").1.split_once("])").expect("its end").0;
    let filled_in: BTreeSet<_> = list
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .map(|name| format!("{}_arn", name.replace('-', "_")))
        .collect();
    assert_eq!(filled_in, functions);
}

#[test]
fn every_task_has_a_time_out_a_retry_with_jitter_and_a_catch() {
    for (state, task) in Workflow::read().tasks() {
        assert!(task.definition.get("TimeoutSeconds").is_some(), "{state} has a time-out");
        let retries = task.definition["Retry"].as_array().unwrap_or_else(|| panic!("{state} has retries"));
        let first = &retries[0];
        assert_eq!(first["JitterStrategy"], "FULL", "{state} tries again with jitter");
        let names: Vec<_> = first["ErrorEquals"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
        for name in ["Transient", "Lambda.ServiceException", "Lambda.TooManyRequestsException"] {
            assert!(names.contains(&name), "{state} tries {name} again");
        }
        let caught = task.definition.get("Catch").is_some() || task.parent_catches;
        assert!(caught, "{state}, or the Map around it, catches");
    }
}

#[test]
fn every_error_name_is_one_that_can_come() {
    let ours: BTreeSet<_> = StepError::NAMES.into_iter().collect();
    for name in Workflow::read().error_names() {
        let of_aws = ["States.", "Lambda.", "Runtime.", "Sandbox."].iter().any(|prefix| name.starts_with(prefix));
        assert!(of_aws || ours.contains(name.as_str()), "{name} is an error of ours or of AWS's");
    }
}

#[test]
fn every_variable_is_assigned_on_every_way_to_its_use() {
    let problems = Workflow::read().unassigned_variables();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_variable_of_an_iteration_has_the_name_of_an_outer_one() {
    // Step Functions refuses such a definition: AWS Step Functions developer guide, "Passing data between states with
    // variables", scopes.
    assert_eq!(Workflow::read().names_assigned_twice(), BTreeSet::new());
}

#[test]
fn every_state_can_be_reached_and_every_next_exists() {
    let problems = Workflow::read().loose_ends();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_state_polls() {
    let workflow = Workflow::read();
    let sleeping: Vec<_> = workflow.states().filter(|(_, state)| state["Type"] == "Wait").map(|(name, _)| name).collect();
    assert_eq!(sleeping, ["StaySteady"], "waits are parked tokens; only that nothing happens for a while is slept through");
    assert!(!workflow.leads_back("StaySteady"), "and it is slept through once");
    assert!(workflow.waits_on_every_way_back(), "no way leads back to a state that was passed without a wait");
}

#[test]
fn every_fault_has_its_test_or_says_why_not() {
    let repository = statemachine().join("..");
    let table = fs::read_to_string(repository.join("tests/README.md")).expect("the table of faults");
    let mut rows = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (Some(row), Some(shown)) = (cells[0].parse::<u32>().ok(), cells.get(2)) else { continue };
        rows.insert(row);
        let quoted: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        if let ([file, test], true) = (quoted.as_slice(), shown.starts_with('`')) {
            let file = match file.split_once('/') {
                Some(("cloud", name)) => repository.join("tests/e2e/tests/cloud").join(name),
                _ => repository.join("functions/shared").join(file),
            };
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("row {row}: {}: {error}", file.display()));
            assert!(text.contains(&format!("fn {test}(")), "row {row}: {} has no test {test}", file.display());
        } else {
            assert!(shown.len() > 40, "row {row} says why it is not shown, and what stands in: {shown}");
        }
    }
    assert_eq!(rows, (1..=53).collect(), "every row is there");
}

#[test]
fn the_runbook_says_what_to_do_for_every_alarm_and_every_outcome() {
    let read = |file: &str| fs::read_to_string(statemachine().join("..").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (runbook, alarms) = (read("docs/runbook.md"), read("infra/modules/observability/alarms.tf"));

    // "${var.name}-${function}-errors" = { and "${var.name}-no-sweep" => {: what follows the last placeholder.
    let names = alarms.lines().filter(|line| line.ends_with("= {") || line.ends_with("=> {")).filter_map(|line| line.split('"').nth(1));
    let suffixes: BTreeSet<&str> = names.filter_map(|name| Some(name.rsplit_once('}')?.1)).filter(|suffix| !suffix.is_empty()).collect();
    let missing: Vec<_> = suffixes.iter().filter(|suffix| !runbook.contains(&format!("{suffix}`"))).collect();
    assert!(suffixes.len() > 10, "{suffixes:?}");
    assert!(missing.is_empty(), "the runbook does not have {missing:?}");

    let headings: Vec<_> = runbook.lines().filter(|line| line.starts_with("## ")).collect();
    for outcome in ["RELEASED", "ROLLED_BACK", "REJECTED", "EXPIRED", "SUPERSEDED", "FAILED", "STUCK"] {
        assert!(headings.iter().any(|heading| heading.contains(outcome)), "the runbook has no section for {outcome}");
    }
    assert_eq!(headings.get(1), Some(&"## STUCK"), "the worst comes first");
}

#[test]
fn templates_leave_jsonata_alone() {
    let text = fs::read_to_string(Workflow::path()).expect("the workflow");
    assert!(!text.contains("%{"), "Terraform's templates read a per cent sign before a brace as their own");
}
