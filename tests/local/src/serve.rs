//! The supervisor: one process in the background that holds the engine, the wire, MiniStack and the source of events.

use std::time::Duration;

use anyhow::bail;
use url::Url;

use crate::{
    Pace, Settings, client,
    engine::{Engine, EngineConfig},
    environment::Environment,
    events,
    ministack::{self, Ports},
    process,
    state::{Running, StateFolder},
    wire::{Wire, WireFiles},
};

/// How long MiniStack may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the cloud until it is asked to end.
///
/// # Errors
///
/// When a part cannot start, or MiniStack ends by itself.
pub async fn serve(settings: &Settings, port: u16, pace: Pace) -> anyhow::Result<()> {
    let state = StateFolder::new(&settings.state);
    let _held = state.supervise()?;
    let environment = Environment::made(settings);
    let endpoint = ministack::endpoint(port);
    let socket = state.socket();
    let [tls, proxy] = [process::free_port()?, process::free_port()?];
    let ports = Ports { plain: port, tls, proxy };
    let files = WireFiles { examples: state.calls(), recording: state.recording(), awkward: state.awkward() };
    let standing = Wire::start(&endpoint, files).await?;
    let wire = standing.wire();
    let engine = Engine::start(EngineConfig {
        socket: socket.clone(),
        state: state.engine(),
        registry: Url::parse(&endpoint)?,
        path: vec![environment.programs()],
    })
    .await?;

    // From here on, whatever happens, the engine is shut down: its tasks are processes.
    let outcome = async {
        let interrupted = process::interrupted();
        tokio::pin!(interrupted);
        let mut ministack = tokio::select! {
            started = ministack::start(settings, &environment, ports, pace, &socket, wire) => started?,
            () = &mut interrupted => return Ok(()),
        };
        let sdk = client::sdk(&endpoint).await;
        let events = tokio::spawn(events::follow(sdk, wire.clone(), state.gates()));
        state.write_down(&Running {
            supervisor: i32::try_from(std::process::id())?,
            ministack: ministack.id(),
            endpoint,
            port,
            tls_port: tls,
            engine: socket.clone(),
            wire: wire.endpoint(),
            pace,
        })?;
        let ended = tokio::select! {
            status = ministack.wait() => Some(status?),
            () = &mut interrupted => None,
        };
        events.abort();
        match ended {
            Some(status) => bail!("MiniStack ended by itself ({status})"),
            None => ministack.stop(PATIENCE).await,
        }
        Ok(())
    }
    .await;
    engine.shutdown().await;
    outcome
}
