//! Follows the alarms of stages: an alarm that fires fails the bakes that watch it; after a release has ended it has
//! people asked whether to restore what ran before; and everybody is notified of every change.
//!
//! Woken by EventBridge with `CloudWatch Alarm State Change`.

mod links;
mod live;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::Serialize;
use serde_json::Value;
use slipway_aws::{Aws, Key, Stored, Table, Update};
use slipway_core::alarm::{AlarmChange, AlarmState, Fired, Flood};
use slipway_core::application::Stage;
use slipway_core::notification::Notification;
use slipway_core::protocol::{Waiting, WakeKey};
use slipway_release::{Channels, Configured, Notifier, StepError, applications, count, now, parse};
use slipway_runtime::{ConfigurationError, Environment};

/// The function's configuration, from its environment.
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
    /// Where people are notified.
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
            dashboards: environment
                .require("SLIPWAY_DASHBOARDS", "what the names of the CloudWatch dashboards begin with")?,
            channels: environment.channels()?,
        })
    }
}

/// What was done about a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// How many bakes wait for it, and are woken.
    pub bakes: usize,
    /// How many stages watch the alarm.
    pub stages: usize,
    /// The releases that were begun to restore an earlier image, once people agree.
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
    let fires = state.value == AlarmState::Alarm;
    let bakes = if fires { wake_bakes(&table, &change).await? } else { 0 };

    let (mut stages, mut offered) = (0, Vec::new());
    for Configured { application, .. } in applications(aws, &config.applications_path).await?.configured {
        for stage in application.stages.iter().filter(|stage| watches(stage, alarm_name)) {
            stages += 1;
            let live = live::newest(&table, &application.name).await?;
            let offer = match &live {
                Some(live) if fires && bakes == 0 => {
                    live::offer(aws, config, &table, (&application, stage), live, &change, &id).await?
                }
                _ => None,
            };
            let mut notification = Notification::alarm(
                &application.name,
                &stage.name,
                &change,
                live.as_ref().map(|live| (&live.release, live.ended.at)),
            );
            notification.paragraphs.extend(offer.as_ref().map(live::Offer::in_words));
            let asks = matches!(offer, Some(live::Offer::Begun { .. }));
            offered.extend(offer.and_then(|offer| offer.begun()));
            notification.links.extend(links::of(
                aws.region(),
                &format!("{}-{}", config.dashboards, application.name),
                stage,
                alarm_name,
            ));
            notify_or_hold(aws, config, &table, notification, asks).await?;
        }
    }
    tracing::info!(alarm = alarm_name, state = ?state.value, bakes, stages, ?offered, "the alarm {alarm_name} changed");
    count("AlarmChange", &[("Watched", if stages > 0 { "Yes" } else { "No" })]);
    Ok(Watched { bakes, stages, offered })
}

fn watches(stage: &Stage, alarm: &str) -> bool {
    stage.bake.as_ref().is_some_and(|bake| bake.alarms.iter().any(|name| name == alarm))
}

/// Keeps that the alarm fired, which wakes the bakes that watch it through the table's stream; and counts them.
async fn wake_bakes(table: &Table, change: &AlarmChange) -> Result<usize, StepError> {
    let AlarmChange { alarm_name, state, .. } = change;
    let bakes: Vec<(Key, Stored<Waiting>)> =
        table.list(&Key::wakes(&WakeKey::Alarm(alarm_name.clone()).text()), "").await?;
    let fired = Fired { at: state.since().unwrap_or_else(now), reason: state.reason.clone() };
    table.put(&Key::fired(alarm_name), &fired).await?;
    Ok(bakes.len())
}

/// Notifies people of it alone; of many changes at once, the reconciler notifies them of the rest together. What asks
/// people to act is always sent.
async fn notify_or_hold(
    aws: &Aws,
    config: &Config,
    table: &Table,
    notification: Notification,
    asks: bool,
) -> Result<(), StepError> {
    let key = Key::flood(&notification.application);
    let line = format!("{} {}", now().strftime("%H:%M:%S"), notification.title);
    let alone = table.update(&key, |flood: Option<Flood>| {
        let (flood, alone) = flood.unwrap_or_default().and(&line, now());
        Update::Write(flood, alone)
    });
    if alone.await? || asks {
        Notifier { aws, table, channels: &config.channels }.notify(notification).await?;
    }
    Ok(())
}
