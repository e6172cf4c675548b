//! `resume-release`: an event, or a change of the table, fails the token of every callback that waits for it with
//! `Woken`.

use slipway_core::protocol::{Callback, TaskError, WakeKey};

use crate::aws::{Aws, Unknown};
use crate::world::table::About;
use crate::world::workflow::TaskEnd;
use crate::world::{Place, World};

/// Wakes what an event is waited for by.
pub(crate) async fn handle(aws: &Aws, about: &About) -> Result<(), Unknown> {
    match about {
        About::Key(key) => wake(aws, key).await,
        About::Abort(release) => wake_all(aws, *release).await,
        About::Due(place) => wake_one(aws, *place).await,
    }
}

/// Wakes every step that waits for this.
async fn wake(aws: &Aws, key: &WakeKey) -> Result<(), Unknown> {
    for place in aws.call("lists who waits", |world| world.table.waiting_for(key)).await? {
        wake_one(aws, place).await?;
    }
    Ok(())
}

/// Wakes every step of a release that waits.
async fn wake_all(aws: &Aws, release: usize) -> Result<(), Unknown> {
    let list = |world: &mut World| {
        world.table.records[release].callbacks.values().filter_map(|item| item.get().cloned()).collect()
    };
    let callbacks: Vec<Callback> = aws.call("lists its callbacks", list).await?;
    for callback in callbacks {
        fail(aws, &callback).await?;
    }
    Ok(())
}

async fn wake_one(aws: &Aws, place: Place) -> Result<(), Unknown> {
    match aws.call("reads the callback", |world| world.table.callback(place).get().cloned()).await? {
        Some(callback) => fail(aws, &callback).await,
        None => Ok(()),
    }
}

/// Fails a parked token.
async fn fail(aws: &Aws, callback: &Callback) -> Result<(), Unknown> {
    let Some(token) = &callback.token else { return Ok(()) };
    let token = token.parse().expect("a token of the model");
    aws.call("fails the token", |world| world.end_task(token, TaskEnd::Failed(TaskError::Woken, None)))
        .await?;
    Ok(())
}
