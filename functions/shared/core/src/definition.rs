//! What is read of a task definition: the application's own container, and what changes besides its image.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::image::Image;
use crate::words;

/// The application's own containers of a task definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own<'a> {
    /// The name of the first one, in which commands run.
    pub container: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Those that take the release's image.
    pub containers: Vec<&'a str>,
}

/// The application's own containers of a task definition: the named ones, else those with the image of the one that is
/// called as the service, else those with the one image of the repository that there is. Another image of the same
/// repository is not the application's (a sidecar that is built along). An `Err` says why there is none, and what to write.
///
/// # Errors
///
/// The reason, in words.
pub fn own<'a>(
    document: &'a Value,
    image: &Image,
    service: &str,
    named: &[String],
) -> Result<Own<'a>, String> {
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    find_own(document, image, service, &named, |name| format!("containers = [\"{name}\"]"))
}

/// The same of a task definition whose tasks no service runs.
///
/// # Errors
///
/// The reason, in words.
pub fn own_of_task<'a>(
    document: &'a Value,
    image: &Image,
    family: &str,
    named: Option<&str>,
) -> Result<Own<'a>, String> {
    find_own(document, image, family, named.as_slice(), |name| format!("container = \"{name}\""))
}

fn find_own<'a>(
    document: &'a Value,
    image: &Image,
    service: &str,
    named: &[&str],
    written: impl Fn(&str) -> String,
) -> Result<Own<'a>, String> {
    let family = document["family"].as_str().unwrap_or("the task definition");
    let containers: Vec<(&'a str, &'a str)> = containers(document)
        .filter_map(|one| Some((one["name"].as_str()?, one["image"].as_str()?)))
        .filter(|(_, found)| image.in_place_of(found).is_some())
        .collect();
    let called = |name: &str| containers.iter().find(|(container, _)| *container == name).copied();
    if !named.is_empty() {
        let found = named.iter().map(|name| called(name).ok_or(*name)).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|name| {
            format!(
                "{family} has no container {name} with an image of the repository {}: write another container for {service}",
                image.repository
            )
        })?;
        let (container, image) = found[0];
        return Ok(Own { container, image, containers: found.into_iter().map(|(name, _)| name).collect() });
    }
    let Some(first) = containers.first().copied() else {
        return Err(format!("no container of {family} has an image of the repository {}", image.repository));
    };
    let is_one = containers.iter().all(|(_, image)| *image == first.1);
    let own = if is_one { Some(called(service).unwrap_or(first)) } else { called(service) };
    let (container, image) = own.ok_or_else(|| {
        let names: Vec<_> = containers.iter().map(|(name, _)| *name).collect();
        format!(
            "{family} has several images of the repository {}, in the containers {}: write {} for {service} where that one is the application",
            image.repository,
            names.join(", "),
            written(first.0)
        )
    })?;
    let same = containers.iter().filter(|(_, found)| *found == image).map(|(name, _)| *name);
    Ok(Own { container, image, containers: same.collect() })
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

/// What is registered from a template for an image: the whole document but for what ECS says of its revision, under
/// another family, with the image in the place of the application's own. Tags are not part of it.
#[must_use]
pub fn planned(template: &Value, family: &str, own: &Own<'_>, image: &Image) -> Value {
    let mut planned = registration(template, family);
    let containers = planned.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let takes = container["name"].as_str().is_some_and(|name| own.containers.contains(&name));
        if let Some(image) =
            container["image"].as_str().filter(|_| takes).and_then(|found| image.in_place_of(found))
        {
            container["image"] = Value::String(image);
        }
    }
    planned
}

/// What is registered from a document, without tags.
#[must_use]
pub fn registration(document: &Value, family: &str) -> Value {
    let mut registration = document.as_object().cloned().unwrap_or_default();
    registration.retain(|field, value| !value.is_null() && !OF_THE_REVISION.contains(&field.as_str()));
    registration.insert("family".to_owned(), Value::String(family.to_owned()));
    Value::Object(registration)
}

/// What a registration is known by: the SHA-256 of its JSON with sorted fields, as hexadecimal digits. What is empty
/// counts as not there, because ECS fills it in.
#[must_use]
pub fn fingerprint(registration: &Value) -> String {
    hex::encode(Sha256::digest(canonical(registration).unwrap_or_default().as_bytes()))
}

/// JSON with sorted fields and without what is empty; nothing for what is empty itself.
fn canonical(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().filter_map(|(name, value)| Some((name, canonical(value)?))).collect();
            let fields: Vec<_> = fields
                .into_iter()
                .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
                .collect();
            (!fields.is_empty()).then(|| format!("{{{}}}", fields.join(",")))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(canonical).collect();
            (!items.is_empty()).then(|| format!("[{}]", items.join(",")))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.to_string()),
    }
}

