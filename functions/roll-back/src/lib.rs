//! Restores what a stage ran before the release, and judges that until it is over.
//!
//! Only the release's own change is undone. Where ECS's circuit breaker was first, nothing is left to do; where there
//! was an external change meanwhile, nothing is touched.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use slipway_aws::{Aws, Key, TaskDefinition};
use slipway_core::application::Stage;
use slipway_core::deployment::{Progress, ServiceView};
use slipway_core::lock::Fenced;
use slipway_core::migration::{Migration, not_crossed};
use slipway_core::name::{ClusterName, ServiceName, TaskDefinitionArn};
use slipway_core::protocol::{Attempt, End, StepResult};
use slipway_core::release::Outcome;
use slipway_core::rollback::{Known, Restoration, ServiceBaseline, restoration};
use slipway_core::snapshot::Taken;
use slipway_core::step::{Deployed, DeployedService, RollBackInput};
use slipway_core::strategy::Strategy;
use slipway_core::timeline::Step;
use slipway_release::{Context, NOT_ALONE, Standing, StepError, deadline, deployed, deployer_after, now};
use slipway_runtime::Config;

/// Restores the baseline of the stage's services, or looks how far ECS is.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    attempt: Attempt,
    input: RollBackInput,
) -> Result<StepResult<Deployed>, StepError> {
    let RollBackInput(input) = input;
    let table = aws.table(&config.table);
    let context = Context::new(aws, &table, attempt, &input);
    let key = Key::restoration(&input.release.id, &input.stage.name);
    let restoration = table.get::<Deployed>(&key).await?.map(|stored| stored.document);
    // What was to be deployed is given up: no earlier attempt begins to deploy it after this.
    if restoration.is_none() {
        match context.fence_off().await? {
            Ok(Fenced::Alone) => {}
            Ok(Fenced::NotYet) => return Ok(StepResult::LookAgain { reason: NOT_ALONE.to_owned() }),
            Err(lost) => return Ok(StepResult::stuck(lost.to_string())),
        }
    }
    let Some(change) = context.change().await? else {
        return Ok(StepResult::failed(format!("nothing of {} was changed", input.stage.name)));
    };
    if let Some(migration) = context.migration().await? {
        let snapshot = table
            .get::<Taken>(&Key::snapshot(&input.release.id, &input.stage.name))
            .await?
            .map(|stored| stored.document);
        if let Some(reason) = not_crossed(&migration, snapshot.as_ref()) {
            // People look after it anyway, so a task that cannot be stopped keeps nobody from being told.
            if let Err(error) = stop_migration(&context, &migration).await {
                tracing::warn!(release.id = %input.release.id, stage = %input.stage.name, "its migration may still run: {error}");
            }
            return Ok(StepResult::stuck(reason));
        }
        if restoration.is_none() && !stop_migration(&context, &migration).await? {
            let reason = "the migration is being stopped".to_owned();
            return Ok(StepResult::LookAgain { reason });
        }
    }
    let restoration = match restoration {
        Some(restoration) => restoration,
        None => match restore_baseline(&context, change.asked_at).await? {
            Ok(restoration) => {
                table.put_new(&key, &restoration).await?;
                restoration
            }
            Err(other) => return Ok(other),
        },
    };
    judge(&context, restoration).await
}

/// Stops the migration of the stage, and says whether it has stopped: nothing is restored beside one that runs.
async fn stop_migration(context: &Context<'_>, migration: &Migration) -> Result<bool, StepError> {
    let Context { aws, stage, .. } = context;
    if migration.end.is_some() {
        return Ok(true);
    }
    let ecs = aws.ecs();
    let cluster = stage.cluster();
    // The answer to its start may have been lost.
    let task = match &migration.task {
        Some(task) => Some(task.clone()),
        None => ecs.running_one_off(cluster, &context.migration_name()).await?,
    };
    let Some(task) = task else { return Ok(true) };
    let found = ecs.one_off(cluster, &task, Some(&migration.container)).await?;
    if found.is_none_or(|found| found.stopped) {
        return Ok(true);
    }
    ecs.stop(cluster, &task, "Slipway: the stage is rolled back").await?;
    Ok(false)
}

