//! What every step asks before it changes something: whether the release still has its turn, and is still wanted.

use slipway_aws::{Key, Table};
use slipway_core::name::ReleaseId;
use slipway_core::release::Release;
use slipway_core::request::Abort;
use slipway_core::turn::{Lost, Turn};

use crate::{StepError, now};

/// Renews the lease of the release's turn. Where it is lost, nothing may be changed.
///
/// # Errors
///
/// When the table cannot be asked. That the turn is lost is an answer.
pub async fn hold_turn(table: &Table, release: &Release, generation: u64) -> Result<Result<(), Lost>, StepError> {
    let key = Key::turn(&release.application);
    // Each round that fails is one in which someone else's write succeeded.
    loop {
        let stored = table.get::<Turn>(&key).await?;
        let (turn, version) = stored.map_or((Turn::default(), None), |stored| (stored.document, Some(stored.version)));
        match turn.renew(&release.id, generation, now()) {
            Err(lost) => return Ok(Err(lost)),
            Ok(renewed) => {
                if table.write(&key, &renewed, version).await? {
                    return Ok(Ok(()));
                }
            }
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
