//! Looks for what was lost: pushes whose event never came, executions that ended without an outcome, steps whose event
//! did not arrive, outcomes that nobody was notified of.
//!
//! Woken by a schedule, and at once when an execution ends badly. It ends nothing in a way of its own: a lost push
//! begins as its event would have begun it, a step is woken by the function that wakes steps, an outcome is recorded
//! by the same code as any other.

mod stopped;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use slipway_aws::{Aws, Key, Stored, Table};
use slipway_core::alarm::Flood;
use slipway_core::application::Application;
use slipway_core::deployment::is_within_lag;
use slipway_core::image::Image;
use slipway_core::lock::{Holder, Life, Lock};
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_core::notification::Notification;
use slipway_core::protocol::Callback;
use slipway_core::push::{self, ImageAction};
use slipway_core::release::{Ended, Outcome, Release, Started};
use slipway_release::{
    Applications, Begun, Channels, Configured, Notifier, Open, StepError, applications, begin, count, finish,
    give_lock_back, now, parse_at,
};
use slipway_runtime::{ConfigurationError, Environment};

/// The function's configuration, from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN.
    pub state_machine_arn: String,
    /// The SSM path that the applications' parameters are below.
    pub applications_path: String,
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
        Ok(Self {
            table: environment.table()?,
            state_machine_arn: environment.state_machine_arn()?,
            applications_path: environment.applications_path()?,
            channels: environment.channels()?,
        })
    }
}

/// What was found, and done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Releases that were begun: their push, or the start of their execution, was lost.
    pub begun: Vec<ReleaseId>,
    /// Releases whose execution had ended without an outcome that people were notified of.
    pub ended: Vec<EndedRelease>,
    /// Releases that run, and of which a step was woken: its time is over, or an event for it may be lost.
    pub woken: Vec<ReleaseId>,
    /// What could not be looked at; the next reconciliation tries again.
    pub problems: Vec<String>,
}

/// A release and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndedRelease {
    /// The release.
    pub release: ReleaseId,
    /// What it came to.
    pub outcome: Outcome,
}

