//! Holds the documents between states, the workflow, the table of functions and the Rust types together. Needs no
//! cloud.

mod picture;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway_core::application::Application;
use slipway_core::failure::ending;
use slipway_core::name::StageName;
use slipway_core::protocol::{End, StepTask};
use slipway_core::release::Ending;
use slipway_core::step::{
    AcquireLockInput, Acquired, Approved, Baked, CaptureBaselineInput, Captured, Deployed,
    FinishReleaseInput, Passed, ReleaseInput, StageInput, TASKS, VerifiedServices, VerifyServicesInput,
};
use workflow::{Workflow, functions, repository};

fn statemachine() -> PathBuf {
    repository("statemachine")
}

fn text_of(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn json_of(file: &Path) -> Value {
    serde_json::from_str(&text_of(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The names of the files of a folder.
fn files_in(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

/// The schema is what the committed one says, and the committed examples fit it and are read and written unchanged. The
/// examples.
fn hold<T: JsonSchema + Serialize + DeserializeOwned>(name: &str) -> Vec<String> {
    let schema = serde_json::to_value(schema_for!(T)).expect("a schema is JSON");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
    expectorate::assert_contents(statemachine().join(format!("schemas/{name}.json")), &text);

    let folder = statemachine().join("examples");
    let is_of_it = |file: &String| *file == format!("{name}.json") || file.starts_with(&format!("{name}."));
    let examples: Vec<_> = files_in(&folder).into_iter().filter(is_of_it).collect();
    assert!(!examples.is_empty(), "there is an example of {name} in {}", folder.display());
    for file in &examples {
        let example = json_of(&folder.join(file));
        jsonschema::validate(&schema, &example)
            .unwrap_or_else(|error| panic!("{file} does not fit its schema: {error}"));
        let read: T = serde_json::from_value(example.clone())
            .unwrap_or_else(|error| panic!("{file} is not read: {error}"));
        assert_eq!(
            serde_json::to_value(read).expect("it is written"),
            example,
            "{file} is written as it was read"
        );
    }
    examples
}

#[test]
fn every_document_between_states_has_its_schema_and_an_example() {
    let documents = [
        ("application", hold::<Application> as fn(&str) -> Vec<String>),
        ("release", hold::<ReleaseInput>),
        ("acquire-lock.input", hold::<AcquireLockInput>),
        ("acquire-lock.output", hold::<Acquired>),
        ("capture-baseline.input", hold::<CaptureBaselineInput>),
        ("capture-baseline.output", hold::<Captured>),
        ("stage.input", hold::<StageInput>),
        ("gate.output", hold::<Passed>),
        ("request-approval.output", hold::<Approved>),
        ("deploy-services.output", hold::<Deployed>),
        ("verify-services.input", hold::<VerifyServicesInput>),
        ("verify-services.output", hold::<VerifiedServices>),
        ("bake-stage.output", hold::<Baked>),
        ("finish-release.input", hold::<FinishReleaseInput>),
        ("finish-release.output", hold::<Ending>),
        ("end", hold::<End>),
    ];

    let examples: BTreeSet<_> = documents.iter().flat_map(|(name, hold)| hold(name)).collect();

    assert_eq!(examples, files_in(&statemachine().join("examples")), "every example is one of a document");
    let schemas: BTreeSet<_> = documents.iter().map(|(name, _)| format!("{name}.json")).collect();
    assert_eq!(schemas, files_in(&statemachine().join("schemas")), "every schema is one of a document");
}

#[test]
fn the_example_of_a_failure_ends_as_the_example_of_an_ending() {
    let example = |name: &str| json_of(&statemachine().join("examples").join(name));
    let input: FinishReleaseInput =
        serde_json::from_value(example("finish-release.input.failure.json")).expect("it is read");
    let staging = StageName::new("staging").expect("a name");

    let ending = ending(input.failure.as_ref(), &[staging]);

    assert_eq!(
        serde_json::to_value(ending).expect("it is written"),
        example("finish-release.output.rolled-back.json")
    );
}

#[test]
fn every_example_of_a_task_is_one_that_its_step_reads() {
    fn state_in<I: DeserializeOwned>(task: Value) -> serde_json::Result<String> {
        Ok(serde_json::from_value::<StepTask<I>>(task)?.state)
    }
    let steps: BTreeSet<_> = TASKS.iter().map(|(_, function)| *function).collect();
    for function in steps {
        let task = json_of(&repository(&format!("tests/events/{function}.json")));
        let state = match function {
            "acquire-lock" => state_in::<AcquireLockInput>(task),
            "capture-baseline" => state_in::<CaptureBaselineInput>(task),
            "verify-services" => state_in::<VerifyServicesInput>(task),
            "finish-release" => state_in::<FinishReleaseInput>(task),
            _ => state_in::<StageInput>(task),
        };
        let state = state.unwrap_or_else(|error| panic!("{function} does not read its example: {error}"));
        assert!(TASKS.contains(&(state.as_str(), function)), "{function} does {state}");
    }
}

#[test]
fn every_example_of_an_event_is_in_the_list() {
    let folder = repository("tests/events");
    let readme = text_of(&folder.join("README.md"));
    let rows =
        readme.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    let listed: Vec<_> =
        rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(ToOwned::to_owned).collect();
    let mut there = files_in(&folder);
    there.remove("README.md");
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(listed.len(), there.len(), "each once");
}

#[test]
fn the_routes_of_the_operators_api_are_those_that_its_function_answers() {
    let terraform = text_of(&repository("infra/modules/operators/main.tf"));
    let (_, routes) = terraform.split_once("routes = toset([").expect("its routes");
    let (routes, _) = routes.split_once("])").expect("they end");
    let routes: BTreeSet<_> = routes.split('"').skip(1).step_by(2).collect();
    assert_eq!(routes, operate_releases::ROUTES.into_iter().collect());
}

#[test]
fn the_routes_of_the_console_are_those_that_its_function_answers() {
    let terraform = text_of(&repository("infra/modules/console/main.tf"));
    let (_, routes) = terraform.split_once("routes = toset([").expect("its routes");
    let (routes, _) = routes.split_once("])").expect("they end");
    let routes: BTreeSet<_> = routes.split('"').skip(1).step_by(2).collect();
    assert_eq!(routes, serve_console::ROUTES.into_iter().collect());
}

#[test]
fn every_test_that_the_page_on_security_names_is_there() {
    let page = text_of(&repository("docs/security.md"));
    let names = page.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2);
    let names: BTreeSet<_> = names.filter(|name| !name.contains('/')).collect();
    assert!(names.len() > 15, "{names:?}");
    let files = [
        "functions/operate-releases/src/call.rs",
        "functions/serve-console/src/act.rs",
        "functions/serve-console/src/answer.rs",
        "functions/serve-console/src/entrance.rs",
        "functions/serve-console/src/page/tests.rs",
        "functions/shared/core/src/console.rs",
        "functions/shared/release/src/token.rs",
        "infra/tests/deployer.tftest.hcl",
        "infra/tests/operators.tftest.hcl",
        "tests/e2e/tests/cloud/browser.rs",
        "tests/e2e/tests/cloud/console.rs",
    ];
    let tests: String = files.iter().map(|file| text_of(&repository(file))).collect();
    for name in names {
        let is_there = tests.contains(&format!("fn {name}(")) || tests.contains(&format!("run \"{name}\""));
        assert!(is_there, "docs/security.md names {name}");
    }
}

#[test]
fn the_picture_in_the_readme_is_the_workflow() {
    let (begin, end) =
        ("<!-- made from release.asl.yaml -->\n```mermaid\n", "```\n<!-- end of the picture -->");
    let readme = text_of(&statemachine().join("README.md"));
    let (before, rest) = readme.split_once(begin).expect("the README has a place for the picture");
    let (_, after) = rest.split_once(end).expect("the picture ends");

    let picture = picture::of(&Workflow::read().definition);
    expectorate::assert_contents(
        statemachine().join("README.md"),
        &format!("{before}{begin}{picture}{end}{after}"),
    );
}

#[test]
fn the_list_of_functions_in_the_readme_is_the_table() {
    let readme = text_of(&repository("functions/README.md"));
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    // Of a step the states that it does; of another function in words what wakes it.
    let states = |cell: &str| -> Vec<_> {
        if cell.starts_with('`') {
            cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
        } else {
            Vec::new()
        }
    };
    let listed: BTreeMap<_, _> =
        rows.map(|cells| (cells[1].trim_matches('`').to_owned(), states(cells[2]))).collect();
    let table: BTreeMap<_, _> =
        functions().into_iter().map(|(name, function)| (name, function.states)).collect();
    assert_eq!(listed, table);

    let folders = files_in(&repository("functions"));
    let crates =
        folders.into_iter().filter(|name| repository(&format!("functions/{name}/src/main.rs")).is_file());
    assert_eq!(crates.collect::<BTreeSet<_>>(), table.into_keys().collect(), "every function has its crate");
}

/// The rows after the 53rd that are shown.
const SHOWN: [u32; 63] = [
    54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79,
    80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104,
    105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116,
];

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
                Some(("opinions", name)) => repository.join("tests/opinions").join(name),
                Some(("infra", name)) => repository.join("infra/tests").join(name),
                Some(("local", name)) => repository.join("tests/local").join(name),
                Some(("functions", name)) => repository.join("functions").join(name),
                _ => repository.join("functions/shared").join(file),
            };
            let text = fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("row {row}: {}: {error}", file.display()));
            assert!(
                [format!("fn {test}("), format!("def {test}("), format!("run \"{test}\"")]
                    .iter()
                    .any(|begin| text.contains(begin)),
                "row {row}: {} has no test {test}",
                file.display()
            );
        } else {
            assert!(shown.len() > 40, "row {row} says why it is not shown, and what stands in: {shown}");
        }
    }
    assert_eq!(rows, (1..=53).chain(SHOWN).collect(), "every row is there");
}

