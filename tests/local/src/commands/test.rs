//! `cargo local test`: every test of the project, on a cloud of its own.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use tokio::process::Command;

use super::{bring_up, demo, take_down};
use crate::{
    Cloud, Pace, Settings, client,
    environment::Environment,
    process,
    progress::{Seconds, heading},
    terraform::Terraform,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only the groups whose names contain this.
    #[arg(long)]
    only: Option<String>,
}

/// How a group of tests ended.
struct Ended {
    name: &'static str,
    took: Duration,
    outcome: anyhow::Result<()>,
}

/// A group that needs neither a cloud nor a quiet machine: it runs while Terraform's provider waits for the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Early {
    Format,
    Lint,
    Build,
}

impl Early {
    const ALL: [Self; 3] = [Self::Format, Self::Lint, Self::Build];

    const fn name(self) -> &'static str {
        match self {
            Self::Format => "cargo fmt --check",
            Self::Lint => "tests/lint/run",
            Self::Build => "cargo test --no-run",
        }
    }
}

/// A group of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Application,
    Corrections,
    TerraformFormat,
    TerraformValidate,
    TerraformTest,
    TerraformRules,
    Demo,
    Unchanged,
    Workspace,
}

impl Group {
    /// In their order: what is quick to fail comes first; the cloud is first seen to work as a person would.
    const ALL: [Self; 9] = [
        Self::Application,
        Self::Corrections,
        Self::TerraformFormat,
        Self::TerraformValidate,
        Self::TerraformTest,
        Self::TerraformRules,
        Self::Demo,
        Self::Unchanged,
        Self::Workspace,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Application => "pytest tests/app",
            Self::Corrections => "pytest tests/local",
            Self::TerraformFormat => "terraform fmt -check",
            Self::TerraformValidate => "terraform validate",
            Self::TerraformTest => "terraform test",
            Self::TerraformRules => "pytest infra/tests",
            Self::Demo => "demo",
            Self::Unchanged => "terraform plan, no changes",
            Self::Workspace => "cargo test --workspace",
        }
    }
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let state = settings.shared().join(format!("test-{}", std::process::id()));
    let settings = settings.with_state(state);
    heading("Starting a cloud for the tests; meanwhile, what needs none runs");
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only));
    // Of a hundred releases most of the time would be pauses between tries.
    let cloud = bring_up(&settings, free_port()?, Pace::Quick);
    let early = async {
        let mut ended = Vec::new();
        for group in Early::ALL.into_iter().filter(|group| wanted(group.name())) {
            let group = tokio::select! {
                group = run_early(group, &settings) => group,
                () = process::interrupted() => bail!("interrupted"),
            };
            ended.push(group);
        }
        Ok(ended)
    };
    let (cloud, mut ended) = match tokio::try_join!(cloud, early) {
        Ok(both) => both,
        Err(error) => {
            take_down(&settings).await?;
            return Err(error);
        }
    };

    let tests = async {
        for group in ended.iter().filter(|group| group.outcome.is_err()) {
            heading(group.name);
            show(&group.outcome);
        }
        for group in Group::ALL.into_iter().filter(|group| wanted(group.name())) {
            heading(group.name());
            let started = Instant::now();
            let outcome = run_group(group, &settings, &cloud).await;
            show(&outcome);
            ended.push(Ended { name: group.name(), took: started.elapsed(), outcome });
        }
        ended
    };
    let ended = tokio::select! {
        ended = tests => Ok(ended),
        () = process::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    take_down(&settings).await?;
    summarize(&ended?)
}

fn show(outcome: &anyhow::Result<()>) {
    if let Err(error) = outcome {
        eprintln!("{error:#}");
    }
}

/// Runs a group without showing its output, which stands in the error where it fails.
async fn run_early(group: Early, settings: &Settings) -> Ended {
    let started = Instant::now();
    let log = settings.shared().join(format!(
        "{}-{}.log",
        group.name().replace([' ', '/'], "-"),
        std::process::id()
    ));
    let outcome = match group {
        Early::Format if settings.program("rustfmt").is_none() => {
            println!("rustfmt is not installed: `{}` is left out", group.name());
            Ok(())
        }
        Early::Format => logged(settings, &log, "cargo", &["fmt", "--all", "--check"]).await,
        Early::Lint => logged(settings, &log, "bash", &["tests/lint/run"]).await,
        Early::Build => logged(settings, &log, "cargo", &["test", "--workspace", "--no-run"]).await,
    };
    if outcome.is_ok() {
        let _ = std::fs::remove_file(&log);
    }
    Ended { name: group.name(), took: started.elapsed(), outcome }
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
        Group::Application => pytest(settings, "tests/app").await,
        Group::Corrections => pytest(settings, "tests/local/ministack/tests").await,
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
        Group::Workspace => {
            let mut cargo = Command::new("cargo");
            cargo
                .args(["test", "--workspace"])
                .env("SLIPWAY_LOCAL", &settings.state)
                .current_dir(&settings.repository);
            process::run_shown(&mut cargo).await
        }
    }
}

async fn pytest(settings: &Settings, folder: &str) -> anyhow::Result<()> {
    process::run_shown(&mut pytest_command(settings, folder)).await
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
