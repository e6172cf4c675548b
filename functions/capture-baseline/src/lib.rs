//! Looks at a stage before it changes, and records what it runs.
//!
//! A stage that may not change is an answer, not an error: the stages before were not proved, the registry does not
//! have the image, a service or its template is missing, an alarm is not quiet.

use futures::future::try_join_all;
use futures::{join, try_join};
use serde_json::Value;
use slipway_aws::{Aws, Key, Table, Write};
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
    Definitions, Preconditions, StepError, Timeline, brought_by, freeze_keys, frozen_by, image_of,
    unreachable, usable_task, usable_template, wait_frozen,
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
    if let StepResult::Done(_) = &captured {
        tracing::info!(release.id = %release.id, %stage.name, "{} may change", stage.name);
    }
    Ok(captured.map(|baseline| Captured { baseline, limits: Limits::of(stage) }))
}

/// What tells the look at a stage from those of other rounds, in the timeline.
fn round_in_words(baseline: &Baseline) -> String {
    if baseline.round > 1 { baseline.round.to_string() } else { String::new() }
}

/// What the services run, in a word each.
fn in_a_word(versions: impl IntoIterator<Item = String>) -> String {
    let mut versions: Vec<_> = versions.into_iter().collect();
    versions.dedup();
    versions.join(", ")
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

/// What was seen of a service.
struct Seen {
    baseline: ServiceBaseline,
    /// What it runs, in a word.
    version: String,
    /// The whole document of what it runs.
    definition: Value,
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
    async fn capture(&self) -> Result<StepResult<Baseline>, StepError> {
        let Self { aws, release, stage, .. } = *self;
        let wanted = stage.bake.as_ref().map(|bake| bake.alarms.as_slice()).unwrap_or_default();
        let (ecs, all_alarms) = (aws.ecs(), aws.alarms());
        let names: Vec<_> = stage.services.iter().map(|service| service.service.as_str()).collect();
        let views = async { Ok(ecs.services(stage.cluster(), &names).await?) };
        let alarms =
            async { if wanted.is_empty() { Ok(Vec::new()) } else { Ok(all_alarms.read(wanted).await?) } };
        let newest = try_join_all(stage.services.iter().map(|service| self.newest(service)));
        // None of it rests on another. That the newest revisions cannot be read matters only where they are asked for.
        let seen = async { try_join!(self.known(), image_of(aws, release), views, alarms) };
        let (seen, newest) = join!(seen, newest);
        let (known, image, views, alarms) = seen?;
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
            let versions = in_a_word(baseline.services.iter().map(ServiceBaseline::version));
            return self.captured(baseline, versions).await;
        }
        if let Some(end) = interrupted {
            return Ok(StepResult::End(end));
        }
        if let Err(gone) = image {
            return Ok(StepResult::End(gone));
        }
        let services = stage.services.iter().zip(newest?);
        let services = services.map(|(service, newest)| self.service(service, newest, &views));
        let services = try_join_all(services).await?.into_iter().collect::<Result<Vec<_>, _>>();
        let services = match services {
            Ok(services) => services,
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
        let versions = in_a_word(services.iter().map(|seen| seen.version.clone()));
        let definitions = services.iter().map(|Seen { baseline, definition, .. }| {
            (Key::definition(&release.id, &stage.name, &baseline.service, round), definition.clone())
        });
        let definitions: Vec<_> = definitions.collect();
        let services = services.into_iter().map(|seen| seen.baseline).collect();
        self.record(Baseline { services, tasks, alarms, not_quiet, round }, versions, definitions).await
    }

    async fn newest(&self, service: &StageService) -> Result<Definitions, StepError> {
        let families = self.stage.families(service);
        Definitions::of_families(self.aws, &families.release, families.template.as_deref()).await
    }

    async fn known(&self) -> Result<Known, StepError> {
        let Self { table, release, stage, .. } = *self;
        let round = Key::round(&release.id, &stage.name);
        let first_round = Key::baseline(&release.id, &stage.name, 1);
        let proofs = self.proofs();
        let mut keys = vec![round.clone(), first_round.clone()];
        keys.extend(proofs.iter().map(|(key, _)| key.clone()));
        keys.extend(freeze_keys(release, stage));
        let preconditions = Preconditions::read_first(table, release, keys).await?;
        let items = &preconditions.items;
        let round = items.document::<u32>(&round)?.unwrap_or(1);
        let recorded = if round == 1 {
            items.document(&first_round)?
        } else {
            let recorded = table.get(&Key::baseline(&release.id, &stage.name, round)).await?;
            recorded.map(|stored| stored.document)
        };
        let mut unproved = None;
        for (key, words) in proofs {
            if unproved.is_none() && items.document::<Verified>(&key)?.is_none() {
                unproved = Some(words);
            }
        }
        let interrupted = preconditions.interruption(self.generation).await?;
        let frozen = frozen_by(items, release, stage)?;
        Ok(Known { unproved, round, recorded, interrupted, frozen })
    }

    /// What proves that the services of the stages before were verified, and what is said where it is missing.
    fn proofs(&self) -> Vec<(Key, String)> {
        let services = self
            .earlier
            .iter()
            .flat_map(|before| before.services.iter().map(move |service| (&before.name, &service.service)));
        services
            .map(|(before, service)| {
                let words = format!("{service} of the stage {before} before was not verified");
                (Key::verified(&self.release.id, before, service), words)
            })
            .collect()
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

    /// What a service runs; else what keeps it from being deployed to.
    async fn service(
        &self,
        service: &StageService,
        newest: Definitions,
        views: &[ServiceView],
    ) -> Result<Result<Seen, String>, StepError> {
        let Self { aws, release, stage, .. } = *self;
        let name = &service.service;
        let Some(view) = views.iter().find(|view| view.is_of(name)) else {
            return Ok(Err(Obstacle::no_service(name, stage.cluster()).to_string()));
        };
        let lacks = || stage.strategy.as_ref().and_then(|strategy| strategy.lacks(name, view));
        if let Some(obstacle) = Obstacle::untagged(name, view, stage.cluster()).or_else(lacks) {
            return Ok(Err(obstacle.to_string()));
        }
        let families = stage.families(service);
        let running = match newest.with_arn(&view.task_definition) {
            Some(running) => Some(running),
            None => aws.ecs().task_definition(view.task_definition.as_str()).await?,
        };
        let template = if families.template.is_some() { newest.template } else { running.clone() };
        let (template, next) = match usable_template(release, service, &families, template) {
            Ok(usable) => usable,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(obstacle) = unsupported(name, view, template.document["networkMode"].as_str()) {
            return Ok(Err(obstacle.to_string()));
        }
        let Some(running) = running else {
            let obstacle = unreachable(aws, service, view).await?;
            let obstacle =
                obstacle.unwrap_or_else(|| Obstacle::nothing_to_restore(name, view, stage.cluster()));
            return Ok(Err(obstacle.to_string()));
        };
        let image = own(&running.document, &release.image, name.as_str(), &service.containers);
        let image = image.map_or_else(|_| String::new(), |own| own.image.to_owned());
        let (obstacle, image_gone, brought) =
            try_join!(unreachable(aws, service, view), self.is_gone(&image), async {
                Ok(brought_by(self.table, &stage.name, name, &running).await?)
            })?;
        let obstacle = obstacle.or_else(|| Obstacle::scaled_to_zero(name, view, &families, stage.cluster()));
        if let Some(obstacle) = obstacle {
            return Ok(Err(obstacle.to_string()));
        }
        let baseline = ServiceBaseline {
            service: name.clone(),
            arn: view.arn.clone(),
            task_definition: view.task_definition.clone(),
            template: next,
            image,
            desired_count: view.desired_count,
            // A placeholder of the modules' never runs; somebody's own family of the same name does.
            first: families.is_unreleased(&view.task_definition) && view.running_count == 0,
            image_gone,
        };
        let version = brought.map_or_else(|| baseline.version(), |release| release.image.tag_in_words());
        Ok(Ok(Seen { baseline, version, definition: running.document }))
    }

    /// Whether the registry does not have an image any more.
    async fn is_gone(&self, image: &str) -> Result<bool, StepError> {
        let Some(digest) = digest_of(image) else { return Ok(false) };
        let image = Image { digest, ..self.release.image.clone() };
        Ok(self.aws.repositories().find(&image).await?.is_none())
    }

    /// Records the baseline with what the services run, and what people are to know of it; the first run's counts.
    async fn record(
        &self,
        baseline: Baseline,
        versions: String,
        definitions: Vec<(Key, Value)>,
    ) -> Result<StepResult<Baseline>, StepError> {
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
        let timeline = Timeline::of(table, &release.id).in_stage(&stage.name);
        let mut writes: Vec<_> =
            definitions.iter().map(|(key, definition)| Write::new(key, definition)).collect();
        writes.push(Write::new(&key, &baseline));
        writes.push(timeline.to_capture(
            &round_in_words(&baseline),
            Some(versions.clone()),
            found(&baseline),
        ));
        if writes.len() <= Write::MOST && table.write_all(&writes).await? {
            return Ok(StepResult::Done(baseline));
        }
        // Some of it is there, or is being written. A definition is kept before the baseline that names it: a rollback that
        // finds the revision gone registers it again.
        for (key, definition) in &definitions {
            table.put_new(key, definition).await?;
        }
        if table.put_new(&key, &baseline).await? {
            return self.captured(baseline, versions).await;
        }
        let first = table.get(&key).await?.map_or(baseline, |recorded| recorded.document);
        self.captured(first, versions).await
    }

    /// Writes into the timeline what was found, unless it is there.
    async fn captured(
        &self,
        baseline: Baseline,
        versions: String,
    ) -> Result<StepResult<Baseline>, StepError> {
        let timeline = Timeline::of(self.table, &self.release.id).in_stage(&self.stage.name);
        timeline.captured(&round_in_words(&baseline), Some(versions), found(&baseline)).await?;
        Ok(StepResult::Done(baseline))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends a function that may fail")]
fn blocked(reason: String) -> Result<StepResult<Baseline>, StepError> {
    Ok(StepResult::failed(reason))
}
