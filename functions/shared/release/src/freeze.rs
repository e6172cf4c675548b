//! Whether a stage is frozen for a release.

use slipway_aws::{Key, Table};
use slipway_core::application::Stage;
use slipway_core::freeze::{Freeze, Frozen, Override, WhenFrozen, frozen};
use slipway_core::name::ApplicationName;
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
    if stage.when_frozen() == WhenFrozen::Ignore {
        return Ok(None);
    }
    let freezes = freezes(table).await?;
    let found = stage_frozen(&freezes, &release.application, stage);
    if found.is_none() {
        return Ok(None);
    }
    let Some(given) = table.get::<Override>(&Key::freeze_override(&release.id)).await? else {
        return Ok(found);
    };
    let of = (&release.application, &stage.name);
    Ok(frozen(&stage.freeze, &freezes, of, Some(&given.document), now()))
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