/// Where the local cloud differs from AWS, something else speaks for AWS: a second opinion, or the first hour on an account.
#[test]
fn every_difference_from_aws_names_what_shows_it_instead() {
    let repository = statemachine().join("..");
    let read = |file: &str| fs::read_to_string(repository.join(file)).expect("it is there");
    let (local, account) = (read("tests/local/README.md"), read("docs/first-account.md"));
    let (_, differences) = local.split_once("## How it differs from AWS").expect("the table of differences");
    let rows = differences.lines().filter(|line| line.starts_with("| ")).skip(2);
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [here, _, _, instead] = cells.as_slice() else { panic!("four cells: {row}") };
        count += 1;
        let mut is_named =
            ["tests", "`aws-smithy-mocks`", "the wire ", "checkov"].iter().any(|one| instead.contains(one));
        for hour in instead.split("the first hour: ").skip(1) {
            let found = match (hour.strip_prefix("minute "), hour.split('"').nth(1)) {
                (Some(minute), _) => {
                    account.contains(&format!("\n| {} |", minute.trim_end_matches(&[';', '.'][..])))
                }
                (None, Some(words)) => {
                    account.lines().any(|line| line.starts_with("| ") && line.contains(words))
                }
                (None, None) => false,
            };
            assert!(found, "docs/first-account.md has no line for: {hour} ({here})");
            is_named = true;
        }
        assert!(is_named, "nothing shows instead: {here}");
    }
    assert!(count > 10, "the table was read: {count}");
}

