//! How fast mails go to one address, and which of many wait for a mail that sums them up.
//!
//! SNS hands 10 mails a second to an address and no more; the subscription of one that would get more is suspended, and
//! the quota cannot be raised ("Amazon SNS endpoints and quotas", AWS General Reference). Less than a third of it leaves room
//! for mails that meet where one second ends, and for those of other topics. The counters are atomic, because hundreds may
//! ask at one moment.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use slipway_aws::{AwsError, Key, Table};
use slipway_core::approval::ApprovalId;

use crate::{minute_of, now};

/// How many mails go to an address in a second.
const A_SECOND: u64 = 3;
/// How long a mail waits for a second with room; who finds none is summed up with others. A function asks for several
/// people, one after the other.
const PATIENCE: SignedDuration = SignedDuration::from_secs(2);
/// How long mails are gathered before one sums them up.
const GATHERED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// Who is paced: the address of an approver, or all whom notifications go to.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a> {
    /// The table that counts.
    pub table: &'a Table,
    /// Where the mails go.
    pub to: &'a str,
    /// How many go alone in a minute.
    pub a_minute: u64,
}

/// A mail that waits for one that sums it up with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What the summary says of it, a line.
    pub line: String,
    /// The approval that it is about, where it has a link to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// The key (partition and sort) under which it is written down that it was sent, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<(String, String)>,
    /// Since when it waits.
    pub since: Timestamp,
}

impl Held {
    /// Whether it has waited for as long as mails are gathered.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.since + GATHERED_FOR
    }
}

impl Pace<'_> {
    /// Whether one more mail goes alone in this minute; else it is to be held.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn is_one_of_few(&self) -> Result<bool, AwsError> {
        let minute = Key::pace(self.to, &minute_of(now()));
        Ok(self.table.count(&minute).await? <= self.a_minute)
    }

    /// Waits for a second with room, for a while. It comes right before the mail: what is done in between delays it into
    /// another second.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn has_room(&self) -> Result<bool, AwsError> {
        let until = now() + PATIENCE;
        while now() < until {
            let second = Key::pace(self.to, &now().strftime("%Y-%m-%dT%H:%M:%S").to_string());
            if self.table.count(&second).await? <= A_SECOND {
                return Ok(true);
            }
            let left = 1_000 - u64::try_from(now().as_millisecond().rem_euclid(1_000)).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(left)).await;
        }
        Ok(false)
    }

    /// Whether the caller is the one who sums up what is held, in this minute.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn sums_up(&self) -> Result<bool, AwsError> {
        let key = Key::pace(self.to, &format!("SUM#{}", minute_of(now())));
        self.table.put_new(&key, &now()).await
    }

    /// What is held, the oldest first.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn held(&self) -> Result<Vec<(Key, Held)>, AwsError> {
        let (partition, prefix) = Key::all_held(self.to);
        let found = self.table.list::<Held>(&partition, &prefix).await?;
        let mut held: Vec<_> = found.into_iter().map(|(key, stored)| (key, stored.document)).collect();
        held.sort_by_key(|(_, held)| held.since);
        Ok(held)
    }
}
