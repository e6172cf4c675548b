//! Until when a step waits: counted from its first look, however often it looks.

use jiff::{SignedDuration, Timestamp};
use slipway_aws::{Key, Table};

use crate::{StepError, now};

/// When a step's time is over. Its first look is written down under the key.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn deadline(table: &Table, first_look: &Key, seconds: u32) -> Result<Timestamp, StepError> {
    let first = if let Some(stored) = table.get::<Timestamp>(first_look).await? {
        stored.document
    } else {
        let now = now();
        table.put_new(first_look, &now).await?;
        table.get::<Timestamp>(first_look).await?.map_or(now, |stored| stored.document)
    };
    Ok(first + SignedDuration::from_secs(i64::from(seconds)))
}
