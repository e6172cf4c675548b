//! What every step asks before it begins to change a stage, and the revision that it changes it to.

use slipway_aws::{Aws, Key, Table, Tagged};
use slipway_core::alarm::{disquiet, unquiet};
use slipway_core::application::{Stage, StageService};
use slipway_core::approval::{Approval, ApprovalId};
use slipway_core::migration::Migration;
use slipway_core::name::{StageName, TaskDefinitionArn};
use slipway_core::protocol::{End, StepResult};
use slipway_core::release::{Outcome, Release};
use slipway_core::rollback::{Baseline, Change, ROUNDS};
use slipway_core::step::StageInput;

use crate::{StepError, interrupted, now};

/// The approval that covers the change of a stage to a release, where the stage asks for one; or why there is none.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn approved(
    table: &Table,
    release: &Release,
    stage: &Stage,
    baseline: &Baseline,
) -> Result<Result<Option<Approval>, String>, StepError> {
    if stage.approval.is_none() {
        return Ok(Ok(None));
    }
    let approval = table.get::<Approval>(&Key::approval(&ApprovalId::of(release, &stage.name, baseline.round))).await?;
    let Some(stored) = approval else {
        return Ok(Err("nobody was asked for an approval".to_owned()));
    };
    Ok(stored.document.covers(release, &stage.name, baseline).map(|()| Some(stored.document)))
}

/// What keeps a stage from beginning to change: an abort, a lost lock, a newer push, an alarm, or an image that is gone. People may have
/// taken a day to answer, so all of it is looked at again.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn unwanted(aws: &Aws, table: &Table, input: &StageInput) -> Result<Option<End>, StepError> {
    let StageInput { release, generation, stage, baseline, .. } = input;
    if let Some(end) = interrupted(table, release, *generation).await? {
        return Ok(Some(end));
    }
    let wanted = stage.bake.as_ref().map(|bake| bake.alarms.as_slice()).unwrap_or_default();
    let readings = if wanted.is_empty() { Vec::new() } else { aws.alarms().read(wanted).await? };
    // What was not quiet when people were asked is what they may have overridden.
    let unexpected: Vec<_> = unquiet(wanted, &readings).into_iter().filter(|alarm| !baseline.not_quiet.contains(alarm)).collect();
    if let Some(reason) = disquiet(&unexpected, &readings) {
        return Ok(Some(End::unchanged(Outcome::Failed, reason)));
    }
    Ok(None)
}

/// Writes down that the release begins to change the stage, unless it is written down. It comes before the first effect.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn begin_change(table: &Table, release: &Release, stage: &StageName) -> Result<(), StepError> {
    table.put_new(&Key::change(&release.id, stage), &Change { stage: stage.clone(), at: now() }).await?;
    Ok(())
}

/// That the release has begun to change the stage, if it has.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn change_of(table: &Table, release: &Release, stage: &StageName) -> Result<Option<Change>, StepError> {
    Ok(table.get(&Key::change(&release.id, stage)).await?.map(|stored| stored.document))
}

/// The stage is not what people were shown: its baseline is captured anew, a few times.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn restart<T>(table: &Table, input: &StageInput, reason: String) -> Result<StepResult<T>, StepError> {
    let StageInput { release, stage, baseline, .. } = input;
    if baseline.round >= ROUNDS {
        return Ok(StepResult::failed(format!("{reason}, for the {}th time since the release looked at it first", baseline.round)));
    }
    table.put(&Key::round(&release.id, &stage.name), &(baseline.round + 1)).await?;
    Ok(StepResult::Restart { reason })
}

/// The migration of a stage that a release has begun, if it has.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn migration_of(table: &Table, release: &Release, stage: &StageName) -> Result<Option<Migration>, StepError> {
    Ok(table.get(&Key::migration(&release.id, stage)).await?.map(|stored| stored.document))
}

/// The revision that a release runs for a service: the one that an earlier run registered, or a new one, which is recorded. Of two
/// runs at the same moment the first to record its revision is followed by both. An `Err` says why there can be none.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn revision(
    aws: &Aws,
    table: &Table,
    release: &Release,
    generation: u64,
    stage: &Stage,
    service: &StageService,
) -> Result<Result<TaskDefinitionArn, String>, StepError> {
    let key = Key::deployed(&release.id, &stage.name, &service.service);
    if let Some(recorded) = table.get(&key).await? {
        return Ok(Ok(recorded.document));
    }
    let registered = match registered(aws, release, generation, stage, service).await? {
        Ok(registered) => registered,
        Err(reason) => return Ok(Err(reason)),
    };
    let first = if table.put_new(&key, &registered).await? { None } else { table.get(&key).await? };
    Ok(Ok(first.map_or(registered, |recorded| recorded.document)))
}

async fn registered(
    aws: &Aws,
    release: &Release,
    generation: u64,
    stage: &Stage,
    service: &StageService,
) -> Result<Result<TaskDefinitionArn, String>, StepError> {
    let families = stage.families(&service.service);
    if let Some(newest) = aws.ecs().task_definition(&families.release).await?
        && newest.release.as_deref() == Some(release.id.as_str())
    {
        return Ok(Ok(newest.arn));
    }
    let Some(template) = aws.ecs().task_definition(&families.template).await? else {
        return Ok(Err(format!(
            "there is no task definition {}: Terraform keeps the template of {} there",
            families.template, service.service
        )));
    };
    if !template.images.iter().any(|image| release.image.in_place_of(image).is_some()) {
        return Ok(Err(format!(
            "no container of the task definition {} has an image of the repository {}",
            families.template, release.image.repository
        )));
    }
    let image_for = |image: &str| release.image.in_place_of(image);
    Ok(Ok(aws.ecs().register(&template.document, &families.release, &release.id, generation, image_for).await?))
}

/// The release's image as the registry has it; else why the stage may not change.
///
/// # Errors
///
/// When ECR cannot be asked.
pub async fn image_of(aws: &Aws, release: &Release) -> Result<Result<Tagged, End>, StepError> {
    let found = aws.repositories().find(&release.image).await?;
    Ok(found.ok_or_else(|| End::unchanged(Outcome::Failed, format!("the registry has no image {}", release.image))))
}
