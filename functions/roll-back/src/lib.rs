//! Puts back what a stage ran before the release.
//!
//! Only the release's own change is undone. Where ECS's circuit breaker was first, nothing is left to do; where someone
//! else deployed meanwhile, nothing is touched. It does not wait: the workflow does.

use serde_json::Value;
use slipway_aws::{Aws, Key};
use slipway_core::name::{ClusterName, TaskDefinitionArn};
use slipway_core::rollback::{Restoration, restoration};
use slipway_core::step::{DeployServicesInput, Restored};
use slipway_core::wait::DeployedService;
use slipway_runtime::{Config, StepError, deployer_after, parse};

/// Puts the baseline of the stage's services back. `Blocked` says that one of them cannot be: a person is needed.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Restored, StepError> {
    let DeployServicesInput { release, stage, baseline } = parse(input)?;
    let table = aws.table(&config.table);
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
        let restoration = restoration(before, ours.as_ref(), view);
        touched |= restoration != Restoration::AlreadyBack
            || view.deployments.iter().any(|deployment| Some(&deployment.task_definition) == ours.as_ref());
        match restoration {
            Restoration::AlreadyBack => {
                tracing::info!(release.id = %release.id, %stage.name, ecs.service = %name, "{name} of {} runs its baseline already", stage.name);
            }
            Restoration::PutBack => {
                tracing::info!(release.id = %release.id, %stage.name, ecs.service = %name, ecs.task_definition = %before.task_definition, "{name} of {} goes back to {}", stage.name, before.task_definition);
                aws.ecs().update(stage.cluster(), name, &before.task_definition, before.ran_nothing().then_some(0)).await?;
            }
            Restoration::Refuse { running } => {
                if let Some(newer) = deployer_after(&table, &release, &stage.name, name, &running).await? {
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
            task_definition: before.task_definition.clone(),
            desired_count: if before.ran_nothing() { 0 } else { view.desired_count },
            health: configured.health.clone(),
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
