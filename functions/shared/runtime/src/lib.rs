//! How a function runs: typed configuration, the loop that serves invocations, the protocol of steps, error names for
//! Step Functions, and logs.

mod configuration;
mod logging;
mod step;

use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use slipway_aws::Aws;
use slipway_release::StepError;

pub use configuration::{Config, ConfigurationError, Environment};
pub use logging::log;
pub use step::serve_step;

/// Connects a function to AWS, where its environment says.
///
/// # Errors
///
/// When the environment names no region.
pub fn connect(function: &str) -> Result<Aws, ConfigurationError> {
    Ok(Aws::connect(function, &Environment::of_process().settings()?))
}

/// Serves invocations until Lambda ends the process. A failure is logged once, by `lambda_runtime`, with its whole
/// chain of causes.
///
/// # Errors
///
/// When the runtime itself cannot go on.
pub async fn serve<F, Fut, Output>(handle: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Value) -> Fut,
    Fut: Future<Output = Result<Output, StepError>>,
    Output: Serialize,
{
    let handle = &handle;
    run(move |event| async move { Box::pin(handle(event)).await.map_err(Failure::from) }).await
}

/// Serves invocations whose failures say what they are of.
pub(crate) async fn run<F, Fut, Output>(handle: F) -> Result<(), lambda_runtime::Error>
where
    F: Fn(Value) -> Fut,
    Fut: Future<Output = Result<Output, Failure>>,
    Output: Serialize,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(
        move |event: LambdaEvent<Value>| async move { handle(event.payload).await },
    ))
    .await
}

/// A failure as it leaves the function: Step Functions reads the diagnostic, the log the debug text.
pub(crate) struct Failure {
    error: StepError,
    /// What it is of, for whoever reads the log: a step of a release.
    of: Option<String>,
}

impl Failure {
    pub(crate) fn of(error: StepError, what: String) -> Self {
        Self { error, of: Some(what) }
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Self { error, of: None }
    }
}

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.error.name(), self.error.with_causes())?;
        self.of.as_ref().map_or(Ok(()), |what| write!(f, " ({what})"))
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure { error, .. }: Failure) -> Self {
        Self { error_type: error.name().to_owned(), error_message: step::short(&error.with_causes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_a_step_is_found_by_its_release_in_the_log_alone() {
        let error = || StepError::InvalidConfiguration("it has no stages".to_owned());
        let failure = || Failure::of(error(), "AcquireLock of web-1".to_owned());

        assert_eq!(
            format!("{:?}", failure()),
            "InvalidConfiguration: it has no stages (AcquireLock of web-1)"
        );
        assert_eq!(format!("{:?}", Failure::from(error())), "InvalidConfiguration: it has no stages");
        assert_eq!(Diagnostic::from(failure()).error_message, "it has no stages");
    }
}
