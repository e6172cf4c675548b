//! `slipway redrive`: events that could not be handled go to their functions again.

use std::process::ExitCode;

use clap::Args;
use slipway_core::api::{DeadLetters, KeptMessage, RedriveRequest, Redriven, RedrivenQueue};

use super::act::confirmed;
use super::print;
use crate::show::{Table, list};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The queue, such as `slipway-receive-push-dead-letters` [default: every one that holds something].
    queue: Option<String>,
    /// Show what the queues hold, and redrive nothing.
    #[arg(long, conflicts_with = "queue")]
    list: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let Arguments { queue, list: only_list, yes } = arguments;
    let mut held: DeadLetters = client.get("dead-letters").await?;
    if *only_list {
        print(output, &held, || holding(&held));
        return Ok(ExitCode::SUCCESS);
    }
    held.queues.retain(|held| held.messages > 0);
    let redriven = if queue.is_none() && held.queues.is_empty() {
        Redriven::default()
    } else {
        let what = if let Some(queue) = queue {
            format!("The messages of {queue}")
        } else {
            let all = held.queues.iter().map(|queue| format!("{} of {}", queue.messages, queue.name));
            format!("The messages ({})", list(&all.collect::<Vec<_>>()))
        };
        confirmed(*yes, &format!("{what} go to their functions again; doing it twice does no harm."))?;
        client.post("dead-letters/redrive", &RedriveRequest { queue: queue.clone() }).await?
    };
    print(output, &redriven, || lines(&redriven));
    let is_kept = redriven.queues.iter().any(|queue| !queue.kept.is_empty());
    Ok(if is_kept { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The queues that hold something.
fn holding(held: &DeadLetters) -> Vec<String> {
    let mut table = Table::default();
    let holding: Vec<_> = held.queues.iter().filter(|queue| queue.messages > 0).collect();
    if holding.is_empty() {
        return vec![NONE.to_owned()];
    }
    for queue in holding {
        table.row([queue.messages.to_string().into(), queue.name.as_str().into()]);
    }
    table.lines(None)
}

const NONE: &str = "No dead letters: every event was handled.";

fn lines(redriven: &Redriven) -> Vec<String> {
    if redriven.queues.is_empty() {
        return vec![NONE.to_owned()];
    }
    redriven.queues.iter().flat_map(of).collect()
}

fn of(queue: &RedrivenQueue) -> Vec<String> {
    let RedrivenQueue { name, redriven, kept, left } = queue;
    let mut lines = vec![format!("{name}: {redriven} redriven, {} kept, {left} left", kept.len())];
    for KeptMessage { message, reason } in kept {
        lines.push(format!("  kept {message}: {}", slipway_core::words::exact(reason)));
    }
    if *left > 0 {
        lines.push(format!("  for the others repeat it: slipway redrive {name}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_says_what_was_redriven_what_was_kept_and_why_and_what_is_left() {
        let redriven: Redriven = serde_json::from_value(json!({ "queues": [
            { "name": "slipway-receive-push-dead-letters", "redriven": 2, "kept": [], "left": 0 },
            { "name": "slipway-resume-release-dead-letters", "redriven": 0, "left": 3,
              "kept": [{ "message": "m-1", "reason": "it is not JSON" }] },
        ] }))
        .expect("it fits");

        assert_eq!(
            lines(&redriven),
            [
                "slipway-receive-push-dead-letters: 2 redriven, 0 kept, 0 left",
                "slipway-resume-release-dead-letters: 0 redriven, 1 kept, 3 left",
                "  kept m-1: it is not JSON",
                "  for the others repeat it: slipway redrive slipway-resume-release-dead-letters",
            ]
        );
        assert_eq!(lines(&Redriven::default()), [NONE]);
    }

    #[test]
    fn of_the_queues_those_that_hold_something_are_shown() {
        let held: DeadLetters = serde_json::from_value(json!({ "queues": [
            { "name": "slipway-reconcile-dead-letters", "messages": 0 },
            { "name": "slipway-receive-push-dead-letters", "messages": 12 },
        ] }))
        .expect("it fits");

        assert_eq!(holding(&held), ["12  slipway-receive-push-dead-letters"]);
        assert_eq!(holding(&DeadLetters::default()), [NONE]);
    }
}
