//! A container: an image's command as a process group with an address of its own.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    net::Ipv4Addr,
    os::unix::{
        fs::PermissionsExt as _,
        process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill, killpg},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    address::Addresses,
    image::Image,
    locked,
    log::{Log, Stream},
    watchdog::Watchdog,
};

/// How long a start waits for the ports to accept connections before it calls the container started anyway.
const SERVE_WITHIN: Duration = Duration::from_secs(5);
/// How often a program that is still held open is tried again.
const BUSY_TRIES: u32 = 1000;
const ASK_EVERY: Duration = Duration::from_millis(10);
/// How long output that is still under way is waited for after the process has ended.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);
/// Where programs of the machine are found.
const MACHINE_PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// How a container is run, as its creator asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// What replaces the image's entrypoint.
    pub(super) entrypoint: Option<Vec<String>>,
    /// What replaces the image's command.
    pub(super) command: Option<Vec<String>>,
    /// `NAME=value`, over the image's own.
    pub(super) environment: Vec<String>,
    pub(super) working_folder: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    /// Ports that are exposed in addition to the image's own.
    pub(super) ports: Vec<String>,
    /// Host names that stand for this machine, such as `host.docker.internal`.
    pub(super) names_of_this_machine: Vec<String>,
}

/// Where a container is in its life.
#[derive(Clone, Debug)]
pub(super) enum State {
    Created,
    Running { process: Pid, address: Ipv4Addr, since: Timestamp },
    Exited { code: i32, since: Timestamp, at: Timestamp },
}

impl State {
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// Why a container did not start.
#[derive(Debug)]
pub(super) enum StartError {
    AlreadyRunning,
    /// The image or the machine does not allow it; the text is for people.
    Impossible(anyhow::Error),
}

/// An image that runs, ran or will run.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: Arc<Image>,
    /// The image as its creator named it.
    pub(super) image_name: String,
    pub(super) created: Timestamp,
    pub(super) options: Options,
    pub(super) log: Log,
    state: watch::Sender<State>,
    /// The process while it may be signalled. Taken away before it is reaped, so that its number is never another's.
    process: Mutex<Option<Pid>>,
}

