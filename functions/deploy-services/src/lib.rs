//! Deploys a release's image to the services of a stage: registers a revision for each, has ECS run it, and judges
//! the deployment until it is over.
//!
//! It looks before it writes, and records what it registered before it updates a service, so that a second run finds
//! the first one's work and a rollback knows what is its own to undo.

use futures::future::try_join_all;
use futures::{join, try_join};
use jiff::SignedDuration;
use slipway_aws::{Aws, Key, Stored, Table, Write};
use slipway_core::application::StageService;
use slipway_core::approval::Approval;
use slipway_core::audit::{About, NewEntry, What};
use slipway_core::deployment::{Progress, ServiceView, external_change};
use slipway_core::freeze::Frozen;
use slipway_core::lock::Lock;
use slipway_core::name::{ClusterName, TaskDefinitionArn};
use slipway_core::protocol::{Attempt, End, StepResult};
use slipway_core::release::Release;
use slipway_core::request::Abort;
use slipway_core::rollback::{Change, ServiceBaseline};
use slipway_core::step::{Deployed, DeployedService, StageInput};
use slipway_core::timeline::{Step, TimelineEvent};
use slipway_release::{
    Asked, Context, Definitions, NoRevision, Preconditions, Record, Revision, Standing, StepError, abort_of,
    audit, count, deployed, freeze_keys, frozen_by, now,
};
use slipway_runtime::Config;

/// One service, what it ran, and what it runs now.
struct Subject<'a> {
    configured: &'a StageService,
    baseline: &'a ServiceBaseline,
    view: ServiceView,
    /// What the release has registered for it, in an earlier run of a step.
    registered: Option<TaskDefinitionArn>,
}

impl Subject<'_> {
    /// Whether ECS was asked to run what the release deployed. Its circuit breaker may have restored the baseline
    /// since.
    fn was_updated(&self) -> bool {
        self.registered.as_ref().is_some_and(|ours| {
            self.view.task_definition == *ours
                || self.view.deployments.iter().any(|deployment| deployment.task_definition == *ours)
        })
    }

    /// Whether it runs neither its baseline nor what the release deployed. In words.
    fn external_change(&self) -> Option<String> {
        let known: Vec<_> = [&self.baseline.task_definition].into_iter().chain(&self.registered).collect();
        external_change(&self.configured.service, &self.view.task_definition, &known)
    }
}

/// Deploys the stage's services, or looks how far ECS is.
///
/// # Errors
///
/// When AWS cannot be asked. Some services may have changed then.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    attempt: Attempt,
    input: StageInput,
) -> Result<StepResult<Deployed>, StepError> {
    let table = aws.table(&config.table);
    let context = Context::new(aws, &table, attempt, &input);
    let begun = Key::deployment(&input.release.id, &input.stage.name);
    // Most first attempts find nothing there, and most others do: only those wait for this answer.
    if attempt.retry > 0
        && let Some(deployment) = table.get::<Deployed>(&begun).await?
    {
        return judge(&context, deployment.document).await;
    }
    Box::pin(deploy(&context, &begun)).await
}

/// Looks how far ECS is.
async fn judge(context: &Context<'_>, deployment: Deployed) -> Result<StepResult<Deployed>, StepError> {
    let Context { aws, table, release, stage, .. } = context;
    if let Some(abort) = abort_of(table, &release.id).await? {
        return Ok(StepResult::roll_back(abort.in_words()));
    }
    let change = context.change().await?;
    let asked_at = change.as_ref().and_then(|change| change.asked_at);
    let begun = change.map_or_else(now, |Change { at, .. }| at);
    let deadline = begun + SignedDuration::from_secs(i64::from(stage.deploy_timeout_seconds()));
    let Standing { progress, going } = deployed(aws, &deployment.services, false, asked_at, deadline).await?;
    match progress {
        Progress::Going => Ok(deployment.wait(going, deadline)),
        Progress::Lagging { reason } => Ok(StepResult::LookAgain { reason: reason.to_owned() }),
        Progress::Done => {
            context.now_runs(&deployment.services).await?;
            context.timeline().record(Step::Deployed, "ECS runs it, and nothing else").await?;
            Ok(StepResult::Done(deployment))
        }
        Progress::Failed { reason } => {
            context.timeline().record_failure(Step::Deployed, "", reason.clone()).await?;
            Ok(StepResult::roll_back(reason))
        }
    }
}

