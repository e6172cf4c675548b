//! One attempt at a step of a stage, and what it asks before it changes something.

use sha2::{Digest as _, Sha256};
use slipway_aws::{Aws, AwsError, Key, Stored, Table, Tagged, Update, Write};
use slipway_core::alarm::{disquiet, unquiet};
use slipway_core::api::{Running, RunningService};
use slipway_core::application::Stage;
use slipway_core::approval::{Approval, ApprovalId, Verdict};
use slipway_core::freeze::Frozen;
use slipway_core::image::{Image, digest_of};
use slipway_core::lock::{Fenced, Lock, Lost};
use slipway_core::migration::Migration;
use slipway_core::name::{ReleaseId, StageName};
use slipway_core::protocol::{Attempt, End, StepResult};
use slipway_core::release::{Outcome, Release};
use slipway_core::rollback::{Baseline, Change, ROUNDS};
use slipway_core::step::{DeployedService, StageInput};

use crate::{StepError, Timeline, ends_frozen, frozen_for, interrupted, now};

/// Why a step that is to be alone looks again.
pub const NOT_ALONE: &str = "an earlier attempt at a step of this release may still be writing";

/// One attempt at a step of a stage: where it looks and writes, for which release, and with which right.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// AWS.
    pub aws: &'a Aws,
    /// The table.
    pub table: &'a Table,
    /// The attempt.
    pub attempt: Attempt,
    /// The release.
    pub release: &'a Release,
    /// The generation of the release's lock.
    pub generation: u64,
    /// The stage.
    pub stage: &'a Stage,
    /// What the stage ran before.
    pub baseline: &'a Baseline,
}

impl<'a> Context<'a> {
    /// The context of an attempt, from its input.
    #[must_use]
    pub const fn new(aws: &'a Aws, table: &'a Table, attempt: Attempt, input: &'a StageInput) -> Self {
        let StageInput { release, generation, stage, baseline, .. } = input;
        Self { aws, table, attempt, release, generation: *generation, stage, baseline }
    }

    /// The timeline of the stage.
    #[must_use]
    pub const fn timeline(&self) -> Timeline<'a> {
        Timeline::of(self.table, &self.release.id).in_stage(&self.stage.name)
    }
}

/// Whether ECS was asked to change the stage's services before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was not, or refused.
    First,
    /// It was, and may have done it.
    Again,
}

