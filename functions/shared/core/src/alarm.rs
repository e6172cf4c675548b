//! CloudWatch alarms, read before a stage changes and while it bakes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::words;

/// The state of an alarm, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Quiet.
    Ok,
    /// It fires.
    Alarm,
    /// Too little data to say.
    InsufficientData,
}

impl AlarmState {
    /// The state in CloudWatch's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
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

/// That an alarm went into ALARM, as its event or CloudWatch's history has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// When.
    pub at: Timestamp,
    /// CloudWatch's reason; empty where the history gives none.
    pub reason: String,
}

/// The `detail` of a `CloudWatch Alarm State Change`, as far as it is read ("Alarm events and EventBridge", Amazon
/// CloudWatch user guide).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmChange {
    /// The alarm's name.
    pub alarm_name: String,
    /// What it is now.
    pub state: State,
    /// What it was before.
    #[serde(default)]
    pub previous_state: Option<State>,
    /// How it is configured.
    #[serde(default)]
    pub configuration: Configuration,
}

/// An alarm's state and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The state.
    pub value: AlarmState,
    /// CloudWatch's reason, as [`words::line`] leaves it.
    #[serde(default, deserialize_with = "words::read_message")]
    pub reason: String,
    /// The figures behind it: JSON in a text.
    #[serde(default)]
    pub reason_data: Option<String>,
    /// Since when, such as `2026-11-20T08:15:30.123+0000`.
    #[serde(default)]
    pub timestamp: String,
}

/// An alarm's configuration, as far as it is shown to people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// What its owner says that it means, as [`words::line`] leaves it.
    #[serde(default, deserialize_with = "words::read_message")]
    pub description: String,
    /// What it measures.
    #[serde(default)]
    pub metrics: Vec<Value>,
}

impl State {
    /// Since when the alarm is in this state; none where the event does not say it in a way that is understood.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", &self.timestamp)
            .or_else(|_| self.timestamp.parse())
            .ok()
    }

    /// The newest measurement and the threshold, where CloudWatch gives them.
    #[must_use]
    pub fn figures(&self) -> Option<(f64, f64)> {
        let data: Value = serde_json::from_str(self.reason_data.as_deref()?).ok()?;
        Some((data["recentDatapoints"].as_array()?.last()?.as_f64()?, data["threshold"].as_f64()?))
    }
}

impl Configuration {
    /// The metric that the alarm watches, in words; none for one over several.
    #[must_use]
    pub fn metric(&self) -> Option<String> {
        let watched = self
            .metrics
            .iter()
            .find(|metric| metric["returnData"].as_bool().unwrap_or(self.metrics.len() == 1))?;
        let stat = &watched["metricStat"];
        let (namespace, name) = (stat["metric"]["namespace"].as_str()?, stat["metric"]["name"].as_str()?);
        Some(format!("{} of {namespace} {name} over {} s", stat["stat"].as_str()?, stat["period"]))
    }
}

/// How many changes of an application's alarms have a notification each, within [`FLOOD_SECONDS`].
pub const NOTIFIED_ALONE: u32 = 6;
/// The time in which they are counted. What comes on top of them is one notification when it is over.
pub const FLOOD_SECONDS: i64 = 10 * 60;

/// The alarms' changes of an application in the last minutes: many at once are one notification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// When the first of them came.
    pub since: Timestamp,
    /// How many had a notification each.
    pub notified: u32,
    /// Those that were not, a line each.
    pub held: Vec<String>,
}

impl Flood {
    /// The flood with one more change, and whether that one has a notification of its own.
    #[must_use]
    pub fn and(&self, line: &str, now: Timestamp) -> (Self, bool) {
        let over = self.is_over(now);
        if over && self.held.is_empty() {
            return (Self { since: now, notified: 1, held: vec![] }, true);
        }
        if !over && self.notified < NOTIFIED_ALONE {
            return (Self { notified: self.notified + 1, ..self.clone() }, true);
        }
        let held = self.held.iter().cloned().chain([line.to_owned()]).collect();
        (Self { held, ..self.clone() }, false)
    }

    /// Whether there is something held that people are to be notified of by now.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.held.is_empty() && self.is_over(now)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since).as_secs() >= FLOOD_SECONDS
    }
}

