//! The workflow as pictures: Mermaid flowcharts that are made from the ASL. What only passes on is left out, and so are the lines of
//! caught errors, of which the README has two sentences.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// The pictures of a state machine: itself, and each map of several states in it.
pub(crate) fn of(machine: &Value) -> String {
    let mut pictures = draw(machine);
    for (name, state) in machine["States"].as_object().expect("states") {
        let inner = &state["ItemProcessor"];
        if is_a_map_of_several(state) {
            let _ = write!(pictures, "```\n\n**{name}**, one after the other:\n\n```mermaid\n{}", draw(inner));
        }
    }
    pictures
}

fn is_a_map_of_several(state: &Value) -> bool {
    state["ItemProcessor"]["States"].as_object().is_some_and(|states| states.len() > 1)
}

fn draw(machine: &Value) -> String {
    let mut picture = String::from("flowchart TD\n");
    let states = machine["States"].as_object().expect("states");
    let order = in_order(states, machine["StartAt"].as_str().expect("a start"));
    for name in &order {
        node(&mut picture, name, &states[*name]);
    }
    for name in &order {
        edges(&mut picture, name, &states[*name], states);
    }
    picture.push_str("    classDef waits fill:#fff4d6,stroke:#b7791f,color:#1b1f24\n");
    picture.push_str("    classDef bad fill:#ffe3e3,stroke:#a40e26,color:#1b1f24\n");
    picture.push_str("    classDef good fill:#e0f5e5,stroke:#0b6b2e,color:#1b1f24\n");
    picture
}

/// Whether a state only passes on what it was given: the picture leaves it out.
fn is_passed(state: &Value) -> bool {
    state["Type"] == "Pass" && state["Next"].is_string()
}

/// The state that is come to by way of those that are left out.
fn come_to<'a>(states: &'a Map<String, Value>, mut next: &'a str) -> &'a str {
    while is_passed(&states[next]) {
        next = states[next]["Next"].as_str().expect("it has a next one");
    }
    next
}

/// The states as they are come to from the first one on.
fn in_order<'a>(states: &'a Map<String, Value>, start: &'a str) -> Vec<&'a str> {
    let mut order = vec![come_to(states, start)];
    let mut at = 0;
    while at < order.len() {
        let state = &states[order[at]];
        let listed = ["Choices", "Catch"].into_iter().flat_map(|list| state[list].as_array().into_iter().flatten());
        let nexts = [&state["Next"], &state["Default"]].into_iter().chain(listed.map(|way| &way["Next"]));
        for next in nexts.filter_map(Value::as_str).map(|next| come_to(states, next)) {
            if !order.contains(&next) {
                order.push(next);
            }
        }
        at += 1;
    }
    order
}

fn line(picture: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(picture, "    {text}");
}

fn node(picture: &mut String, name: &str, state: &Value) {
    let id = id(name);
    let waits = state["Resource"].as_str().is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
    let shape = match state["Type"].as_str().expect("a type") {
        "Choice" => format!("{id}{{\"{name}\"}}"),
        "Map" if is_a_map_of_several(state) => format!("{id}[[\"{name}: below\"]]"),
        "Map" => format!("{id}[[\"{name}: each service\"]]"),
        "Task" if waits => format!("{id}([\"{name}\"]):::waits"),
        "Task" => format!("{id}[\"{name}\"]"),
        "Fail" => format!("{id}[/\"{name}\"/]:::bad"),
        _ => format!("{id}(\"{name}\"):::good"),
    };
    line(picture, &shape);
}

fn edges(picture: &mut String, name: &str, state: &Value, states: &Map<String, Value>) {
    let from = id(name);
    if let Some(next) = state["Next"].as_str() {
        line(picture, &format!("{from} --> {}", id(come_to(states, next))));
    }
    // Several ways to the same state are one line.
    let mut ways: Vec<(&str, Vec<String>)> = Vec::new();
    let choices = state["Choices"].as_array().into_iter().flatten();
    let chosen = choices.map(|choice| (choice["Next"].as_str(), condition(choice["Condition"].as_str().expect("a condition"))));
    for (next, words) in chosen.chain([(state["Default"].as_str(), "else".to_owned())]) {
        let Some(next) = next.map(|next| come_to(states, next)) else { continue };
        match ways.iter_mut().find(|(to, _)| *to == next) {
            Some((_, all)) => all.push(words),
            None => ways.push((next, vec![words])),
        }
    }
    for (next, conditions) in ways {
        line(picture, &format!("{from} -->|\"{}\"| {}", conditions.join("<br/>"), id(next)));
    }
    for catch in state["Catch"].as_array().into_iter().flatten() {
        let next = come_to(states, catch["Next"].as_str().expect("a catch leads somewhere"));
        let error = if catch["ErrorEquals"] == json!(["States.Timeout"]) { "time-out" } else { "any error" };
        if error == "time-out" || !is_led_to(states, next) {
            line(picture, &format!("{from} -.->|{error}| {}", id(next)));
        }
    }
}

/// Whether a state is come to without an error, too.
fn is_led_to(states: &Map<String, Value>, name: &str) -> bool {
    states.values().any(|state| {
        let choices = state["Choices"].as_array().into_iter().flatten().map(|choice| &choice["Next"]);
        choices.chain([&state["Next"], &state["Default"]]).filter_map(Value::as_str).any(|next| come_to(states, next) == name)
    })
}

/// A condition without what `JSONata` needs around it.
fn condition(jsonata: &str) -> String {
    let text = jsonata.trim_start_matches("{%").trim_end_matches("%}").trim().replace(['$', '"'], "");
    let text = text.split_once(".result = ").map_or_else(|| text.clone(), |(_, result)| result.to_owned());
    if text.contains("!= HEALTHY") {
        return "one does not serve".to_owned();
    }
    text.strip_prefix("exists(").and_then(|inner| inner.strip_suffix(')')).map_or(text.clone(), |inner| format!("has {inner}"))
}

/// A name that Mermaid takes for one.
fn id(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}
