//! `cargo local up`.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{PORT, take_down};
use crate::{
    Cloud, Pace, Settings,
    bundle::{self, Architecture},
    cloud,
    environment::Environment,
    functions, many, ministack, process,
    progress::{heading, long_step, note, step},
    state::StateFolder,
    terraform::Terraform,
};

/// How long the supervisor may take until the cloud answers.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a cloud is set up from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The repository, and the packages that are built in it.
    Repository,
    /// A bundle, which is made as for a release, and then alone what Terraform has.
    Bundle,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The port on which AWS's interfaces answer.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Shorten what the cloud itself waits for: health checks, retries, deployments that become steady.
    #[arg(long)]
    quick: bool,
    /// Make as many applications more, of two stages with one service each, for runs with hundreds of releases.
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=999))]
    applications: u16,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    heading("Starting the local cloud");
    let pace = Pace::quick(arguments.quick);
    let cloud = bring_up(settings, arguments.port, pace, Source::Repository).await?;
    if arguments.applications > 0 {
        let what = format!("{} applications more", arguments.applications);
        step(&what, Box::pin(many::make(cloud.sdk(), arguments.applications.into()))).await?;
    }
    heading(format!("The local cloud is up at {}", cloud.endpoint()));
    note("cargo local push --app-version v1   pushes an image, which starts a release");
    note("cargo local slipway status          shows what runs");
    note("cargo local inbox                   shows the mails");
    note("cargo local down                    stops everything");
    Ok(())
}

/// Starts a cloud and sets Slipway up on it: all of it, or nothing.
///
/// # Errors
///
/// When a tool is missing, the port is taken, a cloud already runs in the state folder, or a part fails. Whatever
/// had been started is stopped again.
pub async fn bring_up(settings: &Settings, port: u16, pace: Pace, source: Source) -> anyhow::Result<Cloud> {
    let state = StateFolder::new(&settings.state);
    if state.is_supervised() {
        bail!(
            "a local cloud already runs (its state is in {}): use it, or stop it with `cargo local down`",
            settings.state.display()
        );
    }
    // What a cloud that died left behind.
    take_down(settings).await?;
    if TcpListener::bind(("127.0.0.1", port)).is_err() {
        bail!("port {port} is taken: stop what uses it, or name another one with `--port`");
    }
    let attempt = || async {
        state.create()?;
        let outcome = tokio::select! {
            outcome = set_up(settings, port, pace, source) => outcome,
            () = process::interrupted() => Err(anyhow::anyhow!("interrupted; nothing is left running")),
        };
        if outcome.is_err() {
            keep_logs(settings, &state);
            take_down(settings).await?;
        }
        outcome
    };
    match attempt().await {
        Err(error) if met_itself(&error) => {
            note(format!("{error:#}"));
            note(
                "Terraform's provider lost an answer, called again and met what its first call had made: once more from nothing",
            );
            attempt().await
        }
        outcome => outcome,
    }
}

/// Whether something was there already: on a cloud that was empty, the provider's own second call finds it.
fn met_itself(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("terraform apply")
        && ["AlreadyExists", "already exists", "Duplicate", "not idempotent"]
            .iter()
            .any(|word| text.contains(word))
}

async fn set_up(settings: &Settings, port: u16, pace: Pace, source: Source) -> anyhow::Result<Cloud> {
    let state = StateFolder::new(&settings.state);
    let mut terraform = prepare(settings, port).await?;
    let packages = match source {
        Source::Repository => {
            step("Terraform's provider", terraform.init(settings)).await?;
            Some(functions::packages(settings))
        }
        Source::Bundle => {
            terraform = terraform.alone();
            let archive = made_bundle(settings).await?;
            step("Bundle, unpacked, and Terraform's provider", terraform.init_from_bundle(&archive)).await?;
            fs::remove_file(archive)?;
            // By Terraform's own defaults, as who applies a bundle has them.
            None
        }
    };
    step("AWS endpoint and container engine", start(settings, port, pace)).await?;
    let variables = cloud::variables(port, packages.as_deref(), pace);
    step("Slipway, applied with Terraform", terraform.apply(&variables)).await?;
    let outputs = terraform.outputs().await?;
    state.write_outputs(&outputs)?;
    Cloud::attach(settings).await
}

