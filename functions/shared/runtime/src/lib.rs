//! What every function shares besides its work: typed configuration, error names for Step Functions, logs, metrics,
//! the clock, and the loop that serves invocations.

mod clock;
mod configuration;
mod error;
mod metric;

use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

pub use clock::now;
pub use configuration::{ConfigurationError, Environment};
pub use error::{StepError, parse};
pub use metric::count;

/// Serves invocations until Lambda ends the process. A failure is logged once, here, with its whole chain of causes.
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
        handle(event.payload).await.map_err(|error| {
            let diagnostic = Diagnostic::from(&error);
            tracing::error!(error.name = diagnostic.error_type, "{}", diagnostic.error_message);
            diagnostic
        })
    }))
    .await
}

/// Writes logs as JSON to standard output, at the level that `RUST_LOG` gives.
pub fn log() {
    // lambda_runtime logs a handler's error as well, in Rust's own notation.
    let told_by_serve = "lambda_runtime::layers::api_response=off".parse().expect("a target and a level make a directive");
    let level = tracing_subscriber::EnvFilter::from_default_env().add_directive(told_by_serve);
    // Setting it twice is the only failure, and then logs are written already.
    let _set =
        tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_target(false).with_env_filter(level).try_init();
}