/// What keeps a stage from changing.
impl Context<'_> {
    /// The approval that covers the change of the stage to the release, where the stage asks for one; or why there is
    /// none.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn approved(&self) -> Result<Result<Option<Approval>, String>, StepError> {
        if self.stage.approval.is_none() {
            return Ok(Ok(None));
        }
        let approval = self.table.get::<Approval>(&self.approval_key()).await?;
        Ok(self.covered_by(approval.map(|stored| stored.document)))
    }

    /// Where the approval of the stage is.
    #[must_use]
    pub fn approval_key(&self) -> Key {
        Key::approval(&ApprovalId::of(self.release, &self.stage.name, self.baseline.round))
    }

    /// The same as [`Self::approved`], by the approval that the table has.
    ///
    /// # Errors
    ///
    /// Why there is none that covers the change, in words.
    pub fn covered_by(&self, approval: Option<Approval>) -> Result<Option<Approval>, String> {
        let Self { release, stage, baseline, .. } = self;
        if stage.approval.is_none() {
            return Ok(None);
        }
        let Some(approval) = approval else {
            return Err("nobody was asked for an approval".to_owned());
        };
        approval.covers(release, &stage.name, baseline).map(|()| Some(approval))
    }

    /// Why the release ends here, before the stage's first change, if it does: an abort, a lost lock or a newer push.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn interrupted(&self) -> Result<Option<End>, StepError> {
        interrupted(self.table, self.release, self.generation).await
    }

    /// What keeps a stage from beginning to change: what interrupts it, or an alarm. People may have taken a day to
    /// answer, so all of it is looked at again.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked.
    pub async fn unwanted(&self) -> Result<Option<End>, StepError> {
        match self.interrupted().await? {
            Some(end) => Ok(Some(end)),
            None => self.alarms().await,
        }
    }

    /// Why an alarm keeps the stage from beginning to change, if one does.
    ///
    /// # Errors
    ///
    /// When CloudWatch cannot be asked.
    pub async fn alarms(&self) -> Result<Option<End>, StepError> {
        let wanted = self.stage.bake.as_ref().map(|bake| bake.alarms.as_slice()).unwrap_or_default();
        let readings = if wanted.is_empty() { Vec::new() } else { self.aws.alarms().read(wanted).await? };
        // What was not quiet when people were asked is what they may have overridden.
        let unexpected: Vec<_> = unquiet(wanted, &readings)
            .into_iter()
            .filter(|alarm| !self.baseline.not_quiet.contains(alarm))
            .collect();
        Ok(disquiet(&unexpected, &readings).map(|reason| End::unchanged(Outcome::Failed, reason)))
    }

    /// The release's image as the registry has it; else why the stage may not change.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn image(&self) -> Result<Result<Tagged, End>, StepError> {
        image_of(self.aws, self.release).await
    }

    /// That the stage is frozen, and nobody has let the release through.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn frozen_now(&self) -> Result<Option<Frozen>, StepError> {
        frozen_for(self.table, self.release, self.stage).await
    }

    /// The stage was frozen since its baseline was captured: the release waits there for the end of the freeze, with what
    /// people have approved, or ends, as the stage has it.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn hold_frozen<T>(&self, frozen: &Frozen) -> Result<StepResult<T>, StepError> {
        if let Some(end) = ends_frozen(self.stage, frozen) {
            return Ok(end);
        }
        if let Some(other) = self.alone().await? {
            return Ok(other);
        }
        if self.change().await?.is_some() {
            return Ok(StepResult::LookAgain {
                reason: "an earlier attempt has begun the change".to_owned(),
            });
        }
        Ok(StepResult::Restart { reason: frozen.in_words(&self.stage.name) })
    }

    /// What comes of a restart where the attempt is not alone: an earlier one may still begin, or the lock is lost.
    async fn alone<T>(&self) -> Result<Option<StepResult<T>>, StepError> {
        Ok(match self.fence_off().await? {
            Ok(Fenced::Alone) => None,
            Ok(Fenced::NotYet) => Some(StepResult::LookAgain { reason: NOT_ALONE.to_owned() }),
            Err(lost) => Some(StepResult::failed(lost.to_string())),
        })
    }

    /// The stage is not what people were shown: its baseline is captured anew, a few times, and only while nothing
    /// was begun. Earlier attempts are fenced off first, so that none of them begins after that.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn restart<T>(&self, reason: String) -> Result<StepResult<T>, StepError> {
        let Self { table, release, stage, baseline, .. } = self;
        if let Some(other) = self.alone().await? {
            return Ok(other);
        }
        if self.change().await?.is_some() {
            return Ok(StepResult::roll_back(reason));
        }
        if baseline.round >= ROUNDS {
            return Ok(StepResult::failed(format!(
                "{reason}, for the {}th time since the release looked at it first",
                baseline.round
            )));
        }
        table.put(&Key::round(&release.id, &stage.name), &(baseline.round + 1)).await?;
        Ok(StepResult::Restart { reason })
    }
}

/// What the release has begun.
impl Context<'_> {
    /// Writes down that the release begins to change the stage, unless it is written down. It comes before the first
    /// effect.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn begin_change(&self) -> Result<(), StepError> {
        let stage = &self.stage.name;
        self.table
            .put_new(
                &Key::change(&self.release.id, stage),
                &Change { stage: stage.clone(), at: now(), asked_at: None },
            )
            .await?;
        Ok(())
    }

    /// Writes down that ECS is asked to change the stage's services now, and with it that the release begins to change
    /// the stage. A rollback then waits for ECS to show it, whatever became of the answer.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn ask_for_change(&self) -> Result<Asked, StepError> {
        let Self { table, release, stage, .. } = self;
        let (key, at) = (Key::change(&release.id, &stage.name), now());
        let change = Change { stage: stage.name.clone(), at, asked_at: Some(at) };
        if table.put_new(&key, &change).await? {
            return Ok(Asked::First);
        }
        let written = table.update(&key, |current: Option<Change>| {
            let before = current.as_ref().and_then(|change| change.asked_at);
            let begun = current.map_or(at, |change| change.at);
            let asked = if before.is_none() { Asked::First } else { Asked::Again };
            Update::Write(Change { at: begun, ..change.clone() }, asked)
        });
        Ok(written.await?)
    }

    /// Writes down that ECS refused what it was asked for first: nothing comes of it.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn change_was_refused(&self) -> Result<(), StepError> {
        let Self { table, release, stage, .. } = self;
        let key = Key::change(&release.id, &stage.name);
        let written = table.update(&key, |current: Option<Change>| match current {
            Some(change) => Update::Write(Change { asked_at: None, ..change }, ()),
            None => Update::Leave(()),
        });
        Ok(written.await?)
    }

    /// That the release has begun to change the stage, if it has.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn change(&self) -> Result<Option<Change>, StepError> {
        Ok(change_of(self.table, &self.release.id, &self.stage.name).await?)
    }

    /// What the task of the stage's migration is called in ECS (`startedBy`): one for each release and stage.
    #[must_use]
    pub fn migration_name(&self) -> String {
        let Self { release, stage, .. } = self;
        let hash = hex::encode(Sha256::digest(format!("{}/{}", release.id, stage.name).as_bytes()));
        format!("slipway-migration-{}", &hash[..32])
    }

    /// The migration of the stage that the release has begun, if it has.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn migration(&self) -> Result<Option<Migration>, StepError> {
        Ok(migration_of(self.table, &self.release.id, &self.stage.name).await?)
    }
}

