//! `ECR Image Scan`, and `RDS DB Instance Event` of databases that became available: what the file of the
//! [gates](crate::Gates) says.
//!
//! Shapes: Amazon ECR user guide, "Amazon ECR events and EventBridge"; Amazon RDS user guide, "Amazon RDS event
//! categories and event messages".

use std::{path::PathBuf, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_ecr::types::ImageIdentifier;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::envelope;
use crate::{
    client::{ACCOUNT, REGION},
    gates::{Gates, ScanResult},
    told,
};

/// The time between two looks at the file.
const PAUSE: Duration = Duration::from_millis(50);
/// What RDS calls a database that can be used.
const AVAILABLE: &str = "available";

/// Sends the events of what changes in the file. What it says at first is not news.
pub(super) async fn watch(sdk: SdkConfig, file: PathBuf, events: UnboundedSender<Value>) {
    let mut before: Option<Gates> = None;
    let mut failing = false;
    loop {
        let changes = async {
            let now = told::read::<Gates>(&file)?;
            let mut changes = Vec::new();
            if let Some(before) = before.as_ref().filter(|before| **before != now) {
                changes.extend(scans(&sdk, before, &now).await?);
                changes.extend(instances(&sdk, before, &now).await?);
            }
            anyhow::Ok((now, changes))
        };
        match changes.await {
            Ok((now, changes)) => {
                (before, failing) = (Some(now), false);
                for change in changes {
                    if events.send(change).is_err() {
                        return;
                    }
                }
            }
            // One line for a time of trouble, not twenty a second.
            Err(error) => {
                if !failing {
                    tracing::warn!("a look at {} failed and is repeated: {error:#}", file.display());
                }
                failing = true;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The scans that ended.
async fn scans(sdk: &SdkConfig, before: &Gates, now: &Gates) -> anyhow::Result<Vec<Value>> {
    let mut events = Vec::new();
    for (digest, scan) in &now.scans {
        if before.scans.get(digest).is_some_and(|before| before.status == scan.status)
            || !["COMPLETE", "FAILED"].contains(&scan.status.as_str())
        {
            continue;
        }
        if let Some(repository) = repository_of(sdk, digest).await? {
            events.push(of_scan(&repository, digest, scan));
        }
    }
    Ok(events)
}

/// The databases that became available.
async fn instances(sdk: &SdkConfig, before: &Gates, now: &Gates) -> anyhow::Result<Vec<Value>> {
    let is_available = |gates: &Gates| gates.database.status.as_deref().unwrap_or(AVAILABLE) == AVAILABLE;
    if is_available(before) || !is_available(now) {
        return Ok(Vec::new());
    }
    let answer = aws_sdk_rds::Client::new(sdk).describe_db_instances().send().await?;
    let instances = answer.db_instances().iter();
    Ok(instances
        .filter_map(|one| Some(of_instance(one.db_instance_arn()?, one.db_instance_identifier()?)))
        .collect())
}

/// The repository that has this image.
async fn repository_of(sdk: &SdkConfig, digest: &str) -> anyhow::Result<Option<String>> {
    let ecr = aws_sdk_ecr::Client::new(sdk);
    for repository in ecr.describe_repositories().send().await?.repositories() {
        let Some(name) = repository.repository_name() else { continue };
        let id = ImageIdentifier::builder().image_digest(digest).build();
        let answer = ecr.batch_get_image().repository_name(name).image_ids(id).send().await?;
        if !answer.images().is_empty() {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

fn of_scan(repository: &str, digest: &str, scan: &ScanResult) -> Value {
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

fn of_instance(arn: &str, name: &str) -> Value {
    envelope(
        "aws.rds",
        "RDS DB Instance Event",
        &[arn],
        &json!({
            "EventCategories": ["availability"],
            "SourceType": "DB_INSTANCE",
            "SourceArn": arn,
            "Date": crate::clock::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            "Message": "DB instance is available",
            "SourceIdentifier": name,
            "EventID": "RDS-EVENT-0088",
        }),
    )
}
