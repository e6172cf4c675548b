//! Takes the turn of an application for a release, before the release changes anything.
//!
//! It looks once: a release that has to wait is told so, and asks again when the turn changed hands.

use serde_json::Value;
use slipway_aws::{Aws, Key};
use slipway_core::release::Release;
use slipway_core::step::{TakeTurnInput, Turned};
use slipway_core::timeline::Step;
use slipway_core::turn::{Claim, Life, Turn};
use slipway_runtime::{ConfigurationError, Environment, StepError, abort_of, happened, newest_after, now, parse};

/// After so long the turn is asked for again, should the news of its change be lost.
const LONGEST_WAIT_SECONDS: u32 = 60 * 60;

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN: whether the turn's holder still runs is asked there.
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

/// Takes the turn, if it is free or its holder is dead.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Turned, StepError> {
    let TakeTurnInput { release } = parse(input)?;
    let turned = take(aws, config, &release).await?;
    match &turned {
        Turned::Taken { generation } => {
            tracing::info!(release.id = %release.id, generation, "{} has the turn of {}", release.id, release.application);
            let words = format!("It is {}'s turn to change (generation {generation})", release.image.tag);
            happened(&aws.table(&config.table), &release.id, None, (Step::TookTurn, ""), words).await?;
        }
        Turned::Waiting { reason, .. } | Turned::Superseded { reason } | Turned::Blocked { reason } => {
            tracing::info!(release.id = %release.id, reason, "{} does not get the turn of {}: {reason}", release.id, release.application);
        }
    }
    Ok(turned)
}

async fn take(aws: &Aws, config: &Config, release: &Release) -> Result<Turned, StepError> {
    let table = aws.table(&config.table);
    if let Some(abort) = abort_of(&table, &release.id).await? {
        return Ok(Turned::Blocked { reason: abort.in_words() });
    }
    if let Some(newer) = newest_after(&table, release).await? {
        return Ok(Turned::Superseded { reason: newer.supersedes() });
    }
    let key = Key::turn(&release.application);
    // Each round that fails is one in which someone else's write succeeded.
    loop {
        let stored = table.get::<Turn>(&key).await?;
        let (turn, version) = stored.map_or((Turn::default(), None), |stored| (stored.document, Some(stored.version)));
        let life = match &turn.holder {
            Some(holder) if holder.release != release.id => {
                aws.executions().life(&config.state_machine_arn, holder.release.as_str()).await?.unwrap_or(Life::Ended)
            }
            _ => Life::Ended,
        };
        match turn.claim(&release.id, life, now()) {
            Claim::Held => return Ok(Turned::Taken { generation: turn.generation }),
            Claim::Resting(until) => {
                let left = u32::try_from(until.duration_since(now()).as_secs()).unwrap_or(0);
                return Ok(Turned::Waiting { reason: format!("it rests until {until:.0}"), seconds: left + 1 });
            }
            Claim::Taken(holder) => {
                return Ok(Turned::Waiting { reason: format!("{} has it", holder.release), seconds: LONGEST_WAIT_SECONDS });
            }
            Claim::Free(taken) => {
                if table.write(&key, &taken, version).await? {
                    return Ok(Turned::Taken { generation: taken.generation });
                }
            }
        }
    }
}
