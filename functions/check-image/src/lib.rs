//! Judges an image by what its scan found: before people are asked, and again before the stage changes.
//!
//! It looks once and does not wait: the workflow does, until the scan has an end or the stage's time for it is over.
//! No result is never a good one.

use jiff::tz::TimeZone;
use slipway_aws::{Aws, Key};
use slipway_core::protocol::{Attempt, StepResult, WakeKey};
use slipway_core::scan::{Checked, Judgement, judge};
use slipway_core::step::{Passed, StageInput};
use slipway_core::timeline::Step;
use slipway_release::{Context, StepError, deadline, now};
use slipway_runtime::Config;

/// Looks at the scan of the release's image, basic or enhanced; of a multi-architecture image at that of each of its
/// images.
///
/// # Errors
///
/// When the stage asks for no image check, or AWS cannot be asked. What the scan found is an answer, not an error.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    attempt: Attempt,
    input: StageInput,
) -> Result<StepResult<Passed>, StepError> {
    let StageInput { release, stage, baseline, again, .. } = &input;
    let Some(policy) = &stage.image_check else {
        return Err(StepError::InvalidInput {
            field: "stage.image_check".into(),
            problem: "the stage asks for no image check".into(),
        });
    };
    let table = aws.table(&config.table);
    let context = Context::new(aws, &table, attempt, &input);
    if let Some(end) = context.interrupted().await? {
        return Ok(StepResult::End(end));
    }
    let images = aws.repositories().scanned_images(&release.image).await?;
    let mut scans = Vec::with_capacity(images.len());
    for image in &images {
        scans.push(aws.repositories().scan(&release.image.repository, image).await?);
    }
    let shown = Key::gate(&release.id, &stage.name, "IMAGE");
    let look = format!("{}#{}", baseline.round, if *again { "AGAIN" } else { "FIRST" });
    let keep = async |words: &str| {
        context.timeline().record_each(Step::Checked, &look, format!("Image check: {words}")).await
    };
    let evidence = match judge(policy, &scans, now().to_zoned(TimeZone::UTC).date()) {
        Judgement::Pass(checked) if *again => {
            let earlier = table.get::<Checked>(&shown).await?.map(|stored| stored.document);
            let new = earlier.as_ref().map(|earlier| checked.new_since(earlier)).unwrap_or_default();
            if !new.is_empty() && stage.approval.is_some() {
                let reason =
                    format!("the scan of the image has found {} since people were asked", new.join(", "));
                return context.restart(reason).await;
            }
            checked.words
        }
        Judgement::Pass(checked) => {
            table.put(&shown, &checked).await?;
            checked.words
        }
        Judgement::Wait { why } => {
            let first_look = Key::gate(&release.id, &stage.name, &format!("IMAGE#{look}"));
            let deadline = deadline(&table, &first_look, policy.wait_seconds()).await?;
            if now() < deadline {
                tracing::info!(release.id = %release.id, %stage.name, "the scan of {} is waited for: {why}", release.image);
                let on = images
                    .into_iter()
                    .map(WakeKey::Scan)
                    .chain([WakeKey::Push(release.application.clone())])
                    .collect();
                return Ok(StepResult::Wait { on, deadline });
            }
            let reason =
                format!("the image has no result of a scan after {} s: {why}", policy.wait_seconds());
            keep(&reason).await?;
            return Ok(StepResult::failed(reason));
        }
        Judgement::Stop { reason } => {
            keep(&reason).await?;
            return Ok(StepResult::failed(reason));
        }
    };
    tracing::info!(release.id = %release.id, %stage.name, again, "the scan of {} lets it through: {evidence}", release.image);
    keep(&evidence).await?;
    Ok(StepResult::Done(Passed { evidence }))
}
