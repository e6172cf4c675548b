//! Plays a schedule on the local cloud, waits until nothing happens any more, and records what it left behind.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use aws_sdk_ecr::types::ImageIdentifier;
use serde_json::Value;
use slipway_core::lock::LEASE_SECONDS;
use slipway_local::wire::{EventFault, Fault};
use slipway_local::{Cloud, Pace, PushOptions, ScanResult};

use crate::gather::Reader;
use crate::meanwhile;
use crate::people::{self, Inbox};
use crate::record::Record;
use crate::schedule::{Schedule, Story, Subject};
use crate::setting::Setting;

/// The time between two looks at whether the releases are over.
const LOOK: Duration = Duration::from_millis(100);
/// How long nothing passes the wire before the reconciler runs, at the quick and at the normal pace: longer than what
/// the local cloud waits for by itself.
const STALLED: [Duration; 2] = [Duration::from_millis(1_500), Duration::from_secs(4)];
/// The same where a call's answer or an event is held back.
const STALLED_WITH_DELAYS: Duration = Duration::from_secs(6);
/// How long nothing passes the wire when everything is over.
const CALM: Duration = Duration::from_millis(300);
/// How long a release may take to its end. A function that is killed while it writes is waited for until its lease is over,
/// and a fault may kill three in a row.
const PATIENCE: Duration = Duration::from_secs(3 * LEASE_SECONDS.unsigned_abs() + 60);
/// How long a run may take under a fault that lasts: a deployment's and a rollback's time-outs, and what is tried meanwhile.
const UNDER_FAULTS: Duration = Duration::from_secs(240);
/// How long nothing passes the wire when the workflow has given up: longer than the pause between two of its tries.
const GIVEN_UP: Duration = Duration::from_secs(20);
/// How often the reconciler runs while things are still broken.
const RECONCILES_UNDER_FAULTS: u32 = 2;

static VERSION: AtomicU32 = AtomicU32::new(0);

/// Plays runs on a cloud, one after the other.
#[derive(Debug)]
pub struct Stand {
    cloud: Cloud,
}

impl Stand {
    /// Finds the cloud, and makes sure that every stage of these applications runs something good.
    ///
    /// # Errors
    ///
    /// When there is no cloud, or a release without any fault does not end well on it.
    pub async fn set_up(subjects: &BTreeSet<Subject>) -> anyhow::Result<Self> {
        Self::on(Cloud::find().await?, subjects).await
    }

    /// The same on a cloud that was found.
    ///
    /// # Errors
    ///
    /// When a release without any fault does not end well on it.
    pub async fn on(cloud: Cloud, subjects: &BTreeSet<Subject>) -> anyhow::Result<Self> {
        let stand = Self { cloud };
        for &subject in subjects {
            stand.clean(subject).await?;
        }
        Ok(stand)
    }

    /// Makes sure that the next run of an application begins with stages that all run the same good image.
    ///
    /// # Errors
    ///
    /// When a release without any fault does not end well.
    pub async fn clean(&self, subject: Subject) -> anyhow::Result<()> {
        let story = match subject {
            Subject::Web => Story::Good,
            Subject::Shop => Story::Gates,
        };
        let record = self.play(&story.schedule()).await?;
        let outcome = record.releases.first().map_or("NONE", |release| release.outcome());
        ensure!(outcome == "RELEASED", "a release of {} without any fault ended {outcome}", subject.name());
        Ok(())
    }