/// Says what keeps a stage from changing: the wanted alarms that are in ALARM, are missing, or have too little data
/// to be called quiet. `None` when all of them are quiet.
#[must_use]
pub fn disquiet(wanted: &[String], readings: &[AlarmReading]) -> Option<String> {
    let problems: Vec<String> = wanted
        .iter()
        .filter_map(|name| match readings.iter().find(|reading| reading.name == *name) {
            None => Some(format!("the alarm {name} does not exist")),
            Some(AlarmReading { state: AlarmState::Ok, .. }) => None,
            Some(AlarmReading { state: AlarmState::Alarm, reason, .. }) => {
                Some(format!("the alarm {name} is in ALARM: {}", reason.trim_end_matches('.')))
            }
            Some(AlarmReading { state: AlarmState::InsufficientData, .. }) => {
                Some(format!("the alarm {name} has too little data to be called quiet"))
            }
        })
        .collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// The wanted alarms that are not quiet, by name.
#[must_use]
pub fn unquiet(wanted: &[String], readings: &[AlarmReading]) -> Vec<String> {
    wanted.iter().filter(|name| disquiet(std::slice::from_ref(name), readings).is_some()).cloned().collect()
}

/// The first of the wanted alarms that is in ALARM.
#[must_use]
pub fn firing<'a>(wanted: &[String], readings: &'a [AlarmReading]) -> Option<&'a AlarmReading> {
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
            (vec![reading("a", AlarmState::Alarm)], "is in ALARM"),
            (vec![reading("a", AlarmState::InsufficientData)], "too little data"),
            (vec![reading("b", AlarmState::Ok)], "does not exist"),
        ] {
            assert!(disquiet(&wanted, &readings).expect("not quiet").contains(word));
            assert_eq!(unquiet(&["a".to_owned(), "b".to_owned()], &readings)[0], "a");
        }
    }

    #[test]
    fn an_alarm_that_the_stage_does_not_watch_does_not_fire_for_it() {
        let readings = [reading("b", AlarmState::Alarm), reading("a", AlarmState::Ok)];
        assert_eq!(firing(&["a".to_owned()], &readings), None);
        assert_eq!(firing(&["b".to_owned()], &readings).map(|r| r.name.as_str()), Some("b"));
    }

    fn state(timestamp: &str, reason_data: &str) -> State {
        State {
            value: AlarmState::Alarm,
            reason: String::new(),
            reason_data: Some(reason_data.into()),
            timestamp: timestamp.into(),
        }
    }

    #[test]
    fn the_time_is_read_as_cloudwatch_writes_it() {
        let since = |timestamp: &str| state(timestamp, "").since().map(|at| at.as_second());
        assert_eq!(since("2026-11-20T08:15:30.123+0000"), Some(1_795_162_530));
        assert_eq!(since("2026-11-20T08:15:30Z"), Some(1_795_162_530));
        assert_eq!((since(""), since("yesterday")), (None, None));
    }

    #[test]
    fn the_figures_are_the_newest_measurement_and_the_threshold() {
        assert_eq!(
            state("", r#"{"recentDatapoints":[3.0,12.5],"threshold":5.0}"#).figures(),
            Some((12.5, 5.0))
        );
        for without in
            ["", "{}", r#"{"recentDatapoints":[],"threshold":5.0}"#, r#"{"recentDatapoints":[1.0]}"#]
        {
            assert_eq!(state("", without).figures(), None, "{without}");
        }
    }

    #[test]
    fn of_many_changes_the_first_have_a_notification_each_and_the_rest_share_one() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let mut flood = Flood::default();
        let alone: Vec<bool> = (0..9)
            .map(|second| {
                let (next, alone) = flood.and(&format!("change {second}"), at(10_000 + second));
                flood = next;
                alone
            })
            .collect();
        let end = at(10_000 + FLOOD_SECONDS);

        assert_eq!(
            alone.iter().filter(|alone| **alone).count(),
            usize::try_from(NOTIFIED_ALONE).expect("it is small")
        );
        assert_eq!(flood.held, ["change 6", "change 7", "change 8"]);
        assert!(!flood.is_due(at(10_020)) && flood.is_due(end));
        assert!(!flood.and("late", end).1, "people are notified of what is held before anything else");
        assert!(Flood { held: vec![], ..flood }.and("late", end).1);
    }
}
