//! Logs: one line of JSON for each event, at the level that `RUST_LOG` gives, and never what passes between a function and
//! AWS.
//!
//! At TRACE the SDK logs each request and each answer whole (`aws_smithy_runtime::client::orchestrator`), with task tokens,
//! links and mails, and `lambda_runtime` what a function answers. So what others wrote is held to warnings, whatever
//! `RUST_LOG` says; of `lambda_runtime` the span stays that carries the request's id.

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Environment;

/// The functions' crates, as the targets of their events begin.
const FUNCTIONS: [&str; 18] = [
    "acquire_lock",
    "bake_stage",
    "capture_baseline",
    "check_image",
    "decide_approval",
    "deploy_services",
    "finish_release",
    "operate_releases",
    "receive_push",
    "reconcile",
    "request_approval",
    "resume_release",
    "roll_back",
    "run_migration",
    "serve_console",
    "snapshot_database",
    "verify_services",
    "watch_alarms",
];

/// Writes logs as JSON to standard output, at the level that `RUST_LOG` gives.
pub fn log() {
    // Setting it twice is the only failure, and then logs are written already.
    let asked = Environment::of_process().logged();
    let _set = subscriber(asked_for(asked.as_deref().unwrap_or_default()), std::io::stdout).try_init();
}

/// What is asked for: a level for all, or for the targets that begin with a name, as in `warn,reconcile=debug`. What does not
/// parse is left out; failures are logged in any case where nothing else is asked for.
fn asked_for(words: &str) -> Targets {
    let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    let parsed: Vec<Targets> = words.filter_map(|word| word.parse().ok()).collect();
    if parsed.is_empty() {
        return Targets::new().with_default(LevelFilter::ERROR);
    }
    parsed.into_iter().fold(Targets::new(), |all, one| {
        let all = one.default_level().map_or(all.clone(), |level| all.with_default(level));
        all.with_targets(one)
    })
}

fn subscriber<W>(asked: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_target(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(asked).with(filter_fn(may_be_logged)).with(lines)
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= most(metadata.target())
}

/// The most that is logged of a crate, by the target of its events.
fn most(target: &str) -> LevelFilter {
    let name = target.split("::").next().unwrap_or(target);
    if name.starts_with("slipway_") || FUNCTIONS.contains(&name) {
        LevelFilter::DEBUG
    } else if name == "lambda_runtime" {
        LevelFilter::INFO
    } else {
        LevelFilter::WARN
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::path::Path;
    use std::sync::{Arc, Mutex, PoisonError};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are logged where `RUST_LOG` asks for this.
    fn logged(asked: &str, events: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(asked_for(asked), move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let text = written.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lines = String::from_utf8(text).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    #[test]
    fn no_level_logs_what_passes_between_a_function_and_aws() {
        for asked in [
            "trace",
            "debug",
            "trace,aws_smithy_runtime=trace,hyper=trace",
            "lambda_runtime=trace,acquire_lock=info",
        ] {
            let lines = logged(asked, || {
                tracing::trace!(target: "aws_smithy_runtime::client::orchestrator", request = "a task token", "transmitting request");
                tracing::trace!(target: "aws_sigv4::http_request::sign", "signing request");
                tracing::debug!(target: "hyper_util::client::legacy::pool", "a connection");
                tracing::info!(target: "aws_config::meta", "a profile");
                tracing::trace!(target: "lambda_runtime::layers::api_response", "a page with its form");
                tracing::debug!(target: "lambda_runtime::runtime", "a wait");
                tracing::trace!(target: "slipway_aws::table", "an item");
                tracing::info!(target: "acquire_lock", "v1 has the lock");
            });

            let messages: Vec<_> =
                lines.iter().map(|line| line["message"].as_str().unwrap_or_default()).collect();
            assert_eq!(messages, ["v1 has the lock"], "asked for {asked}");
        }
    }

    #[test]
    fn what_is_asked_for_is_logged_with_the_requests_id() {
        let events = || {
            tracing::info_span!(target: "lambda_runtime::layers::trace", "Lambda runtime invoke", requestId = "r-1").in_scope(|| {
                tracing::debug!(target: "slipway_release::lock", "the lock is free");
                tracing::info!(target: "reconcile::stopped", stage = "staging", "one release was stopped");
                tracing::warn!(target: "aws_config::imds::client", "there is no region");
            });
        };

        let (all, few, fewest) = (logged("debug", events), logged("info", events), logged("warn", events));

        assert_eq!([all.len(), few.len(), fewest.len()], [3, 2, 1]);
        assert_eq!(few[0]["stage"], "staging");
        assert_eq!(few[0]["spans"][0]["requestId"], "r-1");
        assert_eq!(fewest[0]["message"], "there is no region");
    }

    #[test]
    fn what_does_not_parse_is_left_out_and_failures_are_logged_in_any_case() {
        let events = || {
            tracing::error!(target: "reconcile", "it failed");
            tracing::info!(target: "reconcile", "it goes on");
            tracing::info!(target: "roll_back::look", "it looks");
        };
        for (asked, lines) in
            [("", 1), ("roll_back=info=debug", 1), ("error,roll_back=info", 2), ("a=b=c,info", 3)]
        {
            assert_eq!(logged(asked, events).len(), lines, "asked for {asked:?}");
        }
    }

    #[test]
    fn every_function_is_known_as_ours() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders = std::fs::read_dir(folder).expect("the functions").flatten();
        let mut names: Vec<_> = folders
            .filter(|folder| folder.path().join("src/main.rs").is_file())
            .map(|folder| folder.file_name().to_string_lossy().replace('-', "_"))
            .collect();
        names.sort();

        assert_eq!(names, FUNCTIONS);
    }
}
