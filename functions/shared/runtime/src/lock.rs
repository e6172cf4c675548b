//! What every step asks before it changes something: whether the release still has its lock, and is still wanted.

use slipway_aws::{Key, Table, Update};
use slipway_core::lock::{Lock, Lost};
use slipway_core::name::ReleaseId;
use slipway_core::protocol::End;
use slipway_core::release::{Outcome, Release};
use slipway_core::request::Abort;

use crate::{StepError, newest_after, now};

/// Whether the release has its lock. It is only looked at.
///
/// # Errors
///
/// When the table cannot be asked. That the lock is lost is an answer.
pub async fn holds_lock(table: &Table, release: &Release, generation: u64) -> Result<Result<(), Lost>, StepError> {
    let lock = table.get::<Lock>(&Key::lock(&release.application)).await?.map(|stored| stored.document).unwrap_or_default();
    Ok(lock.is_held_by(&release.id, generation).map(|_| ()))
}

/// Writes into the lock that a function begins to change services. Where the lock is lost, nothing may be changed.
///
/// # Errors
///
/// When the table cannot be asked. That the lock is lost is an answer.
pub async fn begin_writing(table: &Table, release: &Release, generation: u64) -> Result<Result<(), Lost>, StepError> {
    let key = Key::lock(&release.application);
    let begun =
        table.update(&key, |current: Option<Lock>| match current.unwrap_or_default().begin_writing(&release.id, generation, now()) {
            Ok(writing) => Update::Write(writing, Ok(())),
            Err(lost) => Update::Leave(Err(lost)),
        });
    Ok(begun.await?)
}

/// Writes into the lock that the function has stopped changing services, whether it did all it wanted or failed. A function that
/// is killed before leaves the lock to rest a while after it is given back.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn stop_writing(table: &Table, release: &Release, generation: u64) -> Result<(), StepError> {
    let key = Key::lock(&release.application);
    let stopped =
        table.update(&key, |current: Option<Lock>| match current.and_then(|lock| lock.stopped_writing(&release.id, generation)) {
            Some(stopped) => Update::Write(stopped, ()),
            None => Update::Leave(()),
        });
    Ok(stopped.await?)
}

/// That a person asked for the release to end, if one did.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn abort_of(table: &Table, release: &ReleaseId) -> Result<Option<Abort>, StepError> {
    Ok(table.get(&Key::abort(release)).await?.map(|stored| stored.document))
}

/// What every step reads first, before the stage's first change: why the release ends here, if it does. After the first change only an
/// abort counts.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn interrupted(table: &Table, release: &Release, generation: u64) -> Result<Option<End>, StepError> {
    if let Some(abort) = abort_of(table, &release.id).await? {
        return Ok(Some(End::unchanged(Outcome::Failed, abort.in_words())));
    }
    if let Err(lost) = holds_lock(table, release, generation).await? {
        return Ok(Some(End::unchanged(Outcome::Failed, lost.to_string())));
    }
    let newer = newest_after(table, release).await?;
    Ok(newer.map(|newer| End::unchanged(Outcome::Superseded, newer.supersedes())))
}
