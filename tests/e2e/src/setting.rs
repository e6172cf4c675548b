//! How the application is configured for a run.

use anyhow::Context as _;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use serde_json::{Value, json};
use slipway_local::Cloud;

use crate::meanwhile::{self, ALARM};
use crate::schedule::{Schedule, Subject};

/// What a run has changed in the application's configuration, until it is undone.
#[derive(Debug)]
pub struct Setting {
    subject: Subject,
    /// The configuration as it was before.
    before: String,
    has_alarm: bool,
}

impl Setting {
    /// Configures the application for a run; nothing where it is played as it is.
    ///
    /// # Errors
    ///
    /// When the cloud does not answer.
    pub async fn made(cloud: &Cloud, schedule: &Schedule) -> anyhow::Result<Option<Self>> {
        let subject = schedule.subject;
        let name = parameter(subject);
        let answer = aws_sdk_ssm::Client::new(cloud.sdk()).get_parameter().name(name).send().await?;
        let parameter = answer.parameter().and_then(|parameter| parameter.value());
        let before = parameter.context("a parameter without value")?.to_owned();
        let setting = Self { subject, before, has_alarm: schedule.bakes() };
        if setting.has_alarm {
            quiet_alarm(cloud).await?;
        }
        let was: Value = serde_json::from_str(&setting.before)?;
        let wanted = configured(was.clone(), schedule);
        if wanted == was {
            return Ok(None);
        }
        write(cloud, subject, &wanted.to_string()).await?;
        Ok(Some(setting))
    }

    /// Configures the application as it was before.
    ///
    /// # Errors
    ///
    /// When the cloud does not answer.
    pub async fn undone(self, cloud: &Cloud) -> anyhow::Result<()> {
        write(cloud, self.subject, &self.before).await?;
        if self.has_alarm {
            meanwhile::set(cloud, "OK").await?;
        }
        Ok(())
    }
}

/// The configuration for a run. Of the shop its last stage is played, which has every gate.
fn configured(mut application: Value, schedule: &Schedule) -> Value {
    if schedule.subject == Subject::Shop {
        let stages = application["stages"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let mut last = stages.into_iter().next_back().unwrap_or_default();
        last["image_check"]["wait"] = json!("30s");
        last["snapshot"]["wait"] = json!("30s");
        last["migration"]["timeout"] = json!("30s");
        last["services"][1]["steady"]["for"] = json!("1s");
        application["stages"] = json!([last]);
    }
    if schedule.bakes() {
        application["stages"][0]["bake"] = json!({ "for": "10m", "alarms": [ALARM] });
    }
    if schedule.lasts {
        for stage in application["stages"].as_array_mut().into_iter().flatten() {
            stage["deploy_timeout"] = json!("1m");
        }
    }
    application
}

/// Makes the alarm where there is none, quiet.
async fn quiet_alarm(cloud: &Cloud) -> anyhow::Result<()> {
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
    meanwhile::set(cloud, "OK").await
}

async fn write(cloud: &Cloud, subject: Subject, configuration: &str) -> anyhow::Result<()> {
    let ssm = aws_sdk_ssm::Client::new(cloud.sdk());
    ssm.put_parameter().name(parameter(subject)).value(configuration).overwrite(true).send().await?;
    Ok(())
}

fn parameter(subject: Subject) -> String {
    format!("/slipway/applications/{}", subject.name())
}
