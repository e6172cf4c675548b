//! Looks for what was lost: pushes whose event never came, executions that ended without an outcome, steps whose event
//! did not arrive, outcomes that nobody was notified of.
//!
//! Woken by a schedule, and at once when an execution ends badly. It ends nothing in a way of its own: a lost push
//! begins as its event would have begun it, a step is woken by the function that wakes steps, an outcome is recorded
//! by the same code as any other.

mod stopped;

use std::collections::BTreeMap;
use std::future::ready;

use futures::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use slipway_aws::{Aws, Key, Stored, Table, Update};
use slipway_core::alarm::Flood;
use slipway_core::api::Running;
use slipway_core::application::Application;
use slipway_core::deployment::is_within_lag;
use slipway_core::image::Image;
use slipway_core::lock::{Holder, Life, Lock};
use slipway_core::name::{ApplicationName, EmailAddress, ReleaseId};
use slipway_core::notification::Notification;
use slipway_core::protocol::{Callback, WakeKey};
use slipway_core::push::{self, ImageAction};
use slipway_core::reconciliation::{Reconciliation, in_turn};
use slipway_core::release::{Ended, Outcome, Release, Started};
use slipway_core::subscription;
use slipway_core::timeline::Step;
use slipway_release::{
    Applications, Begun, Channels, Configured, Notifier, Open, StepError, Timeline, applications, begin,
    count, finish, give_lock_back, now, parse_at, quarantine_of,
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
    /// The ARN of the topic that the approvers' subscriptions are on.
    pub approval_topic_arn: String,
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
            approval_topic_arn: environment
                .require("SLIPWAY_APPROVAL_TOPIC_ARN", "the ARN of the approvals' SNS topic")?,
            channels: environment.channels()?,
        })
    }
}

/// How long a push is looked for whose event was lost.
const LOST_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long a reconciliation begins to look at applications, of the 60 seconds that its function may run: each takes a few
/// seconds at the most.
const BEGINS_WITHIN: SignedDuration = SignedDuration::from_secs(40);

/// How many applications are looked at at a time.
const AT_A_TIME: usize = 4;

/// What was found, and done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Releases that were begun: their push, or the start of their execution, was lost.
    pub begun: Vec<ReleaseId>,
    /// Releases whose execution had ended without an outcome that people were notified of.
    pub ended: Vec<EndedRelease>,
    /// Releases that run, and of which a step was woken: its time is over, or an event for it may be lost.
    pub woken: Vec<ReleaseId>,
    /// Approvers whom SNS hands no mail any more, and of whom people were notified.
    pub unreachable: Vec<EmailAddress>,
    /// What could not be looked at; the next reconciliation tries again.
    pub problems: Vec<String>,
    /// How many applications there was no time for: the next reconciliation begins with them.
    pub left: usize,
    /// Whether another reconciliation runs: it looks once more in the place of this one.
    pub another_runs: bool,
}

/// A release and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndedRelease {
    /// The release.
    pub release: ReleaseId,
    /// What it came to.
    pub outcome: Outcome,
}

impl Reconciled {
    fn and(&mut self, more: Self) {
        self.begun.extend(more.begun);
        self.ended.extend(more.ended);
        self.woken.extend(more.woken);
        self.problems.extend(more.problems);
    }
}