/// Where it is kept when ECS was asked to restore the stage.
fn asked_key(context: &Context<'_>) -> Key {
    Key::gate(&context.release.id, &context.stage.name, "RESTORE")
}

/// Looks how far ECS is.
async fn judge(context: &Context<'_>, restoration: Deployed) -> Result<StepResult<Deployed>, StepError> {
    let Context { aws, table, release, stage, .. } = context;
    let deadline =
        deadline(table, &Key::gate(&release.id, &stage.name, "ROLLBACK"), stage.deploy_timeout_seconds())
            .await?;
    // Nobody asked where ECS's circuit breaker was first.
    let asked_at = match table.get::<Timestamp>(&asked_key(context)).await? {
        Some(asked) => asked.document,
        None => deadline - SignedDuration::from_secs(i64::from(stage.deploy_timeout_seconds())),
    };
    let Standing { progress, going } =
        deployed(aws, &restoration.services, true, Some(asked_at), deadline).await?;
    let (result, words) = match progress {
        Progress::Going => return Ok(restoration.wait(going, deadline)),
        Progress::Lagging { reason } => return Ok(StepResult::LookAgain { reason: reason.to_owned() }),
        Progress::Done => {
            supersede_revisions(context).await;
            context.runs_baseline(&restoration.services).await?;
            (StepResult::Done(restoration), "ECS runs it, and nothing else".to_owned())
        }
        Progress::Failed { reason } => (StepResult::stuck(reason.clone()), reason),
    };
    context.timeline().record(Step::Restored, words).await?;
    Ok(result)
}

/// Makes what the stage ran before the newest revision of its family again: a schedule that names the family runs that
/// one. That the stage is restored does not depend on it.
async fn supersede_revisions(context: &Context<'_>) {
    for before in &context.baseline.services {
        if let Err(error) = supersede(context, before).await {
            tracing::warn!(release.id = %context.release.id, stage = %context.stage.name, ecs.service = %before.service, "the newest revision of the family of {} is still this release's: {error}", before.service);
        }
    }
}

async fn supersede(context: &Context<'_>, before: &ServiceBaseline) -> Result<(), StepError> {
    let Context { aws, table, release, stage, .. } = context;
    let name = &before.service;
    let Some(ours) = table.get::<TaskDefinitionArn>(&Key::deployed(&release.id, &stage.name, name)).await?
    else {
        return Ok(());
    };
    // Before its first release a service ran its template, which has a family of its own.
    let family = ours.document.family();
    if before.task_definition.family() != family {
        return Ok(());
    }
    let newest = aws.ecs().task_definition(family).await?;
    if newest.is_none_or(|newest| newest.arn != ours.document) {
        return Ok(());
    }
    let found = aws.ecs().task_definition(before.task_definition.as_str()).await?;
    let Some(copy) = register_again(context, before, found, family).await? else { return Ok(()) };
    tracing::info!(release.id = %release.id, stage = %stage.name, ecs.service = %name, ecs.task_definition = %copy, "{copy} is what {name} ran before, and the newest revision of its family");
    Ok(())
}

/// Has ECS run the baseline, where the release changed it.
async fn restore_baseline(
    context: &Context<'_>,
    asked_at: Option<Timestamp>,
) -> Result<Result<Deployed, StepResult<Deployed>>, StepError> {
    let Context { table, release, stage, .. } = context;
    let stuck = |reason: String| Ok(Err(StepResult::stuck(reason)));
    if let Err(lost) = context.begin_writing().await? {
        return stuck(lost.to_string());
    }
    let restored = restore(context, asked_at).await;
    context.stop_writing(&restored).await?;
    let Restored { services, problems, superseded, touched, unshown } = restored?;
    if let Some(name) = unshown {
        let reason = format!("ECS was asked to deploy {name} just now, and does not show it yet");
        return Ok(Err(StepResult::LookAgain { reason }));
    }
    if touched && !services.is_empty() {
        let words = services.iter().map(|service| {
            format!(
                "{} is restored to {}",
                service.service,
                service.task_definition.as_str().rsplit('/').next().unwrap_or_default()
            )
        });
        context.timeline().record(Step::RollingBack, words.collect::<Vec<_>>().join("; ")).await?;
    }
    if !problems.is_empty() {
        return stuck(problems.join("; "));
    }
    // The stage had begun to change, and no service was updated, or ECS had refused: every service runs what it ran.
    if !touched
        && superseded.is_none()
        && table.get::<Deployed>(&Key::deployment(&release.id, &stage.name)).await?.is_none()
        && context.migration().await?.is_none()
    {
        return Ok(Err(StepResult::failed(format!("no service of {} was changed", stage.name))));
    }
    match superseded {
        Some(reason) => Ok(Err(StepResult::End(End::changed(Outcome::Superseded, reason)))),
        None => Ok(Ok(Deployed { services })),
    }
}

