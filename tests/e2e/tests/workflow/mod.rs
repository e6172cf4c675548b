//! Reads `release.asl.json` as a graph.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

/// The workflow.
pub(crate) struct Workflow {
    text: String,
    machines: Vec<Machine>,
}

/// The states of one level: the top, or a Map's inside.
struct Machine {
    start: String,
    states: Map<String, Value>,
    /// Variables of the levels around it that are assigned when it begins.
    parent_catches: bool,
}

/// A Task state.
pub(crate) struct Task<'a> {
    /// Its definition.
    pub(crate) definition: &'a Value,
    /// Whether the Map around it catches what it throws.
    pub(crate) parent_catches: bool,
}

impl Task<'_> {
    /// The function that it calls, from its placeholder.
    pub(crate) fn function(&self) -> String {
        let placeholder = self.definition["Arguments"]["FunctionName"].as_str().expect("a task names its function");
        placeholder.trim_start_matches("${").trim_end_matches("_arn}").replace('_', "-")
    }
}

/// A way from a state to the next, with what is assigned on it.
struct Edge {
    to: String,
    assigned: BTreeSet<String>,
    /// What the way itself reads: its condition and its assignments.
    reads: BTreeSet<String>,
}

impl Workflow {
    pub(crate) fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../statemachine/release.asl.json")
    }

    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(Self::path()).expect("the workflow");
        let document: Value = serde_json::from_str(&text).expect("the workflow is JSON");
        let mut machines = Vec::new();
        collect(&document, false, &mut machines);
        Self { text, machines }
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.machines.iter().flat_map(|machine| machine.states.iter().map(|(name, state)| (name.as_str(), state)))
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = (&str, Task<'_>)> {
        self.machines.iter().flat_map(|machine| {
            machine
                .states
                .iter()
                .filter(|(_, state)| state["Type"] == "Task")
                .map(|(name, definition)| (name.as_str(), Task { definition, parent_catches: machine.parent_catches }))
        })
    }

    pub(crate) fn placeholders(&self) -> BTreeSet<String> {
        self.text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
    }

    pub(crate) fn error_names(&self) -> BTreeSet<String> {
        let rules = self.states().flat_map(|(_, state)| {
            ["Retry", "Catch"].into_iter().filter_map(|field| state.get(field)).filter_map(Value::as_array).flatten().collect::<Vec<_>>()
        });
        rules.filter_map(|rule| rule["ErrorEquals"].as_array()).flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    }

    /// Follows every way from each start, and notes variables that are read where some way has not assigned them.
    pub(crate) fn unassigned_variables(&self) -> Vec<String> {
        let mut problems = Vec::new();
        // An inner machine may read what the outer ones have assigned; this workflow's Map of services reads nothing but
        // its input, and the stages begin with nothing assigned, so each machine has to stand on its own.
        for machine in &self.machines {
            let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::from([(machine.start.clone(), BTreeSet::new())]);
            let mut open = vec![machine.start.clone()];
            while let Some(name) = open.pop() {
                let Some(state) = machine.states.get(&name) else { continue };
                let here = known[&name].clone();
                for edge in edges(state) {
                    let mut there: BTreeSet<String> = here.union(&edge.assigned).cloned().collect();
                    if let Some(before) = known.get(&edge.to) {
                        there = there.intersection(before).cloned().collect();
                        if there == *before {
                            continue;
                        }
                    }
                    known.insert(edge.to.clone(), there);
                    open.push(edge.to);
                }
            }
            for (name, state) in &machine.states {
                let Some(here) = known.get(name) else { continue };
                let edge_reads = edges(state).into_iter().flat_map(|edge| edge.reads);
                for variable in own_reads(state).into_iter().chain(edge_reads) {
                    if !here.contains(&variable) {
                        problems.push(format!("{name} reads ${variable}, which some way to it has not assigned"));
                    }
                }
            }
        }
        problems
    }

    /// The names of variables that more than one machine assigns.
    pub(crate) fn names_assigned_twice(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut twice = BTreeSet::new();
        for machine in &self.machines {
            let assigned: BTreeSet<_> = machine.states.values().flat_map(edges).flat_map(|edge| edge.assigned).collect();
            twice.extend(names.intersection(&assigned).cloned());
            names.extend(assigned);
        }
        twice
    }

    pub(crate) fn loose_ends(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for machine in &self.machines {
            let mut reached = BTreeSet::new();
            let mut open = vec![machine.start.clone()];
            while let Some(name) = open.pop() {
                if !reached.insert(name.clone()) {
                    continue;
                }
                match machine.states.get(&name) {
                    None => problems.push(format!("{name} does not exist")),
                    Some(state) => open.extend(edges(state).into_iter().map(|edge| edge.to)),
                }
            }
            problems.extend(machine.states.keys().filter(|name| !reached.contains(*name)).map(|name| format!("{name} cannot be reached")));
        }
        problems
    }

    /// Whether a state is passed again on some way that begins at it.
    pub(crate) fn leads_back(&self, name: &str) -> bool {
        self.machines.iter().filter_map(|machine| Some((machine, machine.states.get(name)?))).any(|(machine, state)| {
            let mut reached = BTreeSet::new();
            let mut open: Vec<_> = edges(state).into_iter().map(|edge| edge.to).collect();
            while let Some(next) = open.pop() {
                if reached.insert(next.clone()) {
                    open.extend(machine.states.get(&next).into_iter().flat_map(edges).map(|edge| edge.to));
                }
            }
            reached.contains(name)
        })
    }

    /// Whether every way that leads back to a state goes through a parked token: it is not gone before something changed.
    pub(crate) fn waits_on_every_way_back(&self) -> bool {
        fn leads_back(machine: &Machine, name: &str, way: &mut Vec<String>, safe: &mut BTreeSet<String>) -> bool {
            if safe.contains(name) {
                return false;
            }
            if way.iter().any(|passed| passed == name) {
                return true;
            }
            let parks = |state: &Value| state["Resource"].as_str().is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
            // A way that closes after some rounds polls nothing.
            let counted = |edge: &Edge| edge.reads.contains("round");
            way.push(name.to_owned());
            let back = machine.states.get(name).is_some_and(|state| {
                !parks(state) && edges(state).iter().any(|edge| !counted(edge) && leads_back(machine, &edge.to, way, safe))
            });
            way.pop();
            if !back {
                safe.insert(name.to_owned());
            }
            back
        }
        self.machines.iter().all(|machine| !leads_back(machine, &machine.start, &mut Vec::new(), &mut BTreeSet::new()))
    }
}