/// Reconciles, one reconciliation at a time. What cannot be looked at does not keep the rest from being looked at, and what
/// there is no time for is looked at first the next time.
///
/// # Errors
///
/// When a part could not be looked at: the first one's error, after everything else was done.
pub async fn handle(aws: &Aws, config: &Config, _input: Value) -> Result<Reconciled, StepError> {
    let table = aws.table(&config.table);
    let stop_at = now() + BEGINS_WITHIN;
    let key = Key::reconciliation();
    let begun = table.update(&key, |known: Option<Reconciliation>| {
        let known = known.unwrap_or_default();
        match known.clone().begun(now()) {
            Ok(begun) => Update::Write(begun.clone(), Some(begun)),
            // Of hundreds that ask at one moment one writes it.
            Err(runs) if runs == known => Update::Leave(None),
            Err(runs) => Update::Write(runs, None),
        }
    });
    let Some(mut reconciliation) = begun.await? else {
        tracing::info!("another reconciliation runs, and looks once more");
        return Ok(Reconciled { another_runs: true, ..Reconciled::default() });
    };
    let mut reconciled = Reconciled::default();
    let mut first_error = None;
    loop {
        let mut round = Round {
            aws,
            config,
            table: &table,
            stop_at,
            reconciled: &mut reconciled,
            first_error: &mut first_error,
        };
        let known = round.applications().await;
        let last = round.all(known.as_ref(), reconciliation.last.as_ref()).await;
        let reachable = round.approvers(known.as_ref(), &reconciliation.reachable).await;
        if let Err(error) = notifier(aws, config, &table).notify_of_held().await {
            round.problem("notifications", error);
        }
        let ended = table.update(&key, |known: Option<Reconciliation>| {
            let known = Reconciliation {
                reachable: reachable.clone(),
                version: Some(env!("CARGO_PKG_VERSION").into()),
                ..known.unwrap_or_default()
            };
            let (ended, goes_on) = known.ended(last.clone(), now() < stop_at, now());
            Update::Write(ended.clone(), (ended, goes_on))
        });
        let (ended, goes_on) = ended.await?;
        if !goes_on {
            break;
        }
        reconciliation = ended;
    }
    tracing::info!(begun = reconciled.begun.len(), ended = reconciled.ended.len(), woken = reconciled.woken.len(), left = reconciled.left, problems = ?reconciled.problems, "reconciled");
    match first_error {
        Some(error) => Err(error),
        None => Ok(reconciled),
    }
}

/// What is to be looked at of one application.
#[derive(Default)]
struct Work {
    open: Vec<(Key, Value)>,
    configured: Option<Configured>,
    /// Why it is not configured, where its configuration does not fit.
    broken: Option<StepError>,
}

/// One look at everything.
struct Round<'a> {
    aws: &'a Aws,
    config: &'a Config,
    table: &'a Table,
    stop_at: Timestamp,
    reconciled: &'a mut Reconciled,
    first_error: &'a mut Option<StepError>,
}