/// What became of the services.
struct Restored {
    services: Vec<DeployedService>,
    /// What cannot be restored: a person is needed.
    problems: Vec<String>,
    /// The newer release that deployed over this one: what it deployed is its own to undo.
    superseded: Option<String>,
    /// Whether the release had reached any of them.
    touched: bool,
    /// The service of which ECS does not show yet what it was asked for.
    unshown: Option<ServiceName>,
}

async fn restore(context: &Context<'_>, asked_at: Option<Timestamp>) -> Result<Restored, StepError> {
    let Context { aws, table, release, stage, baseline, .. } = context;
    let cluster = ClusterName::new(stage.cluster()).map_err(|error| StepError::InvalidInput {
        field: "stage.cluster".into(),
        problem: error.to_string(),
    })?;
    let names: Vec<_> = baseline.services.iter().map(|service| service.service.as_str()).collect();
    let views = aws.ecs().services(stage.cluster(), &names).await?;

    let mut restored = Restored {
        services: Vec::with_capacity(baseline.services.len()),
        problems: Vec::new(),
        superseded: None,
        touched: false,
        unshown: None,
    };
    for before in &baseline.services {
        let name = &before.service;
        let Some(view) = views.iter().find(|view| view.arn == before.arn) else {
            restored.problems.push(format!("ECS has no active service {name} any more"));
            continue;
        };
        let ours: Option<TaskDefinitionArn> =
            table.get(&Key::deployed(&release.id, &stage.name, name)).await?.map(|stored| stored.document);
        let copy: Option<TaskDefinitionArn> =
            table.get(&Key::restored(&release.id, &stage.name, name)).await?.map(|stored| stored.document);
        let known = Known { registered: ours.as_ref(), copy: copy.as_ref(), asked_at };
        let restoration = restoration(before, known, view, now());
        restored.touched |= restoration != Restoration::AlreadyBack
            || view.deployments.iter().any(|deployment| Some(&deployment.task_definition) == ours.as_ref());
        let target = match restoration {
            Restoration::AlreadyBack => {
                tracing::info!(release.id = %release.id, %stage.name, ecs.service = %name, "{name} of {} runs its baseline already", stage.name);
                view.task_definition.clone()
            }
            Restoration::NotShownYet => {
                restored.unshown = Some(name.clone());
                continue;
            }
            Restoration::Restore => match runnable(context, before, copy).await? {
                Ok(target) => {
                    tracing::info!(release.id = %release.id, %stage.name, ecs.service = %name, ecs.task_definition = %target, "{name} of {} is restored to {target}", stage.name);
                    // A run that is killed after it must not be followed by one that finds nothing changed.
                    table
                        .put_new(
                            &Key::deployment(&release.id, &stage.name),
                            &Deployed { services: Vec::new() },
                        )
                        .await?;
                    // What ECS shows of the time before is no answer.
                    table.put(&asked_key(context), &now()).await?;
                    restore_service(aws, stage, before, view, &target).await?;
                    target
                }
                Err(problem) => {
                    restored.problems.push(problem);
                    continue;
                }
            },
            Restoration::Refuse { running, reason } => {
                match deployer_after(table, release, &stage.name, name, &running).await? {
                    Some(newer) => restored.superseded = Some(newer.supersedes()),
                    None => restored.problems.push(format!("{reason}, and which is not undone")),
                }
                continue;
            }
        };
        let Some(configured) = stage.services.iter().find(|configured| configured.service == *name) else {
            continue;
        };
        restored.services.push(DeployedService {
            cluster: cluster.clone(),
            service: name.clone(),
            arn: before.arn.clone(),
            task_definition: target,
            desired_count: if before.ran_nothing() { 0 } else { view.desired_count },
            containers: configured.containers.clone(),
            strategy: stage.strategy.clone(),
            health: configured.health.clone(),
            target_health: configured.target_health.clone(),
            steady: configured.steady.clone(),
        });
    }
    // That the services are restored does not depend on it.
    restored.problems.extend(context.restore_tasks().await?);
    Ok(restored)
}

