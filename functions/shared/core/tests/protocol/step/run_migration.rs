//! `RunMigration`: the stage's first change, where it has one.

use jiff::SignedDuration;
use slipway_core::protocol::{End, StepResult, WakeKey};
use slipway_core::release::Outcome;

use super::deploy_services::{approved, begin_change, changed_from_outside, restart, stop};
use super::lock::{begin_writing, stop_writing};
use crate::aws::{Aws, Unknown};
use crate::rules::Rule;
use crate::world::workflow::{Output, Task};
use crate::world::{Job, MIGRATION_SECONDS, State, World, names};

/// Begins the migration, or looks how it goes.
pub(super) async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    if let Some(migration) =
        aws.call("reads the migration", |world| world.table.records[release].migration).await?
    {
        return follow(aws, task, migration).await;
    }
    // An earlier run may have been killed between writing down that the stage changes and its migration.
    let begun = aws.call("reads the change", |world| world.table.records[release].change.is_some()).await?;
    let begun = begun && aws.keeps(Rule::MigrationReadsTheChange) && aws.keeps(Rule::NoRestartOnceBegun);
    if !aws.call("reads the approval", |world| approved(world, task)).await? {
        return Ok(stop("not approved", begun));
    }
    if aws.ask("looks at the service", |world| changed_from_outside(world, task)).await? {
        return if begun { Ok(StepResult::roll_back("external change")) } else { restart(aws, task).await };
    }
    let interrupted = |world: &mut World| match (begun, world.table.records[release].aborted) {
        (true, aborted) => aborted.then(|| End::changed(Outcome::RolledBack, "aborted")),
        (false, _) => world.interrupted(task),
    };
    if let Some(end) = aws.call("reads what comes first", interrupted).await? {
        return Ok(StepResult::End(end));
    }
    aws.ask("registers a revision", |world| world.table.records[release].registered = true).await?;
    if !begin_writing(aws, task).await? {
        return Ok(stop("the lock is lost", begun));
    }
    let begun = begin(aws, task).await;
    stop_writing(aws, task).await?;
    begun?;
    wait(aws, task).await
}

async fn begin(aws: &Aws, task: &Task) -> Result<(), Unknown> {
    let release = task.place.release;
    begin_change(aws, task).await?;
    let keep = |world: &mut World| {
        world.table.records[release].migration.get_or_insert(Job::Runs);
    };
    aws.call("keeps that it begins", keep).await?;
    run(aws, task).await
}

/// Has ECS run the task, which is asked for by a name that finds it again.
async fn run(aws: &Aws, task: &Task) -> Result<(), Unknown> {
    let run = |world: &mut World| {
        world.tasks[task.place.release].get_or_insert(Job::Runs);
    };
    aws.ask("runs the migration's task", run).await
}

/// Goes on with one that was begun.
async fn follow(aws: &Aws, task: &Task, migration: Job) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let mut ended = migration;
    if migration == Job::Runs {
        run(aws, task).await?;
        let waits = wait(aws, task).await?;
        let late = matches!(&waits, StepResult::Wait { deadline, .. } if aws.now() >= *deadline);
        ended = aws.ask("looks at its task", |world| world.tasks[release].unwrap_or(Job::Runs)).await?;
        if ended == Job::Runs {
            if !late {
                return Ok(waits);
            }
            aws.ask("stops its task", |world| world.end_migration(release, false)).await?;
            ended = Job::Ended(false);
        }
        let keep = |world: &mut World| {
            let kept = &mut world.table.records[release].migration;
            if matches!(kept, None | Some(Job::Runs)) {
                *kept = Some(ended);
            }
        };
        aws.call("keeps how it ended", keep).await?;
    }
    let aborted = aws.call("reads what comes first", |world| world.table.records[release].aborted).await?;
    Ok(match ended {
        Job::Ended(true) if aborted => StepResult::roll_back("aborted; its migration has run"),
        Job::Ended(true) => StepResult::Done(Output::Nothing),
        Job::Ended(false) | Job::Runs => StepResult::roll_back("the migration failed"),
    })
}

/// What it waits on: its task, once it has one.
async fn wait(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    let release = task.place.release;
    let first = aws.now();
    let first_look = |world: &mut World| {
        *world.table.records[release].first_looks.entry(State::RunMigration).or_insert(first)
    };
    let first = aws.call("keeps its first look", first_look).await?;
    let on = vec![WakeKey::Task(names::task(release))];
    Ok(StepResult::Wait { on, deadline: first + SignedDuration::from_secs(MIGRATION_SECONDS) })
}
