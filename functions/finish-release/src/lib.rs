//! Gives the lock of a release back, records how it ended, and then notifies people. The lock comes first: what the
//! release changed is read once nothing changes any more. The record comes before people: notifying them may fail and
//! be tried again without changing it.

use slipway_aws::{Aws, Key};
use slipway_core::failure::ending;
use slipway_core::protocol::StepResult;
use slipway_core::release::Ending;
use slipway_core::rollback::Change;
use slipway_core::step::FinishReleaseInput;
use slipway_release::{Channels, NOT_ALONE, Notifier, StepError, finish, give_lock_back, refuse_unopened};
use slipway_runtime::{ConfigurationError, Environment};

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// Where people are notified how releases end.
    pub channels: Channels,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self { table: environment.table()?, channels: environment.channels()? })
    }
}

/// Gives the lock back, records the ending, and notifies people of it. The first recorded ending stands.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    input: FinishReleaseInput,
) -> Result<StepResult<Ending>, StepError> {
    let FinishReleaseInput { release, execution, failure } = input;
    let table = aws.table(&config.table);
    if let Some(execution) = &execution {
        refuse_unopened(&table, &release, None, execution).await?;
    }
    let alone = give_lock_back(&table, &release).await?;
    let begun: Vec<_> = if failure.is_some() {
        let (pk, prefix) = Key::changes(&release.id);
        let changes = table.list::<Change>(&pk, &prefix).await?;
        changes.into_iter().map(|(_, stored)| stored.document.stage).collect()
    } else {
        Vec::new()
    };
    // As far as is known nothing was begun, and a function may be about to begin.
    if failure.is_some() && begun.is_empty() && !alone {
        return Ok(StepResult::LookAgain { reason: NOT_ALONE.to_owned() });
    }
    let notifier = Notifier { aws, table: &table, channels: &config.channels };
    let ended = finish(notifier, &release, ending(failure.as_ref(), &begun)).await?;
    Ok(StepResult::Done(ended.ending))
}
