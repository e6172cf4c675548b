//! What every step asks before it begins to change a stage, and the revision that it changes it to.

use slipway_aws::{Aws, Key, Table};
use slipway_core::alarm::{disquiet, unquiet};
use slipway_core::application::{Stage, StageService};
use slipway_core::approval::{Approval, ApprovalId};
use slipway_core::migration::Migration;
use slipway_core::name::{StageName, TaskDefinitionArn};
use slipway_core::release::Release;
use slipway_core::rollback::Baseline;

use crate::{StepError, abort_of, newest_after};

/// Why a stage may not begin to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// It may not at all.
    Blocked(String),
    /// A newer push has taken the release's place.
    Superseded(String),
}

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

/// What keeps a stage from beginning to change: an abort, a newer push, an alarm, or an image that is gone. People may have taken a
/// day to answer, so all of it is looked at again.
///
/// # Errors
///
/// When AWS cannot be asked.
pub async fn unwanted(
    aws: &Aws,
    table: &Table,
    release: &Release,
    stage: &Stage,
    baseline: &Baseline,
) -> Result<Option<Unwanted>, StepError> {
    if let Some(abort) = abort_of(table, &release.id).await? {
        return Ok(Some(Unwanted::Blocked(abort.in_words())));
    }
    if let Some(newer) = newest_after(table, release).await? {
        return Ok(Some(Unwanted::Superseded(newer.supersedes())));
    }
    let wanted = stage.bake.as_ref().map(|bake| bake.alarms.as_slice()).unwrap_or_default();
    let readings = if wanted.is_empty() { Vec::new() } else { aws.alarms().read(wanted).await? };
    // What was not quiet when people were asked is what they may have overridden.
    let unexpected: Vec<_> = unquiet(wanted, &readings).into_iter().filter(|alarm| !baseline.not_quiet.contains(alarm)).collect();
    if let Some(reason) = disquiet(&unexpected, &readings) {
        return Ok(Some(Unwanted::Blocked(reason)));
    }
    if aws.repositories().find(&release.image).await?.is_none() {
        return Ok(Some(Unwanted::Blocked(format!("the registry does not have the image {} any more", release.image))));
    }
    Ok(None)
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
