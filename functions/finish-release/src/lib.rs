//! Records how a release ended, gives its lock back, and then tells people. The record comes first: telling may fail and
//! be tried again without changing what is told.

use slipway_aws::{Aws, Key};
use slipway_core::failure::ending;
use slipway_core::protocol::StepResult;
use slipway_core::release::Ending;
use slipway_core::rollback::Change;
use slipway_core::step::FinishReleaseInput;
use slipway_runtime::{Channels, ConfigurationError, Environment, StepError, finish};

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// Where people are told how releases end.
    pub channels: Channels,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self { table: environment.table()?, channels: Channels::read(environment)? })
    }
}

/// Records the ending, gives the lock back, and tells it. The first recorded ending stands.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: FinishReleaseInput) -> Result<StepResult<Ending>, StepError> {
    let FinishReleaseInput { release, failure } = input;
    let table = aws.table(&config.table);
    let begun: Vec<_> = if failure.is_some() {
        let (pk, prefix) = Key::changes(&release.id);
        let changes = table.list::<Change>(&pk, &prefix).await?;
        changes.into_iter().map(|(_, stored)| stored.document.stage).collect()
    } else {
        Vec::new()
    };
    let ended = finish(aws, &table, &config.channels, &release, ending(failure.as_ref(), &begun)).await?;
    Ok(StepResult::Done(ended.ending))
}
