//! `ECR Image Scan`.
//!
//! Shape: Amazon ECR user guide, "Amazon ECR events and EventBridge".

use std::{collections::HashMap, path::PathBuf};

use aws_config::SdkConfig;
use aws_sdk_ecr::{Client, types::ImageIdentifier};
use serde_json::{Map, Value, json};

use super::{
    envelope,
    watch::{Memory, Watched},
};
use crate::{
    client::{ACCOUNT, REGION},
    gates::{Gates, ScanResult},
};

/// The scans of all images.
pub(super) struct Scans {
    ecr: Client,
    file: PathBuf,
    seen: Memory<String, ScanResult>,
}

impl Scans {
    pub(super) fn new(sdk: &SdkConfig, file: PathBuf) -> Self {
        Self { ecr: Client::new(sdk), file, seen: Memory::new() }
    }

    /// The repository that has this image.
    async fn repository_of(&self, digest: &str) -> anyhow::Result<Option<String>> {
        for repository in self.ecr.describe_repositories().send().await?.repositories() {
            let Some(name) = repository.repository_name() else { continue };
            let id = ImageIdentifier::builder().image_digest(digest).build();
            let answer = self.ecr.batch_get_image().repository_name(name).image_ids(id).send().await?;
            if !answer.images().is_empty() {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }
}

impl Watched for Scans {
    const WHAT: &str = "the scans";

    async fn look(&mut self, _list: bool) -> anyhow::Result<Vec<Value>> {
        let scans: HashMap<_, _> = Gates::read(&self.file)?.scans.into_iter().collect();
        let before = self.seen.replace(scans.clone());
        let mut events = Vec::new();
        for (digest, before) in before {
            let Some(now) = scans.get(&digest) else { continue };
            if before.as_ref().is_some_and(|before| before.status == now.status)
                || !["COMPLETE", "FAILED"].contains(&now.status.as_str())
            {
                continue;
            }
            if let Some(repository) = self.repository_of(&digest).await? {
                events.push(event(&repository, &digest, now));
            }
        }
        Ok(events)
    }
}

fn event(repository: &str, digest: &str, scan: &ScanResult) -> Value {
    let mut counts = Map::new();
    for finding in &scan.findings {
        let count = counts.get(&finding.severity).and_then(Value::as_u64).unwrap_or_default();
        counts.insert(finding.severity.clone(), json!(count + 1));
    }
    envelope(
        "aws.ecr",
        "ECR Image Scan",
        &[&format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}")],
        &json!({
            "scan-status": scan.status,
            "repository-name": repository,
            "finding-severity-counts": counts,
            "image-digest": digest,
            "image-tags": [],
        }),
    )
}
