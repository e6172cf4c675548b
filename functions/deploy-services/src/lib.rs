//! Deploys a release's image to the services of a stage: registers a revision for each, and tells ECS to run it.
//!
//! It looks before it writes, and records what it registered before it tells ECS, so that a second run finds the first
//! one's work and a rollback knows what is its own to undo. It does not wait: the workflow does.

use serde_json::Value;
use slipway_aws::{Aws, Key, Table};
use slipway_core::application::{Stage, StageService};
use slipway_core::approval::Approval;
use slipway_core::audit::{Happening, What};
use slipway_core::deployment::ServiceView;
use slipway_core::name::{ClusterName, StageName, TaskDefinitionArn};
use slipway_core::release::Release;
use slipway_core::rollback::ServiceBaseline;
use slipway_core::step::{DeployServicesInput, Deployed};
use slipway_core::timeline::{Moment, Step};
use slipway_core::wait::DeployedService;
use slipway_runtime::{
    Config, StepError, Unwanted, approved, audit, begin_writing, count, happened, migration_of, now, parse, revision, stop_writing,
    unwanted,
};

/// One service, what it ran, and what it runs now.
struct Subject<'a> {
    configured: &'a StageService,
    baseline: &'a ServiceBaseline,
    view: ServiceView,
    /// Whether it runs what the release deployed, in an earlier run of this function.
    ours: bool,
}

/// Deploys the stage's services.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked. Some services may have changed then.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Deployed, StepError> {
    let input: DeployServicesInput = parse(input)?;
    let deployed = deploy(aws, config, &input).await?;
    let DeployServicesInput { release, stage, .. } = &input;
    match &deployed {
        Deployed::Started { services, .. } => {
            for service in services {
                tracing::info!(release.id = %release.id, %stage.name, ecs.service = %service.service, ecs.task_definition = %service.task_definition, "{} of {} is to run {}", service.service, stage.name, release.image);
            }
        }
        Deployed::Superseded { reason } => tracing::info!(release.id = %release.id, %stage.name, reason, "{} is {reason}", release.id),
        Deployed::Blocked { reason } | Deployed::Outdated { reason } => {
            tracing::warn!(release.id = %release.id, %stage.name, reason, "{} was not changed: {reason}", stage.name);
        }
    }
    Ok(deployed)
}

async fn deploy(aws: &Aws, config: &Config, input: &DeployServicesInput) -> Result<Deployed, StepError> {
    let DeployServicesInput { release, generation, stage, baseline } = input;
    let table = aws.table(&config.table);
    let approved = match approved(&table, release, stage, baseline).await? {
        Ok(approved) => approved,
        Err(reason) => return Ok(Deployed::Blocked { reason }),
    };

    let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
    let views = aws.ecs().services(stage.cluster(), &names).await?;
    let mut subjects = Vec::with_capacity(names.len());
    let mut strangers = Vec::new();
    for configured in &stage.services {
        let Some(baseline) = baseline.services.iter().find(|baseline| baseline.service == configured.service) else {
            return Ok(Deployed::Blocked { reason: format!("{} has no recorded baseline", configured.service) });
        };
        let Some(view) = views.iter().find(|view| view.arn == baseline.arn).cloned() else {
            return Ok(Deployed::Blocked { reason: format!("ECS has no active service {} any more", configured.service) });
        };
        let ours: Option<TaskDefinitionArn> =
            table.get(&Key::deployed(&release.id, &stage.name, &configured.service)).await?.map(|stored| stored.document);
        let ours = view.task_definition != baseline.task_definition && ours.as_ref() == Some(&view.task_definition);
        if view.task_definition != baseline.task_definition && !ours {
            strangers
                .push(format!("someone else deployed {} to {} since the release looked at it", view.task_definition, configured.service));
        }
        subjects.push(Subject { configured, baseline, view, ours });
    }

    // The newest push wins until a stage begins to change; what has begun is finished.
    let migrated = migration_of(&table, release, &stage.name).await?.is_some();
    let begun = migrated || subjects.iter().any(|subject| subject.ours);
    if !strangers.is_empty() {
        let reason = strangers.join("; ");
        // People agreed to replace something else. They are asked again where nothing has changed yet.
        return Ok(if stage.approval.is_some() && !begun { Deployed::Outdated { reason } } else { Deployed::Blocked { reason } });
    }
    if !begun {
        match unwanted(aws, &table, release, stage, baseline).await? {
            Some(Unwanted::Blocked(reason)) => return Ok(Deployed::Blocked { reason }),
            Some(Unwanted::Superseded(reason)) => return Ok(Deployed::Superseded { reason }),
            None => {}
        }
        if aws.repositories().find(&release.image).await?.is_some_and(|found| !found.tags.contains(&release.image.tag)) {
            note_drift(&table, release).await?;
        }
    }

    // Every revision is there before the first service changes: what can be refused is refused while nothing has changed.
    let mut revisions = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        match revision(aws, &table, release, *generation, stage, subject.configured).await? {
            Ok(revision) => revisions.push(revision),
            Err(reason) => return Ok(Deployed::Blocked { reason }),
        }
    }

    // From here on the stage changes.
    if let Err(lost) = begin_writing(&table, release, *generation).await? {
        return Ok(Deployed::Blocked { reason: lost.to_string() });
    }
    let services = match use_up(&table, release, &stage.name, approved.as_ref(), &revisions).await {
        Ok(()) => change(aws, stage, subjects, revisions).await,
        Err(error) => Err(error),
    };
    stop_writing(&table, release, *generation).await?;
    Ok(Deployed::Started { services: services?, timeout_seconds: stage.deploy_timeout_seconds() })
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
    let names: Vec<_> = revisions.iter().map(TaskDefinitionArn::as_str).collect();
    if let Some(approval) = approval {
        audit(table, approval, &Happening { at: now(), what: What::Used, person: None, words: names.join(", ") }).await?;
    }
    let revisions: Vec<_> = names.iter().map(|name| name.rsplit('/').next().unwrap_or_default()).collect();
    let words = format!("Changing to {}", revisions.join(", "));
    happened(table, &release.id, Some(stage), (Step::Deploying, ""), words).await?;
    Ok(())
}

/// Tells ECS to run the revisions, where it does not run them already.
async fn change(
    aws: &Aws,
    stage: &Stage,
    subjects: Vec<Subject<'_>>,
    revisions: Vec<TaskDefinitionArn>,
) -> Result<Vec<DeployedService>, StepError> {
    let cluster = ClusterName::new(stage.cluster())
        .map_err(|error| StepError::InvalidInput { field: "stage.cluster".into(), problem: error.to_string() })?;
    let mut services = Vec::with_capacity(subjects.len());
    for (Subject { configured, baseline, view, .. }, task_definition) in subjects.into_iter().zip(revisions) {
        let first = baseline.ran_nothing().then(|| u32::from(configured.desired_count.unwrap_or(1)));
        if view.task_definition != task_definition {
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
            steady_seconds: configured.steady.as_ref().map(|steady| steady.duration.seconds()),
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