/// What the stage runs, as operators read it.
impl Context<'_> {
    /// Writes down that the stage runs the release. A rollback finds what it ran before.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn now_runs(&self, services: &[DeployedService]) -> Result<(), StepError> {
        let Self { table, release, stage, .. } = self;
        let key = Key::running(&release.application, &stage.name);
        let before = table.get::<Running>(&key).await?.map(|stored| stored.document);
        if before.as_ref().is_some_and(|before| before.release.as_ref() == Some(&release.id)) {
            return Ok(());
        }
        if let Some(before) = before {
            table.put_new(&self.ran(), &before).await?;
        }
        let approval = self.approved().await?.unwrap_or_default();
        let approvals = approval.into_iter().flat_map(|approval| approval.decisions);
        let approved = approvals.filter(|decision| decision.verdict == Verdict::Approved);
        let running = Running {
            image: release.image.clone(),
            release: Some(release.id.clone()),
            since: now(),
            approved_by: approved.map(|decision| decision.by).collect(),
            restored_from: None,
            services: running_services(services),
            // They have the image once the stage has passed.
            tasks: Vec::new(),
        };
        Ok(table.put(&key, &running).await?)
    }

    /// Writes down that the stage runs what it ran before the release.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn runs_baseline(&self, services: &[DeployedService]) -> Result<(), StepError> {
        let Self { table, release, stage, baseline, .. } = self;
        let key = Key::running(&release.application, &stage.name);
        let before = match table.get::<Running>(&self.ran()).await? {
            Some(before) => Some(before.document),
            None => table.get::<Running>(&key).await?.map(|stored| stored.document),
        };
        let before = before.filter(|before| before.release.as_ref() != Some(&release.id));
        let image = baseline.services.first().and_then(|service| digest_of(&service.image));
        let running = match (before, image) {
            (Some(before), _) => Running {
                tasks: self.tasks_again(&before.tasks).await?,
                since: now(),
                restored_from: Some(release.id.clone()),
                services: running_services(services),
                ..before
            },
            // It ran an image that no release of this version brought.
            (None, Some(digest)) => Running {
                image: Image {
                    repository: release.image.repository.clone(),
                    tag: digest.short().to_owned(),
                    digest,
                },
                release: None,
                since: now(),
                approved_by: Vec::new(),
                restored_from: Some(release.id.clone()),
                services: running_services(services),
                tasks: Vec::new(),
            },
            (None, None) => return Ok(table.delete(&key).await?),
        };
        Ok(table.put(&key, &running).await?)
    }

    /// Where it is kept what the stage ran before the release.
    fn ran(&self) -> Key {
        Key::gate(&self.release.id, &self.stage.name, "RAN")
    }
}

fn running_services(services: &[DeployedService]) -> Vec<RunningService> {
    let services = services.iter().map(|service| RunningService {
        service: service.service.clone(),
        task_definition: service.task_definition.clone(),
    });
    services.collect()
}

