//! How a function runs: typed configuration, the loop that serves invocations, the protocol of steps, error names for
//! Step Functions, and logs.

mod configuration;
mod logging;
mod step;

use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use slipway_release::StepError;

pub use configuration::{Config, ConfigurationError, Environment};
pub use logging::log;
pub use step::serve_step;

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
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        handle(event.payload).await.map_err(Failure)
    }))
    .await
}

/// A failure as it leaves the function: Step Functions reads the diagnostic, the log the debug text.
struct Failure(StepError);

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.name(), self.0.with_causes())
    }
}

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self { error_type: error.name().to_owned(), error_message: step::short(&error.with_causes()) }
    }
}
