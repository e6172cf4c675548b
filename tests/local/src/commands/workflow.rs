//! `cargo local workflow`.

use std::{
    fs,
    io::{self, Write as _},
};

use anyhow::Context as _;
use serde_json::Value;

use crate::Settings;

/// Where the workflow is in the repository.
const WORKFLOW: &str = "statemachine/release.asl.yaml";

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let path = settings.repository.join(WORKFLOW);
    let yaml = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let json = as_json(&yaml).with_context(|| format!("{} is not a workflow", path.display()))?;
    match writeln!(io::stdout(), "{json}") {
        // Who reads it has seen enough: `cargo local workflow | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// The workflow as JSON, for tools that do not resolve aliases. Its placeholders stay.
fn as_json(yaml: &str) -> anyhow::Result<String> {
    let workflow: Value = serde_saphyr::from_str(yaml)?;
    Ok(serde_json::to_string_pretty(&workflow)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alias_is_resolved_and_a_placeholder_stays() {
        let json = as_json("A: &a\n  Resource: arn:${partition}:states\nB: *a\n").expect("it is YAML");

        let resource = json!({ "Resource": "arn:${partition}:states" });
        assert_eq!(
            serde_json::from_str::<Value>(&json).expect("it is JSON"),
            json!({ "A": resource, "B": resource })
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let error = as_json("A: 1\nA: 2\n").expect_err("it stands twice");
        assert!(error.to_string().contains("duplicate mapping key: A"), "{error}");
    }
}
