//! What changes in a task definition besides the image.

use std::collections::BTreeMap;

use serde_json::Value;

/// What ECS says of a revision and does not take back in a registration.
pub const OF_THE_REVISION: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];
/// How many lines are shown.
const LINES: usize = 20;
/// The longest value that is shown, in characters.
const LONGEST: usize = 60;

/// What is in `after` and not in `before`, or otherwise, a line each, as ECS's own JSON names it. The family, the
/// tags and the containers' images are left out. Values of environment variables are not shown: people put secrets
/// there.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (flat(before), flat(after));
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut lines: Vec<_> = names
        .into_iter()
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) if old == new => None,
            (_, Some(_)) | (Some(_), _) if is_secret(name) => {
                let what = match (before.contains_key(name), after.contains_key(name)) {
                    (true, true) => "another value",
                    (false, _) => "new",
                    (_, false) => "not set any more",
                };
                Some(format!("{name}: {what}"))
            }
            (Some(old), Some(new)) => Some(format!("{name}: {old} → {new}")),
            (None, Some(new)) => Some(format!("{name}: new, {new}")),
            (Some(old), None) => Some(format!("{name}: not set any more, was {old}")),
            (None, None) => None,
        })
        .collect();
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        lines.truncate(LINES);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn is_secret(name: &str) -> bool {
    name.contains(".environment.")
}

/// Every leaf by its path; the items of a list by their names, where they have one.
fn flat(document: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    for (field, value) in document.as_object().into_iter().flatten() {
        if !OF_THE_REVISION.contains(&field.as_str()) && field != "family" && field != "tags" {
            leaf(field, value, &mut leaves);
        }
    }
    leaves.retain(|name, _| {
        !(name.starts_with("containerDefinitions.") && name.rsplit('.').next() == Some("image"))
    });
    leaves
}

fn leaf(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        // An empty list or object means the same as none; ECS fills in some of them.
        Value::Null => {}
        Value::Object(fields) => {
            for (field, value) in fields {
                leaf(&format!("{path}.{field}"), value, leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match (item["name"].as_str(), &item["value"]) {
                    (Some(name), Value::String(text)) => {
                        drop(leaves.insert(format!("{path}.{name}"), short(text)));
                    }
                    (Some(name), _) => {
                        let mut unnamed = item.clone();
                        unnamed.as_object_mut().map(|fields| fields.remove("name"));
                        leaf(&format!("{path}.{name}"), &unnamed, leaves);
                    }
                    (None, _) => leaf(&format!("{path}[{index}]"), item, leaves),
                }
            }
        }
        Value::String(text) => drop(leaves.insert(path.to_owned(), short(text))),
        Value::Bool(_) | Value::Number(_) => drop(leaves.insert(path.to_owned(), value.to_string())),
    }
}

fn short(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match plain.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown_and_no_value_of_the_environment() {
        let before = json!({
            "taskDefinitionArn": "…:1", "revision": 1, "family": "production-web", "cpu": "256", "volumes": [],
            "containerDefinitions": [{ "name": "web", "image": "web@sha256:1", "essential": true, "environment": [
                { "name": "PASSWORD", "value": "old" }, { "name": "GONE", "value": "1" }, { "name": "SAME", "value": "1" },
            ]}],
        });
        let after = json!({
            "taskDefinitionArn": "…:2", "revision": 2, "family": "production-web-template", "cpu": "512",
            "containerDefinitions": [{ "name": "web", "image": "web:latest", "essential": true, "memory": 512, "environment": [
                { "name": "PASSWORD", "value": "new" }, { "name": "ADDED", "value": "1" }, { "name": "SAME", "value": "1" },
            ]}],
        });
        assert_eq!(
            changes(&before, &after),
            [
                "containerDefinitions.web.environment.ADDED: new",
                "containerDefinitions.web.environment.GONE: not set any more",
                "containerDefinitions.web.environment.PASSWORD: another value",
                "containerDefinitions.web.memory: new, 512",
                "cpu: 256 → 512",
            ]
        );
        assert_eq!(changes(&before, &before), Vec::<String>::new());
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let many: serde_json::Map<_, _> =
            (0..30).map(|number| (format!("field{number}"), json!(number))).collect();
        let lines = changes(&json!({}), &Value::Object(many));
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (LINES + 1, Some("and 10 more")));
    }
}
