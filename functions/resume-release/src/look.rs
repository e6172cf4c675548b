//! Looks at the truth behind a wait.

use jiff::SignedDuration;
use slipway_aws::{Aws, Key, Stored, Table};
use slipway_core::alarm::ringing;
use slipway_core::approval::{Approval, ApprovalId};
use slipway_core::deployment::{Progress, ServiceView, judge, together};
use slipway_core::release::Release;
use slipway_core::turn::{Claim, Life, Turn};
use slipway_core::wait::{DeployedService, Wait, WaitResult, decision};
use slipway_runtime::{StepError, abort_of, newest_after, now};

use crate::Place;

/// How the wait ended, if it did by now.
pub(crate) async fn at(place: &Place<'_>, release: &Release, wait: &Wait) -> Result<Option<WaitResult>, StepError> {
    let Place { aws, table, .. } = place;
    if !matches!(wait, Wait::Decision { .. } | Wait::Rollback { .. })
        && let Some(abort) = abort_of(table, &release.id).await?
    {
        return Ok(Some(WaitResult::Aborted { reason: abort.in_words() }));
    }
    match wait {
        Wait::Turn {} => turn(place, release).await,
        Wait::Deployment { services } | Wait::Rollback { services } => deployment(aws, services).await,
        Wait::Decision { approval } => decided(table, approval).await,
        Wait::Bake { alarms } => {
            let readings = aws.alarms().read(alarms).await?;
            Ok(ringing(alarms, &readings)
                .map(|alarm| WaitResult::Rang { reason: format!("the alarm {} rings: {}", alarm.name, alarm.reason) }))
        }
    }
}

/// Whether the turn can be taken by now: it is free, or its holder is dead.
async fn turn(place: &Place<'_>, release: &Release) -> Result<Option<WaitResult>, StepError> {
    if let Some(newer) = newest_after(&place.table, release).await? {
        return Ok(Some(WaitResult::Superseded { reason: newer.supersedes() }));
    }
    let turn = place.table.get::<Turn>(&Key::turn(&release.application)).await?.map(|stored| stored.document).unwrap_or_default();
    let life = match &turn.holder {
        Some(holder) => place.aws.executions().life(place.state_machine_arn, holder.release.as_str()).await?,
        None => None,
    };
    let claim = turn.claim(&release.id, life.unwrap_or(Life::Ended), now());
    Ok(matches!(claim, Claim::Held | Claim::Free(_)).then_some(WaitResult::Done {}))
}

/// What people decided, or why they need not decide any more.
async fn decided(table: &Table, id: &ApprovalId) -> Result<Option<WaitResult>, StepError> {
    let key = Key::approval(id);
    let Some(Stored { document: approval, version }) = table.get::<Approval>(&key).await? else { return Ok(None) };
    if let Some(decided) = decision(&approval, now()) {
        return Ok(Some(decided));
    }
    let closed = if let Some(abort) = abort_of(table, &approval.release.id).await? {
        approval.withdrawn(&abort.in_words())
    } else if let Some(newer) = newest_after(table, &approval.release).await? {
        approval.superseded(&newer.supersedes())
    } else {
        return Ok(None);
    };
    // Where a decision comes in between, it counts: its own change of the table is the next look.
    let first = table.replace(&key, &closed, version).await?;
    Ok(first.then(|| decision(&closed, now())).flatten())
}

/// Ends an approval for good: what nobody decided is expired, and a later click finds it so.
pub(crate) async fn close(table: &Table, id: &ApprovalId) -> Result<WaitResult, StepError> {
    let key = Key::approval(id);
    loop {
        let Some(stored) = table.get::<Approval>(&key).await? else {
            return Ok(WaitResult::Expired { reason: "the approval is not there".to_owned() });
        };
        let closed = stored.document.closed();
        // When a decision came in between, it counts: read it.
        if closed.status == stored.document.status || table.replace(&key, &closed, stored.version).await? {
            return Ok(decision(&closed, now()).unwrap_or_else(|| WaitResult::Expired { reason: "nobody decided".to_owned() }));
        }
    }
}

async fn deployment(aws: &Aws, services: &[DeployedService]) -> Result<Option<WaitResult>, StepError> {
    let mut progress = Vec::with_capacity(services.len());
    for service in services {
        let one = match view(aws, service).await? {
            None => Progress::Failed { reason: "ECS has no such active service any more".to_owned() },
            Some(view) => match judge(&view, &service.task_definition) {
                Progress::Failed { reason } => Progress::Failed { reason: why(aws, service, &view, &reason).await? },
                other => other,
            },
        };
        progress.push(match one {
            Progress::Failed { reason } => Progress::Failed { reason: format!("the deployment of {} failed: {reason}", service.service) },
            other => other,
        });
    }
    Ok(match together(progress) {
        Progress::Going => None,
        Progress::Done => Some(WaitResult::Done {}),
        Progress::Failed { reason } => Some(WaitResult::Failed { reason }),
    })
}

/// What is said of a deployment that did not end in time, with ECS's own words.
pub(crate) async fn unfinished(aws: &Aws, wait: &Wait) -> Result<String, StepError> {
    let mut words = "ECS did not finish in time".to_owned();
    if let Wait::Deployment { services } | Wait::Rollback { services } = wait {
        for service in services {
            if let Some(view) = view(aws, service).await? {
                words = format!("{words}; {}", why(aws, service, &view, &service.service.to_string()).await?);
            }
        }
    }
    Ok(words)
}

async fn view(aws: &Aws, service: &DeployedService) -> Result<Option<ServiceView>, StepError> {
    Ok(aws.ecs().services(service.cluster.as_str(), &[service.service.as_str()]).await?.into_iter().next())
}

/// ECS's reason, why its tasks stopped, and its last message about the service since they were created: an older one is about an
/// earlier deployment. While no task has stopped, what ECS said in the last hour counts.
async fn why(aws: &Aws, service: &DeployedService, view: &ServiceView, reason: &str) -> Result<String, StepError> {
    let mut words = vec![reason.trim_end_matches('.').to_owned()];
    let stopped = aws.ecs().stopped_tasks(service.cluster.as_str(), service.service.as_str(), &service.task_definition).await?;
    if !stopped.reasons.is_empty() {
        words.push(format!("its tasks stopped: {}", stopped.reasons.join("; ")));
    }
    let since = stopped.since.unwrap_or_else(|| now() - SignedDuration::from_hours(1));
    if let Some(message) = view.trouble(since) {
        words.push(format!("ECS says: {}", message.trim_end_matches('.')));
    }
    Ok(words.join("; "))
}
