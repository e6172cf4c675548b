//! What wakes the function besides the workflow, as far as it is read.

use serde::{Deserialize, Serialize};
use slipway_aws::Key;
use slipway_core::image::Digest;
use slipway_core::name::{ApplicationName, ReleaseId, ServiceArn, StageName};
use slipway_core::release::Release;
use slipway_core::wait::{Signal, Wait};
use slipway_runtime::StepError;

/// A parked task, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub token: String,
    pub release: Release,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    pub wait: Wait,
}

/// Points from a signal to a wait. `watch-alarms` writes `rang` into it when the alarm rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitPointer {
    pub release: ReleaseId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rang: Option<String>,
}

impl WaitPointer {
    /// What every pointer to a wait of this kind holds, as the table keeps it.
    pub(crate) fn kind_in_json(kind: &str) -> String {
        format!(r#""kind":"{kind}""#)
    }
}

/// An event of AWS, as far as it is read: only what it is about, because it is but a reason to look.
///
/// Their shapes are on "Amazon ECS service deployment state change events", "Amazon ECS service action events" and "Amazon ECS task
/// state change events" (Amazon ECS developer guide), "Amazon ECR events and EventBridge" (Amazon ECR user guide), "Amazon
/// EventBridge event schema for Amazon Inspector" (Amazon Inspector user guide) and "Amazon RDS event categories and event messages"
/// (Amazon RDS user guide).
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
    /// What it signals.
    pub(crate) fn signals(self) -> Result<Vec<Signal>, StepError> {
        let Self { kind, resources, detail } = self;
        let missing = |field: &str| StepError::InvalidInput { field: format!("detail.{field}"), problem: "missing".to_owned() };
        match kind.as_str() {
            "ECR Image Scan" | "Inspector2 Scan" => {
                let digest = detail.image_digest.ok_or_else(|| missing("image-digest"))?;
                let digest = Digest::new(digest)
                    .map_err(|error| StepError::InvalidInput { field: "detail.image-digest".into(), problem: error.to_string() })?;
                Ok(vec![Signal::Scan(digest)])
            }
            kind if kind.starts_with("RDS ") => {
                Ok(vec![Signal::Database(detail.source_identifier.ok_or_else(|| missing("SourceIdentifier"))?)])
            }
            "ECS Task State Change" => Ok(vec![Signal::Task(detail.task_arn.ok_or_else(|| missing("taskArn"))?)]),
            _ => resources
                .iter()
                .enumerate()
                .map(|(index, arn)| {
                    ServiceArn::new(arn)
                        .map(Signal::Service)
                        .map_err(|error| StepError::InvalidInput { field: format!("resources[{index}]"), problem: error.to_string() })
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
    pub dynamodb: StreamRecord,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StreamRecord {
    #[serde(rename = "Keys")]
    keys: Keys,
    #[serde(rename = "SequenceNumber")]
    pub sequence_number: String,
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

/// What a change of the table may mean for a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Decision {
        approval: Key,
    },
    Alarm {
        pointer: Key,
    },
    Push {
        application: ApplicationName,
    },
    Turn {
        application: ApplicationName,
    },
    /// A person aborts the release, or the sweep wants all its waits looked at.
    Release {
        release: ReleaseId,
    },
}

impl Record {
    pub(crate) fn change(&self) -> Option<Change> {
        let Keys { pk: Text { s: pk }, sk: Text { s: sk } } = &self.dynamodb.keys;
        let key = Key { pk: pk.clone(), sk: sk.clone() };
        if pk.starts_with("APPROVAL#") && sk == "APPROVAL" {
            Some(Change::Decision { approval: key })
        } else if pk.starts_with("SIGNAL#ALARM#") {
            Some(Change::Alarm { pointer: key })
        } else if let Some(application) = pk.strip_prefix("APPLICATION#") {
            Some(Change::Push { application: ApplicationName::new(application).ok()? })
        } else if let Some(application) = pk.strip_prefix("TURN#") {
            Some(Change::Turn { application: ApplicationName::new(application).ok()? })
        } else if pk == "SIGNAL#SWEEP" {
            Some(Change::Release { release: ReleaseId::new(sk).ok()? })
        } else {
            Some(Change::Release { release: ReleaseId::new(pk.strip_prefix("ABORT#")?).ok()? })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pk: &str, sk: &str) -> Record {
        let json = serde_json::json!({ "eventName": "MODIFY", "dynamodb": { "Keys": { "pk": { "S": pk }, "sk": { "S": sk } }, "SequenceNumber": "1" } });
        serde_json::from_value(json).expect("it parses")
    }

    #[test]
    fn a_pointer_is_told_from_one_of_another_kind_by_its_text() {
        let release = ReleaseId::new("web-a1").expect("an id");
        let pointer = WaitPointer { release, stage: None, kind: "DEPLOYMENT".into(), rang: Some("5xx".into()) };
        let kept = serde_json::to_string(&pointer).expect("JSON");

        assert!(kept.contains(&WaitPointer::kind_in_json("DEPLOYMENT")), "{kept}");
        assert!(!kept.contains(&WaitPointer::kind_in_json("ROLLBACK")), "{kept}");
    }

    #[test]
    fn only_what_may_end_a_wait_is_looked_into() {
        assert!(matches!(record("APPROVAL#web-a1/production", "APPROVAL").change(), Some(Change::Decision { .. })));
        assert!(matches!(record("SIGNAL#ALARM#5xx", "web-a1#production").change(), Some(Change::Alarm { .. })));
        assert!(matches!(record("APPLICATION#web", "2026-11-20T08:15:30.123Z#web-a1").change(), Some(Change::Push { .. })));
        assert!(matches!(record("TURN#web", "TURN").change(), Some(Change::Turn { .. })));
        for (pk, sk) in [("SIGNAL#SWEEP", "web-a1"), ("ABORT#web-a1", "ABORT")] {
            assert!(matches!(record(pk, sk).change(), Some(Change::Release { release }) if release.as_str() == "web-a1"));
        }
        assert_eq!(record("APPROVAL#web-a1/production", "MAILED#ana@example.com").change(), None);
        assert_eq!(record("SIGNAL#SERVICE#arn", "web-a1#staging").change(), None);
    }

    fn event(kind: &str, resource: &str, detail: &serde_json::Value) -> Event {
        serde_json::from_value(serde_json::json!({ "detail-type": kind, "resources": [resource], "detail": detail })).expect("it parses")
    }

    #[test]
    fn an_event_about_something_else_names_the_field() {
        let event = event("ECS Service Action", "arn:aws:ecs:eu-central-1:111122223333:task/staging/1", &serde_json::json!({}));
        let error = event.signals().expect_err("no service");
        assert!(error.to_string().contains("resources[0]"), "{error}");
    }

    #[test]
    fn the_events_of_gates_say_what_they_are_about() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let scanned = Signal::Scan(Digest::new(&digest).expect("a digest"));
        let about = |kind: &str, field: &str, value: &str| event(kind, "arn", &serde_json::json!({ field: value })).signals();

        assert_eq!(about("ECR Image Scan", "image-digest", &digest).expect("it fits"), std::slice::from_ref(&scanned));
        assert_eq!(about("Inspector2 Scan", "image-digest", &digest).expect("it fits"), [scanned]);
        for kind in ["RDS DB Snapshot Event", "RDS DB Cluster Snapshot Event", "RDS DB Instance Event"] {
            assert_eq!(about(kind, "SourceIdentifier", "orders").expect("it fits"), [Signal::Database("orders".into())]);
        }
        assert_eq!(about("ECS Task State Change", "taskArn", "arn:1").expect("it fits"), [Signal::Task("arn:1".into())]);
        assert!(about("ECR Image Scan", "image-digest", "latest").expect_err("no digest").to_string().contains("image-digest"));
        assert!(about("ECS Task State Change", "x", "y").expect_err("no task").to_string().contains("taskArn"));
    }
}
