//! `cargo local logs`.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Line {
    at: i64,
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
        for line in unseen(&mut shown, lines) {
            let of_lambda =
                ["START ", "END ", "REPORT ", "INIT_START "].iter().any(|word| line.text.starts_with(word));
            if !of_lambda || arguments.all {
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

/// The lines that were not there at the last look. MiniStack's lines have no ids, so equal ones are told apart by
/// counting them.
fn unseen(seen: &mut HashSet<(Line, u32)>, lines: Vec<Line>) -> Vec<Line> {
    let mut equal = HashMap::new();
    let mut new = Vec::new();
    for line in lines {
        let count: &mut u32 = equal.entry(line.clone()).or_default();
        *count += 1;
        if seen.insert((line.clone(), *count)) {
            new.push(line);
        }
    }
    new
}

async fn groups(logs: &Client, function: Option<&str>) -> anyhow::Result<Vec<String>> {
    let answer = logs.describe_log_groups().log_group_name_prefix(PREFIX).send().await?;
    let all: Vec<String> =
        answer.log_groups().iter().filter_map(|group| group.log_group_name().map(str::to_owned)).collect();
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
            function: group[PREFIX.len()..].to_owned(),
            text: event.message().unwrap_or_default().to_owned(),
        }));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_shown_once_and_an_equal_one_that_comes_later_too() {
        let line = |at| Line { at, function: "reconcile".into(), text: "reconciled".into() };
        let mut seen = HashSet::new();

        assert_eq!(unseen(&mut seen, vec![line(1), line(1), line(2)]), [line(1), line(1), line(2)]);
        assert_eq!(unseen(&mut seen, vec![line(1), line(1), line(2), line(2)]), [line(2)]);
    }
}
