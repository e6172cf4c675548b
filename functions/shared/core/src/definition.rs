//! What is read of a task definition: the application's own container, and what changes besides its image.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::image::Image;
use crate::name::ServiceName;

/// The application's own container of a task definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own<'a> {
    /// Its name.
    pub container: &'a str,
    /// Its image. What another container has the same of is the application's, too; another image of the same repository
    /// is not (a sidecar that is built along).
    pub image: &'a str,
}

/// The application's own container of a task definition: the named one, else the one that is called as the service, else
/// the one image of the repository that there is. An `Err` says why it is none, and what to write.
///
/// # Errors
///
/// The reason, in words.
pub fn own<'a>(
    document: &'a Value,
    image: &Image,
    service: &ServiceName,
    named: Option<&str>,
) -> Result<Own<'a>, String> {
    let family = document["family"].as_str().unwrap_or("the task definition");
    let containers: Vec<Own<'a>> = document["containerDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| Some(Own { container: one["name"].as_str()?, image: one["image"].as_str()? }))
        .filter(|one| image.in_place_of(one.image).is_some())
        .collect();
    let called = |name: &str| containers.iter().find(|one| one.container == name).copied();
    if let Some(named) = named {
        return called(named).ok_or_else(|| {
            format!(
                "{family} has no container {named} with an image of the repository {}: write another container for {service}",
                image.repository
            )
        });
    }
    let Some(first) = containers.first().copied() else {
        return Err(format!("no container of {family} has an image of the repository {}", image.repository));
    };
    if containers.iter().all(|one| one.image == first.image) {
        return Ok(called(service.as_str()).unwrap_or(first));
    }
    called(service.as_str()).ok_or_else(|| {
        let names: Vec<_> = containers.iter().map(|one| one.container).collect();
        format!(
            "{family} has several images of the repository {}, in the containers {}: write container = \"{}\" for {service} where that one is the application",
            image.repository,
            names.join(", "),
            first.container
        )
    })
}

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

    #[test]
    fn the_applications_own_container_is_found_by_its_image_or_named() {
        let image = Image {
            repository: crate::name::RepositoryName::new("web").expect("a name"),
            digest: crate::image::Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
            tag: "v2".into(),
        };
        let service = ServiceName::new("web").expect("a name");
        let found = |containers: &[(&str, &str)], named: Option<&str>| {
            let containers: Vec<_> =
                containers.iter().map(|(name, image)| json!({ "name": name, "image": image })).collect();
            let document = json!({ "family": "staging-web-template", "containerDefinitions": containers });
            own(&document, &image, &service, named)
                .map(|own| (own.container.to_owned(), own.image.to_owned()))
        };
        let ours = |name: &str, image: &str| Ok((name.to_owned(), image.to_owned()));

        assert_eq!(
            found(&[("log-router", "public.ecr.aws/fluent-bit:2"), ("app", "h.test/web:template")], None),
            ours("app", "h.test/web:template")
        );
        let sidecar = [("nginx", "h.test/web:nginx-1.27"), ("web", "h.test/web:template")];
        assert_eq!(found(&sidecar, None), ours("web", "h.test/web:template"));
        assert_eq!(found(&sidecar, Some("nginx")), ours("nginx", "h.test/web:nginx-1.27"));
        let twice = [("api", "h.test/web:template"), ("queue", "h.test/web:template")];
        assert_eq!(found(&twice, None), ours("api", "h.test/web:template"));

        let ambiguous = [("api", "h.test/web:template"), ("nginx", "h.test/web:nginx-1.27")];
        let words = found(&ambiguous, None).expect_err("it could be either");
        assert!(words.contains("in the containers api, nginx: write container = \"api\" for web"), "{words}");
        let words = found(&sidecar, Some("app")).expect_err("there is none");
        assert!(words.contains("staging-web-template has no container app"), "{words}");
        let words = found(&[("web", "h.test/other:1")], None).expect_err("there is none");
        assert!(
            words.contains("no container of staging-web-template has an image of the repository web"),
            "{words}"
        );
    }
}
