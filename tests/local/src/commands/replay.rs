//! `cargo local replay`.

use clap::Args;

use crate::{
    Cloud, Settings,
    dead_letters::{self, Queue, Replayed},
    progress::note,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The queue, such as `slipway-receive-push-dead-letters` [default: the queues that are not empty are listed].
    queue: Option<String>,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let Some(queue) = &arguments.queue else {
        let queues = dead_letters::not_empty(cloud.sdk()).await?;
        if queues.is_empty() {
            println!("No dead letters: every event was handled.");
        }
        for Queue { name, messages } in queues {
            println!("{messages:>5}  {name}");
            note(format!("cargo local replay {name}"));
        }
        return Ok(());
    };
    let replayed = dead_letters::replay(cloud.sdk(), queue).await?;
    if replayed.is_empty() {
        println!("{queue} is empty.");
    }
    for Replayed { message, function } in replayed {
        match function {
            Ok(function) => println!("redriven  {message}  {function}"),
            Err(reason) => println!("kept      {message}  {reason}"),
        }
    }
    Ok(())
}
