//! `cargo local scan`.

use anyhow::{Context as _, bail};
use clap::Args;
use slipway_core::scan::Severity;

use crate::{
    Cloud, Settings,
    gates::{ScanFinding, ScanResult},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The image's digest, as `cargo local push` shows it behind the @.
    digest: String,
    /// What the scan found, such as CVE-2026-12345=HIGH; nothing for a clean image.
    #[arg(value_name = "FINDING=SEVERITY")]
    findings: Vec<String>,
    /// How far the scan is, in ECR's word, such as PENDING or FAILED.
    #[arg(long, default_value = "COMPLETE")]
    status: String,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<()> {
    let digest = arguments.digest.rsplit('@').next().unwrap_or_default().to_owned();
    if !digest.starts_with("sha256:") {
        bail!(
            "`{}` is no digest: write sha256:…, as `cargo local push` shows it behind the @",
            arguments.digest
        );
    }
    let mut findings = Vec::with_capacity(arguments.findings.len());
    for finding in &arguments.findings {
        let (name, severity) = finding
            .split_once('=')
            .with_context(|| format!("`{finding}` has no severity: write CVE-2026-12345=HIGH"))?;
        if Severity::of(severity) == Severity::Unknown {
            bail!("`{severity}` is no severity: write INFORMATIONAL, LOW, MEDIUM, HIGH or CRITICAL");
        }
        findings.push(ScanFinding { name: name.to_owned(), severity: severity.to_owned() });
    }
    let cloud = Cloud::attach(settings).await?;
    println!("the scan of {digest} is {}, with {} findings", arguments.status, findings.len());
    cloud.set_gates(|gates| {
        gates.scans.insert(digest, ScanResult { status: arguments.status, findings });
    })
}
