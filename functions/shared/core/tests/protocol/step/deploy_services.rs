//! `DeployServices`.

use jiff::{SignedDuration, Timestamp};
use slipway_core::deployment::{Progress, judge};
use slipway_core::lock::Fenced;
use slipway_core::protocol::{StepResult, WakeKey};
use slipway_core::rollback::{Change, ROUNDS};

use super::lock::{begin_change_at_once, begin_writing, fence_off, stop_writing};
use crate::aws::{Aws, Unknown};
use crate::rules::Rule;
use crate::world::service::{Revision, service_arn, task_definition};
use crate::world::workflow::{Output, Task};
use crate::world::{DEPLOYMENT_SECONDS, World, baseline_revision, names, ours};

/// Deploys the service, or looks how far ECS is.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    if aws.call("reads whether ECS was told", |world| world.table.records[release].told).await? {
        return follow(aws, task).await;
    }
    let mut begun =
        aws.call("reads the change", |world| world.table.records[release].change.is_some()).await?;
    if !aws.keeps(Rule::NoRestartOnceBegun) {
        begun = false;
    }
    // What begins at once rests on the lock as it was read ahead of everything else.
    let at_once = !begun && aws.keeps(Rule::Generations);
    let lock =
        if at_once { Some(aws.call("reads the lock", |world| world.table.lock.read()).await?) } else { None };
    if !aws.call("reads the approval", |world| approved(world, task)).await? {
        return Ok(stop("not approved", begun));
    }
    let view = aws.ask("looks at the service", |world| world.service.view()).await?;
    let registered = aws.call("reads the revision", |world| world.table.records[release].registered).await?;
    let (now, ours) = (&view.task_definition, task_definition(ours(release)));
    let was_told = registered
        && (*now == ours || view.deployments.iter().any(|deployment| deployment.task_definition == ours));
    let before = baseline_revision(task.baseline.as_ref().expect("a baseline"));
    if *now != task_definition(before) && !(registered && *now == ours) {
        return if begun { Ok(stop("external change", begun)) } else { restart(aws, task).await };
    }
    let unwanted = |world: &mut World| if begun { None } else { world.interrupted(task) };
    if let Some(end) = aws.call("reads what comes first", unwanted).await? {
        return Ok(StepResult::End(end));
    }
    if begun && aws.call("reads an abort", |world| world.table.records[release].aborted).await? {
        return Ok(StepResult::roll_back("aborted"));
    }
    aws.ask("registers a revision", |world| world.table.records[release].registered = true).await?;
    let at_once = match lock {
        Some(lock) => begin_change_at_once(aws, task, lock).await?,
        None => false,
    };
    if !at_once {
        if !begin_writing(aws, task).await? {
            return Ok(stop("the lock is lost", begun));
        }
        begin_change(aws, task).await?;
    }
    let told = if was_told { Ok(()) } else { tell_ecs(aws, task).await };
    stop_writing(aws, task).await?;
    told?;
    aws.call("keeps that ECS was told", |world| world.table.records[release].told = true).await?;
    Ok(wait(aws.now()))
}

async fn tell_ecs(aws: &Aws, task: &Task) -> Result<(), Unknown> {
    aws.ask("tells ECS", |world| world.update_service(task, ours(task.place.release))).await
}

/// Looks how far ECS is.
async fn follow(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let record = aws.call("reads an abort", |world| {
        (world.table.records[release].aborted, world.table.records[release].change.clone())
    });
    let (aborted, change) = record.await?;
    if aborted {
        return Ok(StepResult::roll_back("aborted"));
    }
    let begun = change.map_or_else(|| aws.now(), |Change { at, .. }| at);
    let deadline = begun + SignedDuration::from_secs(DEPLOYMENT_SECONDS);
    Ok(match deployed(aws, ours(release), deadline).await? {
        Progress::Going | Progress::Lagging { .. } => wait(begun),
        Progress::Done => StepResult::Done(Output::Nothing),
        Progress::Failed { reason } => StepResult::roll_back(reason),
    })
}

fn wait(begun: Timestamp) -> StepResult<Output> {
    let deadline = begun + SignedDuration::from_secs(DEPLOYMENT_SECONDS);
    StepResult::Wait { on: vec![WakeKey::Service(service_arn())], deadline }
}

/// Where a deployment, or its rollback, stands. What is not over at its deadline has failed.
pub(super) async fn deployed(aws: &Aws, wanted: Revision, deadline: Timestamp) -> Result<Progress, Unknown> {
    let view = aws.ask("looks at the deployment", |world| world.service.view()).await?;
    Ok(match judge(&view, &task_definition(wanted), None, aws.now()) {
        Progress::Going | Progress::Lagging { .. } if aws.now() >= deadline => {
            Progress::Failed { reason: "it did not end in time".into() }
        }
        other => other,
    })
}

/// What stops a stage that has begun to change leads to its rollback.
pub(super) fn stop(reason: &str, begun: bool) -> StepResult<Output> {
    if begun { StepResult::roll_back(reason) } else { StepResult::failed(reason) }
}

/// Whether people approved what is to be deployed, for what it is to replace.
pub(super) fn approved(world: &World, task: &Task) -> bool {
    if !world.stage.approval || !world.rules.keep(Rule::Approvals) {
        return true;
    }
    let Some(baseline) = &task.baseline else { return false };
    let approval = world.approval(task.place.release, baseline.round);
    approval.is_some_and(|approval| {
        approval.covers(&names::release(task.place.release), &names::stage(), baseline).is_ok()
    })
}

/// Whether the service does not run its baseline any more.
pub(super) fn changed_from_outside(world: &World, task: &Task) -> bool {
    let before = baseline_revision(task.baseline.as_ref().expect("a baseline"));
    world.service.runs() != before
}

/// Writes down that the release begins to change the stage, unless it is written down.
pub(super) async fn begin_change(aws: &Aws, task: &Task) -> Result<(), Unknown> {
    let change = Change { stage: names::stage(), at: aws.now(), asked_at: None };
    let begin = |world: &mut World| {
        world.table.records[task.place.release].change.get_or_insert(change);
        world.truth.begun[task.place.release].get_or_insert(world.now);
    };
    aws.call("writes that the change begins", begin).await
}

/// The stage is not what people were shown: its baseline is captured anew, a few times. Without people it fails.
pub(super) async fn restart(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let round = task.baseline.as_ref().expect("a baseline").round;
    let asks = aws.call("reads the stage", |world| world.stage.approval).await?;
    if !asks || round >= ROUNDS {
        return Ok(stop("external change", false));
    }
    match fence_off(aws, task).await? {
        Ok(Fenced::Alone) => {}
        Ok(Fenced::NotYet) => {
            return Ok(StepResult::LookAgain { reason: "an earlier attempt may still be writing".into() });
        }
        Err(_) => return Ok(stop("the lock is lost", false)),
    }
    if aws.keeps(Rule::Fence) {
        // One that was fenced off may have begun before.
        let looks = aws.keeps(Rule::NoRestartOnceBegun) && aws.keeps(Rule::MigrationReadsTheChange);
        if aws
            .call("reads the change again", |world| looks && world.table.records[release].change.is_some())
            .await?
        {
            return Ok(stop("external change", true));
        }
    }
    aws.call("keeps the round", |world| world.table.records[release].round = round + 1).await?;
    Ok(StepResult::Restart { reason: "external change".into() })
}
