//! What the steps write into the lock.

use crate::aws::{Aws, Unknown, Update};
use crate::rules::Rule;
use crate::world::State;
use crate::world::names::{application, id};
use crate::world::table::{About, Fenced};
use crate::world::workflow::Task;
use slipway_core::protocol::WakeKey;

/// That the lock changed.
fn changed() -> About {
    About::Key(WakeKey::Lock(application()))
}

/// Writes into the lock that a function begins to change the service. `false` where the lock is lost.
pub(super) async fn begin_writing(aws: &Aws, task: &Task) -> Result<bool, Unknown> {
    let (generations, fences) = (aws.keeps(Rule::Generations), aws.keeps(Rule::Fence));
    let decide = |current: Option<Fenced>| {
        let Fenced { lock, fence } = current.unwrap_or_default();
        if !generations {
            return Update::Write(Fenced { lock, fence }, true);
        }
        if fences && fence.is_some_and(|fence| fence > task.attempt) {
            return Update::Leave(false);
        }
        match lock.begin_writing(&id(task.place.release), task.generation, aws.now()) {
            Ok(lock) => Update::Write(Fenced { lock, fence }, true),
            Err(_) => Update::Leave(false),
        }
    };
    let begins = aws.update("begins to write", |world| &mut world.table.lock, Some(changed()), decide).await?;
    aws.note(|world| {
        if !begins {
            world.truth.seen.one("stale writer refused");
        } else if task.place.state == State::RollBack {
            world.truth.gives_up_deploying(task);
        }
    });
    Ok(begins)
}

/// Writes into the lock that the function has stopped changing the service.
pub(super) async fn stop_writing(aws: &Aws, task: &Task) -> Result<(), Unknown> {
    let decide = |current: Option<Fenced>| {
        let Fenced { lock, fence } = current.unwrap_or_default();
        match lock.stopped_writing(&id(task.place.release), task.generation) {
            Some(lock) => Update::Write(Fenced { lock, fence }, ()),
            None => Update::Leave(()),
        }
    };
    aws.update("stops writing", |world| &mut world.table.lock, Some(changed()), decide).await
}

/// What shutting out the earlier attempts came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alone {
    /// No earlier attempt begins to write any more, and none is writing.
    Yes,
    /// One that began before may still be writing.
    NotYet,
    /// The lock is lost.
    Lost,
}

/// Shuts out the earlier attempts of the release. A proposal: the code does not have it.
pub(super) async fn shut_out_earlier(aws: &Aws, task: &Task) -> Result<Alone, Unknown> {
    let decide = |current: Option<Fenced>| {
        let Fenced { lock, fence } = current.unwrap_or_default();
        let Ok(holder) = lock.is_held_by(&id(task.place.release), task.generation) else { return Update::Leave(Alone::Lost) };
        let alone = if holder.is_writing(aws.now()) { Alone::NotYet } else { Alone::Yes };
        if fence >= Some(task.attempt) {
            return Update::Leave(alone);
        }
        Update::Write(Fenced { fence: Some(task.attempt), lock }, alone)
    };
    aws.update("shuts out the earlier attempts", |world| &mut world.table.lock, None, decide).await
}

/// Gives the lock of a release back. `false` where one of its functions may still be writing.
pub(super) async fn give_back(aws: &Aws, release: usize) -> Result<bool, Unknown> {
    let decide = |current: Option<Fenced>| {
        let lock = current.unwrap_or_default().lock;
        match lock.given_back(&id(release)) {
            Some(free) => {
                let rests = free.rests_until.is_some_and(|until| aws.now() < until);
                Update::Write(Fenced { lock: free, fence: None }, !rests)
            }
            None => Update::Leave(lock.holder.is_some() || lock.rests_until.is_none_or(|until| until <= aws.now())),
        }
    };
    aws.update("gives the lock back", |world| &mut world.table.lock, Some(changed()), decide).await
}
