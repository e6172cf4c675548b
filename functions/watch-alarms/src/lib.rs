//! Follows the alarms of stages: an alarm that rings ends the bakes that watch it, and people are told of every change.
//!
//! Woken by EventBridge with `CloudWatch Alarm State Change`.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_aws::{Aws, Key, Mail, Stored};
use slipway_core::alarm::AlarmState;
use slipway_core::application::{Application, Stage};
use slipway_core::release::Started;
use slipway_core::wait::Signal;
use slipway_runtime::{ConfigurationError, Configured, Environment, StepError, applications, count, parse};

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The SSM path that the applications' parameters are below.
    pub applications_path: String,
    /// The ARN of the topic that tells people.
    pub notification_topic_arn: String,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// When a variable is not set.
    pub fn read(environment: &Environment<'_>) -> Result<Self, ConfigurationError> {
        Ok(Self {
            table: environment.table()?,
            applications_path: environment.applications_path()?,
            notification_topic_arn: environment.notification_topic_arn()?,
        })
    }
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
}

/// An alarm's state and its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The state.
    pub value: AlarmState,
    /// CloudWatch's reason.
    #[serde(default)]
    pub reason: String,
}

/// What was done about a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// How many bakes it ended.
    pub bakes_ended: usize,
    /// How many stages watch the alarm.
    pub stages: usize,
}

/// Acts on an alarm's change.
///
/// # Errors
///
/// When the event does not parse, an application's configuration does not fit, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Watched, StepError> {
    let event: EventBridgeEvent<AlarmChange> = parse(input)?;
    let AlarmChange { alarm_name, state } = event.detail;
    let bakes_ended = if state.value == AlarmState::Alarm { end_bakes(aws, config, &alarm_name, &state.reason).await? } else { 0 };

    let mut stages = 0;
    for Configured { application, .. } in applications(aws, &config.applications_path).await? {
        for stage in application.stages.iter().filter(|stage| watches(stage, &alarm_name)) {
            stages += 1;
            tell(aws, config, &application, stage, &alarm_name, &state).await?;
        }
    }
    tracing::info!(alarm = alarm_name, state = ?state.value, bakes_ended, stages, "the alarm {alarm_name} changed");
    count("AlarmChange", &[("Watched", if stages > 0 { "Yes" } else { "No" })]);
    Ok(Watched { bakes_ended, stages })
}

fn watches(stage: &Stage, alarm: &str) -> bool {
    stage.bake.as_ref().is_some_and(|bake| bake.alarms.iter().any(|name| name == alarm))
}

/// Marks the waits that this alarm ends; the table's stream brings the marks to `resume-release`, which alone may end them.
async fn end_bakes(aws: &Aws, config: &Config, alarm: &str, reason: &str) -> Result<usize, StepError> {
    let table = aws.table(&config.table);
    let pointers: Vec<(Key, Stored<Value>)> = table.list(&Key::signals(&Signal::Alarm(alarm.to_owned())), "").await?;
    let mut ended = 0;
    for (key, Stored { mut document, version }) in pointers {
        if document.get("rang").is_some() {
            continue;
        }
        document["rang"] = Value::String(format!("the alarm {alarm} rang: {reason}"));
        if table.replace(&key, &document, version).await? {
            ended += 1;
        }
    }
    Ok(ended)
}

async fn tell(aws: &Aws, config: &Config, application: &Application, stage: &Stage, alarm: &str, state: &State) -> Result<(), StepError> {
    let history: Vec<(Key, Stored<Started>)> = aws.table(&config.table).list(&Key::histories(&application.name), "").await?;
    let newest = history.last().map(|(_, stored)| &stored.document);
    aws.topic(&config.notification_topic_arn).publish(notification(application, stage, alarm, state, newest)).await?;
    Ok(())
}

fn notification(application: &Application, stage: &Stage, alarm: &str, state: &State, newest: Option<&Started>) -> Mail {
    let (name, stage) = (&application.name, &stage.name);
    let what = match state.value {
        AlarmState::Alarm => "rings",
        AlarmState::Ok => "is quiet again",
        AlarmState::InsufficientData => "has too little data",
    };
    let release = newest.map_or_else(
        || format!("{name} has had no release yet."),
        |started| {
            format!(
                "The newest release of {name} is {} ({}@{}), begun {:.0}.",
                started.release.image.tag, started.release.image.repository, started.release.image.digest, started.at
            )
        },
    );
    Mail {
        subject: format!("{alarm} {what} ({name} {stage})"),
        text: format!("The alarm {alarm} of {name}'s stage {stage} {what}.\n\n{}\n\n{release}\n", state.reason),
        approver: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_which_alarm_of_which_stage_and_which_release() {
        let application = Application::parse(
            r#"{"name":"web","repository":"web","tags":["v*"],"stages":[{"name":"production",
                "services":[{"service":"web","health":{"path":"/health"}}],"bake":{"for":"15m","alarms":["web-5xx"]}}]}"#,
        )
        .expect("it fits");
        let state = State { value: AlarmState::Alarm, reason: "Threshold Crossed".into() };

        assert!(watches(&application.stages[0], "web-5xx") && !watches(&application.stages[0], "other"));
        let mail = notification(&application, &application.stages[0], "web-5xx", &state, None);
        assert_eq!(mail.subject, "web-5xx rings (web production)");
        assert!(mail.text.contains("Threshold Crossed") && mail.text.contains("no release yet"), "{}", mail.text);
    }
}