/// Has ECS run the baseline of a service. A deployment that still shifts traffic is stopped, which shifts it back;
/// after it all traffic shifts back at once, however gently it came.
async fn restore_service(
    aws: &Aws,
    stage: &Stage,
    before: &ServiceBaseline,
    view: &ServiceView,
    target: &TaskDefinitionArn,
) -> Result<(), StepError> {
    let shifts = stage.strategy.as_ref().is_some_and(Strategy::shifts_traffic);
    if (shifts || view.traffic.shifts())
        && target == &before.task_definition
        && let Some(deployment) = aws.ecs().newest_deployment(stage.cluster(), &before.service).await?
        && deployment.is_in_flight()
    {
        aws.ecs().stop_deployment(&deployment.arn).await?;
        return Ok(());
    }
    let at_once = shifts.then_some(Strategy::BlueGreen { bake: None });
    aws.ecs()
        .update(stage.cluster(), &before.service, target, before.ran_nothing().then_some(0), at_once.as_ref())
        .await?;
    Ok(())
}

/// A task definition that ECS takes for the baseline: itself, or, where it was deregistered meanwhile, a copy that is
/// registered from the recorded document.
async fn runnable(
    context: &Context<'_>,
    before: &ServiceBaseline,
    copy: Option<TaskDefinitionArn>,
) -> Result<Result<TaskDefinitionArn, String>, StepError> {
    let Context { aws, table, release, stage, .. } = context;
    if let Some(copy) = copy {
        return Ok(Ok(copy));
    }
    let name = &before.service;
    // ECS describes a revision that was deregistered, with its tags.
    let found = aws.ecs().task_definition(before.task_definition.as_str()).await?;
    if found.as_ref().is_some_and(|found| found.active) {
        return Ok(Ok(before.task_definition.clone()));
    }
    let configured = stage.services.iter().find(|configured| configured.service == *name);
    let family = configured.map_or_else(
        || before.task_definition.family().to_owned(),
        |configured| stage.families(configured).release,
    );
    let Some(copy) = register_again(context, before, found, &family).await? else {
        return Ok(Err(format!(
            "{} of {name} cannot be run any more, and was not recorded",
            before.task_definition
        )));
    };
    table.put(&Key::restored(&release.id, &stage.name, name), &copy).await?;
    tracing::warn!(release.id = %release.id, %stage.name, ecs.service = %name, ecs.task_definition = %copy, "{} cannot be run any more: it was registered again as {copy}", before.task_definition);
    Ok(Ok(copy))
}

/// Registers the baseline of a service once more, from its recorded document, with the tags that ECS has of it; nothing
/// where it was not recorded.
async fn register_again(
    context: &Context<'_>,
    before: &ServiceBaseline,
    found: Option<TaskDefinition>,
    family: &str,
) -> Result<Option<TaskDefinitionArn>, StepError> {
    let Context { table, release, stage, baseline, .. } = context;
    let recorded = Key::definition(&release.id, &stage.name, &before.service, baseline.round);
    let Some(recorded) = table.get::<Value>(&recorded).await? else { return Ok(None) };
    let tags = found.map(|found| found.tags).unwrap_or_default();
    Ok(Some(context.register_revision(&recorded.document, &tags, family).await?))
}
