//! `terraform apply`, followed through its machine-readable output.

use std::{fs::File, io::Write as _, path::Path, process::Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use crate::{process::Group, progress::Counter};

/// A line of the output, as far as it is used here.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    diagnostic: Option<Diagnostic>,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    severity: String,
    summary: String,
    #[serde(default)]
    detail: String,
    address: Option<String>,
}

/// Runs `terraform apply -json`: counts what is done, and keeps every line in the log.
pub(super) async fn run(command: &mut Command, log: &Path) -> anyhow::Result<()> {
    let mut log_file = File::options().create(true).append(true).open(log)?;
    let mut child =
        Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file.try_clone()?))?;
    let mut lines = BufReader::new(child.output().context("an output that is already read")?).lines();
    let mut counter = Counter::default();
    let mut failures = Vec::new();
    while let Some(text) = lines.next_line().await? {
        writeln!(log_file, "{text}")?;
        let Ok(line) = serde_json::from_str::<Line>(&text) else {
            continue;
        };
        match (line.kind.as_str(), line.diagnostic) {
            ("planned_change", _) => counter.expect(),
            ("apply_complete", _) => counter.done(),
            ("diagnostic", Some(diagnostic)) if diagnostic.severity == "error" => failures.push(diagnostic),
            _ => {}
        }
    }
    counter.clear();
    let status = child.wait().await?;
    if status.success() {
        return Ok(());
    }
    let words: Vec<_> = failures.iter().map(Diagnostic::in_words).collect();
    bail!("`terraform apply` failed ({status}); its output is in {}\n{}", log.display(), words.join("\n"));
}

impl Diagnostic {
    fn in_words(&self) -> String {
        let place = self.address.as_ref().map(|address| format!("{address}: ")).unwrap_or_default();
        format!("{place}{} {}", self.summary, self.detail)
    }
}
