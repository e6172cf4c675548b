//! What the operators' API takes and answers beside releases: mails that go out again, the reconciler, dead letters, logs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::time;
use crate::name::EmailAddress;
use crate::words;

/// What a request takes that has the mails of a release's open approval sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendRequest {
    /// The one approver who gets it; all who have not answered, where nobody is named.
    #[serde(default)]
    pub approver: Option<EmailAddress>,
    /// Why, for the mails and the audit; 200 characters on one line.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// What a request to reconcile now takes: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReconcileRequest {}

/// The dead-letter queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetters {
    /// Every one of them, by name.
    pub queues: Vec<DeadLetterQueue>,
}

/// A dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterQueue {
    /// Its name.
    pub name: String,
    /// How many messages it holds, as SQS counts them: about.
    pub messages: u32,
}

/// What a request to redrive dead letters takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedriveRequest {
    /// The queue; every one that holds something, where none is named.
    #[serde(default)]
    pub queue: Option<String>,
}

/// What was redriven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redriven {
    /// The queues that were looked through, by name.
    pub queues: Vec<RedrivenQueue>,
}

/// What was redriven of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RedrivenQueue {
    /// Its name.
    pub name: String,
    /// How many of its messages Lambda has taken: they are no longer in the queue.
    pub redriven: u32,
    /// Those that were looked at and stay in the queue.
    pub kept: Vec<KeptMessage>,
    /// How many more there was no time for, as SQS counts them: about. Ask again.
    pub left: u32,
}

/// A message that stays in its queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptMessage {
    /// SQS's id of the message.
    pub message: String,
    /// Why it stays.
    pub reason: String,
}

/// What the functions logged of a release: one page of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Logs {
    /// The lines, the oldest first.
    pub lines: Vec<LogLine>,
    /// What the next request's `token` is; nothing once the release has ended and every line was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether these are all lines until now. The next page then has what comes later, and the lines of the last seconds
    /// once more: CloudWatch shows some of them late.
    pub up_to_date: bool,
}

/// A line that a function logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When.
    #[schemars(schema_with = "time")]
    pub at: Timestamp,
    /// The function.
    pub function: String,
    /// How grave it is, such as `WARN`; nothing of what is no line of Slipway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The stage, where the line names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The workflow's state, where the line names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What it says.
    pub message: String,
    /// The invocation that it is of, as Lambda's own lines name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What else the line has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
}
