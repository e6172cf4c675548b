//! `cargo local test`: every test of the project, on a cloud of its own.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use tokio::process::Command;

use super::{bring_up, demo, take_down, tokens};
use crate::{
    Awkward, Cloud, Pace, Settings, client,
    environment::Environment,
    process,
    progress::{Seconds, heading},
    state::StateFolder,
    terraform::Terraform,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only the groups whose names contain this.
    #[arg(long)]
    only: Option<String>,
    /// The tests of releases alone, on a cloud that is as awkward as AWS: its answers lag, it replaces tasks, it throttles.
    #[arg(long, conflicts_with = "only")]
    awkward: bool,
}

/// How a group of tests ended.
struct Ended {
    name: &'static str,
    took: Duration,
    outcome: anyhow::Result<()>,
}

/// A group whose output is shown only where it fails, because it runs beside another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    Format,
    Lint,
    Opinions,
    Build,
    Application,
    Corrections,
}

impl Quiet {
    /// None needs a cloud. These build, or wait for what builds.
    const BUILDING: [Self; 3] = [Self::Format, Self::Lint, Self::Build];
    /// These go beside them.
    const BESIDE: [Self; 2] = [Self::Opinions, Self::Application];
    /// These mostly wait, and are not for a machine that builds: they come once it has built.
    const AFTER: [Self; 1] = [Self::Corrections];

    const fn name(self) -> &'static str {
        match self {
            Self::Format => "cargo fmt --check",
            Self::Lint => "tests/lint/run",
            Self::Opinions => "tests/opinions/run",
            Self::Build => "cargo test --no-run",
            Self::Application => "pytest tests/app",
            Self::Corrections => "pytest tests/local",
        }
    }
}

/// A group of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    TerraformFormat,
    TerraformValidate,
    TerraformTest,
    TerraformRules,
    Demo,
    Unchanged,
    Workspace,
    Models,
    Tokens,
    /// Of the workspace those that need a cloud.
    Releases,
}

impl Group {
    const TERRAFORM: [Self; 4] =
        [Self::TerraformFormat, Self::TerraformValidate, Self::TerraformTest, Self::TerraformRules];
    /// The cloud is first seen to work as a person would; last every call that was made on it is judged, and every log
    /// that it left.
    const ON_THE_CLOUD: [Self; 5] =
        [Self::Demo, Self::Unchanged, Self::Workspace, Self::Models, Self::Tokens];

    const fn name(self) -> &'static str {
        match self {
            Self::TerraformFormat => "terraform fmt -check",
            Self::TerraformValidate => "terraform validate",
            Self::TerraformTest => "terraform test",
            Self::TerraformRules => "pytest infra/tests",
            Self::Demo => "demo",
            Self::Unchanged => "terraform plan, no changes",
            Self::Workspace => "cargo test --workspace",
            Self::Models => "cargo test --workspace, AWS's models",
            Self::Tokens => "cargo test --workspace, no token logged",
            Self::Releases => "cargo test --workspace --test cloud",
        }
    }
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let state = settings.shared().join(format!("test-{}", std::process::id()));
    let settings = settings.with_state(state);
    if arguments.awkward {
        return on_an_awkward_cloud(&settings).await;
    }
    heading("Starting a cloud for the tests; meanwhile, what needs none runs");
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only));
    let cloud = Box::pin(async {
        // Of a hundred releases most of the time would be pauses between tries.
        let cloud = bring_up(&settings, free_port()?, Pace::Quick).await?;
        let ended = openly(&Group::TERRAFORM, &settings, &cloud, wanted).await;
        Ok((cloud, ended))
    });
    let beside = Box::pin(async {
        tokio::select! {
            ended = all_quietly(&settings, wanted) => Ok(ended),
            () = process::interrupted() => bail!("interrupted"),
        }
    });
    let ((cloud, terraform), mut ended) = match tokio::try_join!(cloud, beside) {
        Ok(both) => both,
        Err(error) => {
            take_down(&settings).await?;
            return Err(error);
        }
    };
    show(&ended);
    ended.extend(terraform);

    let tests = async {
        ended.extend(openly(&Group::ON_THE_CLOUD, &settings, &cloud, wanted).await);
        ended
    };
    let ended = tokio::select! {
        ended = tests => Ok(ended),
        () = process::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    take_down(&settings).await?;
    summarize(&ended?)
}

