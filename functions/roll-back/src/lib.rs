//! Puts back what a stage ran before the release.
//!
//! Only the release's own change is undone. Where ECS's circuit breaker was first, nothing is left to do; where someone
//! else deployed meanwhile, nothing is touched. It does not wait: the workflow does.

use serde_json::Value;
use slipway_aws::{Aws, Key, Table};
use slipway_core::application::Stage;
use slipway_core::migration::not_crossed;
use slipway_core::name::{ClusterName, TaskDefinitionArn};
use slipway_core::release::Release;
use slipway_core::rollback::{Restoration, ServiceBaseline, restoration};
use slipway_core::snapshot::Taken;
use slipway_core::step::{DeployServicesInput, Restored};
use slipway_core::strategy::Strategy;
use slipway_core::timeline::Step;
use slipway_core::wait::DeployedService;
use slipway_runtime::{Config, StepError, begin_writing, deployer_after, happened, migration_of, parse, stop_writing};

/// Puts the baseline of the stage's services back. `Blocked` says that one of them cannot be: a person is needed.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Restored, StepError> {
    let input: DeployServicesInput = parse(input)?;
    let table = aws.table(&config.table);
    if let Some(migration) = migration_of(&table, &input.release, &input.stage.name).await? {
        let snapshot = table.get::<Taken>(&Key::snapshot(&input.release.id, &input.stage.name)).await?.map(|stored| stored.document);
        if let Some(reason) = not_crossed(&migration, snapshot.as_ref()) {
            tracing::error!(release.id = %input.release.id, stage.name = %input.stage.name, reason, "{} is not rolled back: {reason}", input.stage.name);
            return Ok(Restored::Blocked { reason });
        }
    }
    if let Err(lost) = begin_writing(&table, &input.release, input.generation).await? {
        return Ok(Restored::Blocked { reason: lost.to_string() });
    }
    let restored = restore(aws, &table, &input).await;
    stop_writing(&table, &input.release, input.generation).await?;
    if let Ok(Restored::Restoring { services, touched: true, .. }) = &restored {
        let services: Vec<_> = services
            .iter()
            .map(|service| {
                format!("{} goes back to {}", service.service, service.task_definition.as_str().rsplit('/').next().unwrap_or_default())
            })
            .collect();
        happened(&table, &input.release.id, Some(&input.stage.name), (Step::RollingBack, ""), services.join("; ")).await?;
    }
    restored
}

