//! Newer releases of the same application: the newest push wins.

use serde_json::Value;
use slipway_aws::{Key, Table};
use slipway_core::name::{ServiceName, StageName, TaskDefinitionArn};
use slipway_core::release::{Ended, Outcome, Release, Started};

use crate::{StepError, parse_at};

/// The newest release of the application that was pushed after this one, if there is any. One that has ended without being
/// released is none: nothing of it runs. A release that nothing is known of, because its execution was started by hand,
/// has no successors.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn newest_after(table: &Table, release: &Release) -> Result<Option<Started>, StepError> {
    for newer in all_after(table, release).await?.into_iter().rev() {
        let ended = table.get::<Ended>(&Key::ending(&newer.release.id)).await?;
        if ended.is_none_or(|ended| ended.document.ending.outcome == Outcome::Released) {
            return Ok(Some(newer));
        }
    }
    Ok(None)
}

/// The newer release that this task definition was registered by for this service, if it was one.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn deployer_after(
    table: &Table,
    release: &Release,
    stage: &StageName,
    service: &ServiceName,
    running: &TaskDefinitionArn,
) -> Result<Option<Started>, StepError> {
    for newer in all_after(table, release).await? {
        let deployed =
            table.get::<TaskDefinitionArn>(&Key::deployed(&newer.release.id, stage, service)).await?;
        if deployed.is_some_and(|deployed| deployed.document == *running) {
            return Ok(Some(newer));
        }
    }
    Ok(None)
}

async fn all_after(table: &Table, release: &Release) -> Result<Vec<Started>, StepError> {
    let Some(own) = table.get::<Started>(&Key::release(&release.id)).await? else { return Ok(Vec::new()) };
    let found: Vec<Value> = table.list_after(&Key::history(&own.document)).await?;
    let read = |document| match parse_at("a later release", document) {
        Ok(started) => Some(started),
        // One record holds up no release.
        Err(error) => {
            tracing::error!(release.id = %release.id, "an item of the history of {} is left out: {error}", release.application);
            None
        }
    };
    Ok(found.into_iter().filter_map(read).collect())
}
