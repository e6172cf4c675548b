//! Judges whether a stage's services serve what they should, by looking at their tasks, at what the load balancer
//! thinks of them, and through the load balancer itself.
//!
//! A service whose load balancer cannot be asked from outside, or not by HTTP, is judged by the load balancer's own health
//! checks; one without a load balancer by tasks that run on. Both may have a command of their own image decide. Services are
//! looked at side by side. A service that answers badly is an answer, not an error.

mod check;
mod probe;

use std::time::Duration;

use futures::future::try_join_all;
use jiff::Timestamp;
use slipway_aws::{Aws, Key, Table};
use slipway_core::application::{HealthCheck, SteadyCheck};
use slipway_core::approval::Verified;
use slipway_core::deployment::ServiceView;
use slipway_core::protocol::{StepResult, WakeKey};
use slipway_core::step::{BAD_LOOKS, DeployedService, Proof, VerifiedServices, VerifyServicesInput};
use slipway_core::timeline::Step;
use slipway_core::verification::{Expected, Health, Look, PROBES, Probe, Target, Verification, judge};
use slipway_release::{StepError, Timeline, abort_of, deadline, now};
use slipway_runtime::Config;

pub use probe::Prober;

/// How long one answer through the load balancer may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What looking at one service came to.
enum Seen {
    /// It serves, or it does not: then it may be well at the next look.
    Judged(Verified),
    /// It does not serve, and no other look changes that.
    Final(Verified),
    /// Its command runs.
    Waits {
        /// What ends that.
        on: WakeKey,
        /// When its time is over.
        until: Timestamp,
    },
    /// Its tasks have not run on for long enough.
    TooYoung(String),
}

/// Looks at every service once.
///
/// # Errors
///
/// When ECS or ELB cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    prober: &Prober,
    input: VerifyServicesInput,
) -> Result<StepResult<VerifiedServices>, StepError> {
    let VerifyServicesInput { release, stage, services, proof, .. } = &input;
    let table = aws.table(&config.table);
    // A baseline is proved whatever people want by now.
    if *proof == Proof::Release
        && let Some(abort) = abort_of(&table, &release.id).await?
    {
        return Ok(StepResult::roll_back(abort.in_words()));
    }
    let names: Vec<_> = services.iter().map(|service| service.service.as_str()).collect();
    let views = match services.first() {
        Some(first) => aws.ecs().services(first.cluster.as_str(), &names).await?,
        None => Vec::new(),
    };
    let looks = services.iter().map(|service| {
        let view = views.iter().find(|view| view.arn == service.arn);
        look(aws, config, prober, &input, (service, view))
    });
    let seen = try_join_all(looks).await?;
    let (mut judged, mut on, mut until, mut young) = (Vec::new(), Vec::new(), None, None);
    let mut is_final = false;
    for seen in seen {
        match seen {
            Seen::Judged(verified) => judged.push(verified),
            Seen::Final(verified) => {
                is_final = true;
                judged.push(verified);
            }
            Seen::Waits { on: key, until: its } => {
                on.push(key);
                until = Some(until.map_or(its, |until: Timestamp| until.min(its)));
            }
            Seen::TooYoung(reason) => young = Some(reason),
        }
    }
    let verifications = judged.iter().map(|verified| &verified.verification);
    let bad: Vec<_> =
        verifications.filter(|one| one.result == Health::Unhealthy).map(|one| one.reason.clone()).collect();
    let reason = bad.join("; ");
    if !bad.is_empty() && !is_final && is_looked_at_again(&table, &input).await? {
        tracing::warn!(release.id = %release.id, %stage, reason, "{stage} is looked at again: {reason}");
        return Ok(StepResult::LookAgain { reason });
    }
    // Failures last: what happened last to a stage says how it is.
    judged.sort_by_key(|verified| verified.verification.result == Health::Unhealthy);
    for verified in &judged {
        record(aws, config, &input, verified).await?;
    }
    if !bad.is_empty() {
        return Ok(match proof {
            Proof::Release => StepResult::roll_back(reason),
            Proof::Baseline => StepResult::stuck(format!("{stage} does not serve again: {reason}")),
        });
    }
    if let Some(reason) = young {
        return Ok(StepResult::LookAgain { reason });
    }
    Ok(match until {
        Some(deadline) => StepResult::Wait { on, deadline },
        None => StepResult::Done(VerifiedServices {
            services: judged.into_iter().map(|verified| verified.verification).collect(),
        }),
    })
}

/// Whether what does not serve is looked at again: one bad answer, a target that flaps or a task that ECS replaces prove
/// nothing. It is so a few times, which are counted.
async fn is_looked_at_again(table: &Table, input: &VerifyServicesInput) -> Result<bool, StepError> {
    let VerifyServicesInput { release, stage, proof, .. } = input;
    let word = if *proof == Proof::Release { "BAD_LOOKS" } else { "BAD_LOOKS#AGAIN" };
    let key = Key::gate(&release.id, stage, word);
    let bad = table.get::<u32>(&key).await?.map_or(0, |stored| stored.document) + 1;
    table.put(&key, &bad).await?;
    Ok(bad < BAD_LOOKS)
}

