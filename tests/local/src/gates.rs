//! What the local cloud answers to the gates of a stage: the results of scans, and how the databases are.
//!
//! A file holds it. MiniStack's corrections read it for their answers, and the events are made from its changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The whole of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gates {
    /// Scans, by the digest of their image. An image without one was not scanned.
    #[serde(default)]
    pub scans: BTreeMap<String, ScanResult>,
    /// All databases together.
    #[serde(default)]
    pub database: DatabaseState,
}

/// The scan of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanResult {
    /// ECR's word, such as `COMPLETE`, `IN_PROGRESS` or `UNSUPPORTED_IMAGE`.
    pub status: String,
    /// What was found.
    #[serde(default)]
    pub findings: Vec<ScanFinding>,
}

/// One thing that a scan found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanFinding {
    /// Its name, such as `CVE-2026-12345`.
    pub name: String,
    /// ECR's word for how bad it is, such as `HIGH`.
    pub severity: String,
}

/// How databases are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// RDS's word, where they are not available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How many manual snapshots there may be; 100 when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u32>,
    /// What becomes of a snapshot, where that is not `available` after half a second: `fail` or `slow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<String>,
}

impl ScanResult {
    /// A scan that is done, with findings as pairs of name and severity.
    #[must_use]
    pub fn complete(findings: &[(&str, &str)]) -> Self {
        let findings = findings.iter().map(|(name, severity)| ScanFinding {
            name: (*name).to_owned(),
            severity: (*severity).to_owned(),
        });
        Self { status: "COMPLETE".to_owned(), findings: findings.collect() }
    }

    /// A scan that has another status.
    #[must_use]
    pub fn with_status(status: &str) -> Self {
        Self { status: status.to_owned(), findings: Vec::new() }
    }
}