impl Round<'_> {
    fn problem(&mut self, of: &str, error: StepError) {
        self.reconciled.problems.push(if of.is_empty() {
            error.to_string()
        } else {
            format!("{of}: {error}")
        });
        self.first_error.get_or_insert(error);
    }

    /// The applications as they are configured, where SSM can be asked.
    async fn applications(&mut self) -> Option<Applications> {
        match applications(self.aws, &self.config.applications_path).await {
            Ok(known) => Some(known),
            Err(error) => {
                self.problem("", error);
                None
            }
        }
    }

    /// Looks at all applications, those behind `after` first, and returns the last one where there was no time for all.
    async fn all(
        &mut self,
        known: Option<&Applications>,
        after: Option<&ApplicationName>,
    ) -> Option<ApplicationName> {
        let mut work = self.work(known).await;
        let order = in_turn(work.keys().cloned().collect(), after);
        let (aws, config, table, stop_at) = (self.aws, self.config, self.table, self.stop_at);
        let units = order.iter().filter_map(|name| Some((name, work.remove(name)?))).collect::<Vec<_>>();
        let all = units.len();
        let looked: Vec<_> = stream::iter(units)
            .take_while(|_| ready(now() < stop_at))
            .map(|(name, unit)| async move { (name, look_at(aws, config, table, name, unit).await) })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        self.reconciled.left = all - looked.len();
        let last = looked.last().map(|(name, _)| (*name).clone()).filter(|_| looked.len() < all);
        for (_, (found, errors)) in looked {
            self.reconciled.and(found);
            for (of, error) in errors {
                self.problem(&of, error);
            }
        }
        last
    }

    /// What is open and what is configured, by application.
    async fn work(&mut self, known: Option<&Applications>) -> BTreeMap<ApplicationName, Work> {
        let mut work: BTreeMap<ApplicationName, Work> = BTreeMap::new();
        match self.table.list::<Value>(Key::OPEN, "").await {
            Ok(open) => {
                for (key, Stored { document, .. }) in open {
                    match ApplicationName::new(key.sk.split('#').next().unwrap_or_default()) {
                        Ok(name) => work.entry(name).or_default().open.push((key, document)),
                        Err(error) => self.problem(
                            &key.sk,
                            StepError::InvalidInput {
                                field: format!("the item OPEN {}", key.sk),
                                problem: error.to_string(),
                            },
                        ),
                    }
                }
            }
            Err(error) => self.problem("", error.into()),
        }
        for broken in known.iter().flat_map(|known| &known.broken) {
            match broken.application() {
                Some(name) => work.entry(name).or_default().broken = Some(broken.error()),
                None => self.problem("", broken.error()),
            }
        }
        for configured in known.iter().flat_map(|known| &known.configured) {
            let name = configured.application.name.clone();
            work.entry(name).or_default().configured = Some(configured.clone());
        }
        work
    }

    /// Notifies people of approvers whom SNS handed their mails the last time, and does not any more; returns those whom it
    /// does.
    async fn approvers(
        &mut self,
        known: Option<&Applications>,
        reachable_before: &[EmailAddress],
    ) -> Vec<EmailAddress> {
        // Without the applications nobody could be told from a foreign subscriber.
        let Some(known) = known else { return reachable_before.to_vec() };
        match self.unreachable(known, reachable_before).await {
            Ok((reachable, gone)) => {
                self.reconciled.unreachable.extend(gone);
                reachable
            }
            Err(error) => {
                self.problem("the approvers' subscriptions", error);
                reachable_before.to_vec()
            }
        }
    }

    async fn unreachable(
        &self,
        known: &Applications,
        reachable_before: &[EmailAddress],
    ) -> Result<(Vec<EmailAddress>, Vec<EmailAddress>), StepError> {
        let Self { aws, config, table, .. } = *self;
        let subscriptions = aws.topic(&config.approval_topic_arn).subscriptions().await?;
        let unreachable = subscription::unreachable(&known.approvers, &subscriptions);
        if let Some(reason) = subscription::foreign(&known.approvers, &subscriptions) {
            tracing::error!("{reason}");
            count("ForeignSubscription", &[]);
        }
        let mut gone = Vec::new();
        for approver in &unreachable {
            tracing::warn!("{approver} has no confirmed subscription");
            count("ApproverUnreachable", &[]);
            if !reachable_before.contains(approver) {
                continue;
            }
            let applications = known.configured.iter().map(|configured| &configured.application);
            for application in applications.filter(|application| application.asks(approver)) {
                let notification = Notification::unreachable(&application.name, approver);
                notifier(aws, config, table).notify(notification).await?;
            }
            gone.push(approver.clone());
        }
        let reachable = known.approvers.iter().filter(|approver| !unreachable.contains(approver));
        Ok((reachable.cloned().collect(), gone))
    }
}

