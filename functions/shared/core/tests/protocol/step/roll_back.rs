//! `RollBack`.

use jiff::SignedDuration;
use slipway_core::deployment::Progress;
use slipway_core::lock::Fenced;
use slipway_core::protocol::{End, StepResult, WakeKey};
use slipway_core::release::Outcome;
use slipway_core::rollback::{Known, Restoration, restoration};

use super::deploy_services::deployed;
use super::lock::{begin_writing, fence_off, stop_writing};
use crate::aws::{Aws, Unknown};
use crate::rules::Rule;
use crate::world::service::{service_arn, task_definition};
use crate::world::workflow::{Output, Task};
use crate::world::{DEPLOYMENT_SECONDS, State, World, baseline_revision, ours};

/// Restores the baseline, or looks how far ECS is.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let restored =
        aws.call("reads whether it is restored", |world| world.table.records[release].restored).await?;
    if !restored {
        match fence_off(aws, task).await? {
            Ok(Fenced::Alone) => {}
            Ok(Fenced::NotYet) => {
                return Ok(StepResult::LookAgain {
                    reason: "an earlier attempt may still be writing".into(),
                });
            }
            Err(_) => return Ok(StepResult::stuck("the lock is lost")),
        }
    }
    if !aws.call("reads the change", |world| world.table.records[release].change.is_some()).await? {
        return Ok(StepResult::failed("nothing was changed"));
    }
    if !restored && let Err(end) = begin(aws, task).await? {
        return Ok(StepResult::End(end));
    }
    let now = aws.now();
    let first_look =
        |world: &mut World| *world.table.records[release].first_looks.entry(State::RollBack).or_insert(now);
    let deadline =
        aws.call("keeps its first look", first_look).await? + SignedDuration::from_secs(DEPLOYMENT_SECONDS);
    Ok(match deployed(aws, before(task), deadline).await? {
        Progress::Going | Progress::Lagging { .. } => {
            StepResult::Wait { on: vec![WakeKey::Service(service_arn())], deadline }
        }
        Progress::Done => StepResult::Done(Output::Nothing),
        Progress::Failed { reason } => StepResult::stuck(reason),
    })
}

/// Tells ECS to run the baseline, where the release changed it; else why a person is needed, or that nothing was
/// changed.
async fn begin(aws: &Aws, task: &Task) -> Result<Result<(), End>, Unknown> {
    let release = task.place.release;
    if !begin_writing(aws, task).await? {
        return Ok(Err(End::changed(Outcome::Stuck, "the lock is lost")));
    }
    let restored = restore(aws, task).await;
    stop_writing(aws, task).await?;
    let touched = match restored? {
        Ok(touched) => touched,
        Err(reason) => return Ok(Err(End::changed(Outcome::Stuck, reason))),
    };
    let told_or_migrated = |world: &mut World| {
        world.table.records[release].told || world.table.records[release].migration.is_some()
    };
    if !touched && !aws.call("reads whether ECS was told", told_or_migrated).await? {
        return Ok(Err(End::unchanged(Outcome::Failed, "the service was not changed")));
    }
    aws.call("keeps that it is restored", |world| world.table.records[release].restored = true).await?;
    Ok(Ok(()))
}

/// Whether the release had reached the service; else why it cannot be restored.
async fn restore(aws: &Aws, task: &Task) -> Result<Result<bool, String>, Unknown> {
    let release = task.place.release;
    let view = aws.ask("looks at the service", |world| world.service.view()).await?;
    let registered = aws.call("reads the revision", |world| world.table.records[release].registered).await?;
    let ours = registered.then(|| task_definition(ours(release)));
    let baseline = task.baseline.as_ref().expect("a baseline");
    let known = Known { registered: ours.as_ref(), ..Known::default() };
    let restoration = restoration(&baseline.services[0], known, &view, aws.now());
    let touched = restoration != Restoration::AlreadyBack
        || view.deployments.iter().any(|one| Some(&one.task_definition) == ours.as_ref());
    match restoration {
        Restoration::AlreadyBack | Restoration::NotShownYet => {}
        Restoration::Restore => {
            // A run that is killed after it must not be followed by one that finds nothing changed.
            if aws.keeps(Rule::RollbackRemembers) {
                aws.call("keeps that ECS was told", |world| world.table.records[release].told = true).await?;
            }
            aws.ask("puts the baseline back", |world: &mut World| world.update_service(task, before(task)))
                .await?;
        }
        Restoration::Refuse { reason, .. } => return Ok(Err(reason)),
    }
    Ok(Ok(touched))
}

fn before(task: &Task) -> u32 {
    baseline_revision(task.baseline.as_ref().expect("a baseline"))
}
