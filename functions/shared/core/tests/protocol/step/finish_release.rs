//! `FinishRelease`, and how the reconciler ends a release whose execution is dead.

use slipway_core::approval::Approval;
use slipway_core::failure::{ending, stopped};
use slipway_core::protocol::StepResult;
use slipway_core::release::Outcome;

use super::lock::give_back;
use crate::aws::{Aws, Unknown, Update};
use crate::rules::Rule;
use crate::world::workflow::{Output, Task};
use crate::world::{Place, World, names};

/// Records how the release ended, gives the lock back, and closes the release.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let alone = if aws.keeps(Rule::LockBeforeOutcome) { give_back(aws, release).await? } else { true };
    let mut begun = Vec::new();
    if task.failure.is_some()
        && aws.call("reads what it changed", |world| world.table.records[release].change.is_some()).await?
    {
        begun.push(names::stage());
    }
    if task.failure.is_some() && begun.is_empty() && !alone {
        return Ok(StepResult::LookAgain { reason: "one of its functions may be about to begin".into() });
    }
    finish(aws, release, ending(task.failure.as_deref(), &begun).outcome).await?;
    Ok(StepResult::Done(Output::Nothing))
}

/// Ends a release whose execution is dead, unless one of its functions may still be writing.
pub(crate) async fn finish_dead(aws: &Aws, release: usize) -> Result<(), Unknown> {
    if aws.keeps(Rule::LockBeforeOutcome) {
        if !give_back(aws, release).await? {
            return Ok(());
        }
    } else {
        let holder = aws.call("reads the lock", |world| world.table.lock().holder).await?;
        if holder.is_some_and(|holder| holder.release == names::id(release) && holder.is_writing(aws.now())) {
            return Ok(());
        }
    }
    let recorded = aws.call("reads the outcome", |world| world.table.records[release].ending).await?;
    let outcome = if let Some(outcome) = recorded {
        outcome
    } else {
        let look = |world: &mut World| {
            let record = &world.table.records[release];
            (!record.baselines.is_empty()).then(|| (names::stage(), record.change.is_some()))
        };
        let last = aws.call("reads what it changed", look).await?;
        let (stage, changed) = last.map_or((None, false), |(stage, changed)| (Some(stage), changed));
        stopped(stage, changed, &[]).outcome
    };
    withdraw(aws, release).await?;
    finish(aws, release, outcome).await
}

/// Nobody can let a dead release go on.
async fn withdraw(aws: &Aws, release: usize) -> Result<(), Unknown> {
    let asked = aws
        .call("reads what it asked", |world| {
            world.table.records[release].approvals.keys().next_back().copied()
        })
        .await?;
    let Some(round) = asked else { return Ok(()) };
    let decide = |current: Option<Approval>| match current {
        Some(approval) if approval.withdrawn("").status != approval.status => {
            Update::Write(approval.withdrawn("it has ended"), ())
        }
        _ => Update::Leave(()),
    };
    aws.update("withdraws the approval", |world| world.table.approval(release, round), None, decide).await
}

async fn finish(aws: &Aws, release: usize, outcome: Outcome) -> Result<(), Unknown> {
    aws.call("records the outcome", |world| world.record(release, outcome)).await?;
    give_back(aws, release).await?;
    let places = aws.call("lists its callbacks", |world| world.callbacks_of(release)).await?;
    for place in places {
        aws.call("removes a callback", |world| world.remove_callback(place)).await?;
    }
    aws.call("closes the release", |world| world.table.records[release].open = false).await
}

impl World {
    /// The first recorded outcome stands.
    fn record(&mut self, release: usize, outcome: Outcome) {
        let record = &mut self.table.records[release];
        if record.ending.is_none() {
            record.ending = Some(outcome);
            if record.aborted && outcome == Outcome::Failed {
                self.truth.seen.one("aborted");
            }
            self.truth.seen.one(outcome.as_str());
        }
    }

    fn callbacks_of(&self, release: usize) -> Vec<Place> {
        self.table.records[release].callbacks.keys().map(|&state| Place { release, state }).collect()
    }

    fn remove_callback(&mut self, place: Place) {
        self.table.pointers.retain(|(_, pointer)| *pointer != place);
        self.table.callback(place).remove();
    }
}
