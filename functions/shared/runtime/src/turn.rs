//! What every step asks before it changes something: whether the release still has its turn, and is still wanted.

use slipway_aws::{Key, Table};
use slipway_core::name::ReleaseId;
use slipway_core::release::Release;
use slipway_core::request::Abort;
use slipway_core::turn::{Lost, Turn};

use crate::{StepError, now};

/// Whether the release has its turn. It is only looked at.
///
/// # Errors
///
/// When the table cannot be asked. That the turn is lost is an answer.
pub async fn has_turn(table: &Table, release: &Release, generation: u64) -> Result<Result<(), Lost>, StepError> {
    let turn = table.get::<Turn>(&Key::turn(&release.application)).await?.map(|stored| stored.document).unwrap_or_default();
    Ok(turn.is_held_by(&release.id, generation).map(|_| ()))
}

/// Writes into the turn that a function begins to change services. Where the turn is lost, nothing may be changed.
///
/// # Errors
///
/// When the table cannot be asked. That the turn is lost is an answer.
pub async fn begin_writing(table: &Table, release: &Release, generation: u64) -> Result<Result<(), Lost>, StepError> {
    let key = Key::turn(&release.application);
    // Each round that fails is one in which someone else's write succeeded.
    loop {
        let stored = table.get::<Turn>(&key).await?;
        let (turn, version) = stored.map_or((Turn::default(), None), |stored| (stored.document, Some(stored.version)));
        match turn.begin_writing(&release.id, generation, now()) {
            Err(lost) => return Ok(Err(lost)),
            Ok(writing) => {
                if table.write(&key, &writing, version).await? {
                    return Ok(Ok(()));
                }
            }
        }
    }
}

/// Writes into the turn that the function has stopped changing services, whether it did all it wanted or failed. A function that
/// is killed before leaves the turn to rest a while after it is given back.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn stop_writing(table: &Table, release: &Release, generation: u64) -> Result<(), StepError> {
    let key = Key::turn(&release.application);
    loop {
        let Some(stored) = table.get::<Turn>(&key).await? else { return Ok(()) };
        let Some(stopped) = stored.document.stopped_writing(&release.id, generation) else { return Ok(()) };
        if table.replace(&key, &stopped, stored.version).await? {
            return Ok(());
        }
    }
}

/// That a person asked for the release to end, if one did.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn abort_of(table: &Table, release: &ReleaseId) -> Result<Option<Abort>, StepError> {
    Ok(table.get(&Key::abort(release)).await?.map(|stored| stored.document))
}