/// How many lines there are at the most: an approval has room for them.
const LINES: usize = 500;
/// The longest value that is shown of what is no danger, in characters. What is compared is the whole.
const LONGEST: usize = 200;

/// What is in `after` and not in `before`, or otherwise, a line each, as ECS's own JSON names it: first what a release could
/// do harm with, which is never cut off. The family, the tags, and the image of the application's own containers, `own`, are
/// left out. Values of environment variables and of logs' options are not shown, because people
/// put secrets there.
#[must_use]
pub fn changes(before: &Value, after: &Value, own: &[&str]) -> Vec<String> {
    let own: Vec<_> = own.iter().map(|name| format!("containerDefinitions.{name}.image")).collect();
    let (before, after) = (flat(before), flat(after));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).filter(|name| !own.contains(name)).collect();
    let mut lines: Vec<_> = names
        .into_iter()
        .filter_map(|name| {
            let danger = Danger::of(name);
            let shown = |value: &String| danger.shown(value);
            let (old, new) = (before.get(name), after.get(name));
            let name = words::exact(name);
            let line = match (old, new) {
                (Some(old), Some(new)) if old == new => return None,
                (Some(_), Some(_)) if danger == Danger::Hidden => format!("{name}: another value"),
                (None, Some(_)) if danger == Danger::Hidden => format!("{name}: new"),
                (Some(_), None) if danger == Danger::Hidden => format!("{name}: not set any more"),
                (Some(old), Some(new)) => format!("{name}: {} → {}", shown(old), shown(new)),
                (None, Some(new)) => format!("{name}: new, {}", shown(new)),
                (Some(old), None) => format!("{name}: not set any more, was {}", shown(old)),
                (None, None) => return None,
            };
            Some((danger, line))
        })
        .collect();
    lines.sort_by_key(|(danger, _)| *danger);
    let mut lines: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        lines.truncate(LINES);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn containers(document: &Value) -> impl Iterator<Item = &Value> {
    document["containerDefinitions"].as_array().into_iter().flatten()
}

/// What can be done with a change, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Danger {
    /// What the tasks may do in the account.
    Role,
    /// Whose code runs.
    Image,
    /// What is run.
    Command,
    /// As whom, and with which rights on the host.
    User,
    /// Who reaches it, and whom it reaches.
    Network,
    /// Which secrets it gets.
    Secret,
    /// Where it listens.
    Port,
    /// How much it has.
    Size,
    /// What is shown in short.
    Other,
    /// What is said to have changed, and not shown.
    Hidden,
}

impl Danger {
    /// Of a path, as [`flat`] writes it.
    fn of(path: &str) -> Self {
        let has = |part: &str| path.split('.').any(|one| one == part);
        let last = path.rsplit('.').next().unwrap_or_default();
        if has("environment") || path.contains(".logConfiguration.options.") {
            Self::Hidden
        } else if matches!(path, "taskRoleArn" | "executionRoleArn") {
            Self::Role
        } else if last == "image" {
            Self::Image
        } else if matches!(last, "command" | "entryPoint" | "workingDirectory") {
            Self::Command
        } else if matches!(last, "user" | "privileged" | "readonlyRootFilesystem" | "dockerSecurityOptions")
            || has("linuxParameters")
            || matches!(path, "pidMode" | "ipcMode")
        {
            Self::User
        } else if last == "networkMode" || has("proxyConfiguration") || has("extraHosts") {
            Self::Network
        } else if has("secrets") || has("environmentFiles") || has("secretOptions") {
            Self::Secret
        } else if has("portMappings") || path.contains("portMappings[") {
            Self::Port
        } else if matches!(last, "cpu" | "memory" | "memoryReservation" | "sizeInGiB") {
            Self::Size
        } else {
            Self::Other
        }
    }

    /// A value as people read it: on one line, and whole where it matters.
    fn shown(self, value: &str) -> String {
        let exact = words::exact(value);
        match exact.char_indices().nth(LONGEST) {
            Some((end, _)) if self == Self::Other => format!("{}…", &exact[..end]),
            _ => exact,
        }
    }
}

