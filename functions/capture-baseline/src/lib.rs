//! Looks at a stage before it changes, and records what it runs.
//!
//! A stage that may not change is an answer, not an error: the stages before were not proved, the registry does not
//! have the image, a service or its template is missing, an alarm is not quiet.

use futures::future::try_join_all;
use futures::try_join;
use slipway_aws::{Aws, Key, Table};
use slipway_core::alarm;
use slipway_core::application::{Stage, StageService};
use slipway_core::approval::Verified;
use slipway_core::definition::own;
use slipway_core::deployment::{ServiceView, unsupported};
use slipway_core::freeze::Frozen;
use slipway_core::image::{Image, digest_of};
use slipway_core::obstacle::Obstacle;
use slipway_core::protocol::{End, StepResult};
use slipway_core::release::Release;
use slipway_core::rollback::{Baseline, ServiceBaseline, TaskBaseline};
use slipway_core::step::{CaptureBaselineInput, Captured, Limits};
use slipway_release::{
    StepError, Timeline, brought_by, frozen_for, image_of, interrupted, unreachable, usable_task,
    usable_template, wait_frozen,
};
use slipway_runtime::Config;

/// Records the stage's baseline, or says what keeps the stage from changing.
///
/// # Errors
///
/// When the input names no stage, or AWS cannot be asked.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    input: CaptureBaselineInput,
) -> Result<StepResult<Captured>, StepError> {
    let CaptureBaselineInput { release, generation, application, position } = input;
    let Some((stage, earlier)) = application.stages.get(..=position).and_then(<[Stage]>::split_last) else {
        return Err(StepError::InvalidInput {
            field: "position".into(),
            problem: format!("the application has no stage {position}"),
        });
    };
    let table = aws.table(&config.table);
    let look = Look { aws, table: &table, release: &release, generation, stage, earlier };
    let captured = look.capture().await?;
    if let StepResult::Done(Seen { baseline, versions }) = &captured {
        tracing::info!(release.id = %release.id, %stage.name, "{} may change", stage.name);
        let round = if baseline.round > 1 { baseline.round.to_string() } else { String::new() };
        let mut versions = versions.clone();
        versions.dedup();
        Timeline::of(&table, &release.id)
            .in_stage(&stage.name)
            .captured(&round, Some(versions.join(", ")), found(baseline))
            .await?;
    }
    Ok(captured.map(|Seen { baseline, .. }| Captured { baseline, limits: Limits::of(stage) }))
}

/// What was found, in words.
fn found(baseline: &Baseline) -> String {
    let runs = baseline.services.iter().map(|service| {
        let image = service.image.rsplit('/').next().unwrap_or_default();
        if service.ran_nothing() {
            format!("{} runs nothing yet", service.service)
        } else {
            format!("{} runs {image}", service.service)
        }
    });
    let quiet: Vec<_> = baseline
        .alarms
        .iter()
        .map(|alarm| alarm.name.as_str())
        .filter(|name| !baseline.not_quiet.iter().any(|other| other == name))
        .collect();
    let quiet = if quiet.is_empty() { String::new() } else { format!("; quiet: {}", quiet.join(", ")) };
    let loud = baseline.in_spite_of().map_or_else(String::new, |words| format!("; not quiet: {words}"));
    format!("{}{quiet}{loud}", runs.collect::<Vec<_>>().join("; "))
}

/// What was seen of a stage.
struct Seen {
    baseline: Baseline,
    /// What each service runs, in a word.
    versions: Vec<String>,
}

/// A stage that is to change, and what it is looked at for.
#[derive(Clone, Copy)]
struct Look<'a> {
    aws: &'a Aws,
    table: &'a Table,
    release: &'a Release,
    generation: u64,
    stage: &'a Stage,
    /// The stages before it.
    earlier: &'a [Stage],
}

/// What the table has of the stage.
struct Known {
    /// Why the stage may not change yet: a service of a stage before was not verified.
    unproved: Option<String>,
    /// Which look at the stage this is, counted from 1.
    round: u32,
    /// What an earlier run recorded of this round.
    recorded: Option<Baseline>,
    /// Why the release ends here.
    interrupted: Option<End>,
    /// That the stage is frozen.
    frozen: Option<Frozen>,
}

