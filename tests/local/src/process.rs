//! Child processes that end with all their descendants, whatever ends the program that started them.

use std::{
    ffi::OsStr,
    net::TcpListener,
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// A child in a process group of its own; the group is killed when this is dropped.
#[derive(Debug)]
pub struct Group {
    child: Child,
    leader: Pid,
    ended: bool,
}

impl Group {
    /// Starts the command as the leader of a new process group.
    ///
    /// # Errors
    ///
    /// When the command cannot be started.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let program = command.as_std().get_program().to_owned();
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("`{}` cannot be started", program.to_string_lossy()))?;
        let id = child.id().context("a child that has already ended")?;
        Ok(Self { child, leader: Pid::from_raw(i32::try_from(id)?), ended: false })
    }

    /// The group's number, which is its leader's process id.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.leader.as_raw()
    }

    /// The leader's piped output; none when it is not piped or already taken.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for the leader's end.
    ///
    /// # Errors
    ///
    /// When the operating system does not say how it ended.
    pub async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.ended = true;
        // Whatever it started and left behind ends with it.
        let _ = killpg(self.leader, Signal::SIGKILL);
        Ok(status)
    }

    /// Asks the group to end, and kills what has not ended after the given time.
    pub async fn stop(mut self, patience: Duration) {
        let _ = killpg(self.leader, Signal::SIGTERM);
        let _ = tokio::time::timeout(patience, self.wait()).await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            let _ = killpg(self.leader, Signal::SIGKILL);
        }
    }
}

/// Runs a command whose output nobody needs unless it fails; then the output is in the error and in the log.
///
/// # Errors
///
/// When it cannot be started, or ends with another code than 0: the error's first line says which command, the
/// last lines of its output follow.
pub async fn run(command: &mut Command, log: &Path) -> anyhow::Result<()> {
    let words = words_of(command);
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("{} cannot be written", log.display()))?;
    let start = file.metadata()?.len();
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let status = Group::start(command)?.wait().await?;
    if status.success() {
        return Ok(());
    }
    let output = std::fs::read(log).unwrap_or_default();
    let output = output.get(usize::try_from(start)?..).map(String::from_utf8_lossy).unwrap_or_default();
    let last: Vec<_> = output.lines().rev().take(25).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    bail!("`{words}` failed ({status}); its output is in {}\n{}", log.display(), last.join("\n"));
}

/// Runs a command that shows its own progress to the person.
///
/// # Errors
///
/// When it cannot be started, or ends with another code than 0.
pub async fn run_shown(command: &mut Command) -> anyhow::Result<()> {
    let words = words_of(command);
    let status = Group::start(command.stdin(Stdio::null()))?.wait().await?;
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

/// Runs a command whose standard output is read line by line.
///
/// # Errors
///
/// When it cannot be started, its output is not text, or it ends with another code than 0.
pub async fn run_read(command: &mut Command, mut read: impl FnMut(&str)) -> anyhow::Result<()> {
    let words = words_of(command);
    let mut group = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut lines = BufReader::new(group.output().context("its output is piped")?).lines();
    let status = loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => read(&line),
                None => break group.wait().await?,
            },
            status = group.wait() => break status?,
        }
    };
    // What it had written before it ended; something that it left behind may hold the pipe open.
    while let Ok(Ok(Some(line))) = tokio::time::timeout(Duration::from_millis(500), lines.next_line()).await {
        read(&line);
    }
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

fn words_of(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .take(4)
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a process of this number exists.
#[must_use]
pub fn exists(process: i32) -> bool {
    nix::sys::signal::kill(Pid::from_raw(process), None) != Err(Errno::ESRCH)
}

/// The command line of a process, when there is one of that number.
#[must_use]
pub fn command_line(process: i32) -> Option<String> {
    let answer = std::process::Command::new("ps")
        .args(["-ww", "-o", "command=", "-p", &process.to_string()])
        .output()
        .ok()?;
    let line = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    (!line.is_empty()).then_some(line)
}

/// Ends a process of which nothing but the number is known: first by asking, after the given time by killing its
/// whole group.
pub async fn end(process: i32, patience: Duration) {
    let started = Instant::now();
    let _ = nix::sys::signal::kill(Pid::from_raw(process), Signal::SIGTERM);
    while exists(process) && started.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _ = killpg(Pid::from_raw(process), Signal::SIGKILL);
}

/// Resolves when the person presses Ctrl-C or the system asks the program to end.
pub async fn interrupted() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

/// A port of this machine that nobody listens on.
///
/// # Errors
///
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