async fn deploy(context: &Context<'_>, deployment: &Key) -> Result<StepResult<Deployed>, StepError> {
    let Context { aws, release, stage, .. } = context;
    let ecs = aws.ecs();
    let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
    let views = ecs.services(stage.cluster(), &names);
    // None of it rests on another.
    let (known, alarms, image, views, read) =
        join!(known(context, deployment), context.alarms(), context.image(), views, definitions(context));
    let (known, views): (Known, Vec<ServiceView>) = (known?, views?);
    let Known { deployed, begun, approved, registered, aborted, interrupted, frozen, lock } = known;
    if let Some(deployed) = deployed {
        return judge(context, deployed).await;
    }
    let stop = |reason: String| stopped(begun, reason);
    let approved = match approved {
        Ok(approved) => approved,
        Err(reason) => return Ok(stop(reason)),
    };
    let mut subjects = match subjects(context, &views, registered) {
        Ok(subjects) => subjects,
        Err(reason) => return Ok(stop(reason)),
    };
    let mut changed = external_changes(&subjects);
    if !changed.is_empty() {
        // What a service runs now may be what another run of this step has registered since the table was read.
        let keys = deployed_keys(context);
        let items = context.table.get_all(&keys).await?;
        for (subject, key) in subjects.iter_mut().zip(&keys) {
            subject.registered = items.document(key)?;
        }
        changed = external_changes(&subjects);
    }
    if !changed.is_empty() {
        let reason = changed.join("; ");
        // People agreed to replace something else. They are asked again where nothing has changed yet.
        return if stage.approval.is_some() && !begun {
            context.restart(reason).await
        } else {
            Ok(stop(reason))
        };
    }
    // The newest push wins until a stage begins to change; what has begun is finished, or aborted.
    if begun {
        if let Some(abort) = aborted {
            return Ok(StepResult::roll_back(abort.in_words()));
        }
    } else {
        if let Some(end) = interrupted.or(alarms?) {
            return Ok(StepResult::End(end));
        }
        if let Some(frozen) = frozen {
            return context.hold_frozen(&frozen).await;
        }
        match image? {
            Err(gone) => return Ok(StepResult::End(gone)),
            Ok(found) if !found.tags.contains(&release.image.tag) => {
                note_drift(context.table, release).await?;
            }
            Ok(_) => {}
        }
    }
    match revisions(context, &subjects, begun, read?).await? {
        Ok(revisions) => {
            let lock = if begun { None } else { lock };
            let planned = Planned { approved, subjects, revisions, begun, lock };
            Box::pin(change_stage(context, deployment, planned)).await
        }
        Err(NoRevision::Unusable(reason)) => Ok(stop(reason)),
        // People agreed to something else, or nobody has looked at it.
        Err(NoRevision::Changed(reason)) => context.restart(reason).await,
    }
}

/// What ECS has of the families of each service, where this is a first attempt: most others find what was registered.
async fn definitions(context: &Context<'_>) -> Result<Vec<Option<Definitions>>, StepError> {
    let services = &context.stage.services;
    if context.attempt.retry > 0 {
        return Ok(vec![None; services.len()]);
    }
    try_join_all(services.iter().map(|service| context.definitions(service))).await
}

/// The revision of each service. Every one is there before the first service changes: what can be refused is refused while
/// nothing has changed. All but the last are recorded.
async fn revisions(
    context: &Context<'_>,
    subjects: &[Subject<'_>],
    begun: bool,
    read: Vec<Option<Definitions>>,
) -> Result<Result<Vec<Revision>, NoRevision>, StepError> {
    let mut revisions = Vec::with_capacity(subjects.len());
    for (position, (Subject { configured, registered, .. }, read)) in subjects.iter().zip(read).enumerate() {
        let found = context.unrecorded_revision(configured, registered.as_ref(), begun, read).await?;
        let revision = match found {
            Ok(revision) => revision,
            Err(none) => return Ok(Err(none)),
        };
        revisions.push(if position + 1 < subjects.len() {
            let arn = context.record_revision(configured, revision).await?;
            Revision { arn, record: Record::Kept }
        } else {
            revision
        });
    }
    Ok(Ok(revisions))
}

/// What stops a stage that has begun to change leads to its rollback.
fn stopped(begun: bool, reason: String) -> StepResult<Deployed> {
    if begun { StepResult::roll_back(reason) } else { StepResult::failed(reason) }
}

/// A stage that is to change.
struct Planned<'a> {
    approved: Option<Approval>,
    subjects: Vec<Subject<'a>>,
    revisions: Vec<Revision>,
    /// Whether it has begun to change.
    begun: bool,
    /// The lock as it was read, where the stage has not begun to change.
    lock: Option<Stored<Lock>>,
}

