//! The workflow as pictures: Mermaid flowcharts that are made from the ASL. Of what is caught, only where all other
//! errors lead is drawn; the README says the rest.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// The pictures of a state machine: itself, and the inside of each Map.
pub(crate) fn of(machine: &Value) -> String {
    let mut pictures = draw(machine);
    for (name, state) in machine["States"].as_object().expect("states") {
        if state["Type"] == "Map" {
            // Writing to a string does not fail.
            let _ = write!(
                pictures,
                "```\n\n**{name}**, one after the other:\n\n```mermaid\n{}",
                draw(&state["ItemProcessor"])
            );
        }
    }
    pictures
}

fn draw(machine: &Value) -> String {
    let states = machine["States"].as_object().expect("states");
    let order = in_order(states, machine["StartAt"].as_str().expect("a start"));
    let nodes = order.iter().map(|name| node(name, &states[*name]));
    let edges = order.iter().flat_map(|name| edges(name, &states[*name]));
    let classes = [
        "classDef bad fill:#ffe3e3,stroke:#a40e26,color:#1b1f24",
        "classDef good fill:#e0f5e5,stroke:#0b6b2e,color:#1b1f24",
    ];
    let lines = nodes.chain(edges).chain(classes.map(ToOwned::to_owned));
    lines.fold("flowchart TD\n".to_owned(), |picture, line| format!("{picture}    {line}\n"))
}

/// The states as they are come to from the first one on.
fn in_order<'a>(states: &'a Map<String, Value>, start: &'a str) -> Vec<&'a str> {
    let mut order = vec![start];
    let mut at = 0;
    while at < order.len() {
        let state = &states[order[at]];
        let rules =
            ["Choices", "Catch"].into_iter().flat_map(|field| state[field].as_array().into_iter().flatten());
        let nexts = [&state["Next"], &state["Default"]].into_iter().chain(rules.map(|rule| &rule["Next"]));
        for next in nexts.filter_map(Value::as_str) {
            if !order.contains(&next) {
                order.push(next);
            }
        }
        at += 1;
    }
    order
}

fn node(name: &str, state: &Value) -> String {
    let id = id(name);
    match state["Type"].as_str().expect("a type") {
        "Choice" => format!("{id}{{\"{name}\"}}"),
        "Map" => format!("{id}[[\"{name}: below\"]]"),
        "Task" => format!("{id}[\"{name}\"]"),
        "Fail" => format!("{id}[/\"{name}\"/]:::bad"),
        _ => format!("{id}(\"{name}\"):::good"),
    }
}

fn edges(name: &str, state: &Value) -> Vec<String> {
    let from = id(name);
    let mut edges = Vec::new();
    let next = state["Next"].as_str();
    if let Some(next) = next {
        edges.push(format!("{from} --> {}", id(next)));
    }
    for rule in state["Choices"].as_array().into_iter().flatten() {
        edges.push(format!(
            "{from} -->|{}| {}",
            asked(rule),
            id(rule["Next"].as_str().expect("a choice leads on"))
        ));
    }
    if let Some(default) = state["Default"].as_str() {
        edges.push(format!("{from} -->|else| {}", id(default)));
    }
    let caught = state["Catch"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|rule| rule["ErrorEquals"] == json!(["States.ALL"]));
    for to in caught.filter_map(|rule| rule["Next"].as_str()).filter(|to| Some(*to) != next) {
        edges.push(format!("{from} -.-> {}", id(to)));
    }
    edges
}

/// What a choice asks for: a field of the stage.
fn asked(rule: &Value) -> &str {
    let condition = rule["Condition"].as_str().expect("a choice asks for something");
    condition.trim_start_matches("{% $exists($stage.").trim_end_matches(") %}")
}

/// A name that Mermaid takes for one.
fn id(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}
