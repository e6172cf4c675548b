//! That every variable is there where it is read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Level, Workflow, expressions, name_at, ways};

#[test]
fn every_variable_is_assigned_on_every_way_to_its_use() {
    let workflow = Workflow::read();
    let mut known: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for level in &workflow.levels {
        // Inside of a Map, what was assigned before it can be read.
        let before = level.map.as_ref().map(|map| known[map.as_str()].clone()).unwrap_or_default();
        known.extend(known_in(level, before));
    }
    for (name, state) in workflow.states() {
        for variable in expressions(state).into_iter().flat_map(|(_, expression)| variables(expression)) {
            assert!(
                known[name].contains(variable),
                "{name} reads ${variable}, which some way to it has not assigned"
            );
        }
    }
}

/// What is assigned in each state of a level, on every way to it.
fn known_in(level: &Level, before: BTreeSet<String>) -> BTreeMap<&str, BTreeSet<String>> {
    let mut known = BTreeMap::from([(level.start.as_str(), before)]);
    let mut open = vec![level.start.as_str()];
    while let Some(name) = open.pop() {
        let here = known[name].clone();
        for way in level.ways(name) {
            let mut there: BTreeSet<_> = here.union(&way.assigned()).cloned().collect();
            if let Some(earlier) = known.get(way.to) {
                there.retain(|variable| earlier.contains(variable));
                if there.len() == earlier.len() {
                    continue;
                }
            }
            known.insert(way.to, there);
            open.push(way.to);
        }
    }
    known
}

/// `$name`, where it is neither `$states` nor a function, which a parenthesis follows.
fn variables(expression: &str) -> Vec<&str> {
    let names = expression.split('$').skip(1).map(|rest| (name_at(rest), rest));
    let names = names
        .filter(|(name, rest)| !name.is_empty() && *name != "states" && !rest[name.len()..].starts_with('('));
    names.map(|(name, _)| name).collect()
}

#[test]
fn no_variable_is_assigned_in_two_scopes() {
    // Step Functions refuses such a definition: AWS Step Functions developer guide, "Passing data between states with
    // variables", scopes.
    let mut names = BTreeSet::new();
    for level in &Workflow::read().levels {
        let assigned: BTreeSet<_> =
            level.states.values().flat_map(ways).flat_map(|way| way.assigned()).collect();
        let twice: Vec<_> = names.intersection(&assigned).collect();
        assert!(twice.is_empty(), "{twice:?}");
        names.extend(assigned);
    }
}
