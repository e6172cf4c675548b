//! Takes a snapshot of a stage's database before the stage changes, and removes its own old ones.
//!
//! A snapshot is not a rollback of the schema: a rollback restores images, and nothing in a database.
//!
//! It looks before it writes: the snapshot has one identifier for a release and a stage, so a second run finds the
//! first one's. It does not wait: the workflow does, until the database or the snapshot is available or the stage's
//! time for it is over.

use slipway_aws::{Aws, AwsError, Key, Requested, Table};
use slipway_core::protocol::{StepResult, WakeKey};
use slipway_core::snapshot::{Database, Next, SnapshotPolicy, Taken, beyond, identifier, next, place};
use slipway_core::step::{Passed, StageInput};
use slipway_core::timeline::Step;
use slipway_release::{StepError, Timeline, deadline, ends_frozen, frozen_for, interrupted, now};
use slipway_runtime::Config;

/// Takes the snapshot, or looks how far it is.
///
/// # Errors
///
/// When the stage names no database, or AWS cannot be asked. That there can be no snapshot is an answer, not an error.
pub async fn handle(aws: &Aws, config: &Config, input: StageInput) -> Result<StepResult<Passed>, StepError> {
    let StageInput { release, stage, .. } = &input;
    let policy = stage.snapshot.as_ref();
    let (Some(policy), Some(database)) = (policy, policy.and_then(SnapshotPolicy::database)) else {
        return Err(StepError::InvalidInput {
            field: "stage.snapshot".into(),
            problem: "the stage names no database".into(),
        });
    };
    let table = aws.table(&config.table);
    let result = gate(aws, &table, &input, policy, &database).await?;
    let words = match &result {
        StepResult::Done(Passed { evidence }) => {
            tracing::info!(release.id = %release.id, %stage.name, "{evidence}");
            evidence
        }
        StepResult::End(end) => &end.reason,
        _ => return Ok(result),
    };
    Timeline::of(&table, &release.id).in_stage(&stage.name).record(Step::Snapshotted, words).await?;
    Ok(result)
}

async fn gate(
    aws: &Aws,
    table: &Table,
    input: &StageInput,
    policy: &SnapshotPolicy,
    database: &Database,
) -> Result<StepResult<Passed>, StepError> {
    let StageInput { release, generation, stage, .. } = input;
    let recorded = Key::snapshot(&release.id, &stage.name);
    if let Some(taken) = table.get::<Taken>(&recorded).await? {
        return Ok(passed(&taken.document));
    }
    if let Some(end) = interrupted(table, release, *generation).await? {
        return Ok(StepResult::End(end));
    }
    // It would be old by the end of the freeze. Nothing is begun, so the stage is waited for where it is captured.
    if let Some(frozen) = frozen_for(table, release, stage).await? {
        let waits = || StepResult::Restart { reason: frozen.in_words(&stage.name) };
        return Ok(ends_frozen(stage, &frozen).unwrap_or_else(waits));
    }
    let (name, identifier, place) =
        (database.name(), identifier(&release.id, &stage.name), place(&release.application, &stage.name));
    let deadline =
        deadline(table, &Key::gate(&release.id, &stage.name, "SNAPSHOT"), policy.wait_seconds()).await?;
    let late = now() >= deadline;
    let there = aws.snapshots().find(database, &identifier).await?;
    let status = if there.is_none() { aws.snapshots().database_status(database).await? } else { None };

    // For a database or a snapshot of this identifier; what is said where its time is over.
    let wait = |identifier: &str, what: String| {
        if late {
            let seconds = policy.wait_seconds();
            return StepResult::failed(format!(
                "{what} after {seconds} s; {} was not touched for it",
                stage.name
            ));
        }
        let on = vec![WakeKey::Database(identifier.to_owned()), WakeKey::Push(release.application.clone())];
        StepResult::Wait { on, deadline }
    };
    Ok(match next(database, there.as_ref(), status.as_deref(), release) {
        Next::Stop { reason } => StepResult::failed(reason),
        Next::AwaitDatabase { status } => {
            wait(name, format!("no snapshot can be taken of {name}: it is {status} and not available"))
        }
        Next::AwaitSnapshot => wait(&identifier, format!("the snapshot {identifier} of {name} is not there")),
        Next::Take if late => wait(&identifier, format!("no snapshot was taken of {name}")),
        Next::Take => {
            let mut requested =
                aws.snapshots().take(database, &identifier, release, *generation, &place).await?;
            if requested == Requested::QuotaReached
                && make_room(aws, database, &place, policy.keep, &identifier).await? > 0
            {
                requested = aws.snapshots().take(database, &identifier, release, *generation, &place).await?;
            }
            match requested {
                Requested::Begun | Requested::AlreadyThere => {
                    tracing::info!(release.id = %release.id, %stage.name, "the snapshot {identifier} of {name} is asked for");
                    wait(&identifier, String::new())
                }
                // Available a moment ago: the workflow tries again, with its pauses.
                Requested::NotAvailable => {
                    let source =
                        format!("{name} was available, and refused a snapshot as not available").into();
                    return Err(AwsError::Transient { operation: "rds:CreateDBSnapshot", source }.into());
                }
                Requested::QuotaReached => StepResult::failed(format!(
                    "RDS takes no further manual snapshot of {name}: the account's quota is reached, and Slipway has none of its own beyond \
                     the {} that it keeps. Remove some, lower snapshot.keep, or have the quota raised",
                    policy.keep
                )),
            }
        }
        Next::Done => {
            let taken = Taken { identifier: identifier.clone(), database: database.clone(), at: now() };
            table.put_new(&recorded, &taken).await?;
            tidy(aws, table, input, (database, policy.keep), &identifier).await?;
            passed(&taken)
        }
    })
}

fn passed(taken: &Taken) -> StepResult<Passed> {
    let evidence = format!(
        "Snapshot {} of {}. It is not a rollback of the schema: to have its data back, restore it to a new database: {}",
        taken.identifier,
        taken.database.name(),
        taken.restore_command()
    );
    StepResult::Done(Passed { evidence })
}

/// Removes what was taken for this stage before and is not kept; how many that were.
async fn make_room(
    aws: &Aws,
    database: &Database,
    place: &str,
    keep: u16,
    current: &str,
) -> Result<usize, StepError> {
    let all = aws.snapshots().of(database).await?;
    let old = beyond(&all, place, keep, current);
    for snapshot in &old {
        aws.snapshots().remove(database, &snapshot.identifier).await?;
        tracing::info!(
            snapshot = snapshot.identifier,
            "the snapshot {} of {} is removed: newer ones are kept",
            snapshot.identifier,
            snapshot.database
        );
    }
    Ok(old.len())
}

/// The same once the new one is there. That an old one cannot be removed keeps no stage from changing; people are
/// notified of it.
async fn tidy(
    aws: &Aws,
    table: &Table,
    input: &StageInput,
    (database, keep): (&Database, u16),
    current: &str,
) -> Result<(), StepError> {
    let StageInput { release, stage, .. } = input;
    if let Err(error) =
        make_room(aws, database, &place(&release.application, &stage.name), keep, current).await
    {
        if error.may_be_tried_again() {
            return Err(error);
        }
        tracing::warn!(release.id = %release.id, %stage.name, "old snapshots of {} could not be removed: {error}", database.name());
        let note = format!("Old snapshots of {} could not be removed: {error}.", database.name());
        table.put_new(&Key::note(&release.id, &format!("SNAPSHOTS#{}", stage.name)), &note).await?;
    }
    Ok(())
}
