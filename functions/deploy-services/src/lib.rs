//! Deploys a release's image to the services of a stage: registers a revision for each, tells ECS to run it, and judges the deployment
//! until it is over.
//!
//! It looks before it writes, and records what it registered before it tells ECS, so that a second run finds the first one's work and
//! a rollback knows what is its own to undo.

use jiff::SignedDuration;
use slipway_aws::{Aws, Key, Table};
use slipway_core::application::{Stage, StageService};
use slipway_core::approval::Approval;
use slipway_core::audit::{Happening, What};
use slipway_core::deployment::{Progress, ServiceView};
use slipway_core::name::{ClusterName, StageName, TaskDefinitionArn};
use slipway_core::protocol::StepResult;
use slipway_core::release::Release;
use slipway_core::rollback::{Change, ServiceBaseline};
use slipway_core::step::{Deployed, DeployedService, StageInput};
use slipway_core::timeline::{Moment, Step};
use slipway_runtime::{
    Config, StepError, abort_of, approved, audit, begin_change, begin_writing, change_of, count, deployed, happened, image_of, now,
    restart, revision, stop_writing, unwanted,
};

/// One service, what it ran, and what it runs now.
struct Subject<'a> {
    configured: &'a StageService,
    baseline: &'a ServiceBaseline,
    view: ServiceView,
    /// What the release has registered for it, in an earlier run of a step.
    registered: Option<TaskDefinitionArn>,
}

impl Subject<'_> {
    /// Whether ECS was told to run what the release deployed. Its circuit breaker may have put the baseline back since.
    fn was_told(&self) -> bool {
        self.registered.as_ref().is_some_and(|ours| {
            self.view.task_definition == *ours || self.view.deployments.iter().any(|deployment| deployment.task_definition == *ours)
        })
    }

    /// Whether it runs neither its baseline nor what the release deployed.
    fn changed_by_others(&self) -> bool {
        self.view.task_definition != self.baseline.task_definition && self.registered.as_ref() != Some(&self.view.task_definition)
    }
}

/// Deploys the stage's services, or looks how far ECS is.
///
/// # Errors
///
/// When AWS cannot be asked. Some services may have changed then.
pub async fn handle(aws: &Aws, config: &Config, input: StageInput) -> Result<StepResult<Deployed>, StepError> {
    let table = aws.table(&config.table);
    let told = Key::told_ecs(&input.release.id, &input.stage.name);
    match table.get::<Deployed>(&told).await? {
        Some(deployed) => judge(aws, &table, &input, deployed.document).await,
        None => deploy(aws, &table, &input, &told).await,
    }
}

/// Looks how far ECS is.
async fn judge(aws: &Aws, table: &Table, input: &StageInput, deployment: Deployed) -> Result<StepResult<Deployed>, StepError> {
    let StageInput { release, stage, .. } = input;
    if let Some(abort) = abort_of(table, &release.id).await? {
        return Ok(StepResult::roll_back(abort.in_words()));
    }
    let begun = change_of(table, release, &stage.name).await?.map_or_else(now, |Change { at, .. }| at);
    let deadline = begun + SignedDuration::from_secs(i64::from(stage.deploy_timeout_seconds()));
    let (result, words) = match deployed(aws, &deployment.services, false, deadline).await? {
        Progress::Going => return Ok(deployment.wait(deadline)),
        Progress::Done => (StepResult::Done(deployment), "ECS runs it, and nothing else".to_owned()),
        Progress::Failed { reason } => (StepResult::roll_back(reason.clone()), reason),
    };
    happened(table, &release.id, Some(&stage.name), (Step::Deployed, ""), words).await?;
    Ok(result)
}

async fn deploy(aws: &Aws, table: &Table, input: &StageInput, told: &Key) -> Result<StepResult<Deployed>, StepError> {
    let StageInput { release, generation, stage, baseline, .. } = input;
    let begun = change_of(table, release, &stage.name).await?.is_some();
    // What stops a stage that has begun to change leads to its rollback.
    let stop = |reason: String| if begun { StepResult::roll_back(reason) } else { StepResult::failed(reason) };
    let approved = match approved(table, release, stage, baseline).await? {
        Ok(approved) => approved,
        Err(reason) => return Ok(stop(reason)),
    };
    let subjects = match subjects(aws, table, input).await? {
        Ok(subjects) => subjects,
        Err(reason) => return Ok(stop(reason)),
    };
    let changed: Vec<_> = subjects.iter().filter(|subject| subject.changed_by_others()).collect();
    if !changed.is_empty() {
        let words = changed.iter().map(|Subject { configured, view, .. }| {
            format!("someone else deployed {} to {} since the release looked at it", view.task_definition, configured.service)
        });
        let reason = words.collect::<Vec<_>>().join("; ");
        // People agreed to replace something else. They are asked again where nothing has changed yet.
        return if stage.approval.is_some() && !begun { restart(table, input, reason).await } else { Ok(stop(reason)) };
    }
    // The newest push wins until a stage begins to change; what has begun is finished, or aborted.
    if begun {
        if let Some(abort) = abort_of(table, &release.id).await? {
            return Ok(StepResult::roll_back(abort.in_words()));
        }
    } else {
        if let Some(end) = unwanted(aws, table, input).await? {
            return Ok(StepResult::End(end));
        }
        match image_of(aws, release).await? {
            Err(gone) => return Ok(StepResult::End(gone)),
            Ok(found) if !found.tags.contains(&release.image.tag) => note_drift(table, release).await?,
            Ok(_) => {}
        }
    }

    // Every revision is there before the first service changes: what can be refused is refused while nothing has changed.
    let mut revisions = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        match revision(aws, table, release, *generation, stage, subject.configured).await? {
            Ok(revision) => revisions.push(revision),
            Err(reason) => return Ok(stop(reason)),
        }
    }

    // From here on the stage changes.
    if let Err(lost) = begin_writing(table, release, *generation).await? {
        return Ok(stop(lost.to_string()));
    }
    let services = match use_up(table, release, &stage.name, approved.as_ref(), &revisions).await {
        Ok(()) => change(aws, stage, subjects, revisions).await,
        Err(error) => Err(error),
    };
    stop_writing(table, release, *generation).await?;
    let deployment = Deployed { services: services? };
    table.put_new(told, &deployment).await?;
    for service in &deployment.services {
        tracing::info!(release.id = %release.id, %stage.name, ecs.service = %service.service, ecs.task_definition = %service.task_definition, "{} of {} is to run {}", service.service, stage.name, release.image);
    }
    // It is looked at once the token is parked.
    let deadline = now() + SignedDuration::from_secs(i64::from(stage.deploy_timeout_seconds()));
    Ok(deployment.wait(deadline))
}

