//! Follows the alarms of stages: an alarm that rings ends the bakes that watch it; after a release has ended it has people
//! asked whether to put back what ran before; and everybody is told of every change.
//!
//! Woken by EventBridge with `CloudWatch Alarm State Change`.

mod links;
mod live;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Serialize;
use serde_json::Value;
use slipway_aws::{Aws, Key, Stored, Table};
use slipway_core::alarm::{AlarmChange, AlarmState, Flood};
use slipway_core::application::Stage;
use slipway_core::notification::{Kind, Notification};
use slipway_core::wait::Signal;
use slipway_runtime::{Channels, ConfigurationError, Configured, Environment, StepError, applications, count, now, parse, tell};

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The workflow's ARN.
    pub state_machine_arn: String,
    /// The SSM path that the applications' parameters are below.
    pub applications_path: String,
    /// What the names of the applications' dashboards begin with.
    pub dashboards: String,
    /// Where people are told.
    pub channels: Channels,
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
            state_machine_arn: environment.state_machine_arn()?,
            applications_path: environment.applications_path()?,
            dashboards: environment.require("SLIPWAY_DASHBOARDS", "what the names of the CloudWatch dashboards begin with")?,
            channels: Channels::read(environment)?,
        })
    }
}

/// What was done about a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// How many bakes it ended.
    pub bakes_ended: usize,
    /// How many stages watch the alarm.
    pub stages: usize,
    /// The releases that were begun to put an earlier image back, once people agree.
    pub offered: Vec<String>,
}

/// Acts on an alarm's change.
///
/// # Errors
///
/// When the event does not parse, an application's configuration does not fit, or AWS cannot be asked.
pub async fn handle(aws: &Aws, config: &Config, input: Value) -> Result<Watched, StepError> {
    let event: EventBridgeEvent<AlarmChange> = parse(input)?;
    let id = event.id.unwrap_or_default();
    let change = event.detail;
    let AlarmChange { alarm_name, state, .. } = &change;
    let table = aws.table(&config.table);
    let rings = state.value == AlarmState::Alarm;
    let bakes_ended = if rings { end_bakes(&table, alarm_name, &state.reason).await? } else { 0 };

    let (mut stages, mut offered) = (0, Vec::new());
    for Configured { application, .. } in applications(aws, &config.applications_path).await? {
        for stage in application.stages.iter().filter(|stage| watches(stage, alarm_name)) {
            stages += 1;
            let live = live::newest(&table, &application.name).await?;
            let offer = match &live {
                Some(live) if rings && bakes_ended == 0 => {
                    live::offer(aws, config, &table, (&application, stage), live, &change, &id).await?
                }
                _ => None,
            };
            let mut notification =
                Notification::alarm(&application.name, &stage.name, &change, live.as_ref().map(|live| (&live.release, live.ended.at)));
            notification.paragraphs.extend(offer.as_ref().map(live::Offer::in_words));
            offered.extend(offer.and_then(|offer| offer.begun()));
            notification.links.extend(links::of(aws.region(), &format!("{}-{}", config.dashboards, application.name), stage, alarm_name));
            tell_or_hold(aws, config, &table, notification).await?;
        }
    }
    tracing::info!(alarm = alarm_name, state = ?state.value, bakes_ended, stages, ?offered, "the alarm {alarm_name} changed");
    count("AlarmChange", &[("Watched", if stages > 0 { "Yes" } else { "No" })]);
    Ok(Watched { bakes_ended, stages, offered })
}

fn watches(stage: &Stage, alarm: &str) -> bool {
    stage.bake.as_ref().is_some_and(|bake| bake.alarms.iter().any(|name| name == alarm))
}

/// Marks the waits that this alarm ends; the table's stream brings the marks to `resume-release`, which alone may end them.
async fn end_bakes(table: &Table, alarm: &str, reason: &str) -> Result<usize, StepError> {
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

/// Tells it alone; of many changes at once, the sweep tells the rest together.
async fn tell_or_hold(aws: &Aws, config: &Config, table: &Table, notification: Notification) -> Result<(), StepError> {
    let key = Key::flood(&notification.application);
    let line = format!("{} {}", now().strftime("%H:%M:%S"), notification.title);
    loop {
        let stored = table.get::<Flood>(&key).await?;
        let (flood, version) = stored.map_or((Flood::default(), None), |stored| (stored.document, Some(stored.version)));
        let (flood, alone) = flood.and(&line, now());
        // What asks people to act is told in any case.
        let alone = alone
            || (notification.kind == Kind::AlarmRings && notification.paragraphs.iter().any(|words| words.contains("was sent a link")));
        if alone {
            tell(aws, table, &config.channels, notification.clone()).await?;
        }
        if table.write(&key, &flood, version).await? || alone {
            return Ok(());
        }
    }
}
