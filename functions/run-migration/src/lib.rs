//! Runs a stage's migration: a task of its own with the new image, before the services change.
//!
//! The image's label says what the migration does, and with it whether a rollback may cross it. The task is asked for by a name that a
//! second run finds again. It does not wait: the workflow does, until the task has stopped or its time is over.

use sha2::{Digest as _, Sha256};
use slipway_aws::{Aws, Key, OneOff, Table, Update};
use slipway_core::migration::{Kind, LABEL, Migration, MigrationPolicy, TaskEnd, not_crossed};
use slipway_core::name::TaskDefinitionArn;
use slipway_core::protocol::{StepResult, WakeKey};
use slipway_core::snapshot::Taken;
use slipway_core::step::{Passed, StageInput};
use slipway_core::timeline::Step;
use slipway_runtime::{
    Config, StepError, abort_of, approved, begin_change, begin_writing, change_of, deadline, happened, image_of, log_tail, migration_of,
    now, restart, revision, stop_writing, unwanted,
};

/// Runs the migration, or looks how it goes.
///
/// # Errors
///
/// When the stage has no migration, or AWS cannot be asked. That it failed is an answer, not an error.
pub async fn handle(aws: &Aws, config: &Config, input: StageInput) -> Result<StepResult<Passed>, StepError> {
    let Some(policy) = &input.stage.migration else {
        return Err(StepError::InvalidInput { field: "stage.migration".into(), problem: "the stage has no migration".into() });
    };
    let run = Run { aws, table: aws.table(&config.table), input: &input, policy };
    match migration_of(&run.table, &input.release, &input.stage.name).await? {
        Some(migration) => run.follow(migration).await,
        None => run.start().await,
    }
}

/// One look at the migration of a stage.
struct Run<'a> {
    aws: &'a Aws,
    table: Table,
    input: &'a StageInput,
    policy: &'a MigrationPolicy,
}

