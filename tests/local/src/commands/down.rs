//! `cargo local down`.

use std::time::Duration;

use crate::{Settings, process, progress::step, state::StateFolder};

/// How long the supervisor may take to stop what it started.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let state = StateFolder::new(&settings.state);
    if !state.is_supervised() && !state.path().exists() {
        println!("No local cloud is running.");
        return Ok(());
    }
    step("Local cloud stopped, its state removed", take_down(settings)).await
}

/// Stops the cloud of the settings' state folder and removes its state; does nothing when there is none.
///
/// # Errors
///
/// When the state cannot be removed.
pub async fn take_down(settings: &Settings) -> anyhow::Result<()> {
    let state = StateFolder::new(&settings.state);
    if let Some(supervisor) = state.supervisor() {
        process::end(supervisor, PATIENCE).await;
    }
    // Only a supervisor that was killed leaves MiniStack behind. The number may belong to somebody else by now.
    if let Some(running) = state.written()
        && process::command_line(running.ministack).is_some_and(|line| line.contains("tests/local/ministack"))
    {
        process::end(running.ministack, PATIENCE).await;
    }
    state.remove()
}
