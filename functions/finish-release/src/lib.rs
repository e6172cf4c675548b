//! Records how a release ended, gives its turn back, and then tells people. The record comes first: telling may fail and
//! be tried again without changing what is told.

use serde_json::Value;
use slipway_aws::Aws;
use slipway_core::failure::ending;
use slipway_core::release::Ending;
use slipway_core::step::FinishReleaseInput;
use slipway_runtime::{Channels, ConfigurationError, Environment, StepError, finish, parse};

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

/// Records the ending, gives the turn back, and tells it. The first recorded ending stands.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Ending, StepError> {
    let FinishReleaseInput { release, failure } = parse(input)?;
    let (error, cause) = failure.map_or((None, None), |caught| (Some(caught.error), caught.cause));
    let ending = ending(error.as_deref(), cause.as_deref());
    let ended = finish(aws, &aws.table(&config.table), &config.channels, &release, ending).await?;
    Ok(ended.ending)
}
