//! MiniStack: AWS's interfaces on loopback, with IAM enforcement.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::{
    Pace, Settings, client, environment::Environment, process::Group, state::StateFolder, wire::Wire,
};

/// How long MiniStack may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the cloud answers on a port.
#[must_use]
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The ports of a cloud.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Of AWS's interfaces, and of load balancers by HTTP.
    pub plain: u16,
    /// Of load balancers by TLS.
    pub tls: u16,
    /// Of the proxy that finds load balancers by their names.
    pub proxy: u16,
}

/// Starts MiniStack with our corrections and waits until it answers.
///
/// Its environment is its own: what a person has set could reach the functions, which inherit it. They speak to the
/// endpoint through the wire, and to load balancers by TLS on a port of its own.
///
/// # Errors
///
/// When it does not start, or does not answer in time.
pub async fn start(
    settings: &Settings,
    environment: &Environment,
    ports: Ports,
    pace: Pace,
    engine: &Path,
    wire: &Wire,
) -> anyhow::Result<Group> {
    let state = StateFolder::new(&settings.state);
    let log = std::fs::File::create(state.log("ministack"))?;
    let mut command = Command::new(environment.program("python"));
    command
        .arg("-I")
        .arg(settings.repository.join("tests/local/ministack"))
        .current_dir(&settings.state)
        .env_clear()
        .envs(client::variables(&wire.endpoint()))
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", state.path())
        .env("TMPDIR", state.temporary())
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GATEWAY_PORT", ports.plain.to_string())
        .env("BIND_HOST", "127.0.0.1")
        .env("AUTH", "true")
        .env("DOCKER_HOST", format!("unix://{}", engine.display()))
        .env("SLIPWAY_INBOX", state.inbox())
        .env("SLIPWAY_TWICE", state.twice())
        .env("SLIPWAY_RECORDING", state.recording())
        .env("SLIPWAY_GATES", state.gates())
        .env("SLIPWAY_AWKWARD", state.awkward())
        .env("SLIPWAY_EVENTS", wire.news())
        // What speaks TLS to a load balancer trusts the cloud's own authority, which MiniStack makes.
        .env("SLIPWAY_TLS_PORT", ports.tls.to_string())
        .env("SSL_CERT_FILE", state.authority())
        // The names of load balancers lead to them for the functions alone.
        .env("SLIPWAY_PROXY_PORT", ports.proxy.to_string())
        .env("HTTP_PROXY", format!("http://127.0.0.1:{}", ports.proxy))
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("AWS_LC_SYS_NO_JITTER_ENTROPY", "1")
        .envs(pace.variables().iter().copied())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut ministack = Group::start(&mut command)?;
    tokio::select! {
        status = ministack.wait() => {
            let status = status?;
            bail!("MiniStack ended ({status}); its log is {}", state.log("ministack").display())
        }
        answers = tokio::time::timeout(PATIENCE, answering(ports.plain)) => {
            answers.context("MiniStack does not answer")?;
        }
    }
    Ok(ministack)
}

async fn answering(port: u16) {
    let address = format!("{}/_ministack/health", endpoint(port));
    let client =
        reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap_or_default();
    while !client.get(&address).send().await.is_ok_and(|answer| answer.status().is_success()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