/// Has the stage change, from where on it counts as changed.
async fn change_stage(
    context: &Context<'_>,
    deployment: &Key,
    Planned { approved, subjects, revisions, begun, lock }: Planned<'_>,
) -> Result<StepResult<Deployed>, StepError> {
    let Context { table, release, stage, .. } = context;
    let (mut arns, mut new) = (Vec::with_capacity(revisions.len()), None);
    for (subject, revision) in subjects.iter().zip(revisions) {
        if revision.record == Record::New {
            new = Some((subject.configured, revision));
        } else {
            arns.push(context.record_revision(subject.configured, revision).await?);
        }
    }
    // What is registered is recorded, the lock says that a function writes, and the stage counts as begun, before ECS is
    // asked: at once where nothing of it is there, else one after the other.
    let records = new.iter().map(|(configured, revision)| {
        Write::new(&Key::deployed(&release.id, &stage.name, &configured.service), &revision.arn)
    });
    let at_once = context.begin_change_at_once(lock, records.collect()).await?;
    if let Some((configured, revision)) = new {
        // It is the last one's: the others were recorded as they were registered.
        arns.push(if at_once { revision.arn } else { context.record_revision(configured, revision).await? });
    }
    if !at_once && let Err(lost) = context.begin_writing().await? {
        return Ok(stopped(begun, lost.to_string()));
    }
    let asked = at_once.then_some(Asked::First);
    let services = start_change(context, asked, approved.as_ref(), subjects, arns).await;
    context.stop_writing(&services).await?;
    let deployed = Deployed { services: services? };
    table.put_new(deployment, &deployed).await?;
    for service in &deployed.services {
        tracing::info!(release.id = %release.id, %stage.name, ecs.service = %service.service, ecs.task_definition = %service.task_definition, "{} of {} is to run {}", service.service, stage.name, release.image);
    }
    // It is looked at once the token is parked.
    let deadline = now() + SignedDuration::from_secs(i64::from(stage.deploy_timeout_seconds()));
    Ok(deployed.wait_for_all(deadline))
}

/// What the table has of the stage.
struct Known {
    /// The deployment, where ECS was asked for it.
    deployed: Option<Deployed>,
    /// Whether the stage has begun to change.
    begun: bool,
    /// The approval, where the stage needs one; or why there is none.
    approved: Result<Option<Approval>, String>,
    /// What was registered for each service, in an earlier run of a step.
    registered: Vec<Option<TaskDefinitionArn>>,
    /// That a person asked for the release to end.
    aborted: Option<Abort>,
    /// Why the release ends here, before the stage's first change.
    interrupted: Option<End>,
    /// That the stage is frozen; nothing once it has begun to change.
    frozen: Option<Frozen>,
    /// The lock.
    lock: Option<Stored<Lock>>,
}

async fn known(context: &Context<'_>, deployment: &Key) -> Result<Known, StepError> {
    let Context { table, release, stage, generation, .. } = context;
    let (change, approval) = (Key::change(&release.id, &stage.name), context.approval_key());
    let registered = deployed_keys(context);
    let mut keys = vec![deployment.clone(), change.clone()];
    keys.extend(registered.iter().cloned());
    keys.extend(freeze_keys(release, stage));
    if stage.approval.is_some() {
        keys.push(approval.clone());
    }
    let preconditions = Preconditions::read_first(table, release, keys).await?;
    let items = &preconditions.items;
    let begun = items.document::<Change>(&change)?.is_some();
    Ok(Known {
        deployed: items.document(deployment)?,
        begun,
        approved: context.covered_by(items.document(&approval)?),
        registered: registered.iter().map(|key| items.document(key)).collect::<Result<_, _>>()?,
        aborted: preconditions.known_abort()?,
        interrupted: if begun { None } else { preconditions.interruption(*generation).await? },
        frozen: if begun { None } else { frozen_by(items, release, stage)? },
        lock: preconditions.known_lock()?,
    })
}

/// Where it is recorded what was registered for each service.
fn deployed_keys(context: &Context<'_>) -> Vec<Key> {
    let Context { release, stage, .. } = context;
    let services = stage.services.iter();
    services.map(|configured| Key::deployed(&release.id, &stage.name, &configured.service)).collect()
}

fn external_changes(subjects: &[Subject<'_>]) -> Vec<String> {
    subjects.iter().filter_map(Subject::external_change).collect()
}

/// The stage's services as they are now; else what is missing.
fn subjects<'a>(
    context: &Context<'a>,
    views: &[ServiceView],
    registered: Vec<Option<TaskDefinitionArn>>,
) -> Result<Vec<Subject<'a>>, String> {
    let Context { stage, baseline, .. } = *context;
    let subject = |(configured, registered): (&'a StageService, Option<TaskDefinitionArn>)| {
        let name = &configured.service;
        let baseline = baseline.services.iter().find(|baseline| baseline.service == *name);
        let baseline = baseline.ok_or_else(|| format!("{name} has no recorded baseline"))?;
        let view = views.iter().find(|view| view.arn == baseline.arn).cloned();
        let view = view.ok_or_else(|| format!("ECS has no active service {name} any more"))?;
        Ok(Subject { configured, baseline, view, registered })
    };
    stage.services.iter().zip(registered).map(subject).collect()
}