fn collect(document: &Value, parent_catches: bool, machines: &mut Vec<Machine>) {
    let states = document["States"].as_object().expect("states").clone();
    for state in states.values() {
        if let Some(processor) = state.get("ItemProcessor") {
            collect(processor, state.get("Catch").is_some(), machines);
        }
    }
    machines.push(Machine { start: document["StartAt"].as_str().expect("a start").to_owned(), states, parent_catches });
}

fn edges(state: &Value) -> Vec<Edge> {
    let names = |value: Option<&Value>| value.and_then(Value::as_object).map(|assign| assign.keys().cloned().collect()).unwrap_or_default();
    let mut found = Vec::new();
    if let Some(to) = state.get("Next").or_else(|| state.get("Default")).and_then(Value::as_str) {
        found.push(Edge { to: to.to_owned(), assigned: names(state.get("Assign")), reads: BTreeSet::new() });
    }
    for rule in ["Choices", "Catch"].into_iter().filter_map(|field| state.get(field)).filter_map(Value::as_array).flatten() {
        found.push(Edge {
            to: rule["Next"].as_str().expect("a rule leads on").to_owned(),
            assigned: names(rule.get("Assign")),
            reads: variables(rule),
        });
    }
    found
}

/// The variables that a state reads by itself: not those of its rules, nor of the machine inside it.
fn own_reads(state: &Value) -> BTreeSet<String> {
    let fields = state.as_object().expect("a state is an object").iter();
    fields
        .filter(|(field, _)| !["Choices", "Catch", "ItemProcessor"].contains(&field.as_str()))
        .flat_map(|(_, value)| variables(value))
        .collect()
}

/// `$name` in every `JSONata` expression below a value; not `$states`, and not functions, which a parenthesis follows.
fn variables(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) if text.starts_with("{%") => {
            let mut found = BTreeSet::new();
            for rest in text.split('$').skip(1) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let is_function = rest[name.len()..].starts_with('(');
                if !name.is_empty() && name != "states" && !is_function {
                    found.insert(name);
                }
            }
            found
        }
        Value::Array(values) => values.iter().flat_map(variables).collect(),
        Value::Object(fields) => fields.values().flat_map(variables).collect(),
        _ => BTreeSet::new(),
    }
}
