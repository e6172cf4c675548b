//! Runs a stage's migration: a task of its own with the new image, before the services change.
//!
//! The image's label says what the migration does, and with it whether a rollback may cross it. The task is asked for
//! by a name that a second run finds again. It does not wait: the workflow does, until the task has stopped or its
//! time is over.

use slipway_aws::{Aws, Key, OneOff, Update};
use slipway_core::definition::own;
use slipway_core::deployment::external_change;
use slipway_core::migration::{Kind, LABEL, Migration, MigrationPolicy, TaskEnd, not_crossed};
use slipway_core::name::TaskDefinitionArn;
use slipway_core::protocol::{Attempt, StepResult, WakeKey};
use slipway_core::snapshot::Taken;
use slipway_core::step::{Passed, StageInput};
use slipway_core::timeline::Step;
use slipway_release::{Context, NoRevision, StepError, abort_of, deadline, log_tail, now};
use slipway_runtime::Config;

/// Runs the migration, or looks how it goes.
///
/// # Errors
///
/// When the stage has no migration, or AWS cannot be asked. That it failed is an answer, not an error.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    attempt: Attempt,
    input: StageInput,
) -> Result<StepResult<Passed>, StepError> {
    let Some(policy) = &input.stage.migration else {
        return Err(StepError::InvalidInput {
            field: "stage.migration".into(),
            problem: "the stage has no migration".into(),
        });
    };
    let table = aws.table(&config.table);
    let run = Run { context: Context::new(aws, &table, attempt, &input), policy };
    match run.context.migration().await? {
        Some(migration) => run.follow(migration).await,
        None => run.start().await,
    }
}

/// One look at the migration of a stage.
struct Run<'a> {
    context: Context<'a>,
    policy: &'a MigrationPolicy,
}

