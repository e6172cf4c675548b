//! `cargo local logs`.

use std::{collections::HashSet, time::Duration};

use anyhow::bail;
use aws_sdk_cloudwatchlogs::Client;
use clap::Args;

use crate::{Cloud, Settings};

/// What every function's log group begins with.
const PREFIX: &str = "/aws/lambda/slipway-";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The function, such as `receive-push` [default: all of them].
    function: Option<String>,
    /// Go on as new lines come, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Also what Lambda itself logs of every invocation.
    #[arg(long)]
    all: bool,
}

/// A logged line.
struct Line {
    at: i64,
    id: String,
    function: String,
    text: String,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let logs = Client::new(cloud.sdk());
    let mut shown = HashSet::new();
    loop {
        let mut lines = Vec::new();
        for group in groups(&logs, arguments.function.as_deref()).await? {
            lines.extend(read(&logs, &group).await?);
        }
        lines.sort_by_key(|line| line.at);
        for line in lines {
            let of_lambda = ["START ", "END ", "REPORT ", "INIT_START "].iter().any(|word| line.text.starts_with(word));
            if (!of_lambda || arguments.all) && shown.insert(line.id) {
                println!("{:<18} {}", line.function, line.text.trim_end());
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

async fn groups(logs: &Client, function: Option<&str>) -> anyhow::Result<Vec<String>> {
    let answer = logs.describe_log_groups().log_group_name_prefix(PREFIX).send().await?;
    let all: Vec<String> = answer.log_groups().iter().filter_map(|group| group.log_group_name().map(str::to_owned)).collect();
    let Some(function) = function else {
        return Ok(all);
    };
    let wanted = format!("{PREFIX}{}", function.trim_start_matches("slipway-"));
    if !all.contains(&wanted) {
        let names: Vec<_> = all.iter().map(|group| &group[PREFIX.len()..]).collect();
        bail!("there is no function `{function}`; there are: {}", names.join(", "));
    }
    Ok(vec![wanted])
}

async fn read(logs: &Client, group: &str) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut pages = logs.filter_log_events().log_group_name(group).into_paginator().send();
    while let Some(page) = pages.next().await {
        lines.extend(page?.events().iter().map(|event| Line {
            at: event.timestamp().unwrap_or_default(),
            id: event.event_id().unwrap_or_default().to_owned(),
            function: group[PREFIX.len()..].to_owned(),
            text: event.message().unwrap_or_default().to_owned(),
        }));
    }
    Ok(lines)
}