/// Has ECS change the services: that the stage changes is written down first, where it is not yet (`asked`), and with which
/// approval, where it needs one.
async fn start_change(
    context: &Context<'_>,
    asked: Option<Asked>,
    approval: Option<&Approval>,
    subjects: Vec<Subject<'_>>,
    revisions: Vec<TaskDefinitionArn>,
) -> Result<Vec<DeployedService>, StepError> {
    let asked = match asked {
        Some(asked) => asked,
        None => context.ask_for_change().await?,
    };
    if let Some(approval) = approval {
        use_up(context, approval, &revisions).await?;
    }
    let names: Vec<_> =
        revisions.iter().map(|name| name.as_str().rsplit('/').next().unwrap_or_default()).collect();
    let words = format!("Changing to {}", names.join(", "));
    let timeline = context.timeline();
    let recorded = async { Ok(timeline.record(Step::Deploying, words).await?) };
    let ((), services) = try_join!(recorded, change(context, asked, subjects, revisions))?;
    Ok(services)
}

/// The audit has it once: a run before this one may have written it.
async fn use_up(
    context: &Context<'_>,
    approval: &Approval,
    revisions: &[TaskDefinitionArn],
) -> Result<(), StepError> {
    let Context { table, release, stage, .. } = context;
    let changing = Key::timeline_event(&release.id, Some(&stage.name), Step::Deploying, "");
    if table.get::<TimelineEvent>(&changing).await?.is_none() {
        let names: Vec<_> = revisions.iter().map(TaskDefinitionArn::as_str).collect();
        let used =
            NewEntry { at: now(), what: What::Used, person: None, caller: None, words: names.join(", ") };
        audit(table, &About::from(approval), &used).await?;
    }
    Ok(())
}

/// Has ECS run the revisions, where it was not asked to yet.
async fn change(
    context: &Context<'_>,
    asked: Asked,
    subjects: Vec<Subject<'_>>,
    revisions: Vec<TaskDefinitionArn>,
) -> Result<Vec<DeployedService>, StepError> {
    let Context { aws, stage, .. } = context;
    let cluster = ClusterName::new(stage.cluster()).map_err(|error| StepError::InvalidInput {
        field: "stage.cluster".into(),
        problem: error.to_string(),
    })?;
    let mut services = Vec::with_capacity(subjects.len());
    for (subject, task_definition) in subjects.into_iter().zip(revisions) {
        let was_updated = subject.was_updated();
        let Subject { configured, baseline, view, .. } = subject;
        // Scaling may have lifted a service to its minimum before its first release.
        let first = baseline
            .ran_nothing()
            .then(|| view.desired_count.max(u32::from(configured.desired_count.unwrap_or(1))));
        if !was_updated {
            let strategy = stage.strategy.as_ref();
            let ecs = aws.ecs();
            let updated =
                ecs.update(stage.cluster(), &configured.service, &task_definition, first, strategy).await;
            if let Err(error) = updated {
                // Nothing comes of a refusal, so a rollback need not wait for it to be shown.
                if !error.may_be_tried_again() && services.is_empty() && asked == Asked::First {
                    context.change_was_refused().await?;
                }
                return Err(error.into());
            }
        }
        services.push(DeployedService {
            cluster: cluster.clone(),
            service: configured.service.clone(),
            arn: view.arn,
            task_definition,
            desired_count: first.unwrap_or(view.desired_count),
            containers: configured.containers.clone(),
            strategy: stage.strategy.clone(),
            health: configured.health.clone(),
            target_health: configured.target_health.clone(),
            steady: configured.steady.clone(),
        });
    }
    Ok(services)
}

/// The tag means another image by now. The digest is what was verified and approved, so it is what is deployed;
/// people are notified when the release ends.
async fn note_drift(table: &Table, release: &Release) -> Result<(), StepError> {
    let note = format!(
        "The tag {} does not point to this image any more. What was verified and approved is the digest, and that is what was deployed.",
        release.image.tag_in_words()
    );
    if table.put_new(&Key::note(&release.id, "DRIFT"), &note).await? {
        tracing::warn!(release.id = %release.id, image.tag = release.image.tag, "the tag {} points to another image by now", release.image.tag);
        count("TagDrift", &[("Application", release.application.as_str())]);
    }
    Ok(())
}