impl Run<'_> {
    /// Begins it, unless something keeps the stage from changing: from here on it does.
    async fn start(&self) -> Result<StepResult<Passed>, StepError> {
        let Self { aws, table, input, policy } = self;
        let StageInput { release, generation, stage, baseline, .. } = input;
        // An earlier run may have been killed between writing down that the stage changes and its migration.
        let begun = change_of(table, release, &stage.name).await?.is_some();
        if let Err(reason) = approved(table, release, stage, baseline).await? {
            return Ok(StepResult::failed(reason));
        }
        let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
        let views = aws.ecs().services(stage.cluster(), &names).await?;
        for before in &baseline.services {
            let running = views.iter().find(|view| view.arn == before.arn).map(|view| &view.task_definition);
            if running != Some(&before.task_definition) {
                let reason = format!("someone else deployed to {} since the release looked at it", before.service);
                return match (begun, &stage.approval) {
                    (true, _) => Ok(StepResult::roll_back(reason)),
                    (false, Some(_)) => restart(table, input, reason).await,
                    (false, None) => Ok(StepResult::failed(reason)),
                };
            }
        }
        if let Some(end) = unwanted(aws, table, input).await? {
            return Ok(StepResult::End(end));
        }
        if let Err(gone) = image_of(aws, release).await? {
            return Ok(StepResult::End(gone));
        }
        let kind = match Kind::of(aws.repositories().label(&release.image, LABEL).await?.as_deref()) {
            Ok(Kind::None) => {
                let evidence = format!("No migration: {}", Kind::None.in_words());
                self.happened(evidence.clone()).await?;
                return Ok(StepResult::Done(Passed { evidence }));
            }
            Ok(kind) => kind,
            Err(reason) => return Ok(StepResult::failed(reason)),
        };
        let Some(service) = stage.services.iter().find(|service| service.service == policy.service) else {
            return Ok(StepResult::failed(format!("{} has no service {} to run the migration with", stage.name, policy.service)));
        };
        let task_definition = match revision(aws, table, release, *generation, stage, service).await? {
            Ok(revision) => revision,
            Err(reason) => return Ok(StepResult::failed(reason)),
        };
        if let Err(lost) = begin_writing(table, release, *generation).await? {
            return Ok(StepResult::failed(lost.to_string()));
        }
        let run = self.begin_migration(Migration { kind, task_definition, began_at: now(), task: None, end: None }).await;
        stop_writing(table, release, *generation).await?;
        // Its task is looked at once the token is parked.
        self.wait(&run?).await
    }

    /// Before the task is asked for: a rollback must know of it, whatever becomes of the answer.
    async fn begin_migration(&self, migration: Migration) -> Result<Migration, StepError> {
        let StageInput { release, stage, .. } = self.input;
        begin_change(&self.table, release, &stage.name).await?;
        self.table.put_new(&Key::migration(&release.id, &stage.name), &migration).await?;
        self.task_of(migration).await
    }

    /// Goes on with one that was begun.
    async fn follow(&self, migration: Migration) -> Result<StepResult<Passed>, StepError> {
        match &migration.end {
            Some(end) => self.verdict(&migration, end).await,
            None => self.look(self.task_of(migration).await?).await,
        }
    }

    /// The migration with its task: the one that it has, or a new one.
    async fn task_of(&self, mut migration: Migration) -> Result<Migration, StepError> {
        let Self { aws, input: StageInput { release, stage, .. }, policy, .. } = self;
        if migration.task.is_none() {
            migration.task = Some(aws.ecs().run_once(&self.one_off(&migration.task_definition, &self.name())).await?);
            tracing::info!(release.id = %release.id, %stage.name, ecs.service = %policy.service, "the migration of {} runs", release.image);
            self.keep(&migration).await?;
        }
        Ok(migration)
    }

    fn name(&self) -> String {
        let StageInput { release, stage, .. } = self.input;
        let hash = hex::encode(Sha256::digest(format!("{}/{}", release.id, stage.name).as_bytes()));
        format!("slipway-migration-{}", &hash[..32])
    }

    fn one_off<'a>(&'a self, task_definition: &'a TaskDefinitionArn, name: &'a str) -> OneOff<'a> {
        OneOff {
            cluster: self.input.stage.cluster(),
            service: &self.policy.service,
            task_definition,
            container: self.policy.container(),
            command: &self.policy.command,
            name,
            release: &self.input.release.id,
        }
    }

    /// Keeps what is known of it now. Of two runs at the same moment the one that knows more is kept.
    async fn keep(&self, migration: &Migration) -> Result<(), StepError> {
        let key = Key::migration(&self.input.release.id, &self.input.stage.name);
        let kept = self.table.update(&key, |current: Option<Migration>| match current {
            Some(current) if current.end.is_none() => Update::Write(migration.clone(), ()),
            _ => Update::Leave(()),
        });
        Ok(kept.await?)
    }

    /// Waits for its task to stop.
    async fn wait(&self, migration: &Migration) -> Result<StepResult<Passed>, StepError> {
        let StageInput { release, stage, .. } = self.input;
        let deadline = deadline(&self.table, &Key::gate(&release.id, &stage.name, "MIGRATION"), self.policy.timeout_seconds()).await?;
        let on = migration.task.iter().cloned().map(WakeKey::Task).collect();
        Ok(StepResult::Wait { on, deadline })
    }

    /// Looks at its task.
    async fn look(&self, mut migration: Migration) -> Result<StepResult<Passed>, StepError> {
        let Self { aws, input: StageInput { stage, .. }, policy, .. } = self;
        let Some(task) = migration.task.clone() else { return self.verdict(&migration, &unknown()).await };
        let waiting = self.wait(&migration).await?;
        let late = matches!(&waiting, StepResult::Wait { deadline, .. } if now() >= *deadline);
        let found = aws.ecs().one_off(stage.cluster(), &task, Some(policy.container())).await?;
        let end = match found {
            // ECS may not know a task yet that it has just begun.
            found if !late && found.as_ref().is_none_or(|found| !found.stopped) => return Ok(waiting),
            Some(found) if !found.stopped => {
                aws.ecs().stop(stage.cluster(), &task, "Slipway: the migration took too long").await?;
                let reason = format!("it was stopped after {} s", policy.timeout_seconds());
                TaskEnd { exit_code: None, reason, log: log_tail(aws, &migration.task_definition, policy.container(), &task).await }
            }
            Some(found) => TaskEnd {
                exit_code: found.exit_code,
                reason: found.reason,
                log: log_tail(aws, &migration.task_definition, policy.container(), &task).await,
            },
            None => unknown(),
        };
        migration.end = Some(end.clone());
        self.keep(&migration).await?;
        self.happened(format!("Migration ({}): {}", migration.kind.as_str(), end.in_words())).await?;
        self.verdict(&migration, &end).await
    }

    /// The stage has begun to change with it: whatever is wrong now leads to the rollback, which may not cross every migration.
    async fn verdict(&self, migration: &Migration, end: &TaskEnd) -> Result<StepResult<Passed>, StepError> {
        let StageInput { release, stage, .. } = self.input;
        let snapshot = self.table.get::<Taken>(&Key::snapshot(&release.id, &stage.name)).await?.map(|stored| stored.document);
        let crossed = not_crossed(migration, snapshot.as_ref()).is_none();
        if end.is_good() {
            if let Some(abort) = abort_of(&self.table, &release.id).await? {
                return Ok(StepResult::roll_back(format!("{}; its migration has run", abort.in_words())));
            }
            return Ok(StepResult::Done(Passed { evidence: format!("Migration ({}): {}", migration.kind.as_str(), end.in_words()) }));
        }
        let failed = format!("the migration of {} failed: {}. The services were not changed", release.image.tag, end.in_words());
        let back = snapshot.filter(|_| crossed).map_or_else(String::new, |taken| {
            format!("; the snapshot {} of {} was taken before it", taken.identifier, taken.database.name())
        });
        let stays = if crossed { "; what it did to the database stays" } else { "" };
        Ok(StepResult::roll_back(format!("{failed}{stays}{back}")))
    }

    async fn happened(&self, words: String) -> Result<(), StepError> {
        let StageInput { release, stage, .. } = self.input;
        Ok(happened(&self.table, &release.id, Some(&stage.name), (Step::Migrated, ""), words).await?)
    }
}

fn unknown() -> TaskEnd {
    TaskEnd { exit_code: None, reason: "ECS does not know its task any more".to_owned(), log: Vec::new() }
}
