//! How a release ends: the lock first, then the record, then people. Each part finds what an earlier run did, and
//! notifying people may fail without changing what they are notified of.

use slipway_aws::{AwsError, Key, Stored, Table, Update};
use slipway_core::approval::ApprovalId;
use slipway_core::image::Digest;
use slipway_core::lock::Lock;
use slipway_core::name::{ApplicationName, StageName};
use slipway_core::notification::Notification;
use slipway_core::protocol::Callback;
use slipway_core::quarantine::Quarantine;
use slipway_core::release::{Ended, Ending, Outcome, Release, Started};
use slipway_core::rollback::Baseline;
use slipway_core::timeline::{Step, TimelineEvent, restored_after, waited_for_people};

use crate::{Notifier, StepError, Timeline, close_approval, count, now, seconds};

/// Records how a release ended, quarantines its image where it has to, gives the lock back, notifies people, and
/// closes the release. The first recorded ending stands, and is what people are notified of.
///
/// # Errors
///
/// When AWS cannot be asked. What was done until then is done; a second run goes on from there.
pub async fn finish(notifier: Notifier<'_>, release: &Release, ending: Ending) -> Result<Ended, StepError> {
    let table = notifier.table;
    let key = Key::ending(&release.id);
    let mut ended = Ended { ending, at: now() };
    if !table.put_new(&key, &ended).await?
        && let Some(first) = table.get::<Ended>(&key).await?
    {
        ended = first.document;
    }
    quarantine(table, release, &ended).await?;
    withdraw_approvals(table, release, &ended.ending).await?;
    // A function that was slow to claim it may have taken it again.
    give_lock_back(table, release).await?;
    remove_callbacks(table, release).await?;
    let timeline = Timeline::of(table, &release.id);
    let events = timeline.events().await?;
    // Until that is written down, which comes last: a run that was killed in between must not keep an alarm from firing.
    if !events.iter().any(|event| event.step == Step::Ended) {
        log(release, &ended.ending);
        measure(table, release, &ended, &events).await?;
        timeline.ended(&ended.ending).await?;
    }
    let (pk, prefix) = Key::notes(&release.id);
    let notes: Vec<String> =
        table.list(&pk, &prefix).await?.into_iter().map(|(_, stored)| stored.document).collect();
    let before = match &ended.ending.stage {
        Some(stage) => newest_baseline(table, release, stage).await?,
        None => None,
    };
    notifier.notify_once(&release.id, Notification::ended(release, &ended, &notes, before.as_ref())).await?;
    table.delete(&Key::open(&release.application, &release.id)).await?;
    Ok(ended)
}

/// The figures of a release that has ended.
async fn measure(
    table: &Table,
    release: &Release,
    ended: &Ended,
    events: &[TimelineEvent],
) -> Result<(), StepError> {
    let application = ("Application", release.application.as_str());
    let Ending { outcome, stage, .. } = &ended.ending;
    count("ReleaseEnded", &[application, ("Outcome", outcome.as_str())]);
    // From the push to production: what a person asked for again had no push.
    if let (Outcome::Released, Some(started)) =
        (outcome, table.get::<Started>(&Key::release(&release.id)).await?)
        && started.document.asked.is_none()
    {
        seconds("LeadTime", ended.at.duration_since(started.document.pushed_at), &[application]);
    }
    if let Some(waited) = waited_for_people(events, ended.at) {
        seconds("ApprovalTime", waited, &[application]);
    }
    if let (Outcome::RolledBack, Some(restored)) = (outcome, restored_after(events, stage.as_ref(), ended.at))
    {
        seconds("RestoreTime", restored, &[application]);
    }
    Ok(())
}

/// What a stage ran before the release, as it was found the last time that it was looked at.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn newest_baseline(
    table: &Table,
    release: &Release,
    stage: &StageName,
) -> Result<Option<Baseline>, StepError> {
    let (pk, prefix) = Key::baselines(&release.id, stage);
    let found = table.list::<Baseline>(&pk, &prefix).await?;
    Ok(found.into_iter().map(|(_, stored)| stored.document).max_by_key(|baseline| baseline.round))
}

