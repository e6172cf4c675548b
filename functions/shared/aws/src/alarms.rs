//! CloudWatch: alarms.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmHistoryItem, AlarmType, Dimension, HistoryItemType, MetricAlarm, ScanBy, StateValue,
};
use jiff::Timestamp;
use serde_json::Value;
use slipway_core::adoption::ExistingAlarm;
use slipway_core::alarm::{AlarmReading, AlarmState, Fired};
use slipway_core::words;

use crate::AwsError;

/// CloudWatch's alarms.
#[derive(Clone, Debug)]
pub struct Alarms {
    client: Client,
}

impl Alarms {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The alarms of these names that exist, metric alarms and composite ones. A name that is missing in the answer
    /// is an alarm that does not exist.
    ///
    /// # Errors
    ///
    /// When CloudWatch cannot be asked.
    pub async fn read(&self, names: &[String]) -> Result<Vec<AlarmReading>, AwsError> {
        let mut readings = Vec::with_capacity(names.len());
        // CloudWatch takes a hundred names a call.
        for some in names.chunks(100) {
            let request = self
                .client
                .describe_alarms()
                .set_alarm_names(Some(some.to_vec()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .max_records(100);
            let answer = Box::pin(request.send())
                .await
                .map_err(|error| AwsError::from_sdk("cloudwatch:DescribeAlarms", error))?;
            let metric = answer
                .metric_alarms()
                .iter()
                .map(|alarm| (alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
            let composite = answer
                .composite_alarms()
                .iter()
                .map(|alarm| (alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
            readings.extend(metric.chain(composite).filter_map(|(name, state, reason)| {
                Some(AlarmReading {
                    name: name?.to_owned(),
                    state: state_of(state),
                    reason: words::line(reason.unwrap_or_default(), words::LONGEST_MESSAGE),
                })
            }));
        }
        Ok(readings)
    }

    /// All alarms of metrics, whatever they are called.
    ///
    /// # Errors
    ///
    /// When CloudWatch cannot be asked.
    pub async fn existing(&self) -> Result<Vec<ExistingAlarm>, AwsError> {
        let request = self.client.describe_alarms().alarm_types(AlarmType::MetricAlarm).max_records(100);
        let mut pages = request.into_paginator().send();
        let mut alarms = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| AwsError::from_sdk("cloudwatch:DescribeAlarms", error))?;
            alarms.extend(page.metric_alarms().iter().filter_map(existing));
        }
        Ok(alarms)
    }

    /// The first time that an alarm went into ALARM from then on, whatever it is now. CloudWatch keeps thirty days of
    /// history ("Alarm history" under "Using Amazon CloudWatch alarms", Amazon CloudWatch user guide).
    ///
    /// # Errors
    ///
    /// When CloudWatch cannot be asked.
    pub async fn first_fired(&self, name: &str, since: Timestamp) -> Result<Option<Fired>, AwsError> {
        let mut items = self
            .client
            .describe_alarm_history()
            .alarm_name(name)
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .history_item_type(HistoryItemType::StateUpdate)
            // Whole seconds: the history's own times may have no others.
            .start_date(DateTime::from_secs(since.as_second()))
            .scan_by(ScanBy::TimestampAscending)
            .into_paginator()
            .items()
            .send();
        while let Some(item) = items
            .try_next()
            .await
            .map_err(|error| AwsError::from_sdk("cloudwatch:DescribeAlarmHistory", error))?
        {
            if let Some(fired) = fired_of(&item) {
                return Ok(Some(fired));
            }
        }
        Ok(None)
    }
}

/// An alarm with the dimensions of its metric, or of those that it calculates with (`Metrics` of `MetricAlarm`, Amazon
/// CloudWatch API reference).
fn existing(alarm: &MetricAlarm) -> Option<ExistingAlarm> {
    let read = |dimensions: &[Dimension]| {
        let values =
            dimensions.iter().filter_map(|one| Some((one.name()?.to_owned(), one.value()?.to_owned())));
        values.collect::<BTreeMap<_, _>>()
    };
    let calculated = alarm.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
    let calculated = calculated.map(|metric| read(metric.dimensions()));
    Some(ExistingAlarm {
        name: alarm.alarm_name()?.to_owned(),
        state: state_of(alarm.state_value()),
        metrics: [read(alarm.dimensions())].into_iter().chain(calculated).collect(),
        actions: alarm.alarm_actions().to_vec(),
    })
}

/// An item of the history, where the alarm goes into ALARM in it.
fn fired_of(item: &AlarmHistoryItem) -> Option<Fired> {
    let data: Value =
        item.history_data().and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    let new = &data["newState"];
    // The data are JSON, the summary is words; what one leaves out the other may say.
    let fires = new["stateValue"].as_str().map_or_else(
        || item.history_summary().is_some_and(|summary| summary.ends_with("to ALARM")),
        |state| state == StateValue::Alarm.as_str(),
    );
    let at = Timestamp::from_second(item.timestamp()?.secs()).ok()?;
    let reason = words::line(new["stateReason"].as_str().unwrap_or_default(), words::LONGEST_MESSAGE);
    fires.then_some(Fired { at, reason })
}

/// A state that CloudWatch may add is not a quiet one.
fn state_of(state: Option<&StateValue>) -> AlarmState {
    match state {
        Some(StateValue::Ok) => AlarmState::Ok,
        Some(StateValue::Alarm) => AlarmState::Alarm,
        _ => AlarmState::InsufficientData,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::operation::describe_alarm_history::DescribeAlarmHistoryOutput;
    use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
    use aws_sdk_cloudwatch::types::{CompositeAlarm, Metric, MetricDataQuery, MetricStat};
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn metric_and_composite_alarms_are_read() {
        let rule = mock!(aws_sdk_cloudwatch::Client::describe_alarms).then_output(|| {
            DescribeAlarmsOutput::builder()
                .metric_alarms(MetricAlarm::builder().alarm_name("a").state_value(StateValue::Ok).build())
                .metric_alarms(MetricAlarm::builder().alarm_name("b").state_value("NEW".into()).build())
                .composite_alarms(
                    CompositeAlarm::builder()
                        .alarm_name("c")
                        .state_value(StateValue::Alarm)
                        .state_reason("a or b,\nsee <https://example.net|here>")
                        .build(),
                )
                .build()
        });
        let alarms = Alarms::new(answering!(aws_sdk_cloudwatch, [&rule]));

        let readings = alarms.read(&["a".into(), "b".into(), "c".into()]).await.expect("CloudWatch answers");

        assert_eq!(readings[2].reason, "a or b, see ‹https[:]//example[.]net|here›");
        let states: Vec<_> = readings.iter().map(|reading| (reading.name.as_str(), reading.state)).collect();
        assert_eq!(
            states,
            [("a", AlarmState::Ok), ("b", AlarmState::InsufficientData), ("c", AlarmState::Alarm)]
        );
    }

    #[tokio::test]
    async fn an_alarm_that_rang_and_is_quiet_again_is_found_in_its_history() {
        let item = |second: i64, data: &str, summary: &str| {
            AlarmHistoryItem::builder()
                .timestamp(DateTime::from_secs(second))
                .history_data(data)
                .history_summary(summary)
                .build()
        };
        let quiet = r#"{"version":"1.0","oldState":{"stateValue":"ALARM"},"newState":{"stateValue":"OK","stateReason":"fine"}}"#;
        let fires = r#"{"version":"1.0","oldState":{"stateValue":"OK"},"newState":{"stateValue":"ALARM","stateReason":"5 of 5"}}"#;
        for (first, second, expected) in [
            (item(10, quiet, "Alarm updated from ALARM to OK"), item(11, quiet, ""), None),
            (item(10, quiet, ""), item(11, fires, ""), Some((11, "5 of 5"))),
            (item(10, "", "Alarm updated from OK to ALARM"), item(11, fires, ""), Some((10, ""))),
        ] {
            let page = |item: AlarmHistoryItem, next: Option<&str>| {
                DescribeAlarmHistoryOutput::builder()
                    .alarm_history_items(item)
                    .set_next_token(next.map(ToOwned::to_owned))
                    .build()
            };
            let (first, second) = (page(first, Some("more")), page(second, None));
            let newest_last = mock!(aws_sdk_cloudwatch::Client::describe_alarm_history)
                .match_requests(|request| {
                    request.next_token().is_none() && request.scan_by() == Some(&ScanBy::TimestampAscending)
                })
                .then_output(move || first.clone());
            let more = mock!(aws_sdk_cloudwatch::Client::describe_alarm_history)
                .match_requests(|request| request.next_token() == Some("more"))
                .then_output(move || second.clone());
            let alarms = Alarms::new(answering!(aws_sdk_cloudwatch, [&newest_last, &more]));

            let fired = alarms
                .first_fired("a", Timestamp::from_second(9).expect("in range"))
                .await
                .expect("CloudWatch answers");

            assert_eq!(fired.as_ref().map(|fired| (fired.at.as_second(), fired.reason.as_str())), expected);
        }
    }

    #[tokio::test]
    async fn an_alarm_has_the_dimensions_of_its_metric_and_of_those_that_it_calculates_with() {
        let answered = mock!(aws_sdk_cloudwatch::Client::describe_alarms).then_output(|| {
            let group = Dimension::builder().name("TargetGroup").value("targetgroup/web/1").build();
            let metric = Metric::builder().dimensions(group.clone()).build();
            let query =
                MetricDataQuery::builder().id("m1").metric_stat(MetricStat::builder().metric(metric).build());
            DescribeAlarmsOutput::builder()
                .metric_alarms(MetricAlarm::builder().alarm_name("plain").dimensions(group).build())
                .metric_alarms(MetricAlarm::builder().alarm_name("sum").metrics(query.build()).build())
                .build()
        });
        let alarms = Alarms::new(answering!(aws_sdk_cloudwatch, [&answered]));

        let existing = alarms.existing().await.expect("CloudWatch answers");

        for alarm in &existing {
            let values: Vec<_> = alarm.metrics.iter().flat_map(|dimensions| dimensions.values()).collect();
            assert_eq!(values, ["targetgroup/web/1"], "{}", alarm.name);
        }
    }
}