impl Container {
    pub(super) fn new(name: Option<String>, image: Arc<Image>, image_name: String, options: Options) -> Self {
        let id = new_id();
        Self {
            name: name.unwrap_or_else(|| format!("container-{}", &id[..12])),
            id,
            image,
            image_name,
            created: crate::clock::now(),
            options,
            log: Log::new(),
            state: watch::Sender::new(State::Created),
            process: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// The program and its arguments.
    pub(super) fn command_line(&self) -> Vec<String> {
        let settings = &self.image.settings;
        let (entrypoint, command) = (&self.options.entrypoint, &self.options.command);
        let mut line = entrypoint.clone().unwrap_or(settings.entrypoint.clone());
        // As Docker does it: another entrypoint does not get the image's command.
        match command {
            Some(command) => line.extend(command.iter().cloned()),
            None if entrypoint.is_none() => line.extend(settings.cmd.iter().cloned()),
            None => {}
        }
        line
    }

    /// The environment as the image and the creator asked for it.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        self.image
            .settings
            .env
            .iter()
            .chain(&self.options.environment)
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The exposed ports as Docker writes them: `8080/tcp`.
    pub(super) fn exposed_ports(&self) -> Vec<String> {
        let mut ports: Vec<_> = self.image.settings.exposed_ports.keys().cloned().collect();
        ports.extend(self.options.ports.iter().cloned());
        ports.sort();
        ports.dedup();
        ports
    }

    fn tcp_ports(&self) -> Vec<u16> {
        self.exposed_ports()
            .iter()
            .filter_map(|port| match port.split_once('/') {
                None => port.parse().ok(),
                Some((port, "tcp")) => port.parse().ok(),
                Some(_) => None,
            })
            .collect()
    }

    pub(super) fn working_folder(&self) -> &str {
        match &self.options.working_folder {
            Some(folder) if !folder.is_empty() => folder,
            _ => &self.image.settings.working_dir,
        }
    }

    /// Starts the process and waits until its ports accept connections, it ends, or a few seconds have passed.
    ///
    /// MiniStack calls a task running, and its deployment complete, on the strength of this answer: so it comes when
    /// the application serves.
    pub(super) async fn start(
        self: &Arc<Self>,
        addresses: &Arc<Addresses>,
        watchdog: &Arc<Watchdog>,
        path: &[PathBuf],
    ) -> Result<(), StartError> {
        let ports = self.tcp_ports();
        let address = {
            let mut running = locked(&self.process);
            if running.is_some() || self.state().is_running() {
                return Err(StartError::AlreadyRunning);
            }
            let address = addresses.take(&ports).map_err(StartError::Impossible)?;
            let child = match self.spawn(address, path) {
                Ok(child) => child,
                Err(error) => {
                    addresses.give_back(address);
                    return Err(StartError::Impossible(error));
                }
            };
            let process = pid_of(&child);
            watchdog.add(process);
            *running = Some(process);
            let since = crate::clock::now();
            self.state.send_replace(State::Running { process, address, since });
            let (container, watchdog) = (Arc::clone(self), Arc::clone(watchdog));
            let addresses = Arc::clone(addresses);
            thread::spawn(move || {
                let code = container.attend(child, process);
                watchdog.remove(process);
                addresses.give_back(address);
                container.state.send_replace(State::Exited { code, since, at: crate::clock::now() });
            });
            address
        };

        let mut state = self.state.subscribe();
        tokio::select! {
            _ = timeout(SERVE_WITHIN, accepts(address, &ports)) => {}
            _ = state.wait_for(|state| !state.is_running()) => {}
        }
        Ok(())
    }

    /// Runs the command in the image's folder. A process group of its own is all that sets it apart.
    fn spawn(&self, address: Ipv4Addr, path: &[PathBuf]) -> anyhow::Result<Child> {
        let line = self.command_line();
        let (program, arguments) = line
            .split_first()
            .context("no command specified: neither the image nor the container names one")?;
        let root = &self.image.root;
        let folder = in_root(root, Path::new(self.working_folder()));
        fs::create_dir_all(&folder)
            .with_context(|| format!("the working folder {} cannot be made", folder.display()))?;

        let mut environment = self.environment();
        for name in &self.options.names_of_this_machine {
            for value in environment.values_mut() {
                *value = value.replace(&format!("//{name}:"), "//127.0.0.1:");
            }
        }
        let search = search_path(path, root, environment.get("PATH"));
        let program = find_program(program, &search, root, &folder)?;
        environment.insert("PATH".to_owned(), join_paths(&search));
        for (name, value) in [
            // Where to listen: all containers share the machine's network.
            ("HOST", address.to_string()),
            ("HOSTNAME", self.id[..12].to_owned()),
            ("HOME", root.display().to_string()),
        ] {
            environment.entry(name.to_owned()).or_insert(value);
        }

        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment)
            .current_dir(folder)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut tries = 0;
        let mut child = loop {
            match command.spawn() {
                // Another container was being started just while this one's program was unpacked, and holds it open
                // for an instant.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                    tries += 1;
                }
                spawned => break spawned,
            }
        }
        .with_context(|| {
            format!("failed to create task for container: exec: \"{}\" cannot be run", program.display())
        })?;
        // Taken here, read by `attend`: a child without its output is not a container.
        if child.stdout.is_none() || child.stderr.is_none() {
            child.kill()?;
            bail!("the container has no output");
        }
        Ok(child)
    }

