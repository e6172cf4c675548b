//! A container engine for the local cloud: the part of the Docker Engine API that MiniStack uses, on a Unix socket,
//! running images as plain processes.
//!
//! MiniStack runs ECS tasks through the Docker Engine API. Where there is no Docker, this engine answers in its place:
//! it pulls the task's image from MiniStack's own registry, unpacks its layers into a folder and runs its command
//! there, as a process group with an address of its own on loopback. So a task that ECS reports as running is a
//! process that serves, a broken image really answers 500 through the load balancer, and one that crashes really
//! trips ECS's circuit breaker.
//!
//! It is not a sandbox: nothing is isolated from the machine. `tests/local/README.md` says what that means.

mod address;
mod api;
mod container;
mod image;
mod layer;
mod log;
mod watchdog;

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{net::UnixListener, task::JoinHandle};
use url::Url;

use self::{address::Addresses, container::Container, image::Images, watchdog::Watchdog};

/// How long containers get to stop by themselves when the engine shuts down.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// Where the engine listens, keeps its files, and finds images and programs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The Unix socket to listen on; MiniStack is given `DOCKER_HOST=unix://…`. At most 107 bytes long.
    pub socket: PathBuf,
    /// A folder for blobs and unpacked images. It may outlive the engine: what is there is not fetched again.
    pub state: PathBuf,
    /// The registry that images come from: MiniStack's endpoint. It need not answer yet when the engine starts.
    pub registry: Url,
    /// Folders that containers' programs are looked for first, before the image's own: the `bin` of the private
    /// Python environment.
    pub path: Vec<PathBuf>,
}

/// A running engine. [`Engine::shutdown`] ends it and every container; dropping it ends them too, at once.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    socket: PathBuf,
}

impl Engine {
    /// Starts to listen on the socket.
    ///
    /// # Errors
    ///
    /// When another engine listens there, or the socket, the state folder or the watchdog cannot be made.
    // The signature leaves room for what has to be awaited; callers await it with the other parts of the local cloud.
    #[expect(
        clippy::unused_async,
        reason = "binding needs a Tokio runtime, which only an async function promises"
    )]
    pub async fn start(config: EngineConfig) -> anyhow::Result<Self> {
        let listener = bind(&config.socket)?;
        let shared = Arc::new(Shared {
            images: Images::open(&config.state, &config.registry)?,
            addresses: Arc::new(Addresses::new()),
            containers: Mutex::default(),
            watchdog: Arc::new(Watchdog::start()?),
            path: config.path,
            closing: AtomicBool::new(false),
        });
        let router = api::router(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the container engine ended");
            }
        });
        Ok(Self { shared, server, socket: config.socket })
    }

    /// Stops every container, politely for a few seconds and then by force, and the engine itself.
    pub async fn shutdown(self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let containers: Vec<_> = self.shared.containers().values().cloned().collect();
        futures::future::join_all(containers.iter().map(|container| container.stop(STOP_WITHIN))).await;
        // The rest is what `drop` does.
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.server.abort();
        for container in self.shared.containers().values() {
            container.kill();
        }
        self.shared.watchdog.end();
        if let Err(error) = fs::remove_file(&self.socket) {
            tracing::debug!(%error, "the engine's socket was gone already");
        }
    }
}

/// What every request to the engine shares.
#[derive(Debug)]
struct Shared {
    images: Images,
    addresses: Arc<Addresses>,
    containers: Mutex<HashMap<String, Arc<Container>>>,
    watchdog: Arc<Watchdog>,
    path: Vec<PathBuf>,
    closing: AtomicBool,
}

impl Shared {
    fn containers(&self) -> MutexGuard<'_, HashMap<String, Arc<Container>>> {
        locked(&self.containers)
    }

    /// The container of this id, name, or unambiguous beginning of an id, as Docker finds it.
    fn container(&self, reference: &str) -> Option<Arc<Container>> {
        let containers = self.containers();
        if let Some(container) = containers.get(reference) {
            return Some(Arc::clone(container));
        }
        let name = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(container) = containers.values().find(|container| container.name == name) {
            return Some(Arc::clone(container));
        }
        let mut beginning = containers
            .values()
            .filter(|container| !reference.is_empty() && container.id.starts_with(reference));
        match (beginning.next(), beginning.next()) {
            (Some(container), None) => Some(Arc::clone(container)),
            _ => None,
        }
    }
}

/// Listens on the socket, which only this user may use. A file left by an engine that died is replaced.
fn bind(socket: &Path) -> anyhow::Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    match std::os::unix::net::UnixStream::connect(socket) {
        Ok(_) => bail!("a container engine already listens on {}", socket.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => {
            fs::remove_file(socket).with_context(|| format!("{} cannot be replaced", socket.display()))?;
        }
    }
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("the container engine cannot listen on {}", socket.display()))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The lock, also after another thread panicked with it: every value here is whole between statements.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