/// Every leaf by its path; the items of a list by their names, where they have one. A list of plain values is a leaf.
fn flat(document: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    for (field, value) in document.as_object().into_iter().flatten() {
        if !OF_THE_REVISION.contains(&field.as_str()) && field != "family" && field != "tags" {
            leaf(field, value, &mut leaves);
        }
    }
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
        Value::Array(items) if !items.is_empty() && items.iter().all(|item| !item.is_object()) => {
            drop(leaves.insert(path.to_owned(), value.to_string()));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                match (item["name"].as_str(), &item["value"]) {
                    (Some(name), Value::String(text)) => {
                        drop(leaves.insert(format!("{path}.{name}"), text.clone()));
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
        Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => drop(leaves.insert(path.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image() -> Image {
        Image {
            repository: crate::name::RepositoryName::new("web").expect("a name"),
            digest: crate::image::Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
            tag: "v2".into(),
        }
    }

    #[test]
    fn a_registration_is_known_by_all_that_runs_and_by_nothing_else() {
        let image = image();
        let template = json!({
            "taskDefinitionArn": "arn:template:4", "revision": 4, "status": "ACTIVE", "registeredAt": 1.7e9,
            "family": "production-web-template", "cpu": "512", "volumes": [], "taskRoleArn": null,
            "containerDefinitions": [
                { "name": "web", "image": "host/web:template", "environment": [{ "name": "LEVEL", "value": "info" }], "mountPoints": [] },
                { "name": "proxy", "image": "envoyproxy/envoy:v1" },
            ],
        });
        let ours = Own { container: "web", image: "host/web:template", containers: vec!["web"] };
        let known = |template: &Value| fingerprint(&planned(template, "production-web", &ours, &image));
        let shown = known(&template);

        // What ECS says of it once it is registered is the same.
        let mut registered = planned(&template, "production-web", &ours, &image);
        registered["revision"] = json!(9);
        registered["status"] = json!("ACTIVE");
        assert_eq!(
            registered["containerDefinitions"][0]["image"],
            json!(format!("host/web@{}", image.digest))
        );
        assert_eq!(fingerprint(&registration(&registered, "production-web")), shown);
        let mut again = template.clone();
        again["taskDefinitionArn"] = json!("arn:template:5");
        assert_eq!(known(&again), shown, "the same template, registered again");

        for (path, value) in [
            ("/cpu", json!("1024")),
            ("/taskRoleArn", json!("arn:aws:iam::111122223333:role/admin")),
            ("/containerDefinitions/1/image", json!("evil/envoy:v1")),
            ("/containerDefinitions/0/environment/0/value", json!("debug")),
            ("/containerDefinitions/0/mountPoints", json!([{ "sourceVolume": "host" }])),
        ] {
            let mut swapped = template.clone();
            *swapped.pointer_mut(path).expect("it is there") = value;
            assert_ne!(known(&swapped), shown, "{path}");
        }
    }

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
            changes(&before, &after, &["web"]),
            [
                "containerDefinitions.web.memory: new, 512",
                "cpu: 256 → 512",
                "containerDefinitions.web.environment.ADDED: new",
                "containerDefinitions.web.environment.GONE: not set any more",
                "containerDefinitions.web.environment.PASSWORD: another value",
            ]
        );
        assert_eq!(changes(&before, &before, &[]), Vec::<String>::new());
    }

    #[test]
    fn a_very_long_list_is_cut_and_says_so() {
        let many: serde_json::Map<_, _> =
            (0..LINES + 10).map(|number| (format!("field{number}"), json!(number))).collect();
        let lines = changes(&json!({}), &Value::Object(many), &[]);
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (LINES + 1, Some("and 10 more")));
    }

    #[test]
    fn what_differs_at_the_end_of_a_long_value_and_in_a_sidecar_is_shown() {
        let document = |image: &str, database: &str, secret: &str, router: &str| {
            json!({ "containerDefinitions": [
                { "name": "web", "image": image,
                  "environment": [{ "name": "DATABASE_URL", "value": format!("postgresql://app@production-primary.cluster-abc123.eu-central-1.rds.amazonaws.com:5432/{database}") }],
                  "secrets": [{ "name": "DB_PASSWORD", "valueFrom": format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/{secret}") }] },
                { "name": "log-router", "image": router },
            ] })
        };
        let before = document(
            "h/web@sha256:1",
            "orders",
            "orders-db-a1B2c3",
            "public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.0",
        );
        let after = document(
            "h/web:template",
            "orders_scratch",
            "root-db-z9Y8x7",
            "docker.io/somebody/fluent-bit:latest",
        );

        assert_eq!(
            changes(&before, &after, &["web"]),
            [
                "containerDefinitions.log-router.image: public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.0 → docker.io/somebody/fluent-bit:latest",
                "containerDefinitions.web.secrets.DB_PASSWORD.valueFrom: arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/orders-db-a1B2c3 → arn:aws:secretsmanager:eu-central-1:111122223333:secret:prod/root-db-z9Y8x7",
                "containerDefinitions.web.environment.DATABASE_URL: another value",
            ]
        );
    }

    #[test]
    fn what_does_harm_comes_first_and_is_never_cut_off() {
        let long = "x".repeat(5_000);
        let after = json!({
            "aField": long, "cpu": "4096", "networkMode": "host", "taskRoleArn": "arn:aws:iam::111122223333:role/admin",
            "containerDefinitions": [{
                "name": "web", "image": "evil/web:1", "command": ["sh", "-c", long], "user": "0", "portMappings": [{ "containerPort": 22 }],
                "logConfiguration": { "logDriver": "splunk", "options": { "splunk-token": "secret" } },
                "secrets": [{ "name": "KEY", "valueFrom": "arn:secret" }],
            }],
        });

        let lines = changes(&json!({}), &after, &[]);

        let names: Vec<_> = lines.iter().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!(
            names,
            [
                "taskRoleArn",
                "containerDefinitions.web.image",
                "containerDefinitions.web.command",
                "containerDefinitions.web.user",
                "networkMode",
                "containerDefinitions.web.secrets.KEY.valueFrom",
                "containerDefinitions.web.portMappings[0].containerPort",
                "cpu",
                "aField",
                "containerDefinitions.web.logConfiguration.logDriver",
                "containerDefinitions.web.logConfiguration.options.splunk-token",
            ]
        );
        assert!(lines[2].contains(&long), "the whole command");
        assert!(lines[8].len() < 300, "{}", lines[8]);
        assert!(!lines[10].contains("secret"), "{}", lines[10]);
    }

    #[test]
    fn the_applications_own_containers_are_found_by_their_image_or_named() {
        let image = image();
        let found = |containers: &[(&str, &str)], named: &[&str]| {
            let containers: Vec<_> =
                containers.iter().map(|(name, image)| json!({ "name": name, "image": image })).collect();
            let document = json!({ "family": "staging-web-template", "containerDefinitions": containers });
            let named: Vec<_> = named.iter().map(ToString::to_string).collect();
            own(&document, &image, "web", &named).map(|own| {
                assert_eq!(own.containers[0], own.container);
                own.containers.join(" ")
            })
        };
        let ours = |names: &str| Ok(names.to_owned());

        assert_eq!(
            found(&[("log-router", "public.ecr.aws/fluent-bit:2"), ("app", "h.test/web:template")], &[]),
            ours("app")
        );
        let sidecar = [("nginx", "h.test/web:nginx-1.27"), ("web", "h.test/web:template")];
        assert_eq!(found(&sidecar, &[]), ours("web"));
        assert_eq!(found(&sidecar, &["nginx"]), ours("nginx"));
        assert_eq!(found(&sidecar, &["web", "nginx"]), ours("web nginx"), "whatever they ran before");
        let twice = [("api", "h.test/web:template"), ("queue", "h.test/web:template")];
        assert_eq!(found(&twice, &[]), ours("api queue"));
        assert_eq!(found(&twice, &["queue"]), ours("queue"), "and no other");

        let ambiguous = [("api", "h.test/web:template"), ("nginx", "h.test/web:nginx-1.27")];
        let words = found(&ambiguous, &[]).expect_err("it could be either");
        assert!(
            words.contains("in the containers api, nginx: write containers = [\"api\"] for web"),
            "{words}"
        );
        let words = found(&sidecar, &["web", "app"]).expect_err("there is none");
        assert!(words.contains("staging-web-template has no container app"), "{words}");
        let words = found(&[("web", "h.test/other:1")], &[]).expect_err("there is none");
        assert!(
            words.contains("no container of staging-web-template has an image of the repository web"),
            "{words}"
        );
    }

    #[test]
    fn a_release_takes_the_named_containers_and_leaves_the_others() {
        let template = json!({ "family": "shop", "containerDefinitions": [
            { "name": "api", "image": "host/web:v1" }, { "name": "queue", "image": "host/web:v0" }, { "name": "old", "image": "host/web:v1" },
        ] });
        let image = image();
        let named = ["api".to_owned(), "queue".to_owned()];
        let own = own(&template, &image, "web", &named).expect("they are there");
        let planned = planned(&template, "staging-web-release", &own, &image);
        let images: Vec<_> =
            containers(&planned).filter_map(|one| one["image"].as_str()?.split_once("host/web")).collect();

        let new = format!("@{}", image.digest);
        assert_eq!(images, [("", new.as_str()), ("", new.as_str()), ("", ":v1")]);
        assert_eq!(planned["family"], "staging-web-release");
    }
}
