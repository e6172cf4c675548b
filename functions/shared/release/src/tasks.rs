//! The families that schedules, rules and people run tasks of, without a service: each gets the release's image once the
//! stage has passed, and what it ran before when the stage is rolled back.
//!
//! A task that is started with a family's name, without a revision, runs the family's newest ACTIVE one (`taskDefinition` of
//! `RunTask`, Amazon ECS API reference). So nothing that starts tasks is touched.

use slipway_aws::{Key, TaskDefinition, Update};
use slipway_core::api::{Running, RunningTask};
use slipway_core::application::StageTask;
use slipway_core::definition::{fingerprint, own_of_task, planned};
use slipway_core::name::TaskDefinitionArn;
use slipway_core::release::Release;
use slipway_core::rollback::{TaskBaseline, Template};
use slipway_core::words;

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
    let own = own_of_task(&newest.document, &release.image, family.as_str(), task.container.as_deref())?;
    let planned = planned(&newest.document, family.as_str(), &own, &release.image);
    Ok(TaskBaseline {
        family: family.clone(),
        template: Template { arn: newest.arn.clone(), registration: fingerprint(&planned) },
    })
}

/// Whether a revision is what a release registers for a task, as its baseline says. A revision's tag says whose it is, and
/// anybody may write a tag.
fn is_planned(release: &Release, before: &TaskBaseline, found: &TaskDefinition) -> bool {
    found.release() == Some(release.id.as_str())
        && before.template.is_registered_as(&found.document, before.family.as_str())
}

/// What was done with a family, or why it could not be: what AWS refuses for good is an answer, in words.
fn answered<T>(done: Result<Result<T, String>, StepError>) -> Result<Result<T, String>, StepError> {
    match done {
        Err(error) if !error.may_be_tried_again() => Ok(Err(error.with_causes())),
        other => other,
    }
}

/// What became of the tasks' families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// The revisions that run from now on.
    pub run: Vec<RunningTask>,
    /// What people are to know of the others, a sentence each without its full stop.
    pub left: Vec<String>,
}

impl Context<'_> {
    /// Registers a revision with the release's image in each family of the stage's tasks, unless it is there: of what people
    /// were shown. A family in which somebody else has registered a revision since is left alone, because that one may be
    /// what tasks need; so is one of which ECS refuses a revision. The release is good all the same: nothing verifies tasks.
    ///
    /// # Errors
    ///
    /// When AWS does not answer, or throttles.
    pub async fn register_tasks(&self) -> Result<Tasks, StepError> {
        let Self { table, release, stage, baseline, .. } = self;
        let mut tasks = Tasks::default();
        for before in &baseline.tasks {
            match answered(self.registered_task(before).await)? {
                Ok(task_definition) => {
                    tracing::info!(release.id = %release.id, %stage.name, ecs.task_definition = %task_definition, "tasks of {} run {task_definition} from now on", before.family);
                    tasks.run.push(RunningTask { family: before.family.clone(), task_definition });
                }
                Err(why) => {
                    tasks.left.push(format!("tasks of {} do not run the image: {why}", before.family));
                }
            }
        }
        let key = Key::running(&release.application, &stage.name);
        let run = tasks.run.clone();
        table
            .update(&key, |current: Option<Running>| match current {
                Some(running) if running.tasks != run => {
                    Update::Write(Running { tasks: run.clone(), ..running }, ())
                }
                _ => Update::Leave(()),
            })
            .await?;
        self.note_tasks(&tasks.left).await?;
        Ok(tasks)
    }

    /// The revision of a task's family that the release registers, or has registered; or why it does not.
    async fn registered_task(
        &self,
        before: &TaskBaseline,
    ) -> Result<Result<TaskDefinitionArn, String>, StepError> {
        let Self { aws, release, stage, .. } = self;
        let family = before.family.as_str();
        let template = match aws.ecs().task_definition(family).await? {
            Some(newest) if is_planned(release, before, &newest) => return Ok(Ok(newest.arn)),
            Some(newest) if newest.arn == before.template.arn => newest,
            Some(newest) => {
                return Ok(Err(format!(
                    "somebody has registered {} since the stage was looked at; the next release is made from it",
                    newest.arn.name()
                )));
            }
            None => return Ok(Err("it has no active revision any more".to_owned())),
        };
        let task = stage.tasks.iter().find(|task| task.family == before.family);
        let named = task.and_then(|task| task.container.as_deref());
        let own = match own_of_task(&template.document, &release.image, family, named) {
            Ok(own) => own,
            Err(reason) => return Ok(Err(reason)),
        };
        let planned = planned(&template.document, family, &own, &release.image);
        Ok(Ok(self.register_revision(&planned, &template.tags, family).await?))
    }

    /// Makes what each family of the stage's tasks had before its newest revision again, where the release registered one.
    /// Nothing is deregistered: nobody can find out who names a revision. What cannot be restored is answered, in words.
    ///
    /// # Errors
    ///
    /// When AWS does not answer, or throttles.
    pub async fn restore_tasks(&self) -> Result<Vec<String>, StepError> {
        let mut problems = Vec::new();
        for before in &self.baseline.tasks {
            if let Err(why) = answered(self.restored_task(before).await)? {
                problems.push(format!("tasks of {} still run the image: {why}", before.family));
            }
        }
        Ok(problems)
    }

    async fn restored_task(&self, before: &TaskBaseline) -> Result<Result<(), String>, StepError> {
        let Self { aws, release, stage, .. } = self;
        let ecs = aws.ecs();
        let family = before.family.as_str();
        let newest = ecs.task_definition(family).await?;
        if !newest.is_some_and(|newest| is_planned(release, before, &newest)) {
            return Ok(Ok(()));
        }
        // ECS describes a revision that was deregistered, with its tags.
        let Some(template) = ecs.task_definition(before.template.arn.as_str()).await? else {
            return Ok(Err(format!("{} is gone", before.template.arn.name())));
        };
        if before.template.is_registered_as(&template.document, family) {
            return Ok(Ok(()));
        }
        let copy = self.register_revision(&template.document, &template.tags, family).await?;
        tracing::info!(release.id = %release.id, %stage.name, ecs.task_definition = %copy, "tasks of {family} run {copy} again, which is {}", before.template.arn);
        Ok(Ok(()))
    }

    /// What people read when the release ends, of families that do not have its image.
    async fn note_tasks(&self, left: &[String]) -> Result<(), StepError> {
        let Self { table, release, stage, .. } = self;
        for (index, why) in left.iter().enumerate() {
            tracing::warn!(release.id = %release.id, %stage.name, "{why}");
            let note = words::sentence(&format!("In {} {why}.", stage.name));
            table.put_new(&Key::note(&release.id, &format!("TASKS#{}#{index}", stage.name)), &note).await?;
        }
        Ok(())
    }

    /// What the families had that a release brought before, as far as it is the baseline's or what was registered again for
    /// it.
    pub(crate) async fn tasks_again(&self, before: &[RunningTask]) -> Result<Vec<RunningTask>, StepError> {
        let Self { aws, release, baseline, .. } = self;
        let mut tasks = Vec::with_capacity(before.len());
        for task in before {
            let restored = baseline.tasks.iter().any(|one| one.family == task.family);
            let newest = if restored { aws.ecs().task_definition(task.family.as_str()).await? } else { None };
            let copy = newest.filter(|newest| newest.release() == Some(release.id.as_str()));
            let task_definition = copy.map_or_else(|| task.task_definition.clone(), |copy| copy.arn);
            tasks.push(RunningTask { family: task.family.clone(), task_definition });
        }
        Ok(tasks)
    }
}
