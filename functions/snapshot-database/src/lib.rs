//! Takes a snapshot of a stage's database before the stage changes, and removes its own old ones.
//!
//! A snapshot is not a rollback of the schema: a rollback puts images back, and nothing in a database.
//!
//! It looks before it writes: the snapshot has one identifier for a release and a stage, so a second run finds the first one's. It does
//! not wait: the workflow does, until the database or the snapshot is available or the stage's time for it is over.

use serde_json::Value;
use slipway_aws::{Aws, AwsError, Key, Requested, Table};
use slipway_core::snapshot::{Database, Next, SnapshotPolicy, Taken, beyond, identifier, next, place};
use slipway_core::step::{GateInput, Gated};
use slipway_core::timeline::Step;
use slipway_core::wait::Wait;
use slipway_runtime::{Config, StepError, abort_of, happened, has_turn, now, parse, time_left};

/// Takes the snapshot, or looks how far it is.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked. That there can be no snapshot is an answer, not an error.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Gated, StepError> {
    let input: GateInput = parse(input)?;
    let GateInput { release, stage, .. } = &input;
    let policy = stage.snapshot.as_ref();
    let (Some(policy), Some(database)) = (policy, policy.and_then(SnapshotPolicy::database)) else {
        return Err(StepError::InvalidInput { field: "stage.snapshot".into(), problem: "the stage names no database".into() });
    };
    let table = aws.table(&config.table);
    let gated = gate(aws, &table, &input, policy, &database).await?;
    let words = match &gated {
        Gated::Passed { words } => {
            tracing::info!(release.id = %release.id, %stage.name, "{words}");
            words.clone()
        }
        Gated::Blocked { reason } => {
            tracing::warn!(release.id = %release.id, %stage.name, reason, "{} may not change: {reason}", stage.name);
            reason.clone()
        }
        _ => return Ok(gated),
    };
    happened(&table, &release.id, Some(&stage.name), (Step::Snapshotted, ""), words).await?;
    Ok(gated)
}

async fn gate(aws: &Aws, table: &Table, input: &GateInput, policy: &SnapshotPolicy, database: &Database) -> Result<Gated, StepError> {
    let GateInput { release, generation, stage, .. } = input;
    let recorded = Key::snapshot(&release.id, &stage.name);
    if let Some(taken) = table.get::<Taken>(&recorded).await? {
        return Ok(passed(&taken.document));
    }
    if let Some(abort) = abort_of(table, &release.id).await? {
        return Ok(Gated::Blocked { reason: abort.in_words() });
    }
    if let Err(lost) = has_turn(table, release, *generation).await? {
        return Ok(Gated::Blocked { reason: lost.to_string() });
    }
    let (name, identifier, place) = (database.name(), identifier(&release.id, &stage.name), place(&release.application, &stage.name));
    let left = time_left(table, &Key::gate(&release.id, &stage.name, "SNAPSHOT"), policy.wait_seconds()).await?;
    let there = aws.snapshots().find(database, &identifier).await?;
    let status = if there.is_none() { aws.snapshots().database_status(database).await? } else { None };

    let for_database = Wait::Database { database: database.clone() };
    let for_snapshot = Wait::Snapshot { database: database.clone(), identifier: identifier.clone() };
    let late =
        |what: String| Gated::Blocked { reason: format!("{what} after {} s; production was not touched for it", policy.wait_seconds()) };
    let wait = |wait: Wait, what: String| match left {
        Some(timeout_seconds) => Gated::Waiting { wait, timeout_seconds },
        None => late(what),
    };
    Ok(match next(database, there.as_ref(), status.as_deref(), release) {
        Next::Stop { reason } => Gated::Blocked { reason },
        Next::AwaitDatabase { status } => {
            wait(for_database, format!("no snapshot can be taken of {name}: it is {status} and not available"))
        }
        Next::AwaitSnapshot => wait(for_snapshot, format!("the snapshot {identifier} of {name} is not there")),
        Next::Take if left.is_none() => late(format!("no snapshot was taken of {name}")),
        Next::Take => {
            let mut requested = aws.snapshots().take(database, &identifier, release, *generation, &place).await?;
            if requested == Requested::QuotaReached && make_room(aws, database, &place, policy.keep, &identifier).await? > 0 {
                requested = aws.snapshots().take(database, &identifier, release, *generation, &place).await?;
            }
            match requested {
                Requested::Begun | Requested::AlreadyThere => {
                    tracing::info!(release.id = %release.id, %stage.name, "the snapshot {identifier} of {name} is asked for");
                    wait(for_snapshot, String::new())
                }
                // Available a moment ago: the workflow tries again, with its pauses.
                Requested::NotAvailable => {
                    let source = format!("{name} was available, and refused a snapshot as not available").into();
                    return Err(AwsError::Transient { operation: "rds:CreateDBSnapshot", source }.into());
                }
                Requested::QuotaReached => Gated::Blocked {
                    reason: format!(
                        "RDS takes no further manual snapshot of {name}: the account's quota is reached, and Slipway has none of its own beyond \
                         the {} that it keeps. Remove some, lower snapshot.keep, or have the quota raised",
                        policy.keep
                    ),
                },
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

fn passed(taken: &Taken) -> Gated {
    let words = format!(
        "Snapshot {} of {}. It is not a rollback of the schema: to have its data back, restore it to a new database: {}",
        taken.identifier,
        taken.database.name(),
        taken.restore_command()
    );
    Gated::Passed { words }
}

/// Removes what was taken for this stage before and is not kept; how many that were.
async fn make_room(aws: &Aws, database: &Database, place: &str, keep: u16, current: &str) -> Result<usize, StepError> {
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

/// The same once the new one is there. That an old one cannot be removed keeps no stage from changing; people are told of it.
async fn tidy(aws: &Aws, table: &Table, input: &GateInput, (database, keep): (&Database, u16), current: &str) -> Result<(), StepError> {
    let GateInput { release, stage, .. } = input;
    if let Err(error) = make_room(aws, database, &place(&release.application, &stage.name), keep, current).await {
        if matches!(error, StepError::Transient { .. }) {
            return Err(error);
        }
        tracing::warn!(release.id = %release.id, %stage.name, "old snapshots of {} could not be removed: {error}", database.name());
        let note = format!("Old snapshots of {} could not be removed: {error}.", database.name());
        table.put_new(&Key::note(&release.id, &format!("SNAPSHOTS#{}", stage.name)), &note).await?;
    }
    Ok(())
}
