//! Where a stage's deployment, or its rollback, stands.

use jiff::{SignedDuration, Timestamp};
use slipway_aws::Aws;
use slipway_core::deployment::{Progress, ServiceView, judge, together};
use slipway_core::name::ServiceArn;
use slipway_core::step::DeployedService;
use slipway_core::strategy::{Hook, Shift, Strategy, progress};

use crate::{StepError, now};

/// Where a stage's services stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The progress of all of them together.
    pub progress: Progress,
    /// Those that ECS is still at.
    pub going: Vec<ServiceArn>,
}

/// Whether every service runs what it should and nothing else. `restores` says that this is a rollback. A failure
/// quotes ECS: its own reason, why tasks stopped, and what it said since then. What is not over at its deadline has
/// failed.
///
/// # Errors
///
/// When ECS cannot be asked.
pub async fn deployed(
    aws: &Aws,
    services: &[DeployedService],
    restores: bool,
    asked_at: Option<Timestamp>,
    deadline: Timestamp,
) -> Result<Standing, StepError> {
    let mut going = Vec::new();
    let Some(first) = services.first() else { return Ok(Standing { progress: Progress::Done, going }) };
    let names: Vec<_> = services.iter().map(|service| service.service.as_str()).collect();
    let views = aws.ecs().services(first.cluster.as_str(), &names).await?;
    let mut all = Vec::with_capacity(services.len());
    for service in services {
        let view = views.iter().find(|view| view.arn == service.arn);
        let one = match view {
            None => Progress::Failed { reason: "ECS has no such active service any more".to_owned() },
            Some(view) => match seen(aws, service, view, restores, asked_at).await? {
                Progress::Failed { reason } => {
                    Progress::Failed { reason: why(aws, service, view, asked_at, &reason).await? }
                }
                Progress::Going | Progress::Lagging { .. } if now() >= deadline => {
                    let hooks = aws.ecs().hooks(service.cluster.as_str(), &service.service).await;
                    // That it did not finish is known without them.
                    let hooks = hooks.unwrap_or_else(|error| {
                        tracing::warn!(ecs.service = %service.service, "its lifecycle hooks are not known: {error}");
                        Vec::new()
                    });
                    let words = ["ECS did not finish in time".to_owned()]
                        .into_iter()
                        .chain(hooks.iter().map(Hook::to_string));
                    let reason = words.collect::<Vec<_>>().join("; ");
                    Progress::Failed { reason: why(aws, service, view, asked_at, &reason).await? }
                }
                other => other,
            },
        };
        if one == Progress::Going {
            going.push(service.arn.clone());
        }
        all.push(match one {
            Progress::Failed { reason } => {
                Progress::Failed { reason: format!("the deployment of {} failed: {reason}", service.service) }
            }
            other => other,
        });
    }
    Ok(Standing { progress: together(all), going })
}

/// Where one service stands: for a deployment that shifts traffic, by what ECS says of it as well.
async fn seen(
    aws: &Aws,
    service: &DeployedService,
    view: &ServiceView,
    restores: bool,
    asked_at: Option<Timestamp>,
) -> Result<Progress, StepError> {
    if service.desired_count == 0 && view.task_definition == service.task_definition {
        // A service that is to run nothing, as before its first release. Scaling may lift its count again; its template has
        // no image that could run.
        return Ok(if view.running_count == 0 { Progress::Done } else { Progress::Going });
    }
    let seen = judge(view, &service.task_definition, asked_at, now());
    if !service.strategy.as_ref().is_some_and(Strategy::shifts_traffic) && !view.traffic.shifts() {
        return Ok(seen);
    }
    let newest = aws.ecs().newest_deployment(service.cluster.as_str(), &service.service).await?;
    let shift = Shift { wanted: &service.task_definition, restores, asked_at, now: now() };
    Ok(progress(newest.as_ref(), shift, seen))
}

/// ECS's reason, why its tasks stopped, and its last message about the service since they were created: an older one
/// is about an earlier deployment. While no task has stopped, what ECS said since it was asked counts.
async fn why(
    aws: &Aws,
    service: &DeployedService,
    view: &ServiceView,
    asked_at: Option<Timestamp>,
    reason: &str,
) -> Result<String, StepError> {
    let mut words = vec![reason.trim_end_matches('.').to_owned()];
    let stopped = aws
        .ecs()
        .stopped_tasks(service.cluster.as_str(), service.service.as_str(), &service.task_definition)
        .await?;
    if !stopped.reasons.is_empty() {
        words.push(format!("its tasks stopped: {}", stopped.reasons.join("; ")));
    }
    let since = stopped.since.or(asked_at).unwrap_or_else(|| now() - SignedDuration::from_hours(1));
    if let Some(message) = view.trouble(since) {
        words.push(format!("ECS says: {}", message.trim_end_matches('.')));
    }
    Ok(words.join("; "))
}
