//! Requests with a key: the same one again has the answer of the first.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use slipway_aws::{Key, Stored, Table};

use crate::problem::{Failure, key_used};

/// A request that was received, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered<T> {
    /// What was asked for, as a hash.
    pub(crate) asked: String,
    /// What it came to. A release's answer was called by what it is, its image, before all requests were kept alike.
    #[serde(alias = "image", alias = "words")]
    pub(crate) answer: T,
}

/// What the first request with a key came to; nothing where there was none. `what` names the route in words.
pub(crate) async fn answer_before<T: DeserializeOwned>(
    table: &Table,
    key: &Key,
    asked: &str,
    what: &str,
) -> Result<Option<T>, Failure> {
    let Some(Stored { document: before, .. }) = table.get::<Answered<T>>(key).await? else {
        return Ok(None);
    };
    if before.asked == asked { Ok(Some(before.answer)) } else { Err(key_used(what)) }
}
