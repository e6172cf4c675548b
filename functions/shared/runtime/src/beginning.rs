//! How a release begins, by its push, by a person's request, or by the reconciler that found either lost.

use serde::{Deserialize, Serialize};
use slipway_aws::{Aws, Key, Start, Table};
use slipway_core::application::Application;
use slipway_core::notification::Notification;
use slipway_core::release::{Ended, Started};
use slipway_core::step::ReleaseInput;
use slipway_core::timeline::Step;

use crate::{Channels, StepError, count, happened, tell_once};

/// A release that has not ended, with everything that starting it again needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The release.
    pub started: Started,
    /// The application's configuration when the push came. A later change does not reach it.
    pub application: Application,
}

/// What beginning a release came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Its execution runs, started by this call or by one before.
    Running,
    /// It began before, and its execution is over or has another input.
    Before,
}

/// Begins a release. Beginning it again finds the first one's records and execution.
///
/// That it is open is written first: whatever fails after that, the reconciler finds it and goes on.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn begin(
    aws: &Aws,
    table: &Table,
    (state_machine_arn, channels): (&str, &Channels),
    started: Started,
    application: Application,
) -> Result<Begun, StepError> {
    let id = started.release.id.clone();
    if table.get::<Ended>(&Key::ending(&id)).await?.is_some() {
        return Ok(Begun::Before);
    }
    let key = Key::open(&application.name, &id);
    let mut open = Open { started, application };
    if !table.put_new(&key, &open).await?
        && let Some(first) = table.get(&key).await?
    {
        open = first.document;
    }
    let key = Key::release(&id);
    if !table.put_new(&key, &open.started).await?
        && let Some(first) = table.get(&key).await?
    {
        // The tag may be another one, and the first one's is the release's.
        open.started = first.document;
    }
    table.put(&Key::history(&open.started), &open.started).await?;
    let Open { started, application } = open;
    let stages: Vec<_> = application.stages.iter().map(|stage| &stage.name).collect();
    let notification = Notification::started(&started, &stages);
    let input = ReleaseInput { release: started.release, application };
    let start = aws.executions().start(state_machine_arn, id.as_str(), &input).await?;

    let ReleaseInput { release, .. } = input;
    match start {
        Start::Running => {
            tracing::info!(release.id = %id, application = %release.application, image.digest = %release.image.digest, image.tag = release.image.tag, "the release {id} of {} begins", release.image.tag);
            count("ReleaseStarted", &[("Application", release.application.as_str())]);
            happened(table, &id, None, (Step::Began, ""), notification.paragraphs.join(" ")).await?;
            tell_once(aws, table, channels, &id, notification).await?;
            Ok(Begun::Running)
        }
        Start::AlreadyThere => Ok(Begun::Before),
    }
}
