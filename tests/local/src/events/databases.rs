//! `RDS DB Instance Event` and `RDS DB Snapshot Event`.
//!
//! Shape and identifiers: Amazon RDS user guide, "Amazon RDS event categories and event messages". RDS reports that a
//! snapshot is there; it has no event for one that failed.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_rds::Client;
use serde_json::{Value, json};

use super::{
    envelope,
    watch::{Memory, Watched},
};

/// The instances and the snapshots, each by its ARN: what it is called, and how it is.
pub(super) struct Databases {
    rds: Client,
    seen: Memory<String, (String, String)>,
}

impl Databases {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { rds: Client::new(sdk), seen: Memory::new() }
    }
}

impl Watched for Databases {
    const WHAT: &str = "the databases";

    async fn look(&mut self, list: bool) -> anyhow::Result<Vec<Value>> {
        // Nothing here is quick.
        if !list {
            return Ok(Vec::new());
        }
        let mut now = HashMap::new();
        for instance in self.rds.describe_db_instances().send().await?.db_instances() {
            if let (Some(arn), Some(name), Some(status)) =
                (instance.db_instance_arn(), instance.db_instance_identifier(), instance.db_instance_status())
            {
                now.insert(arn.to_owned(), (name.to_owned(), status.to_owned()));
            }
        }
        for snapshot in self.rds.describe_db_snapshots().send().await?.db_snapshots() {
            if let (Some(arn), Some(name), Some(status)) =
                (snapshot.db_snapshot_arn(), snapshot.db_snapshot_identifier(), snapshot.status())
            {
                now.insert(arn.to_owned(), (name.to_owned(), status.to_owned()));
            }
        }
        let before = self.seen.replace(now);
        Ok(before
            .into_iter()
            .filter_map(|(arn, before)| {
                let (name, status) = self.seen.get(&arn)?;
                (status == "available" && before.is_some_and(|(_, before)| before != "available"))
                    .then(|| event(&arn, name))
            })
            .collect())
    }
}

fn event(arn: &str, name: &str) -> Value {
    let (kind, source, category, message, id) = if arn.contains(":snapshot:") {
        ("RDS DB Snapshot Event", "SNAPSHOT", "creation", "Manual snapshot created", "RDS-EVENT-0042")
    } else {
        ("RDS DB Instance Event", "DB_INSTANCE", "availability", "DB instance is available", "RDS-EVENT-0088")
    };
    envelope(
        "aws.rds",
        kind,
        &[arn],
        &json!({
            "EventCategories": [category],
            "SourceType": source,
            "SourceArn": arn,
            "Date": crate::clock::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            "Message": message,
            "SourceIdentifier": name,
            "EventID": id,
        }),
    )
}