/// Reconciles once. What cannot be looked at does not keep the rest from being looked at.
///
/// # Errors
///
/// When a part could not be looked at: the first one's error, after everything else was done.
pub async fn handle(aws: &Aws, config: &Config, _input: Value) -> Result<Reconciled, StepError> {
    let table = aws.table(&config.table);
    let mut reconciled = Reconciled::default();
    let mut first_error = None;

    let open: Vec<(Key, Stored<Value>)> = table.list(Key::OPEN, "").await?;
    for (key, Stored { document: open, .. }) in open {
        let looked_after = match parse_at(&format!("the item OPEN {}", key.sk), open) {
            Ok(open) => look_after(aws, config, &table, open, &mut reconciled).await,
            Err(error) => Err(error),
        };
        if let Err(error) = looked_after {
            reconciled.problems.push(format!("{}: {error}", key.sk));
            first_error.get_or_insert(error);
        }
    }
    match applications(aws, &config.applications_path).await {
        Ok(Applications { configured, broken }) => {
            for broken in broken {
                let error = broken.error();
                reconciled.problems.push(error.to_string());
                first_error.get_or_insert(error);
            }
            for configured in configured {
                let name = configured.application.name.clone();
                let looked_after = [
                    free_lock(aws, config, &table, &name).await,
                    notify_of_flood(aws, config, &table, &name).await,
                    find_lost_push(aws, config, &table, configured, &mut reconciled).await,
                ];
                for error in looked_after.into_iter().filter_map(Result::err) {
                    reconciled.problems.push(format!("{name}: {error}"));
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(error) => {
            reconciled.problems.push(error.to_string());
            first_error.get_or_insert(error);
        }
    }
    tracing::info!(begun = reconciled.begun.len(), ended = reconciled.ended.len(), woken = reconciled.woken.len(), problems = ?reconciled.problems, "reconciled");
    match first_error {
        Some(error) => Err(error),
        None => Ok(reconciled),
    }
}

const fn notifier<'a>(aws: &'a Aws, config: &'a Config, table: &'a Table) -> Notifier<'a> {
    Notifier { aws, table, channels: &config.channels }
}

/// Gives the lock back that a slow function has claimed for a release that had ended.
async fn free_lock(
    aws: &Aws,
    config: &Config,
    table: &Table,
    application: &ApplicationName,
) -> Result<(), StepError> {
    let Some(stored) = table.get::<Lock>(&Key::lock(application)).await? else { return Ok(()) };
    let Some(Holder { release: id, .. }) = stored.document.holder else { return Ok(()) };
    // One that is open is looked after.
    if table.get::<Ended>(&Key::ending(&id)).await?.is_none()
        || table.get::<Open>(&Key::open(application, &id)).await?.is_some()
    {
        return Ok(());
    }
    if aws.executions().life(&config.state_machine_arn, id.as_str()).await? == Some(Life::Running) {
        return Ok(());
    }
    if let Some(started) = table.get::<Started>(&Key::release(&id)).await? {
        tracing::warn!(release.id = %id, %application, "{id} had ended, and had the lock of {application}");
        count("ReconcilerFound", &[("What", "Lock")]);
        give_lock_back(table, &started.document.release).await?;
    }
    Ok(())
}

/// The changes of an application's alarms that came too fast to notify people of each.
async fn notify_of_flood(
    aws: &Aws,
    config: &Config,
    table: &Table,
    application: &ApplicationName,
) -> Result<(), StepError> {
    let key = Key::flood(application);
    let Some(stored) = table.get::<Flood>(&key).await?.filter(|stored| stored.document.is_due(now())) else {
        return Ok(());
    };
    notifier(aws, config, table).notify(Notification::flood(application, &stored.document.held)).await?;
    // Where one came meanwhile, people are notified of all again, together with it.
    table.replace(&key, &Flood::default(), stored.version).await?;
    Ok(())
}

/// A release whose outcome nobody was notified of: is its execution there, does it run, or is it dead?
async fn look_after(
    aws: &Aws,
    config: &Config,
    table: &Table,
    open: Open,
    reconciled: &mut Reconciled,
) -> Result<(), StepError> {
    let Release { id, .. } = open.started.release.clone();
    match aws.executions().life(&config.state_machine_arn, id.as_str()).await? {
        Some(Life::Running) => {
            if wake_due(table, &id).await? {
                reconciled.woken.push(id);
            }
        }
        Some(Life::Ended) => {
            let Some(ended) = end(aws, config, table, &open).await? else { return Ok(()) };
            count("ReconcilerFound", &[("What", "Ended")]);
            reconciled.ended.push(EndedRelease { release: id, outcome: ended.ending.outcome });
        }
        // Step Functions may not show an execution yet that has just begun.
        None if is_within_lag(open.started.at, now()) => {}
        None => {
            let begun = begin(
                notifier(aws, config, table),
                &config.state_machine_arn,
                open.started,
                open.application,
            )
            .await?;
            if begun == Begun::Running {
                tracing::warn!(release.id = %id, "{id} had no execution");
                count("ReconcilerFound", &[("What", "NotStarted")]);
                reconciled.begun.push(id);
            }
        }
    }
    Ok(())
}

/// Has the steps of a release woken that are due: `resume-release` alone may fail their tokens.
async fn wake_due(table: &Table, release: &ReleaseId) -> Result<bool, StepError> {
    let callbacks: Vec<(Key, Stored<Callback>)> = table.list(&Key::callbacks(release), "").await?;
    let mut woken = false;
    for (_, Stored { document: Callback { stage, state, .. }, .. }) in
        callbacks.iter().filter(|(_, stored)| stored.document.is_due(now()))
    {
        table.put(&Key::due(release, stage.as_ref(), state), &now()).await?;
        woken = true;
    }
    Ok(woken)
}

/// Records the outcome of a release whose execution is over, and notifies people of it, unless one of its functions
/// may still be writing.
async fn end(aws: &Aws, config: &Config, table: &Table, open: &Open) -> Result<Option<Ended>, StepError> {
    let release = &open.started.release;
    if !give_lock_back(table, release).await? {
        return Ok(None);
    }
    let ending = match table.get::<Ended>(&Key::ending(&release.id)).await? {
        // It was recorded; the notification failed.
        Some(ended) => ended.document.ending,
        None => stopped::ending(aws, table, release, &open.application).await?,
    };
    Ok(Some(finish(notifier(aws, config, table), release, ending).await?))
}

/// The newest push that an application waits for, if no event of it ever came.
async fn find_lost_push(
    aws: &Aws,
    config: &Config,
    table: &Table,
    configured: Configured,
    reconciled: &mut Reconciled,
) -> Result<(), StepError> {
    let Configured { application, at } = configured;
    let since = since(table, &application, at).await?;
    let Some((image, pushed_at)) = newest_wanted(aws, &application, since).await? else { return Ok(()) };
    let Ok((release, application)) = push::release_of(image, vec![application]) else { return Ok(()) };
    if table.get::<Started>(&Key::release(&release.id)).await?.is_some() {
        return Ok(());
    }
    let id = release.id.clone();
    tracing::warn!(release.id = %id, image.tag = release.image.tag, "the push of {} was lost", release.image.tag);
    let started = Started { release, at: now(), pushed_at, asked: None };
    begin(notifier(aws, config, table), &config.state_machine_arn, started, application).await?;
    count("ReconcilerFound", &[("What", "LostPush")]);
    reconciled.begun.push(id);
    Ok(())
}

/// From when on pushes count: when the application was configured, as far back as the first reconciliation that saw
/// it can tell. What was pushed before is not Slipway's to release.
async fn since(
    table: &Table,
    application: &Application,
    configured_at: Timestamp,
) -> Result<Timestamp, StepError> {
    let key = Key::since(&application.name);
    if let Some(stored) = table.get(&key).await? {
        return Ok(stored.document);
    }
    table.put_new(&key, &configured_at).await?;
    Ok(table.get(&key).await?.map_or(configured_at, |stored| stored.document))
}

async fn newest_wanted(
    aws: &Aws,
    application: &Application,
    since: Timestamp,
) -> Result<Option<(Image, Timestamp)>, StepError> {
    let images = aws.repositories().tagged(&application.repository).await?;
    let wanted = images.into_iter().filter(|image| image.pushed_at >= since).filter_map(|found| {
        let tag = found.tags.iter().find(|tag| application.wants(tag))?;
        let image = push::image_of(&ImageAction::push(
            &application.repository,
            &found.digest,
            tag,
            &found.media_type,
        ))
        .ok()?;
        Some((image, found.pushed_at))
    });
    Ok(wanted.max_by_key(|(_, pushed_at)| *pushed_at))
}
