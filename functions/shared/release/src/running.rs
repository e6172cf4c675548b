//! The release that brought what a service runs.

use slipway_aws::{AwsError, Key, Table, TaskDefinition};
use slipway_core::name::{ReleaseId, ServiceName, StageName, TaskDefinitionArn};
use slipway_core::release::{Release, Started};

/// The release that registered a revision for a service of a stage. The revision's tag names it, which anybody may write, and
/// the table proves it; nothing where it does not.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn brought_by(
    table: &Table,
    stage: &StageName,
    service: &ServiceName,
    revision: &TaskDefinition,
) -> Result<Option<Release>, AwsError> {
    let Some(id) = revision.release().and_then(|id| ReleaseId::new(id).ok()) else { return Ok(None) };
    let (deployed, own) = (Key::deployed(&id, stage, service), Key::release(&id));
    let items = table.get_all(&[deployed.clone(), own.clone()]).await?;
    if items.document::<TaskDefinitionArn>(&deployed)?.is_none_or(|registered| registered != revision.arn) {
        return Ok(None);
    }
    Ok(items.document::<Started>(&own)?.map(|started| started.release))
}