async fn restore(aws: &Aws, table: &Table, input: &DeployServicesInput) -> Result<Restored, StepError> {
    let DeployServicesInput { release, generation, stage, baseline } = input;
    let cluster = ClusterName::new(stage.cluster())
        .map_err(|error| StepError::InvalidInput { field: "stage.cluster".into(), problem: error.to_string() })?;
    let names: Vec<_> = baseline.services.iter().map(|service| service.service.as_str()).collect();
    let views = aws.ecs().services(stage.cluster(), &names).await?;

    let mut services = Vec::with_capacity(baseline.services.len());
    let mut problems = Vec::new();
    let mut touched = false;
    let mut superseded = None;
    for before in &baseline.services {
        let name = &before.service;
        let Some(view) = views.iter().find(|view| view.arn == before.arn) else {
            problems.push(format!("ECS has no active service {name} any more"));
            continue;
        };
        let ours: Option<TaskDefinitionArn> =
            table.get(&Key::deployed(&release.id, &stage.name, name)).await?.map(|stored| stored.document);
        let copy: Option<TaskDefinitionArn> =
            table.get(&Key::restored(&release.id, &stage.name, name)).await?.map(|stored| stored.document);
        let target;
        let restoration = restoration(before, ours.as_ref(), copy.as_ref(), view);
        touched |= restoration != Restoration::AlreadyBack
            || view.deployments.iter().any(|deployment| Some(&deployment.task_definition) == ours.as_ref());
        match restoration {
            Restoration::AlreadyBack => {
                target = view.task_definition.clone();
                tracing::info!(release.id = %release.id, %stage.name, ecs.service = %name, "{name} of {} runs its baseline already", stage.name);
            }
            Restoration::PutBack => {
                match runnable(aws, table, release, *generation, stage, (before, baseline.round), copy).await? {
                    Ok(runnable) => target = runnable,
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                }
                tracing::info!(release.id = %release.id, %stage.name, ecs.service = %name, ecs.task_definition = %target, "{name} of {} goes back to {target}", stage.name);
                put_back(aws, stage, before, &target).await?;
            }
            Restoration::Refuse { running } => {
                if let Some(newer) = deployer_after(table, release, &stage.name, name, &running).await? {
                    superseded = Some(newer.supersedes());
                    continue;
                }
                problems.push(format!("{name} runs {running}, which someone else deployed: that is not undone"));
                continue;
            }
        }
        let Some(configured) = stage.services.iter().find(|configured| configured.service == *name) else { continue };
        services.push(DeployedService {
            cluster: cluster.clone(),
            service: name.clone(),
            arn: before.arn.clone(),
            task_definition: target,
            desired_count: if before.ran_nothing() { 0 } else { view.desired_count },
            strategy: stage.strategy.clone(),
            health: configured.health.clone(),
            steady: configured.steady.clone(),
            // That it runs again is seen at once: it has proved itself before.
            steady_seconds: None,
        });
    }
    if let (Some(reason), true) = (superseded, problems.is_empty()) {
        return Ok(Restored::Superseded { reason });
    }
    if problems.is_empty() {
        Ok(Restored::Restoring { services, timeout_seconds: stage.deploy_timeout_seconds(), touched })
    } else {
        Ok(Restored::Blocked { reason: problems.join("; ") })
    }
}

/// Tells ECS to run the baseline. A deployment that still shifts traffic is stopped, which shifts it back; after it all traffic goes back
/// at once, however gently it came.
async fn put_back(aws: &Aws, stage: &Stage, before: &ServiceBaseline, target: &TaskDefinitionArn) -> Result<(), StepError> {
    let shifts = stage.strategy.as_ref().is_some_and(Strategy::shifts_traffic);
    if shifts
        && target == &before.task_definition
        && let Some(deployment) = aws.ecs().newest_deployment(stage.cluster(), &before.service).await?
        && deployment.is_in_flight()
    {
        aws.ecs().stop_deployment(&deployment.arn).await?;
        return Ok(());
    }
    let at_once = shifts.then_some(Strategy::BlueGreen { bake: None });
    aws.ecs().update(stage.cluster(), &before.service, target, before.ran_nothing().then_some(0), at_once.as_ref()).await?;
    Ok(())
}

/// A task definition that ECS takes for the baseline: itself, or, where it was deregistered meanwhile, a copy that is
/// registered from the recorded document.
async fn runnable(
    aws: &Aws,
    table: &Table,
    release: &Release,
    generation: u64,
    stage: &Stage,
    (before, round): (&ServiceBaseline, u32),
    copy: Option<TaskDefinitionArn>,
) -> Result<Result<TaskDefinitionArn, String>, StepError> {
    if let Some(copy) = copy {
        return Ok(Ok(copy));
    }
    let name = &before.service;
    if aws.ecs().task_definition(before.task_definition.as_str()).await?.is_some_and(|found| found.active) {
        return Ok(Ok(before.task_definition.clone()));
    }
    let Some(document) = table.get::<Value>(&Key::definition(&release.id, &stage.name, name, round)).await? else {
        return Ok(Err(format!("{} of {name} cannot be run any more, and was not recorded", before.task_definition)));
    };
    let family = stage.families(name).release;
    let copy = aws.ecs().register(&document.document, &family, &release.id, generation, |_| None).await?;
    table.put(&Key::restored(&release.id, &stage.name, name), &copy).await?;
    tracing::warn!(release.id = %release.id, %stage.name, ecs.service = %name, ecs.task_definition = %copy, "{} cannot be run any more: it was registered again as {copy}", before.task_definition);
    Ok(Ok(copy))
}
