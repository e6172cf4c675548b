//! What happens while a release runs: a person aborts it, or an alarm fires.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::{Value, json};
use slipway_local::Cloud;
use slipway_local::client::{ACCOUNT, REGION};
use slipway_local::cloud::APPLICATION;
use slipway_local::wire::Entry;

use crate::schedule::Meanwhile;

/// How long to wait for the release to come so far; then it happens in any case.
const PATIENCE: Duration = Duration::from_secs(6);
const LOOK: Duration = Duration::from_millis(50);
const ALARM: &str = "faults-staging";

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

/// Sends the event by which a person aborts a release. As from EventBridge, the function is tried again when it fails.
async fn abort(cloud: &Cloud, id: &str) -> anyhow::Result<()> {
    let event = json!({
        "version": "0", "id": id, "detail-type": "Abort Requested", "source": "slipway", "account": ACCOUNT, "region": REGION,
        "time": slipway_local::clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "resources": [],
        "detail": { "release": id, "by": "ana", "reason": "a run says so" },
    });
    let lambda = aws_sdk_lambda::Client::new(cloud.sdk());
    let invoke = lambda.invoke().function_name("slipway-receive-push").invocation_type(InvocationType::Event);
    invoke.payload(Blob::new(event.to_string())).send().await?;
    Ok(())
}

/// An alarm that the first stage bakes under, until it is forgotten.
#[derive(Debug)]
pub struct Alarm {
    /// The application's configuration without it.
    configuration: String,
}

impl Alarm {
    /// Makes the alarm where there is none, quiet, and has the first stage watch it.
    ///
    /// # Errors
    ///
    /// When the cloud does not answer.
    pub async fn watched(cloud: &Cloud) -> anyhow::Result<Self> {
        let alarm = aws_sdk_cloudwatch::Client::new(cloud.sdk())
            .put_metric_alarm()
            .alarm_name(ALARM)
            .namespace("Faults")
            .metric_name("5xx");
        let alarm = alarm
            .statistic(Statistic::Sum)
            .period(60)
            .evaluation_periods(1)
            .threshold(1.0)
            .treat_missing_data("ignore");
        alarm.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await?;
        set(cloud, "OK").await?;
        let answer = aws_sdk_ssm::Client::new(cloud.sdk()).get_parameter().name(parameter()).send().await?;
        let configuration = answer
            .parameter()
            .and_then(|parameter| parameter.value())
            .context("a parameter without value")?
            .to_owned();
        let mut application: Value = serde_json::from_str(&configuration)?;
        application["stages"][0]["bake"] = json!({ "for": "10m", "alarms": [ALARM] });
        configure(cloud, &application.to_string()).await?;
        Ok(Self { configuration })
    }

    /// Lets the stage pass without it again.
    ///
    /// # Errors
    ///
    /// When the cloud does not answer.
    pub async fn forget(self, cloud: &Cloud) -> anyhow::Result<()> {
        configure(cloud, &self.configuration).await?;
        set(cloud, "OK").await
    }
}

async fn set(cloud: &Cloud, state: &str) -> anyhow::Result<()> {
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

async fn configure(cloud: &Cloud, configuration: &str) -> anyhow::Result<()> {
    let ssm = aws_sdk_ssm::Client::new(cloud.sdk());
    ssm.put_parameter().name(parameter()).value(configuration).overwrite(true).send().await?;
    Ok(())
}

fn parameter() -> String {
    format!("/slipway/applications/{APPLICATION}")
}
