//! Judges whether a service serves what it should, by looking at its tasks, at what the load balancer thinks of them, and
//! through the load balancer itself.
//!
//! A service without a load balancer is judged by tasks that run on, and by a command of its own image.
//!
//! It looks once and does not wait. A service that answers badly is an answer, not an error.

mod check;
mod probe;

use std::time::Duration;

use serde_json::Value;
use slipway_aws::{Aws, Key};
use slipway_core::application::HealthCheck;
use slipway_core::approval::Verified;
use slipway_core::deployment::ServiceView;
use slipway_core::step::{Proof, VerifyServiceInput};
use slipway_core::timeline::Step;
use slipway_core::verification::{Expected, Health, Look, PROBES, Probe, Target, Verification, judge};
use slipway_core::wait::DeployedService;
use slipway_runtime::{Config, StepError, happened, now, parse};

pub use probe::Prober;

/// How long one answer through the load balancer may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks at the service once.
///
/// # Errors
///
/// When the input does not parse, or ECS or ELB cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, prober: &Prober, input: Value) -> Result<Verification, StepError> {
    let input: VerifyServiceInput = parse(input)?;
    let VerifyServiceInput { release, stage, service, proof } = &input;
    let cluster = service.cluster.as_str();
    let name = &service.service;
    let Some(view) = aws.ecs().services(cluster, &[name.as_str()]).await?.into_iter().next() else {
        return Ok(missing(service));
    };
    let tasks = aws.ecs().running_tasks(cluster, name.as_str()).await?;
    let mut targets: Vec<Target> = Vec::new();
    // Where ECS shifts traffic, the tasks are in the one group or in the other.
    let alternates = view.traffic.balancers.iter().filter_map(|balancer| balancer.alternate_target_group.as_ref());
    for group in view.target_groups.iter().chain(alternates) {
        targets.extend(aws.load_balancers().targets(group).await?);
    }
    // Scaling may have changed the count since the deployment; that someone scaled to nothing proves nothing.
    let desired_count = if service.desired_count == 0 { 0 } else { view.desired_count.max(1) };
    let expected = Expected { service: name, task_definition: &service.task_definition, digest: input.digest(), desired_count };
    let mut verification = if let Some(health) = &service.health {
        let probes = if service.desired_count == 0 { Vec::new() } else { probes(aws, prober, service, health, &view).await? };
        judge(&expected, &view, &tasks, &targets, Look::Probes(&probes))
    } else {
        let seconds = service.steady_seconds.unwrap_or_default();
        judge(&expected, &view, &tasks, &targets, Look::Steady { seconds, now: now() })
    };
    let command = service.steady.as_ref().and_then(|steady| steady.command.as_deref());
    if let Some(command) = command
        && *proof == Proof::Release
        && verification.result == Health::Healthy
    {
        verification = check::run(aws, &aws.table(&config.table), &input, command, verification).await?;
    }
    match verification.result {
        Health::Healthy => {
            tracing::info!(release.id = %release.id, %stage, ecs.service = %name, slowest_ms = verification.slowest_ms, "{name} of {stage} serves");
        }
        Health::Unhealthy => {
            tracing::warn!(release.id = %release.id, %stage, ecs.service = %name, reason = verification.reason, "{name} of {stage} does not serve: {}", verification.reason);
        }
        // It is looked at again.
        Health::Waiting => return Ok(verification),
    }
    if *proof == Proof::Release && verification.result == Health::Healthy {
        let verified = Verified { stage: stage.clone(), verification: verification.clone() };
        aws.table(&config.table).put(&Key::verified(&release.id, stage, name), &verified).await?;
    }
    let detail = if *proof == Proof::Release { name.to_string() } else { format!("{name}#AGAIN") };
    let words = format!("{name}: {}", verification.in_words());
    happened(&aws.table(&config.table), &release.id, Some(stage), (Step::Verified, &detail), words).await?;
    Ok(verification)
}

/// Asks through the load balancer, a few times in a row.
async fn probes(
    aws: &Aws,
    prober: &Prober,
    service: &DeployedService,
    health: &HealthCheck,
    view: &ServiceView,
) -> Result<Vec<Probe>, StepError> {
    let base = match (&health.url, view.target_groups.first()) {
        (Some(url), _) => Some(url.trim_end_matches('/').to_owned()),
        (None, Some(group)) => aws.load_balancers().listener(group).await?.map(|listener| listener.url()),
        (None, None) => None,
    };
    let Some(base) = base else {
        let answer = Err(format!("not at all: {} has no load balancer, and its configuration no health.url", service.service));
        return Ok(vec![Probe { answer, took_ms: 0 }]);
    };
    let url = format!("{base}{}", health.path);
    let mut probes = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        let probe = prober.ask(&url, PROBE_TIMEOUT).await;
        let gave_up = probe.answer.is_err();
        probes.push(probe);
        // One answer that never came is enough: the verdict is made, and the function's own time is short.
        if gave_up {
            break;
        }
    }
    Ok(probes)
}

fn missing(service: &DeployedService) -> Verification {
    Verification {
        service: service.service.clone(),
        result: Health::Unhealthy,
        reason: format!("ECS has no active service {} in the cluster {}", service.service, service.cluster),
        tasks_running: 0,
        tasks_desired: service.desired_count,
        targets_healthy: 0,
        answers: Vec::new(),
        slowest_ms: 0,
        steady_seconds: None,
        command: None,
        wait: None,
        timeout_seconds: None,
    }
}
