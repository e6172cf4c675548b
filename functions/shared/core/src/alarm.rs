//! CloudWatch alarms, read before a stage changes and while it bakes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of an alarm, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Quiet.
    Ok,
    /// It rings.
    Alarm,
    /// Too little data to say.
    InsufficientData,
}

/// One alarm as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmReading {
    /// The alarm's name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// CloudWatch's reason for the state.
    pub reason: String,
}

/// That an alarm rang, as CloudWatch's history has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// When.
    pub at: Timestamp,
    /// CloudWatch's reason; empty where the history gives none.
    pub reason: String,
}

/// Says what keeps a stage from changing: the wanted alarms that ring, are missing, or have too little data to be
/// called quiet. `None` when all of them are quiet.
#[must_use]
pub fn disquiet(wanted: &[String], readings: &[AlarmReading]) -> Option<String> {
    let problems: Vec<String> = wanted
        .iter()
        .filter_map(|name| match readings.iter().find(|reading| reading.name == *name) {
            None => Some(format!("the alarm {name} does not exist")),
            Some(AlarmReading { state: AlarmState::Ok, .. }) => None,
            Some(AlarmReading { state: AlarmState::Alarm, reason, .. }) => Some(format!("the alarm {name} rings: {reason}")),
            Some(AlarmReading { state: AlarmState::InsufficientData, .. }) => {
                Some(format!("the alarm {name} has too little data to be called quiet"))
            }
        })
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// The first of the wanted alarms that rings.
#[must_use]
pub fn ringing<'a>(wanted: &[String], readings: &'a [AlarmReading]) -> Option<&'a AlarmReading> {
    readings.iter().find(|reading| reading.state == AlarmState::Alarm && wanted.contains(&reading.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, state: AlarmState) -> AlarmReading {
        AlarmReading { name: name.into(), state, reason: "Threshold Crossed".into() }
    }

    #[test]
    fn only_an_alarm_in_ok_is_quiet() {
        let wanted = ["a".to_owned()];
        assert_eq!(disquiet(&wanted, &[reading("a", AlarmState::Ok)]), None);
        for (readings, word) in [
            (vec![reading("a", AlarmState::Alarm)], "rings"),
            (vec![reading("a", AlarmState::InsufficientData)], "too little data"),
            (vec![reading("b", AlarmState::Ok)], "does not exist"),
        ] {
            assert!(disquiet(&wanted, &readings).expect("not quiet").contains(word));
        }
    }

    #[test]
    fn a_strangers_alarm_does_not_ring_for_us() {
        let readings = [reading("b", AlarmState::Alarm), reading("a", AlarmState::Ok)];
        assert_eq!(ringing(&["a".to_owned()], &readings), None);
        assert_eq!(ringing(&["b".to_owned()], &readings).map(|r| r.name.as_str()), Some("b"));
    }
}
