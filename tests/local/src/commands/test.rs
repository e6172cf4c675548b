//! `cargo local test`: every test of the project, on a cloud of its own.

use std::{
    net::TcpListener,
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

/// A group of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Format,
    Lint,
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
    const ALL: [Self; 11] = [
        Self::Format,
        Self::Lint,
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
            Self::Format => "cargo fmt --check",
            Self::Lint => "tests/lint/run",
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
    heading("Starting a cloud for the tests");
    // Of a hundred releases most of the time would be pauses between tries.
    let cloud = bring_up(&settings, free_port()?, Pace::Quick).await?;

    let tests = async {
        let mut ended = Vec::new();
        for group in Group::ALL {
            let wanted = arguments.only.as_ref().is_none_or(|only| group.name().contains(only));
            if !wanted {
                continue;
            }
            heading(group.name());
            let started = Instant::now();
            let outcome = run_group(group, &settings, &cloud).await;
            if let Err(error) = &outcome {
                eprintln!("{error:#}");
            }
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

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

async fn run_group(group: Group, settings: &Settings, cloud: &Cloud) -> anyhow::Result<()> {
    match group {
        Group::Format => {
            if settings.program("rustfmt").is_none() {
                println!("rustfmt is not installed: left out");
                return Ok(());
            }
            shown(settings, "cargo", &["fmt", "--all", "--check"]).await
        }
        Group::Lint => shown(settings, "bash", &["tests/lint/run"]).await,
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

async fn shown(settings: &Settings, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&settings.repository);
    process::run_shown(&mut command).await
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
