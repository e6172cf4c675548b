//! What grows with the number of applications: Slipway's modules, applied for a few and for hundreds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Settings, bundle::Architecture, functions, many, progress::step, terraform::Terraform};

/// For how many applications.
const COUNTS: [usize; 4] = [1, 10, 100, 300];
/// The root that is applied, in the repository and in the copy that Terraform works on.
const ROOT: &str = "tests/bench/growth";
/// What AWS limits: a name, the type and the attribute that have it, and the most that AWS takes ("IAM and AWS STS quotas",
/// "Amazon EventBridge quotas", "Lambda quotas", "AWS Step Functions quotas").
pub const LIMITED: [(&str, &str, &str, usize); 4] = [
    ("a role's policy", "aws_iam_role_policy", "policy", 10_240),
    ("an event pattern", "aws_cloudwatch_event_rule", "event_pattern", 2_048),
    ("a function's environment", "aws_lambda_function", "environment", 4_096),
    ("the workflow", "aws_sfn_state_machine", "definition", 1_048_576),
];

/// Slipway for a number of applications.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Growth {
    /// How many applications.
    pub applications: usize,
    /// How many resources Terraform keeps for them.
    pub resources: usize,
    /// How long `terraform plan` takes when nothing has changed, in seconds.
    pub plan: f64,
    /// The characters of the largest of each kind that AWS limits, in the order of [`LIMITED`].
    pub largest: Vec<usize>,
    /// What was larger than for one application: an attribute of a resource, and its characters.
    pub grown: BTreeMap<String, usize>,
}

/// Applies Slipway for more and more applications on a local cloud, beside what is there.
///
/// # Errors
///
/// When Terraform fails, or a plan has changes where nothing was changed.
pub async fn measure(settings: &Settings, endpoint: &str) -> anyhow::Result<Vec<Growth>> {
    let terraform = Terraform::prepare(settings, endpoint).await?;
    let copy = terraform.root().parent().context("the copy is in no folder")?;
    let root = copy.join(ROOT);
    fs::create_dir_all(&root)?;
    fs::copy(settings.repository.join(ROOT).join("main.tf"), root.join("main.tf"))?;
    let terraform = terraform.of(root);
    terraform.init_here().await?;
    let mut measured: Vec<Growth> = Vec::new();
    let mut smallest = BTreeMap::new();
    for count in COUNTS {
        let variables = json!({
            "applications": applications(count),
            "packages": functions::packages(settings),
            "architecture": Architecture::host().to_string(),
        });
        step(&format!("{count} applications"), terraform.apply(&variables)).await?;
        let started = Instant::now();
        let unchanged = step("a plan", terraform.is_up_to_date()).await?;
        let plan = started.elapsed().as_secs_f64();
        ensure!(unchanged, "a plan for {count} applications has changes, though nothing was changed");
        let sizes = sizes(&terraform.resources().await?);
        let grown = grown(&smallest, &sizes);
        measured.push(Growth {
            applications: count,
            resources: sizes.keys().map(|(address, ..)| address).collect::<BTreeSet<_>>().len(),
            plan,
            largest: LIMITED.map(|(_, kind, attribute, _)| largest(&sizes, kind, attribute)).to_vec(),
            grown,
        });
        if smallest.is_empty() {
            smallest = sizes;
        }
    }
    Ok(measured)
}

/// Applications of two stages with a service each.
fn applications(count: usize) -> Map<String, Value> {
    let stage = |stage: &str, name: &str| {
        json!({
            "name": stage,
            "cluster": stage,
            "services": [{
                "service": name,
                "health": { "path": "/health", "url": format!("https://{name}.{stage}.example.com") },
            }],
        })
    };
    let application = |number| {
        let name = many::name(number);
        let mut production = stage("production", &name);
        production["approval"] =
            json!({ "approvers": ["approver@example.com"], "quorum": 1, "expires_after": "24h" });
        let stages = [stage("staging", &name), production];
        let application = json!({ "repository": name.clone(), "tags": ["v*"], "stages": stages });
        (name, application)
    };
    (1..=count).map(application).collect()
}

/// The characters of each attribute: by the resource's address, its type, and the attribute.
type Sizes = BTreeMap<(String, String, String), usize>;

fn sizes(resources: &[Value]) -> Sizes {
    let mut sizes = Sizes::new();
    for resource in resources {
        let text = |field: &str| resource[field].as_str().unwrap_or_default().to_owned();
        for (attribute, value) in resource["values"].as_object().into_iter().flatten() {
            let size = match value {
                Value::Null => continue,
                Value::String(text) => text.chars().count(),
                other => other.to_string().chars().count(),
            };
            sizes.insert((text("address"), text("type"), attribute.clone()), size);
        }
    }
    sizes
}

fn largest(sizes: &Sizes, kind: &str, attribute: &str) -> usize {
    let of_kind = sizes.iter().filter(|((_, of, named), _)| of == kind && named == attribute);
    of_kind.map(|(_, size)| *size).max().unwrap_or_default()
}

fn grown(before: &Sizes, now: &Sizes) -> BTreeMap<String, usize> {
    let larger = now.iter().filter(|(key, size)| before.get(key).is_some_and(|before| before < size));
    larger.map(|((address, _, attribute), size)| (format!("{address}.{attribute}"), *size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_policy(policy: &str) -> Value {
        json!({
            "address": "module.deployer.aws_iam_role_policy.this",
            "type": "aws_iam_role_policy",
            "values": { "policy": policy, "name": "this", "name_prefix": null },
        })
    }

    #[test]
    fn an_attribute_that_is_longer_has_grown() {
        let before = sizes(&[role_policy("[1]")]);
        let now = sizes(&[role_policy("[1,2]")]);

        let expected = BTreeMap::from([("module.deployer.aws_iam_role_policy.this.policy".to_owned(), 5)]);
        assert_eq!(grown(&before, &now), expected);
        assert_eq!(grown(&before, &before), BTreeMap::new());
        assert_eq!(largest(&now, "aws_iam_role_policy", "policy"), 5);
    }

    #[test]
    fn a_resource_of_a_further_application_is_not_growth() {
        let mut further = role_policy("[1]");
        further["address"] = json!("module.deployer.aws_ssm_parameter.application[\"app-002\"]");

        assert_eq!(
            grown(&sizes(&[role_policy("[1]")]), &sizes(&[role_policy("[1]"), further])),
            BTreeMap::new()
        );
    }
}