impl Run<'_> {
    /// Begins it, unless something keeps the stage from changing: from here on it does.
    async fn start(&self) -> Result<StepResult<Passed>, StepError> {
        let Self { context, policy } = self;
        let Context { aws, table, release, stage, baseline, .. } = context;
        // An earlier run may have been killed between writing down that the stage changes and its migration.
        let begun = context.change().await?.is_some();
        // What stops a stage that has begun to change leads to its rollback.
        let stop =
            |reason: String| if begun { StepResult::roll_back(reason) } else { StepResult::failed(reason) };
        if let Err(reason) = context.approved().await? {
            return Ok(stop(reason));
        }
        let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
        let views = aws.ecs().services(stage.cluster(), &names).await?;
        for before in &baseline.services {
            let reason = match views.iter().find(|view| view.arn == before.arn) {
                Some(view) => {
                    external_change(&before.service, &view.task_definition, &[&before.task_definition])
                }
                None => Some(format!("ECS has no active service {} any more", before.service)),
            };
            match reason {
                None => {}
                Some(reason) if !begun && stage.approval.is_some() => return context.restart(reason).await,
                Some(reason) => return Ok(stop(reason)),
            }
        }
        if begun {
            if let Some(abort) = abort_of(table, &release.id).await? {
                return Ok(StepResult::roll_back(abort.in_words()));
            }
        } else if let Some(end) = context.unwanted().await? {
            return Ok(StepResult::End(end));
        } else if let Some(frozen) = context.frozen_now().await? {
            return context.hold_frozen(&frozen).await;
        }
        if let Err(gone) = context.image().await? {
            return Ok(stop(gone.reason));
        }
        let kind = match Kind::of(aws.repositories().label(&release.image, LABEL).await?.as_deref()) {
            Ok(Kind::None) => {
                let evidence = format!("No migration: {}", Kind::None.in_words());
                self.record(evidence.clone()).await?;
                return Ok(StepResult::Done(Passed { evidence }));
            }
            Ok(kind) => kind,
            Err(reason) => return Ok(stop(reason)),
        };
        let Some(service) = stage.services.iter().find(|service| service.service == policy.service) else {
            let reason =
                format!("{} has no service {} to run the migration with", stage.name, policy.service);
            return Ok(stop(reason));
        };
        let key = Key::deployed(&release.id, &stage.name, &service.service);
        let recorded = table.get::<TaskDefinitionArn>(&key).await?.map(|stored| stored.document);
        let task_definition = match context.revision(service, recorded.as_ref(), begun).await? {
            Ok(revision) => revision,
            Err(NoRevision::Unusable(reason)) => return Ok(stop(reason)),
            // People agreed to something else, or nobody has looked at it.
            Err(NoRevision::Changed(reason)) => return context.restart(reason).await,
        };
        let container = match self.container(&task_definition).await? {
            Ok(container) => container,
            Err(reason) => return Ok(stop(reason)),
        };
        if let Err(lost) = context.begin_writing().await? {
            return Ok(stop(lost.to_string()));
        }
        let migration =
            Migration { kind, task_definition, container, began_at: now(), task: None, end: None };
        let run = self.begin_migration(migration).await;
        context.stop_writing(&run).await?;
        // Its task is looked at once the token is parked.
        self.wait(&run?).await
    }

    /// The container that runs it: as configured, else the application's own. An `Err` says why there is none.
    async fn container(
        &self,
        task_definition: &TaskDefinitionArn,
    ) -> Result<Result<String, String>, StepError> {
        let Context { aws, release, stage, .. } = self.context;
        let service = &self.policy.service;
        let configured = stage.services.iter().find(|one| one.service == *service);
        let named = match (&self.policy.container, configured) {
            (Some(container), _) => std::slice::from_ref(container),
            (None, Some(configured)) => &configured.containers,
            (None, None) => &[],
        };
        let Some(definition) = aws.ecs().task_definition(task_definition.as_str()).await? else {
            return Ok(Err(format!("ECS has no task definition {task_definition} any more")));
        };
        let own = own(&definition.document, &release.image, service.as_str(), named);
        Ok(own.map(|own| own.container.to_owned()))
    }

    /// Before the task is asked for: a rollback must know of it, whatever becomes of the answer.
    async fn begin_migration(&self, migration: Migration) -> Result<Migration, StepError> {
        let Context { table, release, stage, .. } = self.context;
        self.context.begin_change().await?;
        table.put_new(&Key::migration(&release.id, &stage.name), &migration).await?;
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
        let Self { context: Context { aws, release, stage, .. }, policy } = self;
        if migration.task.is_none() {
            let ecs = aws.ecs();
            let definition = ecs.task_definition(migration.task_definition.as_str()).await?;
            let tags = definition.map(|definition| definition.tags).unwrap_or_default();
            migration.task =
                Some(ecs.run_once(&self.one_off(&migration, &tags, &self.context.migration_name())).await?);
            tracing::info!(release.id = %release.id, %stage.name, ecs.service = %policy.service, "the migration of {} runs", release.image);
            self.keep(&migration).await?;
        }
        Ok(migration)
    }

    fn one_off<'a>(
        &'a self,
        migration: &'a Migration,
        tags: &'a [(String, String)],
        name: &'a str,
    ) -> OneOff<'a> {
        OneOff {
            cluster: self.context.stage.cluster(),
            service: &self.policy.service,
            task_definition: &migration.task_definition,
            tags,
            container: &migration.container,
            command: &self.policy.command,
            name,
            release: &self.context.release.id,
        }
    }

    /// Keeps what is known of it now. Of two runs at the same moment the one that knows more is kept.
    async fn keep(&self, migration: &Migration) -> Result<(), StepError> {
        let Context { table, release, stage, .. } = self.context;
        let key = Key::migration(&release.id, &stage.name);
        let kept = table.update(&key, |current: Option<Migration>| match current {
            Some(current) if current.end.is_none() => Update::Write(migration.clone(), ()),
            _ => Update::Leave(()),
        });
        Ok(kept.await?)
    }

    /// Waits for its task to stop.
    async fn wait(&self, migration: &Migration) -> Result<StepResult<Passed>, StepError> {
        let Context { table, release, stage, .. } = self.context;
        let deadline =
            deadline(table, &Key::gate(&release.id, &stage.name, "MIGRATION"), self.policy.timeout_seconds())
                .await?;
        let on = migration.task.iter().cloned().map(WakeKey::Task).collect();
        Ok(StepResult::Wait { on, deadline })
    }

    /// Looks at its task.
    async fn look(&self, mut migration: Migration) -> Result<StepResult<Passed>, StepError> {
        let Self { context: Context { aws, stage, .. }, policy } = self;
        let Some(task) = migration.task.clone() else { return self.verdict(&migration, &unknown()).await };
        let waiting = self.wait(&migration).await?;
        let late = matches!(&waiting, StepResult::Wait { deadline, .. } if now() >= *deadline);
        let found = aws.ecs().one_off(stage.cluster(), &task, Some(&migration.container)).await?;
        let end = match found {
            // ECS may not know a task yet that it has just begun.
            found if !late && found.as_ref().is_none_or(|found| !found.stopped) => return Ok(waiting),
            Some(found) if !found.stopped => {
                aws.ecs().stop(stage.cluster(), &task, "Slipway: the migration took too long").await?;
                let reason = format!("it was stopped after {} s", policy.timeout_seconds());
                TaskEnd {
                    exit_code: None,
                    reason,
                    log: log_tail(aws, &migration.task_definition, &migration.container, &task).await,
                }
            }
            Some(found) => TaskEnd {
                exit_code: found.exit_code,
                reason: found.reason,
                log: log_tail(aws, &migration.task_definition, &migration.container, &task).await,
            },
            None => unknown(),
        };
        migration.end = Some(end.clone());
        let words = format!("Migration ({}): {}", migration.kind.as_str(), end.in_words());
        if end.is_good() {
            self.record(words).await?;
        } else {
            self.context.timeline().record_failure(Step::Migrated, "", words).await?;
        }
        // Once the end is kept, nobody looks at the task again.
        self.keep(&migration).await?;
        self.verdict(&migration, &end).await
    }

    /// The stage has begun to change with it: whatever is wrong now leads to the rollback, which may not cross every
    /// migration.
    async fn verdict(&self, migration: &Migration, end: &TaskEnd) -> Result<StepResult<Passed>, StepError> {
        let Context { table, release, stage, .. } = self.context;
        let snapshot =
            table.get::<Taken>(&Key::snapshot(&release.id, &stage.name)).await?.map(|stored| stored.document);
        let crossed = not_crossed(migration, snapshot.as_ref()).is_none();
        if end.is_good() {
            if let Some(abort) = abort_of(table, &release.id).await? {
                return Ok(StepResult::roll_back(format!("{}; its migration has run", abort.in_words())));
            }
            return Ok(StepResult::Done(Passed {
                evidence: format!("Migration ({}): {}", migration.kind.as_str(), end.in_words()),
            }));
        }
        let failed = format!(
            "the migration of {} failed: {}. The services were not changed",
            release.image.tag_in_words(),
            end.in_words()
        );
        let back = snapshot.filter(|_| crossed).map_or_else(String::new, |taken| {
            format!("; the snapshot {} of {} was taken before it", taken.identifier, taken.database.name())
        });
        let stays = if crossed { "; what it did to the database stays" } else { "" };
        Ok(StepResult::roll_back(format!("{failed}{stays}{back}")))
    }

    async fn record(&self, words: String) -> Result<(), StepError> {
        Ok(self.context.timeline().record(Step::Migrated, words).await?)
    }
}

fn unknown() -> TaskEnd {
    TaskEnd { exit_code: None, reason: "ECS does not know its task any more".to_owned(), log: Vec::new() }
}
