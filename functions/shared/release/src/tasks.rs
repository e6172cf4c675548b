//! The families that schedules, rules and people run tasks of, without a service: each gets the release's image once the
//! stage has passed, and what it ran before when the stage is rolled back.
//!
//! A task that is started with a family's name, without a revision, runs the family's newest ACTIVE one (`taskDefinition` of
//! `RunTask`, Amazon ECS API reference). So nothing that starts tasks is touched.

use slipway_aws::{Key, Registration, TaskDefinition, Update};
use slipway_core::api::{Running, RunningTask};
use slipway_core::application::StageTask;
use slipway_core::definition::{fingerprint, own, planned, registration};
use slipway_core::release::Release;
use slipway_core::rollback::{TaskBaseline, Template};

use crate::{Context, StepError};

/// The newest revision of a task's family, and what is registered from it for a release; else why there can be none.
///
/// # Errors
///
/// The reason, in words.
pub fn usable_task(
    release: &Release,
    task: &StageTask,
    newest: Option<&TaskDefinition>,
) -> Result<TaskBaseline, String> {
    let family = &task.family;
    let newest = newest.ok_or_else(|| {
        format!(
            "there is no task definition {family}, which the stage's tasks name: register it, or take it out"
        )
    })?;
    let named = task.container.as_slice();
    let own = own(&newest.document, &release.image, family.as_str(), named)?;
    let planned = planned(&newest.document, family.as_str(), &own, &release.image);
    Ok(TaskBaseline {
        family: family.clone(),
        template: Template { arn: newest.arn.clone(), registration: fingerprint(&planned) },
        image: own.image.to_owned(),
    })
}

/// Whether a revision is what a release registers for a task, as its baseline says. A revision's tag says whose it is, and
/// anybody may write a tag.
fn is_planned(release: &Release, before: &TaskBaseline, found: &TaskDefinition) -> bool {
    found.release() == Some(release.id.as_str())
        && fingerprint(&registration(&found.document, before.family.as_str())) == before.template.registration
}

impl Context<'_> {
    /// Registers a revision with the release's image in each family of the stage's tasks, unless it is there. Of what people
    /// were shown, whatever was registered since. An `Err` says why one cannot be registered.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked, or refuses.
    pub async fn register_tasks(&self) -> Result<Result<Vec<RunningTask>, String>, StepError> {
        let Self { aws, table, release, generation, stage, baseline, .. } = self;
        let ecs = aws.ecs();
        let mut registered = Vec::with_capacity(baseline.tasks.len());
        for before in &baseline.tasks {
            let family = &before.family;
            let newest = ecs.task_definition(family.as_str()).await?;
            let task_definition = match newest {
                Some(newest) if is_planned(release, before, &newest) => newest.arn,
                _ => {
                    let gone = || format!("the task definition {} of {family} is gone", before.template.arn);
                    let task = stage.tasks.iter().find(|task| task.family == *family);
                    let template = ecs.task_definition(before.template.arn.as_str()).await?;
                    let Some((task, template)) = task.zip(template) else { return Ok(Err(gone())) };
                    let named = task.container.as_slice();
                    let own = match own(&template.document, &release.image, family.as_str(), named) {
                        Ok(own) => own,
                        Err(reason) => return Ok(Err(reason)),
                    };
                    let planned = planned(&template.document, family.as_str(), &own, &release.image);
                    let registration = Registration {
                        document: &planned,
                        tags: &template.tags,
                        family: family.as_str(),
                        release: &release.id,
                        generation: *generation,
                    };
                    ecs.register(&registration).await?
                }
            };
            tracing::info!(release.id = %release.id, %stage.name, ecs.task_definition = %task_definition, "tasks of {family} run {task_definition} from now on");
            registered.push(RunningTask { family: family.clone(), task_definition });
        }
        let key = Key::running(&release.application, &stage.name);
        let tasks = registered.clone();
        table
            .update(&key, |current: Option<Running>| match current {
                Some(running) if running.tasks != tasks => {
                    Update::Write(Running { tasks: tasks.clone(), ..running }, ())
                }
                _ => Update::Leave(()),
            })
            .await?;
        Ok(Ok(registered))
    }

    /// Makes what each family of the stage's tasks had before its newest revision again, where the release registered one.
    /// Nothing is deregistered: nobody can find out who names a revision.
    ///
    /// # Errors
    ///
    /// When AWS cannot be asked, or refuses.
    pub async fn restore_tasks(&self) -> Result<(), StepError> {
        let Self { aws, release, generation, stage, baseline, .. } = self;
        let ecs = aws.ecs();
        for before in &baseline.tasks {
            let family = before.family.as_str();
            let newest = ecs.task_definition(family).await?;
            if !newest.is_some_and(|newest| is_planned(release, before, &newest)) {
                continue;
            }
            // ECS describes a revision that was deregistered, with its tags.
            let Some(template) = ecs.task_definition(before.template.arn.as_str()).await? else { continue };
            if fingerprint(&registration(&template.document, family)) == before.template.registration {
                continue;
            }
            let registration = Registration {
                document: &template.document,
                tags: &template.tags,
                family,
                release: &release.id,
                generation: *generation,
            };
            let copy = ecs.register(&registration).await?;
            tracing::info!(release.id = %release.id, %stage.name, ecs.task_definition = %copy, "tasks of {family} run {copy} again, which is {}", before.template.arn);
        }
        Ok(())
    }

    /// The newest revisions of the families of the stage's tasks, as far as they are the baseline's or the release's own.
    ///
    /// # Errors
    ///
    /// When ECS cannot be asked.
    pub async fn tasks_now(&self) -> Result<Vec<RunningTask>, StepError> {
        let Self { aws, release, baseline, .. } = self;
        let mut tasks = Vec::with_capacity(baseline.tasks.len());
        for TaskBaseline { family, template, .. } in &baseline.tasks {
            let newest = aws.ecs().task_definition(family.as_str()).await?;
            let known = newest
                .filter(|newest| newest.arn == template.arn || newest.release() == Some(release.id.as_str()));
            tasks.extend(
                known.map(|known| RunningTask { family: family.clone(), task_definition: known.arn }),
            );
        }
        Ok(tasks)
    }
}
