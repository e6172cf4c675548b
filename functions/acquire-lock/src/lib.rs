//! Acquires the lock of an application for a release, before the release changes anything.
//!
//! A release that another one keeps waiting is woken when the lock changed hands, and asks again.

use jiff::SignedDuration;
use slipway_aws::{Aws, Key, Stored, Table, Update, Write};
use slipway_core::lock::{Claim, Life, Lock};
use slipway_core::name::ReleaseId;
use slipway_core::protocol::{End, StepResult, WakeKey};
use slipway_core::release::{Outcome, Release};
use slipway_core::step::{AcquireLockInput, Acquired};
use slipway_core::timeline::Step;
use slipway_release::{Open, Preconditions, StepError, Timeline, now, refuse_unless_open};
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
    let opened = Key::open(&release.application, &release.id);
    let preconditions =
        Preconditions::read_first(&table, &release, execution.is_some().then(|| opened.clone())).await?;
    if let Some(execution) = &execution {
        let open = preconditions.items.document::<Open>(&opened)?;
        refuse_unless_open(&table, &release, application.as_ref(), execution, open.as_ref()).await?;
    }
    if let Some(abort) = preconditions.known_abort()? {
        return Ok(StepResult::failed(abort.in_words()));
    }
    if let Some(newer) = preconditions.newest_push().await? {
        return Ok(StepResult::End(End::unchanged(Outcome::Superseded, newer.supersedes())));
    }
    let claimant = Claimant { aws, config, table: &table, release: &release };
    claimant.claim(preconditions.known_lock()?).await
}

/// A release that asks for the lock.
struct Claimant<'a> {
    aws: &'a Aws,
    config: &'a Config,
    table: &'a Table,
    release: &'a Release,
}

impl Claimant<'_> {
    async fn claim(&self, lock: Option<Stored<Lock>>) -> Result<StepResult<Acquired>, StepError> {
        let Self { table, release, .. } = *self;
        let holder = lock
            .as_ref()
            .and_then(|stored| stored.document.holder.as_ref())
            .map(|holder| holder.release.clone());
        let is_new = lock.as_ref().is_some_and(|stored| stored.document.is_new(now()));
        let life = match &holder {
            Some(holder) if *holder != release.id => match self.life_of(holder).await? {
                Some(life) => life,
                // DescribeExecution lags behind: an execution that it does not know yet runs.
                None if is_new => {
                    let reason =
                        format!("Step Functions does not show the release {holder} yet, which has the lock");
                    return Ok(StepResult::LookAgain { reason });
                }
                None => Life::Ended,
            },
            _ => Life::Ended,
        };
        if let Some(generation) = self.take_free(lock.as_ref(), life).await? {
            return Ok(self.acquired(generation));
        }
        let key = Key::lock(&release.application);
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
            Ok(generation) => {
                let words = self.in_words(generation);
                Timeline::of(table, &release.id).record(Step::AcquiredLock, words).await?;
                Ok(self.acquired(generation))
            }
            Err(Claim::Resting(until)) => {
                Ok(StepResult::LookAgain { reason: format!("the lock rests until {until:.0}") })
            }
            // Its holder is dead, and one of its functions may still be writing.
            Err(_) if life == Life::Ended => {
                Ok(StepResult::LookAgain { reason: "the lock's last holder may still be writing".to_owned() })
            }
            Err(_) => {
                let application = &release.application;
                let on = vec![WakeKey::Lock(application.clone()), WakeKey::Push(application.clone())];
                Ok(StepResult::Wait { on, deadline: now() + LONGEST_WAIT })
            }
        }
    }

    async fn life_of(&self, holder: &ReleaseId) -> Result<Option<Life>, StepError> {
        Ok(self.aws.executions().life(&self.config.state_machine_arn, holder.as_str()).await?)
    }

    /// Takes a lock that is free as it was read, and writes into the timeline that it did, both or neither: its generation.
    /// Nothing where it is not free, was written since, or an earlier run has taken it.
    async fn take_free(&self, lock: Option<&Stored<Lock>>, life: Life) -> Result<Option<u64>, StepError> {
        let Self { table, release, .. } = *self;
        let read = lock.map(|stored| stored.document.clone()).unwrap_or_default();
        let Claim::Free(acquired) = read.claim(&release.id, life, now()) else { return Ok(None) };
        let words = self.in_words(acquired.generation);
        let writes = [
            Write::over(&Key::lock(&release.application), &acquired, lock.map(|stored| stored.version)),
            Timeline::of(table, &release.id).to_record(Step::AcquiredLock, words),
        ];
        Ok(table.write_all(&writes).await?.then_some(acquired.generation))
    }

    fn in_words(&self, generation: u64) -> String {
        let Release { image, application, .. } = self.release;
        format!("{} holds the lock of {application} (generation {generation})", image.tag_in_words())
    }

    fn acquired(&self, generation: u64) -> StepResult<Acquired> {
        let release = self.release;
        tracing::info!(release.id = %release.id, generation, "{} holds the lock of {}", release.id, release.application);
        StepResult::Done(Acquired { generation })
    }
}