    /// Collects the output of the process until it has ended, ends what it left behind, and returns its exit code.
    fn attend(self: &Arc<Self>, mut child: Child, process: Pid) -> i32 {
        let (sender, both_read) = mpsc::channel::<()>();
        if let Some(from) = child.stdout.take() {
            let (container, sender) = (Arc::clone(self), sender.clone());
            thread::spawn(move || {
                container.log.read(Stream::Stdout, from);
                drop(sender);
            });
        }
        if let Some(from) = child.stderr.take() {
            let container = Arc::clone(self);
            thread::spawn(move || {
                container.log.read(Stream::Stderr, from);
                drop(sender);
            });
        }

        // Seen to have ended, not yet reaped: until then its number cannot become another group's.
        while waitid(Id::Pid(process), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        *locked(&self.process) = None;
        // As with a real container, everything ends with its first process.
        let _ = killpg(process, Signal::SIGKILL);
        let code = child.wait().map_or(137, exit_code);
        // Ends early when both readers are through, which is the rule.
        let _ = both_read.recv_timeout(DRAIN_WITHIN);
        code
    }

    /// Waits until the process has ended and returns its exit code; that of a container that never ran is 0.
    pub(super) async fn wait(&self) -> i32 {
        let mut state = self.state.subscribe();
        let ended = state.wait_for(|state| !state.is_running()).await.map(|state| state.clone());
        match ended {
            Ok(State::Exited { code, .. }) => code,
            _ => 0,
        }
    }

    /// Sends a signal to the first process, or kills all of them. Says whether the container ran.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        let running = locked(&self.process);
        let Some(process) = *running else {
            return false;
        };
        let sent = match signal {
            Signal::SIGKILL => killpg(process, signal),
            other => kill(process, other),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, container = self.name, "the process was ending already");
        }
        true
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Asks the process to end, and kills it when it has not done so in time. Says whether the container ran.
    pub(super) async fn stop(&self, within: Duration) -> bool {
        if !self.signal(Signal::SIGTERM) {
            // It may be ending right now.
            self.wait().await;
            return false;
        }
        if timeout(within, self.wait()).await.is_err() {
            self.kill();
            self.wait().await;
        }
        true
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }
}

/// Waits until all of the ports accept a connection. Without ports there is nothing to wait for.
async fn accepts(address: Ipv4Addr, ports: &[u16]) {
    for port in ports {
        while TcpStream::connect((address, *port)).await.is_err() {
            sleep(ASK_EVERY).await;
        }
    }
}

/// A container's path, which is absolute or relative to its root, on this machine.
fn in_root(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Where the container's programs are looked for: what the engine provides, the image, the machine.
fn search_path(provided: &[PathBuf], root: &Path, of_image: Option<&String>) -> Vec<PathBuf> {
    let of_image = of_image.map_or("", String::as_str).split(':');
    provided
        .iter()
        .cloned()
        .chain(
            of_image
                .filter(|folder| !folder.is_empty())
                .map(|folder| in_root(root, Path::new(folder)))
                .filter(|folder| folder.is_dir()),
        )
        .chain(MACHINE_PATH.map(PathBuf::from))
        .collect()
}

fn join_paths(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":")
}

/// The program on this machine: in the image if it is there, else the machine's own of that name.
fn find_program(program: &str, search: &[PathBuf], root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let candidates: Vec<PathBuf> = if program.starts_with('/') {
        vec![in_root(root, Path::new(program)), PathBuf::from(program)]
    } else if program.contains('/') {
        vec![folder.join(program)]
    } else {
        search.iter().map(|folder| folder.join(program)).collect()
    };
    candidates.into_iter().find(|candidate| is_executable(candidate)).with_context(|| {
        format!(
            "failed to create task for container: exec: \"{program}\": executable file not found in $PATH"
        )
    })
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// The exit code as shells and Docker give it: 128 and the signal for a process that was killed.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(137)
}