async fn quarantine(table: &Table, release: &Release, ended: &Ended) -> Result<(), StepError> {
    let Some(quarantine) = Quarantine::after(&release.id, &ended.ending, ended.at) else { return Ok(()) };
    // People declined to go back to it, or to take new settings along: that says nothing about the image.
    if ended.ending.outcome == Outcome::Rejected && was_released(table, release).await? {
        return Ok(());
    }
    let key = Key::quarantine(&release.application, &release.image.digest);
    let written = table.update(&key, |earlier: Option<Quarantine>| match earlier {
        // One that this release made stays as it is: a person may have lifted it since.
        Some(earlier) if earlier.release == release.id => Update::Leave(()),
        _ => Update::Write(quarantine.clone(), ()),
    });
    Ok(written.await?)
}

/// The quarantine that keeps an image from being released, where one does.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn quarantine_of(
    table: &Table,
    application: &ApplicationName,
    digest: &Digest,
) -> Result<Option<Quarantine>, AwsError> {
    let quarantine = table.get::<Quarantine>(&Key::quarantine(application, digest)).await?;
    Ok(quarantine.map(|stored| stored.document).filter(Quarantine::holds))
}

/// Whether the release's image went through all stages once, in another release.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn was_released(table: &Table, release: &Release) -> Result<bool, StepError> {
    for (_, stored) in table.list::<Started>(&Key::histories(&release.application), "").await? {
        let Started { release: earlier, .. } = stored.document;
        if earlier.image.digest == release.image.digest
            && earlier.id != release.id
            && let Some(ended) = table.get::<Ended>(&Key::ending(&earlier.id)).await?
            && ended.document.ending.outcome == Outcome::Released
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Nobody can let an ended release go on: the links of what is still pending say so.
async fn withdraw_approvals(table: &Table, release: &Release, ending: &Ending) -> Result<(), StepError> {
    let (pk, prefix) = Key::all_asked(&release.id);
    for (_, asked) in table.list::<ApprovalId>(&pk, &prefix).await? {
        let because = format!("the release has ended {}", ending.outcome);
        close_approval(table, &asked.document, |approval| approval.withdrawn(&because)).await?;
    }
    Ok(())
}

/// What the release's steps waited on wakes nobody any more.
async fn remove_callbacks(table: &Table, release: &Release) -> Result<(), StepError> {
    let callbacks: Vec<(Key, Stored<Callback>)> = table.list(&Key::callbacks(&release.id), "").await?;
    for (key, Stored { document: callback, .. }) in callbacks {
        for on in &callback.on {
            table
                .delete(&Key::wake(&on.text(), &release.id, callback.stage.as_ref(), &callback.state))
                .await?;
        }
        table.delete(&key).await?;
    }
    Ok(())
}

/// Gives the lock of a release back, before it is read what the release changed: nothing begins to change after that.
/// `false` where one of its functions had begun before and may still be writing; it is asked again then.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn give_lock_back(table: &Table, release: &Release) -> Result<bool, StepError> {
    let key = Key::lock(&release.application);
    let freed = table.update(&key, |lock: Option<Lock>| {
        let lock = lock.unwrap_or_default();
        match lock.given_back(&release.id) {
            Some(free) => Update::Write(free.clone(), (Some(free.generation), !free.rests(now()))),
            // Whoever has it now, or may have it, does not change for this release.
            None => Update::Leave((None, lock.holder.is_some() || !lock.rests(now()))),
        }
    });
    let (freed, alone) = freed.await?;
    if let Some(generation) = freed {
        tracing::info!(release.id = %release.id, generation, "{} gives the lock of {} back", release.id, release.application);
    }
    Ok(alone)
}

fn log(release: &Release, ending: &Ending) {
    let Ending { outcome, reason, .. } = ending;
    let stage = ending.stage.as_ref().map_or("", |stage| stage.as_str());
    if matches!(outcome, Outcome::Failed | Outcome::RolledBack | Outcome::Stuck) {
        tracing::warn!(release.id = %release.id, %outcome, stage, reason, "the release {} ended {outcome}: {reason}", release.id);
    } else {
        tracing::info!(release.id = %release.id, %outcome, stage, reason, "the release {} ended {outcome}: {reason}", release.id);
    }
}
