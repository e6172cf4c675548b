//! `BakeStage`.

use jiff::SignedDuration;
use slipway_core::protocol::{StepResult, WakeKey};

use crate::aws::{Aws, Unknown};
use crate::world::workflow::{Output, Task};
use crate::world::{BAKE_SECONDS, State, World, names};

/// Looks whether the alarm has fired since the stage began to change, until its time is over.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    if aws.call("reads an abort", |world| world.table.records[release].aborted).await? {
        return Ok(StepResult::roll_back("aborted"));
    }
    let now = aws.now();
    let first_look =
        |world: &mut World| *world.table.records[release].first_looks.entry(State::BakeStage).or_insert(now);
    let deadline =
        aws.call("keeps its first look", first_look).await? + SignedDuration::from_secs(BAKE_SECONDS);
    let over = aws.now() >= deadline;
    let change = aws
        .call("reads the change", |world| {
            world.table.records[release].change.as_ref().map(|change| change.at)
        })
        .await?;
    let fired =
        aws.ask("looks at the alarm", |world| world.fired_at.is_some() && world.fired_at >= change).await?;
    Ok(match (fired, over) {
        (true, _) => StepResult::roll_back("the alarm has fired"),
        (false, true) => StepResult::Done(Output::Nothing),
        (false, false) => StepResult::Wait { on: vec![WakeKey::Alarm(names::ALARM.into())], deadline },
    })
}