    /// Plays a schedule to its end, and says what it left behind. Nothing is broken any more afterwards.
    ///
    /// # Errors
    ///
    /// When the cloud does not answer, or it does not come to an end.
    pub async fn play(&self, schedule: &Schedule) -> anyhow::Result<Record> {
        self.mend().await?;
        let setting = Setting::made(&self.cloud, schedule).await?;
        if setting.is_some() {
            self.wait_until_calm().await?;
        }
        let reader = Reader::of(&self.cloud, schedule.subject);
        let stages = reader.stages().await?;
        let since = slipway_local::clock::now();
        let before = reader.services(&stages).await?;
        let inbox = Inbox::from_now(&self.cloud);
        let entry = self.cloud.wire().last().await?;

        let versions: Vec<_> = schedule.pushes.iter().map(|_| version()).collect();
        let replies =
            versions.iter().cloned().zip(schedule.pushes.iter().map(|pushing| pushing.reply)).collect();
        self.cloud.run_twice(&schedule.twice.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.cloud.wire().follow(&schedule.plan).await?;
        let played = async {
            let pushed = self.push(schedule, &versions, entry).await?;
            self.wait_until_over(schedule, &reader, pushed).await
        };
        let outcome = tokio::select! {
            outcome = played => outcome,
            () = people::answer_mails(&self.cloud, &inbox, &replies) => bail!("people do not stop looking"),
        };
        self.mend().await?;
        if let Some(setting) = setting {
            setting.undone(&self.cloud).await?;
        }
        let pushed = outcome?;
        self.wait_until_calm().await?;
        let found = self
            .reconcile()
            .await
            .map_or_else(|error| vec![format!("{error:#}")], |reconciled| found(&reconciled));
        if !found.is_empty() {
            self.wait_until_calm().await?;
        }

        let mut ids = reader.releases_since(since).await?;
        ids.extend(pushed);
        let mut record = Record {
            trace: self.cloud.wire().trace(entry).await?,
            lock: reader.lock().await?,
            before,
            services: reader.services(&stages).await?,
            mails: inbox.mails()?,
            audit: reader.audit().await?,
            found,
            ..Record::default()
        };
        for id in ids {
            record.releases.push(reader.release(&id, &stages).await?);
        }
        record.stages = stages;
        let named: BTreeSet<_> = record
            .changes()
            .map(|change| change.revision.to_owned())
            .chain(record.services.values().chain(record.before.values()).cloned())
            .collect();
        record.revisions = reader.revisions(named).await?;
        self.forget_images(schedule.subject, &record).await?;
        Ok(record)
    }

    /// Deletes the images of the run that no service runs: the reconciler reads every image of a repository.
    async fn forget_images(&self, subject: Subject, record: &Record) -> anyhow::Result<()> {
        let runs = |digest: &str| {
            let images = record
                .services
                .values()
                .filter_map(|revision| record.revisions.get(revision))
                .map(|revision| &revision.image);
            images.into_iter().any(|image| image.ends_with(digest))
        };
        let mut digests: BTreeSet<String> = record
            .before
            .values()
            .filter_map(|revision| record.revisions.get(revision))
            .filter_map(|revision| Some(revision.image.split_once('@')?.1.to_owned()))
            .collect();
        digests.extend(
            record
                .releases
                .iter()
                .filter_map(|release| Some(release.started.as_ref()?.release.image.digest.to_string())),
        );
        digests.retain(|digest| !runs(digest));
        if digests.is_empty() {
            return Ok(());
        }
        let ids = digests.into_iter().map(|digest| ImageIdentifier::builder().image_digest(digest).build());
        let ecr = aws_sdk_ecr::Client::new(self.cloud.sdk());
        ecr.batch_delete_image()
            .repository_name(subject.name())
            .set_image_ids(Some(ids.collect()))
            .send()
            .await?;
        Ok(())
    }

    /// Pushes what the schedule says, and returns the ids of the releases that come of it.
    async fn push(
        &self,
        schedule: &Schedule,
        versions: &[String],
        entry: u64,
    ) -> anyhow::Result<Vec<String>> {
        let mut ids = Vec::new();
        for (pushing, version) in schedule.pushes.iter().zip(versions) {
            tokio::time::sleep(pushing.after).await;
            let name = schedule.subject.name();
            let gates = schedule.subject == Subject::Shop;
            let options = PushOptions {
                migration: gates.then(|| "expand".to_owned()),
                ..PushOptions::light(version).behaving(pushing.behaviour)
            };
            let pushed = self.cloud.push_to(name, &options).await?;
            if gates {
                let nothing = ScanResult::complete(&[]);
                self.cloud.set_gates(|gates| _ = gates.scans.insert(pushed.digest.clone(), nothing))?;
            }
            let digits = pushed.digest.trim_start_matches("sha256:");
            let id = format!("{name}-{}", digits.get(..32).context("a digest is longer")?);
            if let Some(meanwhile) = pushing.meanwhile {
                meanwhile::happens(&self.cloud, meanwhile, &id, entry).await?;
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// Waits until the releases are over, and returns them. When nothing happens any more, it runs the reconciler.
    ///
    /// A push whose event was lost and that a newer push has followed never begins: the reconciler releases the newest
    /// one.
    async fn wait_until_over(
        &self,
        schedule: &Schedule,
        reader: &Reader,
        mut ids: Vec<String>,
    ) -> anyhow::Result<Vec<String>> {
        if schedule.lasts {
            self.wait_until_it_ended(reader, &ids).await?;
            self.mend().await?;
        }
        let stalled = match (delays(schedule), self.cloud.pace()) {
            (true, _) => STALLED_WITH_DELAYS,
            (false, Pace::Quick) => STALLED[0],
            (false, Pace::Normal) => STALLED[1],
        };
        let began = Instant::now();
        let mut open: BTreeSet<String> = ids.iter().cloned().collect();
        let mut reconciles = 0;
        let mut silence = Silence::begin(&self.cloud).await?;
        while let Some(id) = open.first().cloned() {
            if reader.is_over(&id).await? {
                open.remove(&id);
                continue;
            }
            if began.elapsed() > PATIENCE {
                bail!("{id} does not come to an end; the last that passed:\n{}", self.last_entries().await?);
            }
            if silence.lasts(&self.cloud).await? > stalled {
                if reconciles == RECONCILES_UNDER_FAULTS {
                    self.mend().await?;
                }
                reconciles += 1;
                // One that fails under faults is followed by the next.
                if let Err(error) = self.reconcile().await
                    && reconciles > RECONCILES_UNDER_FAULTS
                {
                    return Err(error);
                }
                silence = Silence::begin(&self.cloud).await?;
                if reconciles > RECONCILES_UNDER_FAULTS
                    && ids.last() != Some(&id)
                    && !reader.has_begun(&id).await?
                {
                    open.remove(&id);
                    ids.retain(|begun| *begun != id);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(ids)
    }

    /// Waits until the executions have ended under their faults, or nothing is tried any more.
    async fn wait_until_it_ended(&self, reader: &Reader, ids: &[String]) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut silence = Silence::begin(&self.cloud).await?;
        while began.elapsed() < UNDER_FAULTS && silence.lasts(&self.cloud).await? < GIVEN_UP {
            let mut running = ids.len();
            for id in ids {
                running -= usize::from(reader.execution(id).await?.is_some_and(|one| !one.is_running()));
            }
            if running == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn wait_until_calm(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut silence = Silence::begin(&self.cloud).await?;
        while silence.lasts(&self.cloud).await? < CALM {
            ensure!(
                began.elapsed() < PATIENCE,
                "the functions do not come to rest:\n{}",
                self.last_entries().await?
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn mend(&self) -> anyhow::Result<()> {
        self.cloud.wire().reset().await?;
        self.cloud.run_twice(&[])
    }

    async fn reconcile(&self) -> anyhow::Result<Value> {
        loop {
            let reconciled = self.reconcile_once().await?;
            if reconciled["another_runs"] != true {
                return Ok(reconciled);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn reconcile_once(&self) -> anyhow::Result<Value> {
        let lambda = aws_sdk_lambda::Client::new(self.cloud.sdk());
        let answer = lambda
            .invoke()
            .function_name("slipway-reconcile")
            .payload(aws_sdk_lambda::primitives::Blob::new("{}"))
            .send()
            .await?;
        let body =
            String::from_utf8_lossy(answer.payload().map(AsRef::as_ref).unwrap_or_default()).into_owned();
        ensure!(answer.function_error().is_none(), "the reconciler failed: {body}");
        Ok(serde_json::from_str(&body)?)
    }

    async fn last_entries(&self) -> anyhow::Result<String> {
        let last = self.cloud.wire().last().await?;
        let entries = self.cloud.wire().trace(last.saturating_sub(25)).await?;
        Ok(entries.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

/// How long nothing has passed the wire.
struct Silence {
    last: u64,
    since: Instant,
}

impl Silence {
    async fn begin(cloud: &Cloud) -> anyhow::Result<Self> {
        Ok(Self { last: cloud.wire().last().await?, since: Instant::now() })
    }

    /// Looks again, and returns how long it has lasted.
    async fn lasts(&mut self, cloud: &Cloud) -> anyhow::Result<Duration> {
        if cloud.wire().last().await? != self.last {
            *self = Self::begin(cloud).await?;
        }
        Ok(self.since.elapsed())
    }
}

fn delays(schedule: &Schedule) -> bool {
    schedule.plan.calls.iter().any(|rule| rule.fault == Fault::Delay)
        || schedule
            .plan
            .events
            .iter()
            .any(|rule| matches!(rule.fault, EventFault::Delay | EventFault::Reorder))
}

/// What a reconciliation found.
fn found(reconciled: &Value) -> Vec<String> {
    let parts = reconciled.as_object().into_iter().flatten();
    parts
        .flat_map(|(what, found)| {
            found.as_array().into_iter().flatten().map(move |one| format!("{what}: {one}"))
        })
        .collect()
}

/// A version that nobody has pushed before.
fn version() -> String {
    format!(
        "v{}.{}.{}",
        slipway_local::clock::now().as_millisecond() / 1_000,
        std::process::id(),
        VERSION.fetch_add(1, Ordering::Relaxed)
    )
}
