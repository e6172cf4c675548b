//! `CloudWatch Alarm State Change`.
//!
//! Shape: Amazon CloudWatch user guide, "Alarm events and EventBridge".

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{AlarmType, CompositeAlarm, MetricAlarm},
};
use serde_json::{Value, json};

use super::{
    envelope,
    watch::{Memory, Watched},
};

/// An alarm as the last look saw it.
#[derive(Clone, Debug)]
struct Seen {
    value: String,
    state: Value,
    configuration: Value,
}

/// All alarms.
pub(super) struct Alarms {
    cloudwatch: Client,
    seen: Memory<String, Seen>,
}

impl Alarms {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { cloudwatch: Client::new(sdk), seen: Memory::new() }
    }

    /// The alarms by their ARN.
    async fn alarms(&self) -> anyhow::Result<HashMap<String, Seen>> {
        let mut alarms = HashMap::new();
        let mut pages = self
            .cloudwatch
            .describe_alarms()
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page?;
            alarms.extend(page.metric_alarms().iter().filter_map(of_metric));
            alarms.extend(page.composite_alarms().iter().filter_map(of_composite));
        }
        Ok(alarms)
    }
}

impl Watched for Alarms {
    const WHAT: &str = "the alarms";

    async fn look(&mut self, _list: bool) -> anyhow::Result<Vec<Value>> {
        let now = self.alarms().await?;
        let before = self.seen.replace(now);
        Ok(before
            .into_iter()
            .filter_map(|(arn, before)| {
                let (now, before) = (self.seen.get(&arn)?, before?);
                (now.value != before.value).then(|| event(&arn, now, &before))
            })
            .collect())
    }
}

fn event(arn: &str, now: &Seen, before: &Seen) -> Value {
    envelope(
        "aws.cloudwatch",
        "CloudWatch Alarm State Change",
        &[arn],
        &json!({
            "alarmName": arn.rsplit_once(":alarm:").map_or(arn, |(_, name)| name),
            "configuration": now.configuration,
            "previousState": before.state,
            "state": now.state,
        }),
    )
}

fn of_metric(alarm: &MetricAlarm) -> Option<(String, Seen)> {
    let dimensions: serde_json::Map<_, _> = alarm
        .dimensions()
        .iter()
        .filter_map(|dimension| Some((dimension.name()?.to_owned(), json!(dimension.value()?))))
        .collect();
    let seen = Seen {
        value: alarm.state_value()?.as_str().to_owned(),
        state: state(
            alarm.state_value()?.as_str(),
            alarm.state_reason(),
            alarm.state_reason_data(),
            alarm.state_updated_timestamp(),
        ),
        configuration: json!({
            "description": alarm.alarm_description(),
            "metrics": [{
                "id": "m1",
                "metricStat": {
                    "metric": {
                        "namespace": alarm.namespace(),
                        "name": alarm.metric_name(),
                        "dimensions": dimensions,
                    },
                    "period": alarm.period(),
                    "stat": alarm.statistic().map(|statistic| statistic.as_str().to_owned()),
                },
                "returnData": true,
            }],
        }),
    };
    Some((alarm.alarm_arn()?.to_owned(), seen))
}

fn of_composite(alarm: &CompositeAlarm) -> Option<(String, Seen)> {
    let seen = Seen {
        value: alarm.state_value()?.as_str().to_owned(),
        state: state(
            alarm.state_value()?.as_str(),
            alarm.state_reason(),
            alarm.state_reason_data(),
            alarm.state_updated_timestamp(),
        ),
        configuration: json!({
            "description": alarm.alarm_description(),
            "alarmRule": alarm.alarm_rule(),
        }),
    };
    Some((alarm.alarm_arn()?.to_owned(), seen))
}

fn state(value: &str, reason: Option<&str>, reason_data: Option<&str>, updated: Option<&DateTime>) -> Value {
    let time = updated
        .and_then(|time| time.to_millis().ok())
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .unwrap_or_else(crate::clock::now);
    let mut state = json!({
        "value": value,
        "reason": reason.unwrap_or_default(),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string(),
    });
    if let Some(data) = reason_data.filter(|data| !data.is_empty()) {
        state["reasonData"] = json!(data);
    }
    state
}