/// Runs the tests of releases while AWS is as awkward as it may be. It takes longer than the plain run, so it is a command
/// of its own.
async fn on_an_awkward_cloud(settings: &Settings) -> anyhow::Result<()> {
    heading("Starting an awkward cloud: its answers lag, it replaces tasks, it throttles");
    let cloud = bring_up(settings, free_port()?, Pace::Quick).await?;
    cloud.is_always(Awkward::whole())?;
    let tests = openly(&[Group::Releases], settings, &cloud, |_| true);
    let ended = tokio::select! {
        ended = tests => Ok(ended),
        () = process::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    take_down(settings).await?;
    summarize(&ended?)
}

/// Shows what failed beside something else.
fn show(ended: &[Ended]) {
    for Ended { name, outcome, .. } in ended {
        if let Err(error) = outcome {
            heading(name);
            eprintln!("{error:#}");
        }
    }
}

/// Runs groups one after the other, and shows what they write.
async fn openly(
    groups: &[Group],
    settings: &Settings,
    cloud: &Cloud,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Ended> {
    let mut ended = Vec::new();
    for group in groups.iter().filter(|group| wanted(group.name())) {
        heading(group.name());
        let started = Instant::now();
        let outcome = run_group(*group, settings, cloud).await;
        if let Err(error) = &outcome {
            eprintln!("{error:#}");
        }
        ended.push(Ended { name: group.name(), took: started.elapsed(), outcome });
    }
    ended
}

/// Runs what needs no cloud, in two lanes first.
async fn all_quietly(settings: &Settings, wanted: impl Fn(&str) -> bool + Copy) -> Vec<Ended> {
    let (mut ended, beside) =
        tokio::join!(quietly(&Quiet::BUILDING, settings, wanted), quietly(&Quiet::BESIDE, settings, wanted));
    ended.extend(beside);
    ended.extend(quietly(&Quiet::AFTER, settings, wanted).await);
    ended
}

/// Runs groups one after the other. What one writes stands in its error, where it fails.
async fn quietly(groups: &[Quiet], settings: &Settings, wanted: impl Fn(&str) -> bool) -> Vec<Ended> {
    let mut ended = Vec::new();
    for group in groups.iter().filter(|group| wanted(group.name())) {
        let started = Instant::now();
        let name = group.name();
        let log =
            settings.shared().join(format!("{}-{}.log", name.replace([' ', '/'], "-"), std::process::id()));
        let outcome = match group {
            Quiet::Format if settings.program("rustfmt").is_none() => {
                println!("rustfmt is not installed: `{name}` is left out");
                Ok(())
            }
            Quiet::Format => logged(settings, &log, "cargo", &["fmt", "--all", "--check"]).await,
            Quiet::Lint => logged(settings, &log, "bash", &["tests/lint/run"]).await,
            Quiet::Opinions => opinions(settings, &log).await,
            Quiet::Build => logged(settings, &log, "cargo", &["test", "--workspace", "--no-run"]).await,
            Quiet::Application => pytest(settings, "tests/app", &log).await,
            Quiet::Corrections => pytest(settings, "tests/local/ministack/tests", &log).await,
        };
        if outcome.is_ok() {
            let _ = std::fs::remove_file(&log);
        }
        ended.push(Ended { name, took: started.elapsed(), outcome });
    }
    ended
}

/// The environment may not be made yet: the cloud makes it meanwhile.
async fn pytest(settings: &Settings, folder: &str, log: &Path) -> anyhow::Result<()> {
    Environment::prepare(settings).await?;
    process::run(&mut pytest_command(settings, folder), log).await
}

async fn opinions(settings: &Settings, log: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("bash");
    command.arg("tests/opinions/run").current_dir(&settings.repository);
    command.env("TERRAFORM", Terraform::find(settings).await?);
    if let Some(file) = Terraform::configuration(settings).await? {
        command.env("TF_CLI_CONFIG_FILE", file);
    }
    process::run(&mut command, log).await
}

async fn logged(settings: &Settings, log: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&settings.repository);
    process::run(&mut command, log).await
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

async fn run_group(group: Group, settings: &Settings, cloud: &Cloud) -> anyhow::Result<()> {
    match group {
        Group::TerraformFormat => {
            let terraform = Terraform::prepare(settings, cloud.endpoint()).await?;
            let mut command = Command::new(terraform.program());
            command
                .args(["fmt", "-check", "-diff", "-recursive"])
                .env_remove("TF_CLI_CONFIG_FILE")
                .current_dir(settings.repository.join("infra"));
            process::run_shown(&mut command).await
        }
        Group::TerraformValidate => {
            Terraform::prepare(settings, cloud.endpoint()).await?.show(["validate", "-no-color"]).await
        }
        Group::TerraformTest => Terraform::prepare(settings, cloud.endpoint()).await?.test().await,
        Group::TerraformRules => {
            let mut readmes = Command::new(Environment::made(settings).program("python"));
            readmes.args(["infra/tests/readmes.py", "--check"]).current_dir(&settings.repository);
            process::run_shown(&mut readmes).await?;
            let terraform = Terraform::prepare(settings, cloud.endpoint()).await?;
            let mut rules = pytest_command(settings, "infra/tests");
            rules.envs(client::variables(cloud.endpoint())).env("TERRAFORM", terraform.program());
            process::run_shown(&mut rules).await
        }
        Group::Demo => demo::show(cloud, true).await,
        // After releases: Terraform must not undo what they registered and counted.
        Group::Unchanged => {
            if !Terraform::prepare(settings, cloud.endpoint()).await?.is_up_to_date().await? {
                bail!("after `terraform apply` a plan still has changes");
            }
            Ok(())
        }
        Group::Models => {
            let mut models = Command::new(Environment::made(settings).program("python"));
            models
                .arg("tests/opinions/models.py")
                .arg(StateFolder::new(&settings.state).calls())
                .arg("--whole")
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .current_dir(&settings.repository);
            process::run_shown(&mut models).await
        }
        Group::Tokens => tokens::look(settings, cloud).await,
        Group::Workspace => cargo_test(settings, &["--workspace"]).await,
        Group::Releases => cargo_test(settings, &["--workspace", "--test", "cloud"]).await,
    }
}

async fn cargo_test(settings: &Settings, which: &[&str]) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.arg("test").args(which).env("SLIPWAY_LOCAL", &settings.state).current_dir(&settings.repository);
    process::run_shown(&mut cargo).await
}

fn pytest_command(settings: &Settings, folder: &str) -> Command {
    let mut pytest = Command::new(Environment::made(settings).program("python"));
    pytest
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(settings.repository.join(folder));
    pytest
}

fn summarize(ended: &[Ended]) -> anyhow::Result<()> {
    heading("Summary");
    for group in ended {
        let sign = if group.outcome.is_ok() { '✓' } else { '✗' };
        println!("  {sign} {:<40} {:>12}", group.name, Seconds(group.took));
    }
    let failed: Vec<_> =
        ended.iter().filter(|group| group.outcome.is_err()).map(|group| group.name).collect();
    println!("\n{} passed, {} failed", ended.len() - failed.len(), failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