/// Looks at one service once.
async fn look(
    aws: &Aws,
    config: &Config,
    prober: &Prober,
    input: &VerifyServicesInput,
    (service, view): (&DeployedService, Option<&ServiceView>),
) -> Result<Seen, StepError> {
    let VerifyServicesInput { release, stage, proof, .. } = input;
    let cluster = service.cluster.as_str();
    let name = &service.service;
    let seen = |verification, url| Verified { stage: stage.clone(), verification, url };
    let Some(view) = view else { return Ok(Seen::Judged(seen(missing(service), None))) };
    let tasks = aws.ecs().running_tasks(cluster, name.as_str()).await?;
    let mut targets: Vec<Target> = Vec::new();
    for balancer in &view.traffic.balancers {
        for group in balancer.target_groups() {
            targets.extend(aws.load_balancers().targets(group).await?);
        }
    }
    // Scaling may have changed the count since the deployment: what it adds need not be there yet. That someone scaled to
    // nothing proves nothing.
    let desired_count = match service.desired_count {
        0 => 0,
        deployed => deployed.min(view.desired_count).max(1),
    };
    let expected = Expected {
        service: name,
        task_definition: &service.task_definition,
        digest: input.digest(),
        desired_count,
    };
    if let Some(health) = &service.health {
        let (url, probes) = if service.desired_count == 0 {
            (None, Vec::new())
        } else {
            probes(aws, prober, health, view).await?
        };
        let verification = judge(&expected, view, &tasks, &targets, Look::Probes(health, &probes));
        return Ok(Seen::Judged(seen(verification, url)));
    }
    if service.target_health.is_some() {
        let verification = judge(&expected, view, &tasks, &targets, Look::Targets);
        return answered(aws, config, (input, service), verification).await;
    }
    // That it runs again is seen at once: it has proved itself before.
    let steady = service.steady.as_ref().filter(|_| *proof == Proof::Release);
    let seconds = steady.map_or(0, |steady: &SteadyCheck| steady.duration.seconds());
    let word = if *proof == Proof::Release { "STEADY" } else { "STEADY_AGAIN" };
    let first = Key::gate(&release.id, stage, &format!("{word}#{name}"));
    let since = deadline(&aws.table(&config.table), &first, 0).await?;
    let ended = ended_since(aws, service, since).await?;
    let steady = |seconds| Look::Steady { seconds, since, ended: ended.as_deref(), now: now() };
    let verification = judge(&expected, view, &tasks, &targets, steady(seconds));
    if ended.is_some() && verification.result == Health::Unhealthy {
        return Ok(Seen::Final(seen(verification, None)));
    }
    if verification.result == Health::Unhealthy
        && judge(&expected, view, &tasks, &targets, steady(0)).result == Health::Healthy
    {
        return Ok(Seen::TooYoung(verification.reason));
    }
    answered(aws, config, (input, service), verification).await
}

/// What a service that is well so far comes to: its command decides, where it has one and this proves a release.
async fn answered(
    aws: &Aws,
    config: &Config,
    (input, service): (&VerifyServicesInput, &DeployedService),
    verification: Verification,
) -> Result<Seen, StepError> {
    match service.command() {
        Some(command) if input.proof == Proof::Release && verification.result == Health::Healthy => {
            check::run(aws, &aws.table(&config.table), (input, service), command, verification).await
        }
        _ => Ok(Seen::Judged(Verified { stage: input.stage.clone(), verification, url: None })),
    }
}

/// Why a task of what was deployed ended by itself since then, if one did.
async fn ended_since(
    aws: &Aws,
    service: &DeployedService,
    since: Timestamp,
) -> Result<Option<String>, StepError> {
    let stopped = aws
        .ecs()
        .stopped_tasks(service.cluster.as_str(), service.service.as_str(), &service.task_definition)
        .await?;
    Ok(stopped.ended.filter(|(at, _)| *at >= since).map(|(_, why)| why))
}

/// Keeps how a service was seen.
async fn record(
    aws: &Aws,
    config: &Config,
    input: &VerifyServicesInput,
    verified: &Verified,
) -> Result<(), StepError> {
    let VerifyServicesInput { release, stage, proof, .. } = input;
    let verification = &verified.verification;
    let name = &verification.service;
    let table = aws.table(&config.table);
    if verification.result == Health::Healthy {
        tracing::info!(release.id = %release.id, %stage, ecs.service = %name, slowest_ms = verification.slowest_ms, "{name} of {stage} serves");
        if *proof == Proof::Release {
            table.put(&Key::verified(&release.id, stage, name), verified).await?;
        }
    } else {
        tracing::warn!(release.id = %release.id, %stage, ecs.service = %name, reason = verification.reason, "{name} of {stage} does not serve: {}", verification.reason);
    }
    let detail = if *proof == Proof::Release { name.to_string() } else { format!("{name}#AGAIN") };
    let words = format!("{name}: {}", verification.in_words());
    let timeline = Timeline::of(&table, &release.id).in_stage(stage);
    if verification.result == Health::Healthy {
        timeline.record_each(Step::Verified, &detail, words).await?;
    } else {
        timeline.record_failure(Step::Verified, &detail, words).await?;
    }
    Ok(())
}

/// Asks through the load balancer, a few times in a row. Where it is, as well.
async fn probes(
    aws: &Aws,
    prober: &Prober,
    health: &HealthCheck,
    view: &ServiceView,
) -> Result<(Option<String>, Vec<Probe>), StepError> {
    let base = match &health.url {
        Some(url) => Ok(url.trim_end_matches('/').to_owned()),
        None => aws.load_balancers().listener_of(view).await?.map(|listener| listener.url()),
    };
    let base = match base {
        Ok(base) => base,
        Err(why) => {
            let answer = Err(format!("not at all: {why}, and its configuration has no health.url"));
            return Ok((None, vec![Probe { answer, took_ms: 0 }]));
        }
    };
    let url = format!("{base}{}", health.path);
    let mut probes = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        let probe = prober.ask(&url, &health.headers, PROBE_TIMEOUT).await;
        let gave_up = probe.answer.is_err();
        probes.push(probe);
        // One answer that never came is enough: the verdict is made, and the function's own time is short.
        if gave_up {
            break;
        }
    }
    Ok((Some(base), probes))
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
    }
}
