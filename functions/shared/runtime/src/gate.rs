//! How long a gate waits: from its first look on, however often it is looked at.

use jiff::Timestamp;
use slipway_aws::{Key, Table};

use crate::{StepError, now};

/// How many seconds of a gate's time are left; nothing once it is over. The first look is written down under the key.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn time_left(table: &Table, first_look: &Key, seconds: u32) -> Result<Option<u32>, StepError> {
    let first = if let Some(stored) = table.get::<Timestamp>(first_look).await? {
        stored.document
    } else {
        let now = now();
        table.put_new(first_look, &now).await?;
        table.get::<Timestamp>(first_look).await?.map_or(now, |stored| stored.document)
    };
    let passed = now().duration_since(first).as_secs();
    let left = i64::from(seconds) - passed;
    Ok(u32::try_from(left).ok().filter(|left| *left > 0))
}
