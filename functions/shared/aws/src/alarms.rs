//! CloudWatch: alarms.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use slipway_core::alarm::{AlarmReading, AlarmState};

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
            let answer = request.send().await.map_err(|error| AwsError::from_sdk("cloudwatch:DescribeAlarms", error))?;
            let metric = answer.metric_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
            let composite = answer.composite_alarms().iter().map(|alarm| (alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
            readings.extend(metric.chain(composite).filter_map(|(name, state, reason)| {
                Some(AlarmReading { name: name?.to_owned(), state: state_of(state), reason: reason.unwrap_or_default().to_owned() })
            }));
        }
        Ok(readings)
    }
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
    use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
    use aws_sdk_cloudwatch::types::{CompositeAlarm, MetricAlarm};
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn metric_and_composite_alarms_are_read() {
        let rule = mock!(aws_sdk_cloudwatch::Client::describe_alarms).then_output(|| {
            DescribeAlarmsOutput::builder()
                .metric_alarms(MetricAlarm::builder().alarm_name("a").state_value(StateValue::Ok).build())
                .metric_alarms(MetricAlarm::builder().alarm_name("b").state_value("NEW".into()).build())
                .composite_alarms(CompositeAlarm::builder().alarm_name("c").state_value(StateValue::Alarm).state_reason("a or b").build())
                .build()
        });
        let alarms = Alarms::new(answering!(aws_sdk_cloudwatch, [&rule]));

        let readings = alarms.read(&["a".into(), "b".into(), "c".into()]).await.expect("CloudWatch answers");

        let states: Vec<_> = readings.iter().map(|reading| (reading.name.as_str(), reading.state)).collect();
        assert_eq!(states, [("a", AlarmState::Ok), ("b", AlarmState::InsufficientData), ("c", AlarmState::Alarm)]);
    }
}
