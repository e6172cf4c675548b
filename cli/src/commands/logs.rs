//! `slipway logs`: what the functions logged of a release, a line each.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use console::Style;
use slipway_core::api::{LogLine, Logs};
use slipway_core::words;

use super::{meant, path_of, print, say};
use crate::{Client, Error, Output};

/// How long it waits between two looks at one log, and at those of all functions: a look is one call of CloudWatch's for
/// each of them, of five in a second that the account has.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));
/// How wide the columns of functions and states are: as their longest names.
const COLUMNS: (usize, usize) = (17, 16);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The release's id, or an application, whose newest release is meant.
    release: String,
    /// The lines of this function alone, such as `deploy-services`.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Go on as new lines come, until the release has ended.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let Arguments { release, function, follow } = arguments;
    let path = format!("{}/logs", path_of(&meant(client, Some(release)).await?)?);
    let mut seen = Seen::default();
    let mut all = Logs::default();
    loop {
        let mut page: Logs = client.get(&asked(&path, function.as_deref(), all.next.as_deref())).await?;
        page.lines = seen.new_of(page.lines);
        let Logs { lines, next, up_to_date } = page;
        let shown = Logs { lines, next: next.clone(), up_to_date };
        match (output, *follow) {
            (Output::Text, _) => shown.lines.iter().for_each(|line| say(&text(line))),
            (Output::Json, true) if !shown.lines.is_empty() => print(output, &shown, Vec::new),
            (Output::Json, _) => all.lines.extend(shown.lines),
        }
        (all.next, all.up_to_date) = (next, up_to_date);
        if all.next.is_none() || up_to_date && !follow {
            break;
        }
        if up_to_date {
            tokio::time::sleep(if function.is_some() { PAUSES.0 } else { PAUSES.1 }).await;
        }
    }
    if output == Output::Json && !follow {
        print(output, &all, Vec::new);
    } else if output == Output::Text && seen.is_empty() {
        eprintln!(
            "No lines: nothing was logged yet, or what was logged is kept no longer (log_retention_days)."
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a page.
fn asked(path: &str, function: Option<&str>, token: Option<&str>) -> String {
    let query = [("function", function), ("token", token)];
    let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let query = serde_urlencoded::to_string(query).expect("pairs of texts make a query");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The lines that were shown: a page begins with some of the one before.
#[derive(Debug, Default)]
struct Seen(HashSet<(String, usize)>);

impl Seen {
    /// Those that were not there before. Equal ones of one page are told apart by counting them.
    fn new_of(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let mut equal: HashMap<String, usize> = HashMap::new();
        let mut new = Vec::new();
        for line in lines {
            let text = serde_json::to_string(&line).expect("a line is plain values, which make JSON");
            let count = equal.entry(text.clone()).or_default();
            *count += 1;
            if self.0.insert((text, *count)) {
                new.push(line);
            }
        }
        new
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Time, function, state, message; and what else it has, where it went wrong.
fn text(line: &LogLine) -> String {
    let LogLine { at, function, level, state, message, .. } = line;
    let state = words::exact(state.as_deref().unwrap_or("-"));
    let said = format!(
        "{}  {function:functions$}  {state:states$}  {}",
        at.strftime("%m-%d %H:%M:%S%.3f"),
        words::exact(message),
        functions = COLUMNS.0,
        states = COLUMNS.1
    );
    match level.as_deref() {
        Some("ERROR") => Style::new().red().apply_to(said).to_string(),
        Some("WARN") => Style::new().yellow().apply_to(said).to_string(),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(second: u32, message: &str) -> LogLine {
        serde_json::from_value(json!({
            "at": format!("2026-11-20T08:15:{second:02}.120Z"), "function": "deploy-services", "state": "DeployServices",
            "message": message, "level": "INFO",
        }))
        .expect("it fits")
    }

    #[test]
    fn a_line_has_time_function_state_and_message_and_moves_no_cursor() {
        assert_eq!(
            text(&line(30, "web runs\u{1b}[2J v2\nnow")),
            "11-20 08:15:30.120  deploy-services    DeployServices    web runs\\u{1b}[2J v2\\nnow"
        );
        let other = LogLine { state: None, function: "reconcile".into(), ..line(30, "reconciled") };
        assert_eq!(text(&other), "11-20 08:15:30.120  reconcile          -                 reconciled");
    }

    #[test]
    fn a_page_is_asked_for_by_the_function_and_the_token_that_there_are() {
        assert_eq!(asked("a/logs", None, None), "a/logs");
        assert_eq!(asked("a/logs", Some("x&y"), Some("5-6")), "a/logs?function=x%26y&token=5-6");
    }

    #[test]
    fn every_line_is_shown_once_and_an_equal_one_that_comes_later_too() {
        let mut seen = Seen::default();
        let one = || line(1, "a");

        assert_eq!(seen.new_of(vec![one(), one(), line(2, "b")]).len(), 3);
        assert_eq!(seen.new_of(vec![one(), line(2, "b"), line(2, "b")]), [line(2, "b")]);
        assert!(!seen.is_empty());
    }
}
