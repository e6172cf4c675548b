//! How a release begins, by its push, by a person's request, or by the reconciler that found either lost.

use futures::join;
use serde::{Deserialize, Serialize};
use slipway_aws::{Key, Start, Table, Write};
use slipway_core::application::Application;
use slipway_core::notification::Notification;
use slipway_core::release::{Ended, Release, Started};
use slipway_core::step::ReleaseInput;

use crate::{Notifier, StepError, Timeline, count};

/// A release that has not ended, with everything that starting it again needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The release.
    pub started: Started,
    /// The application's configuration when the push came. A later change does not reach it.
    pub application: Application,
}

impl Open {
    /// Why an execution is not the one of this release, if it is not: whoever may start executions can give one any input,
    /// and only what a push or a request opened was decided by Slipway.
    fn is_not(
        &self,
        release: &Release,
        application: Option<&Application>,
        execution: &str,
    ) -> Option<String> {
        let opened = &self.started.release;
        if *opened != *release || execution != opened.id.as_str() {
            Some(format!(
                "the execution {execution} with the image {} is not the release {}",
                release.image, opened.id
            ))
        } else if application.is_some_and(|application| *application != self.application) {
            Some(format!("{} has another configuration than it was opened with", opened.id))
        } else {
            None
        }
    }
}

/// Refuses an execution that Slipway did not start: it was started by hand.
///
/// # Errors
///
/// [`StepError::InvalidInput`], when it is none of Slipway's; else when the table cannot be asked.
pub async fn refuse_unopened(
    table: &Table,
    release: &Release,
    application: Option<&Application>,
    execution: &str,
) -> Result<(), StepError> {
    let open = table.get::<Open>(&Key::open(&release.application, &release.id)).await?;
    let open = open.map(|stored| stored.document);
    refuse_unless_open(table, release, application, execution, open.as_ref()).await
}

/// The same where it was read just now what is open under the release's id.
///
/// # Errors
///
/// As [`refuse_unopened`].
pub async fn refuse_unless_open(
    table: &Table,
    release: &Release,
    application: Option<&Application>,
    execution: &str,
    open: Option<&Open>,
) -> Result<(), StepError> {
    let problem = match open {
        Some(open) => open.is_not(release, application, execution),
        // Its last step may run twice.
        None if execution == release.id.as_str()
            && table.get::<Ended>(&Key::ending(&release.id)).await?.is_some() =>
        {
            None
        }
        None => Some(format!("no push and no request opened the release {}", release.id)),
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(StepError::InvalidInput {
            field: "release".into(),
            problem: format!("{problem}: start a release by a push or a request, not by its execution"),
        }),
    }
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
/// That it is open is written before its execution starts: whatever fails after that, the reconciler finds it and
/// goes on.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn begin(
    notifier: Notifier<'_>,
    state_machine_arn: &str,
    started: Started,
    application: Application,
) -> Result<Begun, StepError> {
    let Notifier { aws, table, .. } = notifier;
    let id = started.release.id.clone();
    let Some(Open { started, application }) = write_beginning(table, Open { started, application }).await?
    else {
        return Ok(Begun::Before);
    };
    let stages: Vec<_> = application.stages.iter().map(|stage| &stage.name).collect();
    let notification = Notification::started(&started, &stages);
    let input = ReleaseInput { release: started.release, application };
    let start = aws.executions().start(state_machine_arn, id.as_str(), &input).await?;

    let ReleaseInput { release, application } = input;
    match start {
        Start::Running => {
            tracing::info!(release.id = %id, application = %release.application, image.digest = %release.image.digest, image.tag = release.image.tag, "the release {id} of {} begins", release.image.tag);
            count("ReleaseStarted", &[("Application", release.application.as_str())]);
            let stages = application.stages.into_iter().map(|stage| stage.name).collect();
            let timeline = Timeline::of(table, &id);
            let begun = timeline.begun(stages, notification.paragraphs.join(" "));
            // Each is finished whatever becomes of the other: a mail that went out is known to have gone out.
            let (begun, notified) = join!(begun, Box::pin(notifier.notify_once(&id, notification)));
            begun?;
            notified?;
            Ok(Begun::Running)
        }
        Start::AlreadyThere => Ok(Begun::Before),
    }
}

/// Writes down that a release begins: that it is open, the release itself, and its place in the application's
/// history. It is what was written first, where it began before; nothing where it has ended.
async fn write_beginning(table: &Table, mut open: Open) -> Result<Option<Open>, StepError> {
    let id = open.started.release.id.clone();
    let (is_open, release) = (Key::open(&open.application.name, &id), Key::release(&id));
    let history = Key::history(&open.started);
    let items = [
        Write::new(&is_open, &open),
        Write::new(&release, &open.started),
        Write::new(&history, &open.started),
    ];
    if table.write_all(&items).await? {
        return Ok(Some(open));
    }
    if table.get::<Ended>(&Key::ending(&id)).await?.is_some() {
        return Ok(None);
    }
    if !table.put_new(&is_open, &open).await?
        && let Some(first) = table.get(&is_open).await?
    {
        open = first.document;
    }
    if !table.put_new(&release, &open.started).await?
        && let Some(first) = table.get(&release).await?
    {
        // The tag may be another one, and the first one's is the release's.
        open.started = first.document;
    }
    table.put(&Key::history(&open.started), &open.started).await?;
    Ok(Some(open))
}
