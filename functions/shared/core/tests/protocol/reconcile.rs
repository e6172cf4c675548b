//! `reconcile`, as far as it looks after open releases, and after the lock.

use slipway_core::lock::{Life, Lock};

use crate::aws::{Aws, Unknown, Update};
use crate::rules::Rule;
use crate::step::finish_dead;
use crate::world::table::About;
use crate::world::workflow::Status;
use crate::world::{Place, World, names};

/// Looks after one release.
pub(crate) async fn handle(aws: &Aws, release: usize) -> Result<(), Unknown> {
    if aws.keeps(Rule::LocksOfTheEnded) {
        free_the_lock(aws, release).await?;
    }
    if !aws.call("reads whether it is open", |world| world.table.records[release].open).await? {
        return Ok(());
    }
    match aws.ask("asks whether it lives", |world| world.executions[release].status).await? {
        Status::Running => wake_due(aws, release).await,
        Status::Ended => finish_dead(aws, release).await,
        Status::NotStarted => Ok(()),
    }
}

/// Has the steps of a release woken that are due.
async fn wake_due(aws: &Aws, release: usize) -> Result<(), Unknown> {
    let due = |world: &mut World| -> Vec<Place> {
        let (now, reconciles) = (world.time(), world.rules.keep(Rule::Reconciler));
        let callbacks = world.table.records[release].callbacks.iter();
        let due = callbacks
            .filter(|(_, item)| item.get().is_some_and(|callback| reconciles && callback.is_due(now)));
        due.map(|(&state, _)| Place { release, state }).collect()
    };
    for place in aws.call("lists its callbacks", due).await? {
        aws.call("asks for a wake-up", |world| world.events.push(About::Due(place))).await?;
        aws.note(|world| world.truth.seen.one("found by the reconciler"));
    }
    Ok(())
}

/// Gives the lock back that a late function took for a release that had ended.
async fn free_the_lock(aws: &Aws, release: usize) -> Result<(), Unknown> {
    let ended = |world: &mut World| {
        let record = &world.table.records[release];
        record.ending.is_some()
            && !record.open
            && world.life(world.table.lock().holder.as_ref()) == Life::Ended
    };
    if !aws.call("reads whether it has ended", ended).await? {
        return Ok(());
    }
    let decide = |current: Option<Lock>| match current.and_then(|lock| lock.given_back(&names::id(release))) {
        Some(free) => Update::Write(free, ()),
        None => Update::Leave(()),
    };
    let about = Some(About::Key(slipway_core::protocol::WakeKey::Lock(names::application())));
    aws.update("frees the lock", |world| &mut world.table.lock, about, decide).await
}
