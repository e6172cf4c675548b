//! What every step asks before it changes something: whether the release still has its lock, and is still wanted.

use slipway_aws::{Key, Table};
use slipway_core::lock::{Lock, Lost};
use slipway_core::name::ReleaseId;
use slipway_core::protocol::End;
use slipway_core::release::{Outcome, Release};
use slipway_core::request::Abort;

use crate::{StepError, newest_after};

/// Whether the release has its lock. It is only looked at.
///
/// # Errors
///
/// When the table cannot be asked. That the lock is lost is an answer.
async fn holds_lock(
    table: &Table,
    release: &Release,
    generation: u64,
) -> Result<Result<(), Lost>, StepError> {
    let lock = table
        .get::<Lock>(&Key::lock(&release.application))
        .await?
        .map(|stored| stored.document)
        .unwrap_or_default();
    Ok(lock.is_held_by(&release.id, generation).map(|_| ()))
}

/// That a person asked for the release to end, if one did.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn abort_of(table: &Table, release: &ReleaseId) -> Result<Option<Abort>, StepError> {
    Ok(table.get(&Key::abort(release)).await?.map(|stored| stored.document))
}

/// What every step reads first, before the stage's first change: why the release ends here, if it does. After the
/// first change only an abort counts.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn interrupted(
    table: &Table,
    release: &Release,
    generation: u64,
) -> Result<Option<End>, StepError> {
    if let Some(abort) = abort_of(table, &release.id).await? {
        return Ok(Some(End::unchanged(Outcome::Failed, abort.in_words())));
    }
    if let Err(lost) = holds_lock(table, release, generation).await? {
        return Ok(Some(End::unchanged(Outcome::Failed, lost.to_string())));
    }
    Ok(newest_after(table, release)
        .await?
        .map(|newer| End::unchanged(Outcome::Superseded, newer.supersedes())))
}
