//! What happens while a release runs: a person aborts it, or an alarm fires.

use std::time::{Duration, Instant};

use aws_sdk_cloudwatch::types::StateValue;
use slipway_local::Cloud;
use slipway_local::wire::Entry;

use crate::schedule::Meanwhile;

/// How long to wait for the release to come so far; then it happens in any case.
const PATIENCE: Duration = Duration::from_secs(6);
const LOOK: Duration = Duration::from_millis(50);
/// The alarm that the first stage bakes under.
pub(crate) const ALARM: &str = "faults-staging";

/// Waits until the release is where it happens, as seen in the trace since an entry, and lets it happen.
///
/// # Errors
///
/// When the cloud does not answer.
pub async fn happens(cloud: &Cloud, meanwhile: Meanwhile, id: &str, entry: u64) -> anyhow::Result<()> {
    let state = match meanwhile {
        Meanwhile::Abort => "DeployServices",
        Meanwhile::Alarm => "BakeStage",
    };
    let began = Instant::now();
    while !has_parked(&cloud.wire().trace(entry).await?, id, state) && began.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
    }
    match meanwhile {
        Meanwhile::Abort => abort(cloud, id).await,
        Meanwhile::Alarm => set(cloud, "ALARM").await,
    }
}

fn has_parked(trace: &[Entry], id: &str, state: &str) -> bool {
    let callbacks = format!("CALLBACK#{id} ");
    trace
        .iter()
        .filter_map(Entry::call)
        .any(|call| call.subject.starts_with(&callbacks) && call.subject.ends_with(state))
}

/// Asks for the release to end, as an operator does: again, while the API does not answer.
async fn abort(cloud: &Cloud, id: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        match cloud.abort(id, "a run says so").await {
            Err(_) if began.elapsed() < PATIENCE * 5 => tokio::time::sleep(LOOK * 10).await,
            answered => return answered.map(drop),
        }
    }
}

/// Sets the alarm's state.
pub(crate) async fn set(cloud: &Cloud, state: &str) -> anyhow::Result<()> {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(cloud.sdk());
    cloudwatch
        .set_alarm_state()
        .alarm_name(ALARM)
        .state_value(StateValue::from(state))
        .state_reason("a run says so")
        .send()
        .await?;
    Ok(())
}