#[test]
fn the_runbook_says_what_to_do_for_every_alarm_and_every_outcome() {
    let read = |file: &str| {
        fs::read_to_string(statemachine().join("..").join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let (runbook, alarms) = (read("docs/runbook.md"), read("infra/modules/observability/alarms.tf"));

    // "${var.name}-${function}-errors" = { and "${var.name}-no-reconciliation" => {: what follows the last placeholder.
    let names = alarms
        .lines()
        .filter(|line| line.ends_with("= {") || line.ends_with("=> {"))
        .filter_map(|line| line.split('"').nth(1));
    let suffixes: BTreeSet<&str> =
        names.filter_map(|name| Some(name.rsplit_once('}')?.1)).filter(|suffix| !suffix.is_empty()).collect();
    let missing: Vec<_> = suffixes.iter().filter(|suffix| !runbook.contains(&format!("{suffix}`"))).collect();
    assert!(suffixes.len() > 10, "{suffixes:?}");
    assert!(missing.is_empty(), "the runbook does not have {missing:?}");

    let headings: Vec<_> = runbook.lines().filter(|line| line.starts_with("## ")).collect();
    for outcome in ["RELEASED", "ROLLED_BACK", "REJECTED", "EXPIRED", "SUPERSEDED", "FAILED", "STUCK"] {
        assert!(
            headings.iter().any(|heading| heading.contains(outcome)),
            "the runbook has no section for {outcome}"
        );
    }
    assert_eq!(headings.get(1), Some(&"## STUCK"), "the worst comes first");
}

/// `tests/guards/run` breaks them by what stands there, and runs these tests.
#[test]
fn every_guard_of_the_list_is_found_once_and_its_tests_are_there() {
    let list = json_of(&repository("tests/guards/guards.json"));
    let guards = list.as_array().expect("a list");
    let lines = |guard: &Value, what: &str| {
        let lines: Vec<String> = serde_json::from_value(guard[what].clone()).expect("lines");
        lines.join("\n")
    };
    let mut names = BTreeSet::new();
    for guard in guards {
        let text = |what: &str| guard[what].as_str().unwrap_or_else(|| panic!("{what} of {guard}"));
        let name = text("name");
        let source = text_of(&repository(text("file")));
        let found = source.matches(&lines(guard, "find")).count();
        assert_eq!(found, 1, "{name}: what is to be found in {}", text("file"));
        assert_ne!(lines(guard, "find"), lines(guard, "broken"), "{name}");
        assert!(text("guards").ends_with('.'), "{name} says what it guards in a sentence");
        assert!(names.insert(name), "{name} is there twice");

        let cloud: Vec<String> = serde_json::from_value(guard["cloud"].clone()).unwrap_or_default();
        assert_ne!(cloud.is_empty(), guard["unit"].is_null(), "{name} has tests of the cloud, or of a unit");
        for test in cloud {
            let (module, function) = test.split_once("::").expect("module::test");
            let tests = text_of(&repository(&format!("tests/e2e/tests/cloud/{module}.rs")));
            assert!(tests.contains(&format!("async fn {function}(")), "{name}: there is no test {test}");
        }
    }
    assert!(names.len() > 20, "{names:?}");
}