/// The stage's services as they are now; else what is missing.
async fn subjects<'a>(aws: &Aws, table: &Table, input: &'a StageInput) -> Result<Result<Vec<Subject<'a>>, String>, StepError> {
    let StageInput { release, stage, baseline, .. } = input;
    let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
    let views = aws.ecs().services(stage.cluster(), &names).await?;
    let mut subjects = Vec::with_capacity(names.len());
    for configured in &stage.services {
        let Some(baseline) = baseline.services.iter().find(|baseline| baseline.service == configured.service) else {
            return Ok(Err(format!("{} has no recorded baseline", configured.service)));
        };
        let Some(view) = views.iter().find(|view| view.arn == baseline.arn).cloned() else {
            return Ok(Err(format!("ECS has no active service {} any more", configured.service)));
        };
        let key = Key::deployed(&release.id, &stage.name, &configured.service);
        let registered = table.get(&key).await?.map(|stored| stored.document);
        subjects.push(Subject { configured, baseline, view, registered });
    }
    Ok(Ok(subjects))
}

/// Writes down, once, that the stage changes, and with which approval, where it needs one.
async fn use_up(
    table: &Table,
    release: &Release,
    stage: &StageName,
    approval: Option<&Approval>,
    revisions: &[TaskDefinitionArn],
) -> Result<(), StepError> {
    if table.get::<Moment>(&Key::moment(&release.id, Some(stage), Step::Deploying, "")).await?.is_some() {
        return Ok(());
    }
    begin_change(table, release, stage).await?;
    let names: Vec<_> = revisions.iter().map(TaskDefinitionArn::as_str).collect();
    if let Some(approval) = approval {
        audit(table, approval, &Happening { at: now(), what: What::Used, person: None, words: names.join(", ") }).await?;
    }
    let revisions: Vec<_> = names.iter().map(|name| name.rsplit('/').next().unwrap_or_default()).collect();
    let words = format!("Changing to {}", revisions.join(", "));
    happened(table, &release.id, Some(stage), (Step::Deploying, ""), words).await?;
    Ok(())
}

/// Tells ECS to run the revisions, where it was not told.
async fn change(
    aws: &Aws,
    stage: &Stage,
    subjects: Vec<Subject<'_>>,
    revisions: Vec<TaskDefinitionArn>,
) -> Result<Vec<DeployedService>, StepError> {
    let cluster = ClusterName::new(stage.cluster())
        .map_err(|error| StepError::InvalidInput { field: "stage.cluster".into(), problem: error.to_string() })?;
    let mut services = Vec::with_capacity(subjects.len());
    for (subject, task_definition) in subjects.into_iter().zip(revisions) {
        let was_told = subject.was_told();
        let Subject { configured, baseline, view, .. } = subject;
        let first = baseline.ran_nothing().then(|| u32::from(configured.desired_count.unwrap_or(1)));
        if !was_told {
            aws.ecs().update(stage.cluster(), &configured.service, &task_definition, first, stage.strategy.as_ref()).await?;
        }
        services.push(DeployedService {
            cluster: cluster.clone(),
            service: configured.service.clone(),
            arn: view.arn,
            task_definition,
            desired_count: first.unwrap_or(view.desired_count),
            strategy: stage.strategy.clone(),
            health: configured.health.clone(),
            steady: configured.steady.clone(),
        });
    }
    Ok(services)
}

/// The tag means another image by now. The digest is what was verified and approved, so it is what is deployed; people are
/// told when the release ends.
async fn note_drift(table: &Table, release: &Release) -> Result<(), StepError> {
    let note = format!(
        "The tag {} does not point to this image any more. What was verified and approved is the digest, and that is what was deployed.",
        release.image.tag
    );
    if table.put_new(&Key::note(&release.id, "DRIFT"), &note).await? {
        tracing::warn!(release.id = %release.id, image.tag = release.image.tag, "the tag {} points to another image by now", release.image.tag);
        count("TagDrift", &[("Application", release.application.as_str())]);
    }
    Ok(())
}