/// The right to write.
impl Context<'_> {
    /// Writes into the lock that a function begins to change services. Where the lock is lost, nothing may be changed.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked. That the lock is lost is an answer.
    pub async fn begin_writing(&self) -> Result<Result<(), Lost>, StepError> {
        let key = Key::lock(&self.release.application);
        let begun = self.table.update(&key, |current: Option<Lock>| {
            match current.unwrap_or_default().begin_writing(
                &self.release.id,
                self.generation,
                self.attempt,
                now(),
            ) {
                Ok(writing) => Update::Write(writing, Ok(())),
                Err(lost) => Update::Leave(Err(lost)),
            }
        });
        Ok(begun.await?)
    }

    /// Writes into the lock that a function begins to change services, and with it that ECS is asked to change the stage now,
    /// and what else is recorded before that: all of it or nothing. `lock` is the lock as it was read. `false` where nothing
    /// is written: the lock is lost or was written since, or something of it was written down before.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn begin_change_at_once(
        &self,
        lock: Option<Stored<Lock>>,
        records: Vec<Write>,
    ) -> Result<bool, StepError> {
        let Self { table, release, stage, generation, attempt, .. } = self;
        let Some(Stored { document: lock, version }) = lock else { return Ok(false) };
        let at = now();
        let Ok(writing) = lock.begin_writing(&release.id, *generation, *attempt, at) else {
            return Ok(false);
        };
        let change = Change { stage: stage.name.clone(), at, asked_at: Some(at) };
        let mut writes = vec![
            Write::over(&Key::lock(&release.application), &writing, Some(version)),
            Write::new(&Key::change(&release.id, &stage.name), &change),
        ];
        writes.extend(records);
        match table.write_all(&writes).await.map_err(StepError::from) {
            Err(unanswered) if unanswered.may_still_be_done() => {
                self.refuse_what_comes_late().await?;
                Err(unanswered)
            }
            written => written,
        }
    }

    /// Writes the lock as it is: what was asked of its version before, and may still be done, is refused from then on.
    async fn refuse_what_comes_late(&self) -> Result<(), StepError> {
        let key = Key::lock(&self.release.application);
        let written = self.table.update(&key, |current: Option<Lock>| match current {
            Some(lock) => Update::Write(lock, ()),
            None => Update::Leave(()),
        });
        Ok(written.await?)
    }

    /// Writes into the lock that the function has stopped changing services, whether it did all it wanted or failed.
    /// It does not where AWS did not answer, and may do late what it was asked for: as after a function that was killed,
    /// whoever is to be alone then waits until a writer may be alive no more, and the lock rests a while after it is given
    /// back.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked.
    pub async fn stop_writing<T>(&self, written: &Result<T, StepError>) -> Result<(), StepError> {
        if written.as_ref().is_err_and(StepError::may_still_be_done) {
            return Ok(());
        }
        let key = Key::lock(&self.release.application);
        let stopped = self.table.update(&key, |current: Option<Lock>| {
            match current.and_then(|lock| lock.stopped_writing(&self.release.id, self.generation)) {
                Some(stopped) => Update::Write(stopped, ()),
                None => Update::Leave(()),
            }
        });
        Ok(stopped.await?)
    }

    /// Fences off the earlier attempts at the release's steps: none of them begins to change services any more.
    ///
    /// # Errors
    ///
    /// When the table cannot be asked. That the lock is lost is an answer.
    pub async fn fence_off(&self) -> Result<Result<Fenced, Lost>, StepError> {
        let key = Key::lock(&self.release.application);
        let fenced = self.table.update(&key, |current: Option<Lock>| {
            match current.unwrap_or_default().fence_off(
                &self.release.id,
                self.generation,
                self.attempt,
                now(),
            ) {
                Ok((Some(lock), fenced)) => Update::Write(lock, Ok(fenced)),
                Ok((None, fenced)) => Update::Leave(Ok(fenced)),
                Err(lost) => Update::Leave(Err(lost)),
            }
        });
        Ok(fenced.await?)
    }
}

/// That a release has begun to change a stage, if it has.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn change_of(
    table: &Table,
    release: &ReleaseId,
    stage: &StageName,
) -> Result<Option<Change>, AwsError> {
    Ok(table.get(&Key::change(release, stage)).await?.map(|stored| stored.document))
}

/// The migration of a stage that a release has begun, if it has.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn migration_of(
    table: &Table,
    release: &ReleaseId,
    stage: &StageName,
) -> Result<Option<Migration>, AwsError> {
    Ok(table.get(&Key::migration(release, stage)).await?.map(|stored| stored.document))
}

/// The release's image as the registry has it; else why a stage may not change.
///
/// # Errors
///
/// When ECR cannot be asked.
pub async fn image_of(aws: &Aws, release: &Release) -> Result<Result<Tagged, End>, StepError> {
    let found = aws.repositories().find(&release.image).await?;
    Ok(found.ok_or_else(|| {
        End::unchanged(
            Outcome::Failed,
            format!(
                "the registry has no image {} that ECS could pull: it was deleted or archived",
                release.image
            ),
        )
    }))
}