impl Look<'_> {
    async fn capture(&self) -> Result<StepResult<Seen>, StepError> {
        let Self { aws, release, stage, .. } = *self;
        let wanted = stage.bake.as_ref().map(|bake| bake.alarms.as_slice()).unwrap_or_default();
        let (ecs, all_alarms) = (aws.ecs(), aws.alarms());
        let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
        let views = async { Ok(ecs.services(stage.cluster(), &names).await?) };
        let alarms =
            async { if wanted.is_empty() { Ok(Vec::new()) } else { Ok(all_alarms.read(wanted).await?) } };
        // At once, and one call to each service of AWS: each further one would open a connection of its own.
        let (known, image, views, alarms) = try_join!(self.known(), image_of(aws, release), views, alarms)?;
        let Known { unproved, round, recorded, interrupted, frozen } = known;
        if let Some(reason) = unproved {
            return blocked(reason);
        }
        // A stage that was frozen after it was looked at comes back here, and goes on with what was recorded.
        if let Some(frozen) = frozen {
            return match interrupted {
                Some(end) => Ok(StepResult::End(end)),
                None => wait_frozen(self.table, release, stage, &frozen).await,
            };
        }
        // A second run may look at a stage that the first one's successors have changed: what the first one saw counts.
        if let Some(baseline) = recorded {
            let versions = baseline.services.iter().map(ServiceBaseline::version).collect();
            return Ok(StepResult::Done(Seen { baseline, versions }));
        }
        if let Some(end) = interrupted {
            return Ok(StepResult::End(end));
        }
        if let Err(gone) = image {
            return Ok(StepResult::End(gone));
        }
        let services = stage.services.iter().map(|service| self.service(round, service, &views));
        let services = try_join_all(services).await?.into_iter().collect::<Result<Vec<_>, _>>();
        let (services, versions) = match services {
            Ok(services) => services.into_iter().unzip(),
            Err(reason) => return blocked(reason),
        };
        let tasks = match self.tasks().await? {
            Ok(tasks) => tasks,
            Err(reason) => return blocked(reason),
        };
        let mut not_quiet = Vec::new();
        if let Some(reason) = alarm::disquiet(wanted, &alarms) {
            if !stage.approval.as_ref().is_some_and(|policy| policy.override_alarms) {
                return blocked(reason);
            }
            not_quiet = alarm::unquiet(wanted, &alarms);
            tracing::warn!(release.id = %release.id, %stage.name, "{} changes only where an approver overrides it: {reason}", stage.name);
        }
        let recorded = self.record(Baseline { services, tasks, alarms, not_quiet, round }).await?;
        Ok(recorded.map(|baseline| Seen { baseline, versions }))
    }

    async fn known(&self) -> Result<Known, StepError> {
        let Self { table, release, stage, .. } = *self;
        let unproved = self.unproved().await?;
        let round = table.get::<u32>(&Key::round(&release.id, &stage.name)).await?;
        let round = round.map_or(1, |stored| stored.document);
        let recorded = table.get::<Baseline>(&Key::baseline(&release.id, &stage.name, round)).await?;
        let recorded = recorded.map(|stored| stored.document);
        let interrupted = interrupted(table, release, self.generation).await?;
        let frozen = frozen_for(table, release, stage).await?;
        Ok(Known { unproved, round, recorded, interrupted, frozen })
    }

    /// Why the stage may not change yet: a service of a stage before was not verified.
    async fn unproved(&self) -> Result<Option<String>, StepError> {
        for before in self.earlier {
            for service in &before.services {
                let verified = Key::verified(&self.release.id, &before.name, &service.service);
                if self.table.get::<Verified>(&verified).await?.is_none() {
                    return Ok(Some(format!(
                        "{} of the stage {} before was not verified",
                        service.service, before.name
                    )));
                }
            }
        }
        Ok(None)
    }

    /// What the families of the stage's tasks have, and what is registered in them; else what keeps that from being done.
    async fn tasks(&self) -> Result<Result<Vec<TaskBaseline>, String>, StepError> {
        let Self { aws, release, stage, .. } = *self;
        let tasks = stage.tasks.iter().map(|task| async move {
            let newest = aws.ecs().task_definition(task.family.as_str()).await?;
            Ok::<_, StepError>(usable_task(release, task, newest.as_ref()))
        });
        Ok(try_join_all(tasks).await?.into_iter().collect())
    }

    /// What a service runs, also in a word; else what keeps it from being deployed to.
    async fn service(
        &self,
        round: u32,
        service: &StageService,
        views: &[ServiceView],
    ) -> Result<Result<(ServiceBaseline, String), String>, StepError> {
        let Self { aws, table, release, stage, .. } = *self;
        let name = &service.service;
        let Some(view) = views.iter().find(|view| view.is_of(name)) else {
            return Ok(Err(Obstacle::no_service(name, stage.cluster()).to_string()));
        };
        let lacks = || stage.strategy.as_ref().and_then(|strategy| strategy.lacks(name, view));
        if let Some(obstacle) = Obstacle::untagged(name, view, stage.cluster()).or_else(lacks) {
            return Ok(Err(obstacle.to_string()));
        }
        let families = stage.families(service);
        let ecs = aws.ecs();
        let (template, running) = try_join!(
            ecs.task_definition(families.template_of(&view.task_definition)),
            ecs.task_definition(view.task_definition.as_str())
        )?;
        let (template, next) = match usable_template(release, service, &families, template) {
            Ok(usable) => usable,
            Err(reason) => return Ok(Err(reason)),
        };
        let obstacle = match unsupported(name, view, template.document["networkMode"].as_str()) {
            Some(obstacle) => Some(obstacle),
            None => unreachable(aws, service, view).await?,
        };
        if let Some(obstacle) = obstacle {
            return Ok(Err(obstacle.to_string()));
        }
        let Some(running) = running else {
            return Ok(Err(Obstacle::nothing_to_restore(name, view, stage.cluster()).to_string()));
        };
        // A placeholder of the modules' never runs; somebody's own family of the same name does.
        let first = families.is_unreleased(&view.task_definition) && view.running_count == 0;
        if let Some(obstacle) = Obstacle::scaled_to_zero(name, view, &families, stage.cluster()) {
            return Ok(Err(obstacle.to_string()));
        }
        let image = own(&running.document, &release.image, name.as_str(), &service.containers);
        let image = image.map_or_else(|_| String::new(), |own| own.image.to_owned());
        let repositories = aws.repositories();
        let image_gone = async {
            match digest_of(&image) {
                Some(digest) => {
                    Ok(repositories.find(&Image { digest, ..release.image.clone() }).await?.is_none())
                }
                None => Ok(false),
            }
        };
        // Kept before the baseline that names it: a rollback that finds the revision gone registers it again.
        let definition = Key::definition(&release.id, &stage.name, name, round);
        let (image_gone, _) = try_join!(image_gone, table.put_new(&definition, &running.document))?;
        let baseline = ServiceBaseline {
            service: name.clone(),
            arn: view.arn.clone(),
            task_definition: view.task_definition.clone(),
            template: next,
            image,
            desired_count: view.desired_count,
            first,
            image_gone,
        };
        let brought = brought_by(table, &stage.name, name, &running).await?;
        let version = brought.map_or_else(|| baseline.version(), |release| release.image.tag_in_words());
        Ok(Ok((baseline, version)))
    }

    /// Records the baseline, and what people are to know of it; the first run's counts.
    async fn record(&self, baseline: Baseline) -> Result<StepResult<Baseline>, StepError> {
        let Self { table, release, stage, .. } = *self;
        let gone = baseline.services.iter().filter(|service| service.image_gone);
        for (index, why) in gone.filter_map(ServiceBaseline::not_restorable).enumerate() {
            tracing::warn!(release.id = %release.id, %stage.name, "{} cannot be rolled back: {why}", stage.name);
            let note = format!(
                "{} could not have been rolled back: {why}. Keep images for as long as they run (the repository's lifecycle rules).",
                stage.name
            );
            table.put(&Key::note(&release.id, &format!("IMAGE_GONE#{}#{index}", stage.name)), &note).await?;
        }
        let key = Key::baseline(&release.id, &stage.name, baseline.round);
        if table.put_new(&key, &baseline).await? {
            return Ok(StepResult::Done(baseline));
        }
        let first = table.get(&key).await?.map_or(baseline, |recorded| recorded.document);
        Ok(StepResult::Done(first))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends a function that may fail")]
fn blocked(reason: String) -> Result<StepResult<Seen>, StepError> {
    Ok(StepResult::failed(reason))
}
