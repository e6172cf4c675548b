//! `CaptureBaseline`.

use slipway_core::protocol::StepResult;

use crate::aws::{Aws, Unknown};
use crate::world::workflow::{Output, Task};

/// Records what the stage runs: the first record of a round stands.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let round = aws.call("reads the round", |world| world.table.records[release].round.max(1)).await?;
    let recorded = aws
        .call("reads the baseline", |world| world.table.records[release].baselines.get(&round).cloned())
        .await?;
    if let Some(baseline) = recorded {
        return Ok(StepResult::Done(Output::Captured(baseline)));
    }
    if let Some(end) = aws.call("reads what comes first", |world| world.interrupted(task)).await? {
        return Ok(StepResult::End(end));
    }
    let captured = aws.ask("looks at the service", |world| world.capture(round)).await?;
    let first = aws
        .call("records the baseline", |world| {
            world.table.records[release].baselines.entry(round).or_insert(captured).clone()
        })
        .await?;
    Ok(StepResult::Done(Output::Captured(first)))
}
