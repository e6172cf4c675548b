//! What every function shares besides its work: typed configuration, error names for Step Functions, logs, metrics,
//! the clock, and the loop that serves invocations.

mod applications;
mod audit;
mod beginning;
mod change;
mod clock;
mod configuration;
mod deployment;
mod ending;
mod error;
mod gate;
mod locator;
mod lock;
mod log_tail;
mod metric;
mod step;
mod successor;
mod telling;
mod timeline;

use std::future::Future;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

pub use applications::{Configured, applications};
pub use audit::{audit, close_approval, next_entry};
pub use beginning::{Begun, Open, begin};
pub use change::{approved, begin_change, change_of, image_of, migration_of, restart, revision, unwanted};
pub use clock::now;
pub use configuration::{Config, ConfigurationError, Environment};
pub use deployment::deployed;
pub use ending::finish;
pub use error::{StepError, parse, parse_at};
pub use gate::deadline;
pub use locator::{locator_hash, new_locator};
pub use lock::{abort_of, begin_writing, holds_lock, interrupted, stop_writing};
pub use log_tail::log_tail;
pub use metric::{count, seconds};
pub use step::serve_step;
pub use successor::{deployer_after, newest_after};
pub use telling::{Channels, tell, tell_once};
pub use timeline::{happened, timeline};

/// Serves invocations until Lambda ends the process. A failure is logged once, by `lambda_runtime`, with its whole chain
/// of causes.
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
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move { handle(event.payload).await.map_err(Failure) })).await
}

/// A failure as it leaves the function: Step Functions reads the diagnostic, the log the debug text.
struct Failure(StepError);

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Diagnostic { error_type, error_message } = Diagnostic::from(&self.0);
        write!(f, "{error_type}: {error_message}")
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self::from(&failure.0)
    }
}

/// Writes logs as JSON to standard output, at the level that `RUST_LOG` gives.
pub fn log() {
    let level = tracing_subscriber::EnvFilter::from_default_env();
    // Setting it twice is the only failure, and then logs are written already.
    let _set =
        tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_target(false).with_env_filter(level).try_init();
}
