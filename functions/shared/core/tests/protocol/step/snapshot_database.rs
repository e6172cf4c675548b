//! `SnapshotDatabase`: what it waits on changes while it waits.

use jiff::SignedDuration;
use slipway_core::protocol::{StepResult, WakeKey};

use crate::aws::{Aws, Unknown};
use crate::world::workflow::{Output, Task};
use crate::world::{SNAPSHOT_SECONDS, State, World, names};

/// Takes a snapshot once the database is available, and waits until it is there.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    if let Some(end) = aws.call("reads what comes first", |world| world.interrupted(task)).await? {
        return Ok(StepResult::End(end));
    }
    let now = aws.now();
    let first_look = |world: &mut World| {
        *world.table.records[release].first_looks.entry(State::SnapshotDatabase).or_insert(now)
    };
    let deadline =
        aws.call("keeps its first look", first_look).await? + SignedDuration::from_secs(SNAPSHOT_SECONDS);
    let late = aws.now() >= deadline;
    let wait = |identifier: String| {
        if late {
            return StepResult::failed("there was no snapshot in time");
        }
        StepResult::Wait {
            on: vec![WakeKey::Database(identifier), WakeKey::Push(names::application())],
            deadline,
        }
    };
    let (there, busy) =
        aws.ask("looks at the snapshot", |world| (world.snapshots[release], world.database_is_busy)).await?;
    match there {
        Some(true) => return Ok(StepResult::Done(Output::Nothing)),
        Some(false) => {}
        None if busy => return Ok(wait(names::DATABASE.into())),
        None => {
            let take = |world: &mut World| {
                world.snapshots[release].get_or_insert(false);
            };
            aws.ask("takes a snapshot", take).await?;
        }
    }
    Ok(wait(names::snapshot(release)))
}
