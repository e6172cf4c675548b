//! What the operators' API takes and answers for the console: who opens a session, what its browser asks for, and what
//! IAM is to be asked about.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::time;
use crate::console::{NotEntered, PathRequest};

/// What a request takes that opens a session of the console: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleOpening {}

/// A session of the console that was opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenedConsole {
    /// Its name, which lets nobody in.
    pub session: String,
    /// The address that lets one browser in, once.
    pub address: String,
    /// From when on the address cannot be used.
    #[schemars(schema_with = "time")]
    pub address_expires_at: Timestamp,
    /// When the session ends by itself.
    #[schemars(schema_with = "time")]
    pub expires_at: Timestamp,
}

impl fmt::Debug for OpenedConsole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OpenedConsole").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What a request takes that asks which permissions the pages of a session need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsolePermissions {
    /// The session's name.
    pub session: String,
    /// What IAM refused of what was asked for, each a method and a path, such as `GET /applications/web`.
    #[serde(default)]
    pub refused: Vec<String>,
}

/// What the pages of a session asked for that IAM has yet to allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsoleRequests {
    /// Each with its method and path: a request of that method and path with the header `Slipway-Console`, which has the
    /// session's name, proves it and does nothing else.
    pub requests: Vec<PathRequest>,
    /// Whether a browser is in the session.
    pub entered: bool,
    /// Whether the session has ended.
    pub ended: bool,
}

/// What a request takes that ends sessions of the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleEnd {
    /// The session's name; all of them where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// What a request takes that spends a one-time address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleEntry {
    /// The address's token.
    pub token: String,
}

impl fmt::Debug for ConsoleEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConsoleEntry").finish_non_exhaustive()
    }
}

/// What a one-time address came to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConsoleEntrance {
    /// It let the browser in.
    Entered {
        /// The browser's secret, which is new.
        secret: String,
        /// How long it is good for, in seconds.
        seconds: i64,
        /// Who opened the session, in words.
        by: String,
    },
    /// It is not known, or was used before.
    Unknown,
    /// Its time is over.
    Expired,
    /// The session has ended.
    Ended,
}

impl fmt::Debug for ConsoleEntrance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Entered { .. } => "Entered",
            Self::Unknown => "Unknown",
            Self::Expired => "Expired",
            Self::Ended => "Ended",
        })
    }
}

impl From<NotEntered> for ConsoleEntrance {
    fn from(why: NotEntered) -> Self {
        match why {
            NotEntered::Unknown => Self::Unknown,
            NotEntered::Expired => Self::Expired,
            NotEntered::Ended => Self::Ended,
        }
    }
}

/// What a request takes that ends a session from its browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleExit {
    /// The browser's secret.
    pub secret: String,
}

impl fmt::Debug for ConsoleExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConsoleExit").finish_non_exhaustive()
    }
}

/// What a page asks for, with its browser's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleRequest {
    /// The browser's secret.
    pub secret: String,
    /// The method.
    pub method: String,
    /// The path of the operators' API, with its names.
    pub path: String,
    /// The query's parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
    /// Whether it is only asked if it is allowed: nothing is done then.
    #[serde(default)]
    pub asks_only: bool,
}

impl fmt::Debug for ConsoleRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ConsoleRequest");
        shown.field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a page gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConsoleAnswer {
    /// What the API answers to whoever opened the session.
    Answered {
        /// The answer's status.
        status: u16,
        /// Its document: of a status from 400 on, a problem.
        document: Value,
        /// Who opened the session, in words.
        by: String,
    },
    /// It is allowed; nothing more was asked.
    Allowed {
        /// Who opened the session, in words.
        by: String,
    },
    /// IAM has yet to be asked, by the command that opened the session.
    Unproven,
    /// IAM does not allow it.
    Refused,
    /// No session has this secret, or it has ended.
    NoSession,
    /// The session asked too often in this minute.
    TooMany,
}