/// What a cloud needs before it starts: Python, the functions' packages, Terraform.
async fn prepare(settings: &Settings, port: u16) -> anyhow::Result<Terraform> {
    // Where neither is there yet, the one mostly waits for the network while the other builds.
    tokio::try_join!(
        long_step("Python environment", Environment::prepare(settings)),
        long_step("Functions, built for this machine", functions::build(settings)),
    )?;
    let terraform = step("Terraform", Terraform::prepare(settings, &ministack::endpoint(port))).await?;
    let packing = settings.clone();
    let packing = tokio::task::spawn_blocking(move || functions::pack(&packing));
    step("Functions, packed", async { packing.await? }).await?;
    Ok(terraform)
}

async fn made_bundle(settings: &Settings) -> anyhow::Result<PathBuf> {
    let making = settings.clone();
    let making = tokio::task::spawn_blocking(move || {
        let out = making.state.join("bundle");
        bundle::make(&making, Architecture::host(), &functions::packages(&making), &out)
    });
    step("Bundle, as a release has it", async { making.await? }).await
}

/// A cloud on which nothing is set up, as an AWS account is at first.
pub(super) struct Empty {
    pub(super) cloud: Cloud,
    /// Terraform, which has no other program of this machine.
    pub(super) terraform: Terraform,
    /// The unpacked bundle of a release.
    pub(super) bundle: PathBuf,
}

/// Starts a cloud on which nothing is set up, and unpacks a bundle beside it.
///
/// # Errors
///
/// When a tool is missing, or a part fails; what had been started is then left to [`take_down`].
pub(super) async fn bring_up_empty(settings: &Settings, port: u16, pace: Pace) -> anyhow::Result<Empty> {
    let state = StateFolder::new(&settings.state);
    state.create()?;
    let terraform = prepare(settings, port).await?.alone();
    let archive = made_bundle(settings).await?;
    let bundle = state.path().join("unpacked");
    bundle::unpack(&archive, &bundle)?;
    step("AWS endpoint and container engine", start(settings, port, pace)).await?;
    Ok(Empty { cloud: Cloud::attach(settings).await?, terraform, bundle })
}

/// Starts the supervisor in the background and waits until the cloud answers.
async fn start(settings: &Settings, port: u16, pace: Pace) -> anyhow::Result<()> {
    let state = StateFolder::new(&settings.state);
    let log = fs::File::create(state.log("serve"))?;
    let mut supervisor = Command::new(std::env::current_exe()?)
        .arg("serve")
        .args(["--port", &port.to_string()])
        .args((pace == Pace::Quick).then_some("--quick"))
        .arg("--state")
        .arg(&settings.state)
        .current_dir(&settings.repository)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A group of its own: Ctrl-C in the terminal is not meant for it.
        .process_group(0)
        .spawn()
        .context("the supervisor cannot be started")?;
    let started = Instant::now();
    while state.written().is_none() {
        if let Some(status) = supervisor.try_wait()? {
            let log = fs::read_to_string(state.log("serve")).unwrap_or_default();
            let last = log.lines().last().unwrap_or("it said nothing");
            bail!("the supervisor ended ({status}): {last}");
        }
        if started.elapsed() > PATIENCE {
            bail!("the AWS endpoint did not answer within {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Keeps the logs of a cloud that could not be set up, for the person who wants to know why.
pub(super) fn keep_logs(settings: &Settings, state: &StateFolder) {
    let kept = settings.shared().join("failed");
    let _ = fs::remove_dir_all(&kept);
    let _ = fs::create_dir_all(&kept);
    let copied = ["serve", "ministack", "terraform"]
        .into_iter()
        .filter(|log| fs::copy(state.log(log), kept.join(format!("{log}.log"))).is_ok())
        .count();
    if copied > 0 {
        eprintln!("  the logs are kept in {}", kept.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_met_its_own_first_try_is_made_again_from_nothing() {
        let failed = |text: &str| {
            anyhow::anyhow!("`terraform apply` failed (exit status: 1); its output is in a file\n{text}")
        };

        assert!(met_itself(&failed("EntityAlreadyExists: Role with name slipway-schedule already exists.")));
        assert!(met_itself(&failed("DuplicateLoadBalancerName: A load balancer with that name exists")));
        assert!(met_itself(&failed("InvalidParameterException: Creation of service was not idempotent.")));
        assert!(!met_itself(&failed("AccessDenied: User is not authorized")));
        assert!(!met_itself(&anyhow::anyhow!("port 4566 already exists as something else")));
    }
}
