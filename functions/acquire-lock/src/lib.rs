//! Acquires the lock of an application for a release, before the release changes anything.
//!
//! A release that another one keeps waiting is woken when the lock changed hands, and asks again.

use jiff::SignedDuration;
use slipway_aws::{Aws, Key, Table, Update};
use slipway_core::lock::{Claim, Life, Lock};
use slipway_core::protocol::{End, StepResult, WakeKey};
use slipway_core::release::{Outcome, Release};
use slipway_core::step::{AcquireLockInput, Acquired};
use slipway_core::timeline::Step;
use slipway_release::{StepError, Timeline, abort_of, newest_after, now, refuse_unopened};
use slipway_runtime::{ConfigurationError, Environment};

/// After so long the lock is asked for again, should the news of its change be lost.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN: whether the lock's holder still runs is asked there.
    pub state_machine_arn: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self { table: environment.table()?, state_machine_arn: environment.state_machine_arn()? })
    }
}

/// Acquires the lock, if it is free or its holder is dead.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    input: AcquireLockInput,
) -> Result<StepResult<Acquired>, StepError> {
    let AcquireLockInput { release, application, execution } = input;
    let table = aws.table(&config.table);
    if let Some(execution) = &execution {
        refuse_unopened(&table, &release, application.as_ref(), execution).await?;
    }
    if let Some(abort) = abort_of(&table, &release.id).await? {
        return Ok(StepResult::failed(abort.in_words()));
    }
    if let Some(newer) = newest_after(&table, &release).await? {
        return Ok(StepResult::End(End::unchanged(Outcome::Superseded, newer.supersedes())));
    }
    let key = Key::lock(&release.application);
    let lock = table.get::<Lock>(&key).await?;
    let holder =
        lock.as_ref().and_then(|stored| stored.document.holder.as_ref()).map(|holder| holder.release.clone());
    let life = match &holder {
        Some(holder) if *holder != release.id => {
            match aws.executions().life(&config.state_machine_arn, holder.as_str()).await? {
                Some(life) => life,
                // DescribeExecution lags behind: an execution that it does not know yet runs.
                None if lock.as_ref().is_some_and(|stored| stored.document.is_new(now())) => {
                    let reason =
                        format!("Step Functions does not show the release {holder} yet, which has the lock");
                    return Ok(StepResult::LookAgain { reason });
                }
                None => Life::Ended,
            }
        }
        _ => Life::Ended,
    };
    let claim = table.update_read(&key, lock, |current: Option<Lock>| {
        let lock = current.unwrap_or_default();
        // What is known of life is that of the holder that was read.
        let life = if lock.holder.as_ref().map(|holder| &holder.release) == holder.as_ref() {
            life
        } else {
            Life::Running
        };
        match lock.claim(&release.id, life, now()) {
            Claim::Free(acquired) => Update::Write(acquired.clone(), Ok(acquired.generation)),
            Claim::Held => Update::Leave(Ok(lock.generation)),
            other => Update::Leave(Err(other)),
        }
    });
    match claim.await? {
        Ok(generation) => acquired(&table, &release, generation).await,
        Err(Claim::Resting(until)) => {
            Ok(StepResult::LookAgain { reason: format!("the lock rests until {until:.0}") })
        }
        // Its holder is dead, and one of its functions may still be writing.
        Err(_) if life == Life::Ended => {
            Ok(StepResult::LookAgain { reason: "the lock's last holder may still be writing".to_owned() })
        }
        Err(_) => {
            let on =
                vec![WakeKey::Lock(release.application.clone()), WakeKey::Push(release.application.clone())];
            Ok(StepResult::Wait { on, deadline: now() + LONGEST_WAIT })
        }
    }
}

async fn acquired(
    table: &Table,
    release: &Release,
    generation: u64,
) -> Result<StepResult<Acquired>, StepError> {
    tracing::info!(release.id = %release.id, generation, "{} holds the lock of {}", release.id, release.application);
    let words = format!(
        "{} holds the lock of {} (generation {generation})",
        release.image.tag_in_words(),
        release.application
    );
    Timeline::of(table, &release.id).record(Step::AcquiredLock, words).await?;
    Ok(StepResult::Done(Acquired { generation }))
}