/// Looks at one application: its open releases, its lock, its alarms, its pushes.
async fn look_at(
    aws: &Aws,
    config: &Config,
    table: &Table,
    name: &ApplicationName,
    work: Work,
) -> (Reconciled, Vec<(String, StepError)>) {
    let (mut found, mut errors) = (Reconciled::default(), Vec::new());
    let is_open = !work.open.is_empty();
    for (key, open) in work.open {
        let looked_after = match parse_at(&format!("the item OPEN {}", key.sk), open) {
            Ok(open) => look_after(aws, config, table, open, &mut found).await,
            Err(error) => Err(error),
        };
        errors.extend(looked_after.err().map(|error| (key.sk, error)));
    }
    let is_idle = found == Reconciled::default() && errors.is_empty() && !is_open;
    errors.extend(work.broken.map(|error| (name.to_string(), error)));
    if let Some(configured) = work.configured {
        let drift = async {
            // A release that is under way changes what runs.
            if is_idle { notify_of_drift(aws, config, table, &configured.application).await } else { Ok(()) }
        };
        let looked_after = [
            drift.await,
            free_lock(aws, config, table, name).await,
            notify_of_flood(aws, config, table, name).await,
            find_lost_push(aws, config, table, configured, &mut found).await,
        ];
        errors
            .extend(looked_after.into_iter().filter_map(Result::err).map(|error| (name.to_string(), error)));
    }
    (found, errors)
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

/// Notifies people, once, of what a stage runs that no release brought.
async fn notify_of_drift(
    aws: &Aws,
    config: &Config,
    table: &Table,
    application: &Application,
) -> Result<(), StepError> {
    let (partition, prefix) = Key::running_of(&application.name);
    let running = table.list::<Running>(partition, &prefix).await?;
    for stage in &application.stages {
        let key = Key::running(&application.name, &stage.name);
        let Some((_, stored)) = running.iter().find(|(one, _)| *one == key) else { continue };
        let runs = &stored.document;
        // ECS may not show yet what it was asked to run.
        if is_within_lag(runs.since, now()) {
            continue;
        }
        let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
        let views = aws.ecs().services(stage.cluster(), &names).await?;
        let drifts = stage.services.iter().filter_map(|service| {
            let view = views.iter().find(|view| view.is_of(&service.service))?;
            runs.drift(&service.service, &view.task_definition)
        });
        let mut drifts: Vec<_> = drifts.collect();
        for task in &stage.tasks {
            let newest = aws.ecs().task_definition(task.family.as_str()).await?;
            drifts.extend(newest.and_then(|newest| runs.task_drift(&task.family, &newest.arn)));
        }
        let key = Key::drift(&application.name, &stage.name);
        let notified =
            table.get::<Vec<String>>(&key).await?.map(|stored| stored.document).unwrap_or_default();
        if notified == drifts {
            continue;
        }
        if !drifts.is_empty() {
            tracing::warn!(application = %application.name, stage = %stage.name, "{}", drifts.join("; "));
            count("Drift", &[("Application", application.name.as_str())]);
            let notification = Notification::drift(&application.name, &stage.name, runs, &drifts);
            notifier(aws, config, table).notify(notification).await?;
        }
        table.put(&key, &drifts).await?;
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
    let release = &open.started.release;
    let id = release.id.clone();
    match aws.executions().life(&config.state_machine_arn, id.as_str()).await? {
        Some(Life::Running) => {
            let callbacks = table.list::<Callback>(&Key::callbacks(&id), "").await?;
            let callbacks: Vec<_> = callbacks.into_iter().map(|(_, stored)| stored.document).collect();
            notify_of_freeze(notifier(aws, config, table), release, &callbacks).await?;
            if wake_due(table, &id, &callbacks).await? {
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

/// Notifies people, once for each stage, that a release waits for the end of a freeze.
async fn notify_of_freeze(
    notifier: Notifier<'_>,
    release: &Release,
    callbacks: &[Callback],
) -> Result<(), StepError> {
    let waits = callbacks
        .iter()
        .filter(|callback| callback.token.is_some() && callback.on.contains(&WakeKey::Freeze));
    for callback in waits {
        let events = Timeline::of(notifier.table, &release.id).events().await?;
        let frozen =
            events.iter().rev().find(|event| event.step == Step::Frozen && event.stage == callback.stage);
        if let (Some(stage), Some(frozen)) = (&callback.stage, frozen) {
            notifier.notify_once(&release.id, Notification::frozen(release, stage, &frozen.words)).await?;
        }
    }
    Ok(())
}

/// Has the steps of a release woken that are due: `resume-release` alone may fail their tokens.
async fn wake_due(table: &Table, release: &ReleaseId, callbacks: &[Callback]) -> Result<bool, StepError> {
    let mut woken = false;
    for Callback { stage, state, .. } in callbacks.iter().filter(|callback| callback.is_due(now())) {
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
    let Ok(release) = push::release_of(image, &application) else { return Ok(()) };
    if table.get::<Started>(&Key::release(&release.id)).await?.is_some() {
        return Ok(());
    }
    // A person may have asked for its release, which was rolled back.
    if quarantine_of(table, &release.application, &release.image.digest).await?.is_some() {
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
    // What is known of older releases expires: an image of last year is not taken for one that nobody has released.
    let oldest = now() - LOST_WITHIN;
    let key = Key::since(&application.name);
    if let Some(stored) = table.get(&key).await? {
        return Ok(oldest.max(stored.document));
    }
    table.put_new(&key, &configured_at).await?;
    Ok(oldest.max(table.get(&key).await?.map_or(configured_at, |stored| stored.document)))
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
