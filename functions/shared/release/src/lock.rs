//! What every step asks before it changes something: whether the release still has its lock, and is still wanted.

use futures::try_join;
use serde_json::Value;
use slipway_aws::{Items, Key, Latest, Stored, Table};
use slipway_core::lock::{Lock, Lost};
use slipway_core::name::ReleaseId;
use slipway_core::protocol::End;
use slipway_core::release::{Outcome, Release, Started};
use slipway_core::request::Abort;

use crate::StepError;
use crate::successor::{last_pushes, newest_among};

/// What every step reads first: an abort, the lock, and the pushes after the release's own. None of it rests on another, so it
/// is read at once.
#[derive(Clone, Debug)]
pub struct Preconditions<'a> {
    table: &'a Table,
    release: &'a Release,
    /// What was read, with what else the step asked for.
    pub items: Items,
    last: Latest<Value>,
}

impl<'a> Preconditions<'a> {
    /// Reads it, and the items of further keys with it.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn read_first(
        table: &'a Table,
        release: &'a Release,
        further: impl IntoIterator<Item = Key>,
    ) -> Result<Self, StepError> {
        let own = [Key::abort(&release.id), Key::lock(&release.application), Key::release(&release.id)];
        let keys: Vec<_> = own.into_iter().chain(further).collect();
        let items = async { Ok(table.get_all(&keys).await?) };
        let (items, last) = try_join!(items, last_pushes(table, &release.application))?;
        Ok(Self { table, release, items, last })
    }

    /// That a person asked for the release to end, if one did.
    ///
    /// # Errors
    ///
    /// When the item is not what it should be.
    pub fn known_abort(&self) -> Result<Option<Abort>, StepError> {
        Ok(self.items.document(&Key::abort(&self.release.id))?)
    }

    /// The lock, to be written in the version that was read.
    ///
    /// # Errors
    ///
    /// When the item is not what it should be.
    pub fn known_lock(&self) -> Result<Option<Stored<Lock>>, StepError> {
        Ok(self.items.of(&Key::lock(&self.release.application))?)
    }

    /// The newest release of the application that was pushed after this one, if there is any.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn newest_push(&self) -> Result<Option<Started>, StepError> {
        let own = self.items.document(&Key::release(&self.release.id))?;
        newest_among(self.table, self.release, own.as_ref(), &self.last).await
    }

    /// Why the release ends here, before the stage's first change, if it does.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn interruption(&self, generation: u64) -> Result<Option<End>, StepError> {
        if let Some(abort) = self.known_abort()? {
            return Ok(Some(End::unchanged(Outcome::Failed, abort.in_words())));
        }
        if let Err(lost) = self.holds_lock(generation)? {
            return Ok(Some(End::unchanged(Outcome::Failed, lost.to_string())));
        }
        let newer = self.newest_push().await?;
        Ok(newer.map(|newer| End::unchanged(Outcome::Superseded, newer.supersedes())))
    }

    /// Whether the release has its lock. It is only looked at.
    fn holds_lock(&self, generation: u64) -> Result<Result<(), Lost>, StepError> {
        let lock = self.known_lock()?.map(|stored| stored.document).unwrap_or_default();
        Ok(lock.is_held_by(&self.release.id, generation).map(|_| ()))
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
    Preconditions::read_first(table, release, []).await?.interruption(generation).await
}
