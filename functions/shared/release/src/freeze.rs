//! Whether a stage is frozen for a release.

use slipway_aws::{Items, Key, Table};
use slipway_core::application::Stage;
use slipway_core::freeze::{Freeze, Frozen, Override, WhenFrozen, frozen};
use slipway_core::name::{ApplicationName, StageName};
use slipway_core::protocol::{StepResult, WakeKey};
use slipway_core::release::Release;
use slipway_core::timeline::Step;

use crate::{StepError, Timeline, now};

/// The freezes of people that are in force, of whatever they are.
///
/// # Errors
///
/// When the table cannot be asked. A freeze that cannot be read is an error as well: nobody may pass what they cannot see.
pub async fn freezes(table: &Table) -> Result<Vec<Freeze>, StepError> {
    let all = table.list::<Freeze>(Key::FREEZE, "").await?;
    let at = now();
    Ok(all.into_iter().map(|(_, stored)| stored.document).filter(|freeze| freeze.holds(at)).collect())
}

/// That a stage is frozen, for whatever release.
#[must_use]
pub fn stage_frozen(freezes: &[Freeze], application: &ApplicationName, stage: &Stage) -> Option<Frozen> {
    if stage.when_frozen() == WhenFrozen::Ignore {
        return None;
    }
    frozen(&stage.freeze, freezes, (application, &stage.name), None, now())
}

/// The keys of what may freeze a stage for a release, and let it through: a freeze is of all, of an application, of a stage, or
/// of a stage of an application.
#[must_use]
pub fn freeze_keys(release: &Release, stage: &Stage) -> Vec<Key> {
    if stage.when_frozen() == WhenFrozen::Ignore {
        return Vec::new();
    }
    let mut keys: Vec<_> = freezes_of(&release.application, &stage.name).into_iter().collect();
    keys.push(Key::freeze_override(&release.id));
    keys
}

fn freezes_of(application: &ApplicationName, stage: &StageName) -> [Key; 4] {
    [
        Key::freeze(None, None),
        Key::freeze(Some(application), None),
        Key::freeze(None, Some(stage)),
        Key::freeze(Some(application), Some(stage)),
    ]
}

/// That a stage is frozen for a release, which nobody has let through, by what the table has of [`freeze_keys`].
///
/// # Errors
///
/// When an item is not what it should be: nobody may pass a freeze that cannot be read.
pub fn frozen_by(items: &Items, release: &Release, stage: &Stage) -> Result<Option<Frozen>, StepError> {
    if stage.when_frozen() == WhenFrozen::Ignore {
        return Ok(None);
    }
    let mut freezes = Vec::new();
    for key in freezes_of(&release.application, &stage.name) {
        freezes.extend(items.document::<Freeze>(&key)?);
    }
    let given = items.document::<Override>(&Key::freeze_override(&release.id))?;
    Ok(frozen(&stage.freeze, &freezes, (&release.application, &stage.name), given.as_ref(), now()))
}

/// That a stage is frozen for a release, which nobody has let through.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn frozen_for(
    table: &Table,
    release: &Release,
    stage: &Stage,
) -> Result<Option<Frozen>, StepError> {
    let keys = freeze_keys(release, stage);
    if keys.is_empty() {
        return Ok(None);
    }
    frozen_by(&table.get_all(&keys).await?, release, stage)
}

/// That the release ends at a frozen stage, where the stage has it so.
#[must_use]
pub fn ends_frozen<T>(stage: &Stage, frozen: &Frozen) -> Option<StepResult<T>> {
    (stage.when_frozen() == WhenFrozen::End).then(|| StepResult::failed(frozen.in_words(&stage.name)))
}

/// Waits at a stage that is frozen, or ends there, as the stage has it.
///
/// # Errors
///
/// When the table cannot be asked.
pub async fn wait_frozen<T>(
    table: &Table,
    release: &Release,
    stage: &Stage,
    frozen: &Frozen,
) -> Result<StepResult<T>, StepError> {
    if let Some(end) = ends_frozen(stage, frozen) {
        return Ok(end);
    }
    let words = frozen.in_words(&stage.name);
    // Each freeze is one event, however often the step is woken in it.
    let detail = frozen.until.map_or_else(|| "-".to_owned(), |until| until.to_string());
    Timeline::of(table, &release.id).in_stage(&stage.name).record_each(Step::Frozen, &detail, words).await?;
    let on = vec![WakeKey::Freeze, WakeKey::Push(release.application.clone())];
    Ok(StepResult::Wait { on, deadline: slipway_core::freeze::looks_again(frozen, now()) })
}
