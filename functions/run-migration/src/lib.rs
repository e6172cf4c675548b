//! Runs a stage's migration: a task of its own with the new image, before the services change.
//!
//! The image's label says what the migration does, and with it whether a rollback may cross it. The task is asked for by a name that a
//! second run finds again. It does not wait: the workflow does, until the task has stopped or its time is over.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use slipway_aws::{Aws, Key, OneOff, Stored, Table};
use slipway_core::migration::{Kind, LABEL, Migration, MigrationPolicy, TaskEnd, not_crossed};
use slipway_core::name::{ClusterName, TaskDefinitionArn};
use slipway_core::snapshot::Taken;
use slipway_core::step::{GateInput, Gated};
use slipway_core::timeline::Step;
use slipway_core::wait::Wait;
use slipway_runtime::{
    Config, StepError, Unwanted, abort_of, approved, begin_writing, happened, log_tail, migration_of, now, parse, revision, stop_writing,
    time_left, unwanted,
};

/// Runs the migration, or looks how it goes.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked. That it failed is an answer, not an error.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Gated, StepError> {
    let input: GateInput = parse(input)?;
    let GateInput { release, stage, .. } = &input;
    let Some(policy) = &stage.migration else {
        return Err(StepError::InvalidInput { field: "stage.migration".into(), problem: "the stage has no migration".into() });
    };
    let run = Run { aws, table: aws.table(&config.table), input: &input, policy };
    let gated = match migration_of(&run.table, release, &stage.name).await? {
        Some(migration) => run.follow(migration).await?,
        None => run.start().await?,
    };
    if let Gated::Blocked { reason } | Gated::Stuck { reason } = &gated {
        tracing::warn!(release.id = %release.id, %stage.name, reason, "{} may not change: {reason}", stage.name);
    }
    Ok(gated)
}

/// One look at the migration of a stage.
struct Run<'a> {
    aws: &'a Aws,
    table: Table,
    input: &'a GateInput,
    policy: &'a MigrationPolicy,
}

