//! `cargo local alarm`.

use anyhow::bail;
use aws_sdk_cloudwatch::types::StateValue;
use clap::{Args, ValueEnum};

use crate::{Cloud, Settings};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The alarm's name.
    name: String,
    /// Its new state.
    #[arg(ignore_case = true)]
    value: State,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    #[value(name = "ALARM")]
    Alarm,
    #[value(name = "OK")]
    Ok,
    #[value(name = "INSUFFICIENT_DATA")]
    InsufficientData,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let cloudwatch = aws_sdk_cloudwatch::Client::new(cloud.sdk());
    let known = cloudwatch.describe_alarms().alarm_names(&arguments.name).send().await?;
    if known.metric_alarms().is_empty() && known.composite_alarms().is_empty() {
        let all = cloudwatch.describe_alarms().send().await?;
        let names: Vec<_> = all.metric_alarms().iter().filter_map(|alarm| alarm.alarm_name()).collect();
        bail!("there is no alarm `{}`; there are: {}", arguments.name, names.join(", "));
    }
    let value = match arguments.value {
        State::Alarm => StateValue::Alarm,
        State::Ok => StateValue::Ok,
        State::InsufficientData => StateValue::InsufficientData,
    };
    cloudwatch
        .set_alarm_state()
        .alarm_name(&arguments.name)
        .state_value(value.clone())
        .state_reason("set with `cargo local alarm`")
        .send()
        .await?;
    println!("{} is {}", arguments.name, value.as_str());
    Ok(())
}