/// 64 hexadecimal digits that no other container has.
fn new_id() -> String {
    // Each `RandomState` has keys of its own.
    let random: [u64; 4] = std::array::from_fn(|index| RandomState::new().hash_one(index));
    hex::encode(Sha256::digest(random.map(u64::to_be_bytes).concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::image::Settings;

    struct World {
        folder: tempfile::TempDir,
        addresses: Arc<Addresses>,
        watchdog: Arc<Watchdog>,
    }

    impl World {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().expect("a temporary folder"),
                addresses: Arc::new(Addresses::new()),
                watchdog: Arc::new(Watchdog::start().expect("it starts")),
            }
        }

        fn container(&self, command: &[&str]) -> Arc<Container> {
            let settings = Settings {
                env: vec!["COLOUR=red".to_owned(), "SHAPE=round".to_owned()],
                cmd: command.iter().map(ToString::to_string).collect(),
                working_dir: "/app".to_owned(),
                ..Settings::default()
            };
            let image = Image {
                id: "sha256:0".to_owned(),
                root: self.folder.path().to_owned(),
                created: String::new(),
                architecture: String::new(),
                size: 0,
                settings,
            };
            let options = Options {
                environment: vec![
                    "COLOUR=blue".to_owned(),
                    "ENDPOINT=http://host.docker.internal:4566/".to_owned(),
                ],
                names_of_this_machine: vec!["host.docker.internal".to_owned()],
                ..Options::default()
            };
            Arc::new(Container::new(None, Arc::new(image), "web".to_owned(), options))
        }

        async fn start(&self, container: &Arc<Container>) {
            container.start(&self.addresses, &self.watchdog, &[]).await.expect("it starts");
        }
    }

    fn output(container: &Container) -> String {
        let lines = container.log.from(0).0;
        let bytes: Vec<u8> = lines.into_iter().flat_map(|line| line.text).collect();
        String::from_utf8(bytes).expect("text")
    }

    #[tokio::test]
    async fn a_container_sees_its_own_environment_and_not_the_machines() {
        let world = World::new();
        let container = world.container(&["env"]);

        world.start(&container).await;
        let code = container.wait().await;

        let output = output(&container);
        assert_eq!(code, 0);
        assert!(output.contains("COLOUR=blue\n"), "{output}");
        assert!(output.contains("SHAPE=round\n"), "{output}");
        assert!(output.contains("HOST=127."), "{output}");
        assert!(output.contains("ENDPOINT=http://127.0.0.1:4566/\n"), "{output}");
        assert!(!output.contains("CARGO"), "{output}");
    }

    #[tokio::test]
    async fn a_programs_exit_code_and_a_signals_are_reported_as_docker_does() {
        for (script, expected) in [("exit 3", 3), ("kill -s TERM $$", 143)] {
            let world = World::new();
            let container = world.container(&["sh", "-c", script]);

            world.start(&container).await;

            assert_eq!(container.wait().await, expected, "{script}");
        }
    }

    #[tokio::test]
    async fn what_a_process_leaves_behind_ends_with_it() {
        let world = World::new();
        let container = world.container(&["sh", "-c", "sleep 60 & echo $!"]);

        world.start(&container).await;
        container.wait().await;

        let left = Pid::from_raw(output(&container).trim().parse().expect("a process id"));
        assert!(is_gone(left).await, "{left}");
    }

    #[tokio::test]
    async fn a_process_that_ignores_its_end_is_killed_with_its_children() {
        let world = World::new();
        let script = "trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done";
        let container = world.container(&["sh", "-c", script]);
        world.start(&container).await;
        while output(&container).is_empty() {
            sleep(ASK_EVERY).await;
        }

        assert!(container.stop(Duration::from_millis(100)).await);

        let left = Pid::from_raw(output(&container).trim().parse().expect("a process id"));
        assert_eq!(container.wait().await, 137);
        assert!(is_gone(left).await, "{left}");
        assert!(!container.stop(Duration::ZERO).await, "it ran no more");
    }

    #[tokio::test]
    async fn a_program_that_is_nowhere_is_named() {
        let world = World::new();
        let container = world.container(&["no-such-program"]);

        let failure = container.start(&world.addresses, &world.watchdog, &[]).await;

        let Err(StartError::Impossible(failure)) = failure else {
            panic!("it cannot start");
        };
        assert!(failure.to_string().contains("\"no-such-program\""));
        assert!(matches!(container.state(), State::Created));
    }

    #[tokio::test]
    async fn an_absolute_program_is_the_images_own_if_it_has_it() {
        let world = World::new();
        let program = world.folder.path().join("bin/sh");
        fs::create_dir_all(world.folder.path().join("bin")).expect("a folder");
        fs::write(&program, "#!/bin/sh\necho ours\n").expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
        let container = world.container(&["/bin/sh", "-c", "echo theirs"]);

        world.start(&container).await;
        container.wait().await;

        assert_eq!(output(&container), "ours\n");
    }

    #[tokio::test]
    async fn a_command_replaces_the_images_and_an_entrypoint_drops_it() {
        let world = World::new();
        let mut container = Arc::into_inner(world.container(&["image"])).expect("the only one");
        assert_eq!(container.command_line(), ["image"]);

        container.options.command = Some(vec!["mine".to_owned()]);
        assert_eq!(container.command_line(), ["mine"]);

        container.options.command = None;
        container.options.entrypoint = Some(vec!["entry".to_owned()]);
        assert_eq!(container.command_line(), ["entry"]);
    }

    /// Whether the process is gone, or a zombie that waits for init.
    async fn is_gone(process: Pid) -> bool {
        let state = || fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        for _ in 0..200 {
            let state = state();
            if state.is_empty() || state.contains(") Z ") {
                return true;
            }
            sleep(ASK_EVERY).await;
        }
        false
    }
}
