//! Keeps what happens to a release, moment by moment.

use slipway_aws::{AwsError, Key, Table};
use slipway_core::name::{ReleaseId, StageName};
use slipway_core::timeline::{Moment, Step, in_order};

use crate::now;

/// Writes down that something happened, unless it is written down. `detail` tells several of a kind in a stage apart.
///
/// # Errors
///
/// When DynamoDB cannot be asked.
pub async fn happened(
    table: &Table,
    release: &ReleaseId,
    stage: Option<&StageName>,
    (step, detail): (Step, &str),
    words: String,
) -> Result<(), AwsError> {
    let moment = Moment { at: now(), stage: stage.cloned(), step, words };
    table.put_new(&Key::moment(release, stage, step, detail), &moment).await?;
    Ok(())
}

/// Everything that happened to a release, in order.
///
/// # Errors
///
/// When DynamoDB cannot be asked.
pub async fn timeline(table: &Table, release: &ReleaseId) -> Result<Vec<Moment>, AwsError> {
    let moments = table.list::<Moment>(&Key::timeline(release), "").await?;
    Ok(in_order(moments.into_iter().map(|(_, stored)| stored.document).collect()))
}
