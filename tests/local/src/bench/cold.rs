//! Cold starts: from the process's start until it asks for an event, and until it has answered the first one.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::{
    case::Case,
    endpoint::{Counted, Endpoint},
    lambda::RuntimeApi,
};
use crate::{client, process::Group};

/// How long a process may take until it has answered.
const PATIENCE: Duration = Duration::from_secs(60);
/// The part of a processor that Lambda gives a function of 256 MiB, of 1,769 MiB for a whole one ("Configure Lambda
/// function memory", AWS Lambda developer guide).
pub const SHARE: (u64, u64) = (256, 1_769);

/// What is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// What a person calls it.
    pub name: String,
    /// Its program and arguments.
    pub command: Vec<OsString>,
    /// What it needs beside what every Lambda function has.
    pub environment: BTreeMap<String, String>,
}

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The folder of `server.pem`, `server.key` and `authorities.pem`, where the endpoint speaks TLS.
    pub certificate: Option<PathBuf>,
    /// A control group with a share of a processor.
    pub group: Option<PathBuf>,
}

/// One start of a program.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Until it asked for an event.
    pub ready: Duration,
    /// Until it had answered the first one.
    pub answered: Duration,
    /// From its next event to its answer.
    pub warm: Duration,
    /// The most memory that it had, in KiB.
    pub memory: u64,
    /// The calls of the first invocation.
    pub calls: usize,
    /// The connections that it opened until then, in init and in the first invocation.
    pub connections: usize,
    /// The connections that the warm invocation opened.
    pub warm_connections: usize,
}

/// Starts a program once, gives it the case's event twice, and ends it.
///
/// # Errors
///
/// When it does not answer, or asks for something that was not recorded.
pub async fn start(program: &Program, case: &Case, setting: &Setting) -> anyhow::Result<Start> {
    let endpoint = Endpoint::start(setting.certificate.as_deref()).await?;
    let balancers = Endpoint::start(None).await?;
    let mut api = RuntimeApi::start().await?;
    let log = tempfile::tempfile()?;
    let mut command = command(program, case, setting, (&endpoint, &balancers), &api)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    let measured = async {
        let begun = Instant::now();
        let mut process = Group::start(&mut command)?;
        let id = process.id();
        let measured = async {
            let ready = api.ready().await? - begun;
            endpoint.play(case)?;
            api.invoke(&case.event)?;
            let answered = api.answered().await? - begun;
            let Counted { connections, calls } = endpoint.counted()?;
            let memory = peak(id)?;
            endpoint.rewind();
            api.ready().await?;
            let again = Instant::now();
            api.invoke(&case.event)?;
            let warm = api.answered().await? - again;
            let warm_connections = endpoint.counted()?.connections;
            anyhow::Ok(Start { ready, answered, warm, memory, calls, connections, warm_connections })
        };
        tokio::select! {
            measured = measured => measured,
            status = process.wait() => bail!("it ended ({})", status?),
        }
    };
    let measured = tokio::time::timeout(PATIENCE, measured).await;
    let measured = measured.unwrap_or_else(|_| bail!("it took longer than {} s", PATIENCE.as_secs()));
    measured.with_context(|| format!("{}: {}", program.name, words(log)))
}

/// The last that a process wrote.
fn words(mut log: fs::File) -> String {
    use std::io::{Read as _, Seek as _};
    let mut text = String::new();
    let read = log.rewind().and_then(|()| log.read_to_string(&mut text));
    let last: Vec<_> = text.lines().rev().take(3).collect();
    read.map(|_| last.into_iter().rev().collect::<Vec<_>>().join(" · ")).unwrap_or_default()
}

fn command(
    program: &Program,
    case: &Case,
    setting: &Setting,
    (endpoint, balancers): (&Endpoint, &Endpoint),
    api: &RuntimeApi,
) -> anyhow::Result<Command> {
    let (first, arguments) = program.command.split_first().context("a program without a command")?;
    let mut command = match &setting.group {
        None => Command::new(first),
        // The shell enters the group, and becomes the program: what it starts with is not counted apart.
        Some(group) => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(group.join("cgroup.procs")).arg(first);
            shell
        }
    };
    command
        .args(arguments)
        .env_clear()
        .envs(client::variables(&endpoint.url()))
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .env("LAMBDA_TASK_ROOT", "/var/task")
        .env("AWS_LAMBDA_RUNTIME_API", api.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", format!("slipway-{}", case.function))
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
        .envs(&program.environment)
        // Probes of load balancers are answered at once, too.
        .env("HTTP_PROXY", balancers.url())
        .env("NO_PROXY", "127.0.0.1,localhost");
    if let Some(folder) = &setting.certificate {
        let authorities = folder.join("authorities.pem");
        command.env("SSL_CERT_FILE", &authorities).env("AWS_CA_BUNDLE", &authorities);
    }
    Ok(command)
}

/// The most memory that a process has had, in KiB.
fn peak(process: i32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .context("the memory of a process is read on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// A control group with the share of a processor that Lambda gives 256 MiB, where this machine lets one be made.
#[derive(Debug)]
pub struct ControlGroup(PathBuf);

impl ControlGroup {
    /// Makes it, in either version of control groups.
    ///
    /// # Errors
    ///
    /// When this machine has none, or does not let this user make one.
    pub fn make() -> anyhow::Result<Self> {
        const PERIOD: u64 = 20_000;
        let quota = PERIOD * SHARE.0 / SHARE.1;
        let name = format!("slipway-bench-{}", std::process::id());
        let (folder, settings) = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            (Path::new("/sys/fs/cgroup").join(name), vec![("cpu.max", format!("{quota} {PERIOD}"))])
        } else {
            (
                Path::new("/sys/fs/cgroup/cpu").join(name),
                vec![("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", quota.to_string())],
            )
        };
        fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let group = Self(folder);
        for (file, value) in settings {
            fs::write(group.0.join(file), value).with_context(|| format!("{file} cannot be set"))?;
        }
        Ok(group)
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // A process that was killed is in it for a moment more.
        for _ in 0..20 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "a drop cannot wait otherwise")]
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
