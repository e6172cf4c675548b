//! Judges an image by what its scan found: before people are asked, and again before the stage changes.
//!
//! It looks once and does not wait: the workflow does, until the scan has an end or the stage's time for it is over. No result is
//! never a good one.

use jiff::tz::TimeZone;
use serde_json::Value;
use slipway_aws::{Aws, Key};
use slipway_core::scan::{Checked, Judgement, judge};
use slipway_core::step::{GateInput, Gated};
use slipway_core::timeline::Step;
use slipway_core::wait::Wait;
use slipway_runtime::{Config, StepError, abort_of, happened, now, parse, time_left};

/// Looks at the scan of the release's image, basic or enhanced; of a multi-architecture image at that of each of its images.
///
/// # Errors
///
/// When the input does not parse, or AWS cannot be asked. What the scan found is an answer, not an error.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Gated, StepError> {
    let GateInput { release, stage, baseline, again, .. } = parse(input)?;
    let Some(policy) = &stage.image_check else {
        return Err(StepError::InvalidInput { field: "stage.image_check".into(), problem: "the stage asks for no image check".into() });
    };
    let table = aws.table(&config.table);
    if let Some(abort) = abort_of(&table, &release.id).await? {
        return Ok(Gated::Blocked { reason: abort.in_words() });
    }
    let images = aws.repositories().scanned_images(&release.image).await?;
    let mut scans = Vec::with_capacity(images.len());
    for image in &images {
        scans.push(aws.repositories().scan(&release.image.repository, image).await?);
    }
    let shown = Key::gate(&release.id, &stage.name, "IMAGE");
    let look = format!("{}#{}", baseline.round, if again { "AGAIN" } else { "FIRST" });
    let gated = match judge(policy, &scans, now().to_zoned(TimeZone::UTC).date()) {
        Judgement::Pass(checked) if again => {
            let earlier = table.get::<Checked>(&shown).await?.map(|stored| stored.document);
            let new = earlier.as_ref().map(|earlier| checked.new_since(earlier)).unwrap_or_default();
            if !new.is_empty() && stage.approval.is_some() {
                let reason = format!("the scan of the image has found {} since people were asked", new.join(", "));
                return Ok(Gated::Outdated { reason });
            }
            Gated::Passed { words: checked.words }
        }
        Judgement::Pass(checked) => {
            table.put(&shown, &checked).await?;
            Gated::Passed { words: checked.words }
        }
        Judgement::Wait { why } => {
            let first_look = Key::gate(&release.id, &stage.name, &format!("IMAGE#{look}"));
            match time_left(&table, &first_look, policy.wait_seconds()).await? {
                Some(timeout_seconds) => {
                    tracing::info!(release.id = %release.id, %stage.name, "the scan of {} is waited for: {why}", release.image);
                    let wait = Wait::Scan { repository: release.image.repository.clone(), images };
                    return Ok(Gated::Waiting { wait, timeout_seconds });
                }
                None => Gated::Blocked { reason: format!("the image has no result of a scan after {} s: {why}", policy.wait_seconds()) },
            }
        }
        Judgement::Stop { reason } => Gated::Blocked { reason },
    };
    let words = match &gated {
        Gated::Passed { words } => {
            tracing::info!(release.id = %release.id, %stage.name, again, "the scan of {} lets it through: {words}", release.image);
            words.clone()
        }
        Gated::Blocked { reason } => {
            tracing::warn!(release.id = %release.id, %stage.name, again, reason, "{} may not change: {reason}", stage.name);
            reason.clone()
        }
        _ => return Ok(gated),
    };
    happened(&table, &release.id, Some(&stage.name), (Step::Checked, &look), format!("Image check: {words}")).await?;
    Ok(gated)
}
