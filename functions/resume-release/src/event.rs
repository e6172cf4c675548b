//! What wakes the function, as far as it is read: only what it is about.

use serde::Deserialize;
use slipway_aws::Key;
use slipway_core::image::Digest;
use slipway_core::lock::Lock;
use slipway_core::name::ServiceArn;
use slipway_core::protocol::WakeKey;
use slipway_release::StepError;

/// An event of AWS.
///
/// Their shapes are on "Amazon ECS service deployment state change events", "Amazon ECS service action events" and
/// "Amazon ECS task state change events" (Amazon ECS developer guide), "Amazon ECR events and EventBridge" (Amazon
/// ECR user guide), "Amazon EventBridge event schema for Amazon Inspector" (Amazon Inspector user guide) and "Amazon
/// RDS event categories and event messages" (Amazon RDS user guide).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "detail-type")]
    kind: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    detail: Detail,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Detail {
    /// Of a scan.
    #[serde(default, rename = "image-digest")]
    image_digest: Option<String>,
    /// Of a database or a snapshot.
    #[serde(default, rename = "SourceIdentifier")]
    source_identifier: Option<String>,
    /// Of a task.
    #[serde(default, rename = "taskArn")]
    task_arn: Option<String>,
}

impl Event {
    /// What it wakes.
    pub(crate) fn keys(self) -> Result<Vec<WakeKey>, StepError> {
        let Self { kind, resources, detail } = self;
        let missing = |field: &str| StepError::InvalidInput {
            field: format!("detail.{field}"),
            problem: "missing".to_owned(),
        };
        match kind.as_str() {
            // Inspector scans instances and functions too.
            "Inspector2 Scan" if detail.image_digest.is_none() => Ok(vec![]),
            "ECR Image Scan" | "Inspector2 Scan" => {
                let digest = detail.image_digest.ok_or_else(|| missing("image-digest"))?;
                let digest = Digest::new(digest).map_err(|error| StepError::InvalidInput {
                    field: "detail.image-digest".into(),
                    problem: error.to_string(),
                })?;
                Ok(vec![WakeKey::Scan(digest)])
            }
            kind if kind.starts_with("RDS ") => Ok(vec![WakeKey::Database(
                detail.source_identifier.ok_or_else(|| missing("SourceIdentifier"))?,
            )]),
            "ECS Task State Change" => {
                Ok(vec![WakeKey::Task(detail.task_arn.ok_or_else(|| missing("taskArn"))?)])
            }
            _ => resources
                .iter()
                .enumerate()
                .map(|(index, arn)| {
                    ServiceArn::new(arn).map(WakeKey::Service).map_err(|error| StepError::InvalidInput {
                        field: format!("resources[{index}]"),
                        problem: error.to_string(),
                    })
                })
                .collect(),
        }
    }
}

/// A batch of the table's stream.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Records {
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// One change of an item, with its key.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    dynamodb: StreamRecord,
}

#[derive(Clone, Debug, Deserialize)]
struct StreamRecord {
    #[serde(rename = "Keys")]
    keys: Keys,
    #[serde(rename = "SequenceNumber")]
    sequence_number: String,
    /// The item as it is now.
    #[serde(default, rename = "NewImage")]
    new_image: Option<Image>,
}

#[derive(Clone, Debug, Deserialize)]
struct Image {
    document: Text,
}

#[derive(Clone, Debug, Deserialize)]
struct Keys {
    pk: Text,
    sk: Text,
}

#[derive(Clone, Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    s: String,
}

impl Record {
    /// The key of the item that changed.
    pub(crate) fn key(&self) -> Key {
        let Keys { pk, sk } = &self.dynamodb.keys;
        Key { pk: pk.s.clone(), sk: sk.s.clone() }
    }

    /// Whether the item is a lock that somebody holds: whoever waits for it is woken once it is given back, not by what its holder
    /// writes into it.
    pub(crate) fn is_held(&self) -> bool {
        let document = self.dynamodb.new_image.as_ref().map(|image| image.document.s.as_str());
        let lock = document.and_then(|document| serde_json::from_str::<Lock>(document).ok());
        lock.is_some_and(|lock| lock.holder.is_some())
    }

    /// Which tells Lambda where to go on.
    pub(crate) fn sequence_number(&self) -> &str {
        &self.dynamodb.sequence_number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, resource: &str, detail: &serde_json::Value) -> Event {
        serde_json::from_value(
            serde_json::json!({ "detail-type": kind, "resources": [resource], "detail": detail }),
        )
        .expect("it parses")
    }

    #[test]
    fn a_lock_wakes_once_it_is_given_back() {
        let record = |document: &str| -> Record {
            let key = serde_json::json!({ "pk": { "S": "LOCK#web" }, "sk": { "S": "LOCK" } });
            let image = serde_json::json!({ "document": { "S": document } });
            let record = serde_json::json!({ "Keys": key, "SequenceNumber": "1", "NewImage": image });
            serde_json::from_value(serde_json::json!({ "dynamodb": record })).expect("it parses")
        };
        let held = r#"{"generation":1,"holder":{"release":"web-1","lease_until":"2026-11-20T08:15:30Z"}}"#;

        assert!(record(held).is_held());
        for free in [r#"{"generation":1}"#, r#"{"generation":1,"rests_until":"2026-11-20T08:15:30Z"}"#, "?"] {
            assert!(!record(free).is_held(), "{free}");
        }
    }

    #[test]
    fn an_event_about_something_else_names_the_field() {
        let event = event(
            "ECS Service Action",
            "arn:aws:ecs:eu-central-1:111122223333:task/staging/1",
            &serde_json::json!({}),
        );
        let error = event.keys().expect_err("no service");
        assert!(error.to_string().contains("resources[0]"), "{error}");
    }

    #[test]
    fn the_events_of_gates_say_what_they_are_about() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let scanned = WakeKey::Scan(Digest::new(&digest).expect("a digest"));
        let about = |kind: &str, field: &str, value: &str| {
            event(kind, "arn", &serde_json::json!({ field: value })).keys()
        };

        assert_eq!(
            about("ECR Image Scan", "image-digest", &digest).expect("it fits"),
            std::slice::from_ref(&scanned)
        );
        assert_eq!(about("Inspector2 Scan", "image-digest", &digest).expect("it fits"), [scanned]);
        assert_eq!(about("Inspector2 Scan", "instance-id", "i-1").expect("it is no error"), []);
        for kind in ["RDS DB Snapshot Event", "RDS DB Cluster Snapshot Event", "RDS DB Instance Event"] {
            assert_eq!(
                about(kind, "SourceIdentifier", "orders").expect("it fits"),
                [WakeKey::Database("orders".into())]
            );
        }
        assert_eq!(
            about("ECS Task State Change", "taskArn", "arn:1").expect("it fits"),
            [WakeKey::Task("arn:1".into())]
        );
        assert!(
            about("ECR Image Scan", "image-digest", "latest")
                .expect_err("no digest")
                .to_string()
                .contains("image-digest")
        );
        assert!(
            about("ECS Task State Change", "x", "y").expect_err("no task").to_string().contains("taskArn")
        );
    }

    #[test]
    fn a_record_says_which_item_changed() {
        let json = serde_json::json!({ "eventName": "MODIFY", "dynamodb": { "Keys": { "pk": { "S": "LOCK#web" }, "sk": { "S": "LOCK" } }, "SequenceNumber": "7" } });
        let record: Record = serde_json::from_value(json).expect("it parses");

        assert_eq!((record.key().pk.as_str(), record.sequence_number()), ("LOCK#web", "7"));
    }
}
