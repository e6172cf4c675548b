//! Reads `release.asl.yaml` as a graph. The modules below hold it to the Rust types, to `functions.yaml`, and to its
//! own rules.

mod documents;
mod expressions;
mod steps;
mod variables;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The workflow.
pub(crate) struct Workflow {
    /// The file as it is written.
    text: String,
    /// The same with its aliases resolved.
    pub(crate) definition: Value,
    /// Its levels, each after the one around it.
    levels: Vec<Level>,
}

/// The states of one level: the workflow's own, or those inside of a Map.
struct Level {
    start: String,
    states: Map<String, Value>,
    /// The Map that they are inside of.
    map: Option<String>,
}

/// A way from a state to the next.
struct Way<'a> {
    to: &'a str,
    /// The errors that are caught on this way; none where nothing went wrong.
    caught: Vec<&'a str>,
    /// What the way is written in: a rule of `Choices` or `Catch`, else the state itself.
    rule: &'a Value,
}

/// A function, as the table of functions has it.
#[derive(Deserialize)]
pub(crate) struct Function {
    /// The states that it does; none where something else wakes it.
    #[serde(default)]
    pub(crate) states: Vec<String>,
    timeout_seconds: u32,
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The table of functions.
pub(crate) fn functions() -> BTreeMap<String, Function> {
    let text = fs::read_to_string(repository("infra/modules/deployer/functions.yaml"))
        .expect("the table of functions");
    serde_saphyr::from_str(&text).expect("the table of functions is YAML")
}

impl Workflow {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(repository("statemachine/release.asl.yaml")).expect("the workflow");
        let definition: Value = serde_saphyr::from_str(&text).expect("the workflow is YAML");
        let mut levels = Vec::new();
        collect(&definition, None, &mut levels);
        Self { text, definition, levels }
    }

    fn states(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.levels.iter().flat_map(|level| level.states.iter().map(|(name, state)| (name.as_str(), state)))
    }

    fn tasks(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.states().filter(|(_, state)| state["Type"] == "Task")
    }

    /// The states outside of the stages.
    fn outside(&self) -> &Level {
        &self.levels[0]
    }

    /// The states of a stage.
    fn stage(&self) -> &Level {
        self.levels.iter().find(|level| level.map.as_deref() == Some("Stages")).expect("the Map of stages")
    }
}

impl Level {
    fn state(&self, name: &str) -> &Value {
        self.states.get(name).unwrap_or_else(|| panic!("{name} does not exist"))
    }

    fn ways(&self, name: &str) -> Vec<Way<'_>> {
        ways(self.state(name))
    }

    /// The states that are come to on the ways that are followed, and where that begins.
    fn reached<'a>(&'a self, from: &[&'a str], follows: impl Fn(&Way<'_>) -> bool) -> BTreeSet<&'a str> {
        let mut reached: BTreeSet<&str> = from.iter().copied().collect();
        let mut open = from.to_vec();
        while let Some(name) = open.pop() {
            for way in self.ways(name).into_iter().filter(&follows) {
                if reached.insert(way.to) {
                    open.push(way.to);
                }
            }
        }
        reached
    }
}

impl Way<'_> {
    /// The variables that are assigned on this way.
    fn assigned(&self) -> BTreeSet<String> {
        self.rule["Assign"].as_object().map(|assign| assign.keys().cloned().collect()).unwrap_or_default()
    }
}

/// The ways that lead on from a state.
fn ways(state: &Value) -> Vec<Way<'_>> {
    let next = [&state["Next"], &state["Default"]].into_iter().filter_map(Value::as_str);
    let mut found: Vec<_> = next.map(|to| Way { to, caught: Vec::new(), rule: state }).collect();
    for rule in rules(state, "Choices").chain(rules(state, "Catch")) {
        found.push(Way { to: rule["Next"].as_str().expect("a rule leads on"), caught: errors(rule), rule });
    }
    found
}

/// The rules of `Choices`, `Retry` or `Catch`.
fn rules<'a>(state: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    state[field].as_array().into_iter().flatten()
}

/// The errors that a rule of `Retry` or `Catch` is for.
fn errors(rule: &Value) -> Vec<&str> {
    rule["ErrorEquals"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The function that a task calls, by its placeholder.
fn function_of(task: &Value) -> String {
    let placeholder = task["Arguments"]["FunctionName"].as_str().expect("a task names its function");
    placeholder.trim_start_matches("${").trim_end_matches("_arn}").replace('_', "-")
}

/// Every `JSONata` expression of a state, with the field that it stands in; not those of the states inside of it.
fn expressions(state: &Value) -> Vec<(&str, &str)> {
    fn below<'a>(field: &'a str, value: &'a Value, found: &mut Vec<(&'a str, &'a str)>) {
        match value {
            Value::String(text) if text.starts_with("{%") => found.push((field, text)),
            Value::Array(values) => values.iter().for_each(|value| below(field, value, found)),
            Value::Object(fields) => {
                fields
                    .iter()
                    .filter(|(field, _)| *field != "ItemProcessor")
                    .for_each(|(field, value)| below(field, value, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    below("", state, &mut found);
    found
}

/// The name that a text begins with.
fn name_at(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn collect(definition: &Value, map: Option<&str>, levels: &mut Vec<Level>) {
    let states = definition["States"].as_object().expect("states").clone();
    let start = definition["StartAt"].as_str().expect("a start").to_owned();
    levels.push(Level { start, states: states.clone(), map: map.map(ToOwned::to_owned) });
    for (name, state) in &states {
        if let Some(processor) = state.get("ItemProcessor") {
            collect(processor, Some(name), levels);
        }
    }
}
