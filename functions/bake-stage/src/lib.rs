//! Watches a stage's alarms for the stage's time after it serves: one that fires undoes the release.
//!
//! An alarm counts that fires now, or has fired since the stage began to change and may be OK again: its event may be
//! lost, and may have come before the bake. One that is deleted, or knows too little at the end, undoes it too: it
//! would have kept the stage from changing.
//!
//! Then the stage has passed, and the families of its scheduled and standalone tasks get a revision with the image.

use slipway_aws::{Aws, Key, Table};
use slipway_core::alarm::{AlarmReading, Fired, disquiet, firing};
use slipway_core::protocol::{Attempt, StepResult, WakeKey};
use slipway_core::rollback::Change;
use slipway_core::step::{Baked, StageInput};
use slipway_core::timeline::Step;
use slipway_release::{Context, StepError, Tasks, abort_of, change_of, deadline, now};
use slipway_runtime::Config;

/// Looks at the stage's alarms until its time is over, and then gives the stage's tasks the image.
///
/// # Errors
///
/// When CloudWatch cannot be asked: alarms that cannot be read are never quiet. When ECS does not answer.
pub async fn handle(
    aws: &Aws,
    config: &Config,
    attempt: Attempt,
    input: StageInput,
) -> Result<StepResult<Baked>, StepError> {
    let StageInput { release, stage, baseline, .. } = &input;
    let table = aws.table(&config.table);
    if let Some(abort) = abort_of(&table, &release.id).await? {
        return Ok(StepResult::roll_back(abort.in_words()));
    }
    let context = Context::new(aws, &table, attempt, &input);
    let Some(policy) = &stage.bake else { return pass(&context, Vec::new(), None).await };
    // Those that were not quiet before are not this release's.
    let alarms: Vec<_> =
        policy.alarms.iter().filter(|alarm| !baseline.not_quiet.contains(alarm)).cloned().collect();
    let deadline = deadline(&table, &Key::gate(&release.id, &stage.name, "BAKE"), policy.seconds()).await?;
    let over = now() >= deadline;
    let change = change_of(&table, &release.id, &stage.name).await?;
    let readings = aws.alarms().read(&alarms).await?;
    let reason = match fired(aws, &table, &alarms, &readings, change.as_ref()).await? {
        Some(reason) => Some(reason),
        None => blind(&alarms, &readings, over),
    };
    match reason {
        Some(reason) => {
            context.timeline().record_failure(Step::Baked, "", reason.clone()).await?;
            Ok(StepResult::roll_back(reason))
        }
        None if over => pass(&context, alarms, Some("No alarm fired")).await,
        None => Ok(StepResult::Wait { on: alarms.into_iter().map(WakeKey::Alarm).collect(), deadline }),
    }
}

/// The stage has passed: its scheduled and standalone tasks get the image, too.
async fn pass(
    context: &Context<'_>,
    alarms: Vec<String>,
    quiet: Option<&str>,
) -> Result<StepResult<Baked>, StepError> {
    let tasks = if context.baseline.tasks.is_empty() {
        Tasks::default()
    } else {
        if let Err(lost) = context.begin_writing().await? {
            return Ok(StepResult::roll_back(lost.to_string()));
        }
        let registered = context.register_tasks().await;
        context.stop_writing(&registered).await?;
        registered?
    };
    let Tasks { run, left } = tasks;
    let runs = run.iter().map(|task| format!("tasks of {} run {}", task.family, task.task_definition.name()));
    let words: Vec<_> = quiet.map(ToOwned::to_owned).into_iter().chain(runs).chain(left).collect();
    context.timeline().record(Step::Baked, words.join("; ")).await?;
    let tasks = run.into_iter().map(|task| task.task_definition).collect();
    Ok(StepResult::Done(Baked { alarms, tasks }))
}

/// Which of the alarms fires, or has fired since the stage began to change.
async fn fired(
    aws: &Aws,
    table: &Table,
    alarms: &[String],
    readings: &[AlarmReading],
    change: Option<&Change>,
) -> Result<Option<String>, StepError> {
    if let Some(alarm) = firing(alarms, readings) {
        return Ok(Some(format!("the alarm {} is in ALARM: {}", alarm.name, alarm.reason)));
    }
    let Some(Change { at: since, .. }) = change else { return Ok(None) };
    for alarm in alarms {
        // Its event, which watch-alarms kept; and CloudWatch's history, where that was lost.
        let event = table
            .get::<Fired>(&Key::fired(alarm))
            .await?
            .map(|stored| stored.document)
            .filter(|fired| fired.at >= *since);
        let fired = match event {
            Some(fired) => Some(fired),
            None => aws.alarms().first_fired(alarm, *since).await?,
        };
        if let Some(Fired { at, reason }) = fired {
            return Ok(Some(format!("the alarm {alarm} was in ALARM at {at:.0}: {reason}")));
        }
    }
    Ok(None)
}

/// Why the alarms prove nothing, where that is so: one that is gone, at any look; one that knows too little once the
/// time is over. Until then it may have had no measurement since the tasks were replaced.
fn blind(alarms: &[String], readings: &[AlarmReading], over: bool) -> Option<String> {
    let is_there = |name: &String| readings.iter().any(|reading| reading.name == *name);
    let judged: Vec<_> = alarms.iter().filter(|name| over || !is_there(name)).cloned().collect();
    disquiet(&judged, readings)
}

#[cfg(test)]
mod tests {
    use slipway_core::alarm::AlarmState;

    use super::*;

    #[test]
    fn an_alarm_that_is_gone_proves_nothing_and_one_without_data_nothing_at_the_end() {
        let reading = |name: &str, state| AlarmReading { name: name.into(), state, reason: String::new() };
        let readings = [reading("ok", AlarmState::Ok), reading("blind", AlarmState::InsufficientData)];
        let why = |name: &str, over| blind(&["ok".to_owned(), name.to_owned()], &readings, over);

        assert_eq!((why("ok", false), why("ok", true), why("blind", false)), (None, None, None));
        assert_eq!(
            why("blind", true).as_deref(),
            Some("the alarm blind has too little data to be called quiet")
        );
        for over in [false, true] {
            assert_eq!(why("gone", over).as_deref(), Some("the alarm gone does not exist"));
        }
    }
}
