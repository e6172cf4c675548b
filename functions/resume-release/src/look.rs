//! Looks at the truth behind a wait.

use jiff::{SignedDuration, Timestamp};
use slipway_aws::{Aws, Key, Stored, Table};
use slipway_core::alarm::{Ring, ringing};
use slipway_core::approval::{Approval, ApprovalId, Status};
use slipway_core::audit::{Happening, What};
use slipway_core::deployment::{Progress, ServiceView, judge, together};
use slipway_core::image::Digest;
use slipway_core::name::RepositoryName;
use slipway_core::release::Release;
use slipway_core::scan::Scan;
use slipway_core::snapshot::is_under_way;
use slipway_core::strategy::{Strategy, progress};
use slipway_core::turn::{Claim, Life, Turn};
use slipway_core::wait::{DeployedService, Wait, WaitResult, decision};
use slipway_runtime::{StepError, abort_of, newest_after, next_entry, now};

use crate::Place;

/// How the wait ended, if it did by now.
pub(crate) async fn at(place: &Place<'_>, release: &Release, wait: &Wait) -> Result<Option<WaitResult>, StepError> {
    let Place { aws, table, .. } = place;
    // A task that runs is not interrupted: its gate asks for the abort once it has ended.
    if !matches!(wait, Wait::Decision { .. } | Wait::Rollback { .. } | Wait::Task { .. })
        && let Some(abort) = abort_of(table, &release.id).await?
    {
        return Ok(Some(WaitResult::Aborted { reason: abort.in_words() }));
    }
    match wait {
        Wait::Turn {} => turn(place, release).await,
        Wait::Deployment { services } => deployment(aws, services, false).await,
        Wait::Rollback { services } => deployment(aws, services, true).await,
        Wait::Decision { approval } => decided(table, approval).await,
        Wait::Bake { alarms, since } => baking(aws, alarms, *since).await,
        Wait::Scan { repository, images } => scanning(aws, repository, images).await,
        Wait::Database { database } => {
            // One that is gone is told by the gate.
            let status = aws.snapshots().database_status(database).await?;
            Ok(status.is_none_or(|status| ["available", "storage-optimization"].contains(&status.as_str())).then_some(WaitResult::Done {}))
        }
        Wait::Snapshot { database, identifier } => {
            let there = aws.snapshots().find(database, identifier).await?;
            Ok(there.is_none_or(|snapshot| !is_under_way(&snapshot)).then_some(WaitResult::Done {}))
        }
        Wait::Task { cluster, task } => {
            let there = aws.ecs().one_off(cluster.as_str(), task, None).await?;
            // ECS may not know a task yet that it has just begun.
            Ok(there.is_some_and(|task| task.stopped).then_some(WaitResult::Done {}))
        }
    }
}

/// Whether every image's scan has an end, whatever it found.
async fn scanning(aws: &Aws, repository: &RepositoryName, images: &[Digest]) -> Result<Option<WaitResult>, StepError> {
    for image in images {
        if matches!(aws.repositories().scan(repository, image).await?, Scan::Pending { .. }) {
            return Ok(None);
        }
    }
    Ok(Some(WaitResult::Done {}))
}

/// An alarm that rings, or has rung since the stage began to change and may be quiet again: its event may be lost.
async fn baking(aws: &Aws, alarms: &[String], since: Timestamp) -> Result<Option<WaitResult>, StepError> {
    let readings = aws.alarms().read(alarms).await?;
    if let Some(alarm) = ringing(alarms, &readings) {
        return Ok(Some(WaitResult::Rang { reason: format!("the alarm {} rings: {}", alarm.name, alarm.reason) }));
    }
    for alarm in alarms {
        if let Some(Ring { at, reason }) = aws.alarms().first_ring(alarm, since).await? {
            return Ok(Some(WaitResult::Rang { reason: format!("the alarm {alarm} rang at {at:.0}: {reason}") }));
        }
    }
    Ok(None)
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
    // Each round that fails is one in which a decision was written, or the next entry of the audit.
    loop {
        let Some(Stored { document: approval, version }) = table.get::<Approval>(&key).await? else { return Ok(None) };
        let closed = if let Some(abort) = abort_of(table, &approval.release.id).await? {
            approval.withdrawn(&abort.in_words())
        } else if let Some(newer) = newest_after(table, &approval.release).await? {
            approval.superseded(&newer.supersedes())
        } else if approval.status_at(now()) == Status::Expired {
            approval.closed()
        } else {
            approval.clone()
        };
        if closed.status == approval.status || write_down(table, &closed, version).await? {
            return Ok(decision(&closed, now()));
        }
    }
}

/// An approval that is over without people having decided, together with its entry of the audit.
async fn write_down(table: &Table, closed: &Approval, version: u64) -> Result<bool, StepError> {
    let what = match closed.status {
        Status::Superseded => What::Superseded,
        Status::Withdrawn => What::Withdrawn,
        _ => What::Expired,
    };
    let words = closed.closed_because.clone().unwrap_or_default();
    let (entry, sealed) = next_entry(table, closed, &Happening { at: now(), what, person: None, words }).await?;
    Ok(table.replace_and_put_new(&Key::approval(&closed.id), closed, version, &entry, &sealed).await?)
}

/// The wait for people timed out: what they decided, that their time is over, or that it is time to remind them.
pub(crate) async fn settled(table: &Table, id: &ApprovalId) -> Result<WaitResult, StepError> {
    Ok(match decided(table, id).await? {
        Some(result) => result,
        None if table.get::<Approval>(&Key::approval(id)).await?.is_some() => WaitResult::Undecided {},
        None => WaitResult::Expired { reason: "the approval is not there".to_owned() },
    })
}

async fn deployment(aws: &Aws, services: &[DeployedService], restores: bool) -> Result<Option<WaitResult>, StepError> {
    let mut all = Vec::with_capacity(services.len());
    for service in services {
        let one = match view(aws, service).await? {
            None => Progress::Failed { reason: "ECS has no such active service any more".to_owned() },
            Some(view) => match seen(aws, service, &view, restores).await? {
                Progress::Failed { reason } => Progress::Failed { reason: why(aws, service, &view, &reason).await? },
                other => other,
            },
        };
        all.push(match one {
            Progress::Failed { reason } => Progress::Failed { reason: format!("the deployment of {} failed: {reason}", service.service) },
            other => other,
        });
    }
    Ok(match together(all) {
        Progress::Going => None,
        Progress::Done => Some(WaitResult::Done {}),
        Progress::Failed { reason } => Some(WaitResult::Failed { reason }),
    })
}

/// Where the deployment stands: for one that shifts traffic, by what ECS says of it as well.
async fn seen(aws: &Aws, service: &DeployedService, view: &ServiceView, restores: bool) -> Result<Progress, StepError> {
    let seen = judge(view, &service.task_definition);
    if !service.strategy.as_ref().is_some_and(Strategy::shifts_traffic) {
        return Ok(seen);
    }
    let newest = aws.ecs().newest_deployment(service.cluster.as_str(), &service.service).await?;
    Ok(progress(newest.as_ref(), restores, seen))
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
