//! What the steps write into the lock.

use slipway_core::lock::{Fenced, Lock, Lost};
use slipway_core::protocol::WakeKey;
use slipway_core::rollback::Change;

use crate::aws::{Aws, Unknown, Update};
use crate::rules::Rule;
use crate::world::names::{application, id};
use crate::world::table::{About, Version};
use crate::world::workflow::Task;
use crate::world::{State, World, names};

/// That the lock was given back, which wakes who waits for it.
fn given_back() -> About {
    About::Key(WakeKey::Lock(application()))
}

/// Writes into the lock that a function begins to change the service. `false` where the lock is lost.
pub(super) async fn begin_writing(aws: &Aws, task: &Task) -> Result<bool, Unknown> {
    let generations = aws.keeps(Rule::Generations);
    let decide = |current: Option<Lock>| {
        let lock = current.unwrap_or_default();
        if !generations {
            return Update::Write(lock, true);
        }
        match lock.begin_writing(&id(task.place.release), task.generation, task.attempt, aws.now()) {
            Ok(lock) => Update::Write(lock, true),
            Err(_) => Update::Leave(false),
        }
    };
    let begins = aws.update("begins to write", |world| &mut world.table.lock, None, decide).await?;
    aws.note(|world| {
        if !begins {
            world.truth.seen.one("stale writer refused");
        } else if task.place.state == State::RollBack {
            world.truth.gives_up_deploying(task);
        }
    });
    Ok(begins)
}

/// Begins to write and to change the stage in one write, on the lock as it was read. `false` where nothing is written: the
/// lock is lost or was written since, or the stage has begun to change.
pub(super) async fn begin_change_at_once(
    aws: &Aws,
    task: &Task,
    (lock, version): (Option<Lock>, Version),
) -> Result<bool, Unknown> {
    let release = task.place.release;
    let writing =
        lock.unwrap_or_default().begin_writing(&id(release), task.generation, task.attempt, aws.now());
    let Ok(writing) = writing else { return Ok(false) };
    let change = Change { stage: names::stage(), at: aws.now(), asked_at: None };
    let write = |world: &mut World| {
        if world.table.records[release].change.is_some() {
            return false;
        }
        let written = world.table.lock.write(writing, version);
        let begins = world.written(written, None);
        if begins {
            world.table.records[release].change = Some(change);
            world.truth.begun[release].get_or_insert(world.now);
        }
        begins
    };
    aws.call("begins to write and to change at once", write).await
}

/// Writes into the lock that the function has stopped changing the service.
pub(super) async fn stop_writing(aws: &Aws, task: &Task) -> Result<(), Unknown> {
    let decide = |current: Option<Lock>| match current
        .and_then(|lock| lock.stopped_writing(&id(task.place.release), task.generation))
    {
        Some(lock) => Update::Write(lock, ()),
        None => Update::Leave(()),
    };
    aws.update("stops writing", |world| &mut world.table.lock, None, decide).await
}

/// Fences off the earlier attempts of the release.
pub(super) async fn fence_off(aws: &Aws, task: &Task) -> Result<Result<Fenced, Lost>, Unknown> {
    if !aws.keeps(Rule::Fence) {
        return Ok(Ok(Fenced::Alone));
    }
    let decide = |current: Option<Lock>| match current.unwrap_or_default().fence_off(
        &id(task.place.release),
        task.generation,
        task.attempt,
        aws.now(),
    ) {
        Ok((Some(lock), fenced)) => Update::Write(lock, Ok(fenced)),
        Ok((None, fenced)) => Update::Leave(Ok(fenced)),
        Err(lost) => Update::Leave(Err(lost)),
    };
    aws.update("fences off the earlier attempts", |world| &mut world.table.lock, None, decide).await
}

/// Gives the lock of a release back. `false` where one of its functions may still be writing.
pub(super) async fn give_back(aws: &Aws, release: usize) -> Result<bool, Unknown> {
    let decide = |current: Option<Lock>| {
        let lock = current.unwrap_or_default();
        match lock.given_back(&id(release)) {
            Some(free) => {
                let rests = free.rests(aws.now());
                Update::Write(free, !rests)
            }
            None => Update::Leave(lock.holder.is_some() || !lock.rests(aws.now())),
        }
    };
    aws.update("gives the lock back", |world| &mut world.table.lock, Some(given_back()), decide).await
}