impl Run<'_> {
    /// Begins it, unless something keeps the stage from changing: from here on it does.
    async fn start(&self) -> Result<Gated, StepError> {
        let Self { aws, table, input: GateInput { release, generation, stage, baseline, .. }, policy } = self;
        if let Err(reason) = approved(table, release, stage, baseline).await? {
            return Ok(Gated::Blocked { reason });
        }
        let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
        let views = aws.ecs().services(stage.cluster(), &names).await?;
        for before in &baseline.services {
            let running = views.iter().find(|view| view.arn == before.arn).map(|view| &view.task_definition);
            if running != Some(&before.task_definition) {
                let reason = format!("someone else deployed to {} since the release looked at it", before.service);
                return Ok(if stage.approval.is_some() { Gated::Outdated { reason } } else { Gated::Blocked { reason } });
            }
        }
        match unwanted(aws, table, release, stage, baseline).await? {
            Some(Unwanted::Blocked(reason)) => return Ok(Gated::Blocked { reason }),
            Some(Unwanted::Superseded(reason)) => return Ok(Gated::Superseded { reason }),
            None => {}
        }
        let kind = match Kind::of(aws.repositories().label(&release.image, LABEL).await?.as_deref()) {
            Ok(Kind::None) => {
                let words = format!("No migration: {}", Kind::None.in_words());
                self.happened(words.clone()).await?;
                return Ok(Gated::Passed { words });
            }
            Ok(kind) => kind,
            Err(reason) => return Ok(Gated::Blocked { reason }),
        };
        let Some(service) = stage.services.iter().find(|service| service.service == policy.service) else {
            return Ok(Gated::Blocked { reason: format!("{} has no service {} to run the migration with", stage.name, policy.service) });
        };
        let task_definition = match revision(aws, table, release, *generation, stage, service).await? {
            Ok(revision) => revision,
            Err(reason) => return Ok(Gated::Blocked { reason }),
        };
        if let Err(lost) = begin_writing(table, release, *generation).await? {
            return Ok(Gated::Blocked { reason: lost.to_string() });
        }
        // Before the task is asked for: a rollback must know of it, whatever becomes of the answer.
        let migration = Migration { kind, task_definition, began_at: now(), task: None, end: None };
        let run = match table.put_new(&Key::migration(&release.id, &stage.name), &migration).await {
            Ok(_) => self.task_of(migration).await,
            Err(error) => Err(error.into()),
        };
        stop_writing(table, release, *generation).await?;
        self.look(run?).await
    }

    /// Goes on with one that was begun.
    async fn follow(&self, migration: Migration) -> Result<Gated, StepError> {
        match &migration.end {
            Some(end) => self.verdict(&migration, end).await,
            None => self.look(self.task_of(migration).await?).await,
        }
    }

    /// The migration with its task: the one that it has, or a new one.
    async fn task_of(&self, mut migration: Migration) -> Result<Migration, StepError> {
        let Self { aws, input: GateInput { release, stage, .. }, policy, .. } = self;
        if migration.task.is_none() {
            migration.task = Some(aws.ecs().run_once(&self.one_off(&migration.task_definition, &self.name())).await?);
            tracing::info!(release.id = %release.id, %stage.name, ecs.service = %policy.service, "the migration of {} runs", release.image);
            self.keep(&migration).await?;
        }
        Ok(migration)
    }

    fn name(&self) -> String {
        let GateInput { release, stage, .. } = self.input;
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
        while let Some(Stored { document, version }) = self.table.get::<Migration>(&key).await? {
            if document.end.is_some() || self.table.replace(&key, migration, version).await? {
                break;
            }
        }
        Ok(())
    }

    /// Looks at its task.
    async fn look(&self, mut migration: Migration) -> Result<Gated, StepError> {
        let Self { aws, table, input: GateInput { release, stage, .. }, policy } = self;
        let Some(task) = migration.task.clone() else { return self.verdict(&migration, &unknown()).await };
        let left = time_left(table, &Key::gate(&release.id, &stage.name, "MIGRATION"), policy.timeout_seconds()).await?;
        let found = aws.ecs().one_off(stage.cluster(), &task, Some(policy.container())).await?;
        let end = match (found, left) {
            // ECS may not know a task yet that it has just begun.
            (found, Some(timeout_seconds)) if found.as_ref().is_none_or(|found| !found.stopped) => {
                let cluster = ClusterName::new(stage.cluster())
                    .map_err(|error| StepError::InvalidInput { field: "stage.cluster".into(), problem: error.to_string() })?;
                return Ok(Gated::Waiting { wait: Wait::Task { cluster, task }, timeout_seconds });
            }
            (Some(found), None) if !found.stopped => {
                aws.ecs().stop(stage.cluster(), &task, "Slipway: the migration took too long").await?;
                let reason = format!("it was stopped after {} s", policy.timeout_seconds());
                TaskEnd { exit_code: None, reason, log: log_tail(aws, &migration.task_definition, policy.container(), &task).await? }
            }
            (Some(found), _) => TaskEnd {
                exit_code: found.exit_code,
                reason: found.reason,
                log: log_tail(aws, &migration.task_definition, policy.container(), &task).await?,
            },
            (None, _) => unknown(),
        };
        migration.end = Some(end.clone());
        self.keep(&migration).await?;
        self.happened(format!("Migration ({}): {}", migration.kind.as_str(), end.in_words())).await?;
        self.verdict(&migration, &end).await
    }

    async fn verdict(&self, migration: &Migration, end: &TaskEnd) -> Result<Gated, StepError> {
        let GateInput { release, stage, .. } = self.input;
        let snapshot = self.table.get::<Taken>(&Key::snapshot(&release.id, &stage.name)).await?.map(|stored| stored.document);
        if end.is_good() {
            if let Some(abort) = abort_of(&self.table, &release.id).await? {
                return Ok(match not_crossed(migration, snapshot.as_ref()) {
                    Some(why) => Gated::Stuck { reason: format!("{}; the services were not changed, and {why}", abort.in_words()) },
                    None => Gated::Blocked { reason: format!("{}; its migration has run", abort.in_words()) },
                });
            }
            return Ok(Gated::Passed { words: format!("Migration ({}): {}", migration.kind.as_str(), end.in_words()) });
        }
        let failed = format!("the migration of {} failed: {}", release.image.tag, end.in_words());
        if let Some(why) = not_crossed(migration, snapshot.as_ref()) {
            return Ok(Gated::Stuck { reason: format!("{failed}. The services were not changed, and {why}") });
        }
        let back = snapshot.map_or_else(String::new, |taken| {
            format!("; the snapshot {} of {} was taken before it", taken.identifier, taken.database.name())
        });
        Ok(Gated::Blocked { reason: format!("{failed}. The services were not changed; what it did to the database stays{back}") })
    }

    async fn happened(&self, words: String) -> Result<(), StepError> {
        let GateInput { release, stage, .. } = self.input;
        Ok(happened(&self.table, &release.id, Some(&stage.name), (Step::Migrated, ""), words).await?)
    }
}

fn unknown() -> TaskEnd {
    TaskEnd { exit_code: None, reason: "ECS does not know its task any more".to_owned(), log: Vec::new() }
}
