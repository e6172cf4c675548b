//! `cargo local test`: every test of the project, on a cloud of its own.

use std::{
    env,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;
use futures::future::try_join_all;
use tokio::process::Command;

use super::{Source, adopt, bring_up, demo, take_down, tokens, trial};
use crate::{
    Awkward, Cloud, Pace, Settings, client,
    environment::Environment,
    failures::Failures,
    process,
    progress::{Seconds, heading},
    terraform::Terraform,
};

/// The tests that need a cloud: those of releases, and the documents' commands.
const ON_A_CLOUD: [&str; 2] = ["cloud", "readme"];
/// Each has a memory of its own: 700 MiB, and the tests' load on AWS's interfaces.
const MOST_CLOUDS: usize = 4;

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
    Workspace,
}

impl Quiet {
    /// None needs a cloud. These build, or wait for what builds.
    const BUILDING: [Self; 3] = [Self::Format, Self::Lint, Self::Build];
    /// These go beside them.
    const BESIDE: [Self; 2] = [Self::Opinions, Self::Application];

    const fn name(self) -> &'static str {
        match self {
            Self::Format => "cargo fmt --check",
            Self::Lint => "tests/lint/run",
            Self::Opinions => "tests/opinions/run",
            Self::Build => "cargo test --no-run",
            Self::Application => "pytest tests/app",
            Self::Corrections => "pytest tests/local",
            Self::Workspace => "cargo test --workspace, what needs no cloud",
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
    /// Of the workspace those that need a cloud.
    Releases,
    Api,
    Trial,
    Adopt,
    Models,
    Tokens,
}

impl Group {
    const TERRAFORM: [Self; 4] =
        [Self::TerraformFormat, Self::TerraformValidate, Self::TerraformTest, Self::TerraformRules];
    /// The cloud is first seen to work as a person would. These mostly wait.
    const FIRST_ON_THE_CLOUD: [Self; 2] = [Self::Demo, Self::Unchanged];
    /// Last every call that was made on the clouds is judged, and every log that they left.
    const ON_THE_CLOUDS: [Self; 3] = [Self::Releases, Self::Models, Self::Tokens];

    /// Played where `--only` names it: what the one asks depends on what the cloud has, and freezes all of it; the others
    /// start a cloud of their own.
    const BY_NAME: [Self; 3] = [Self::Api, Self::Trial, Self::Adopt];

    const fn name(self) -> &'static str {
        match self {
            Self::TerraformFormat => "terraform fmt -check",
            Self::TerraformValidate => "terraform validate",
            Self::TerraformTest => "terraform test",
            Self::TerraformRules => "pytest infra/tests",
            Self::Demo => "demo",
            Self::Unchanged => "terraform plan, no changes",
            Self::Api => "tests/api/run",
            Self::Trial => "trial",
            Self::Adopt => "adopt",
            Self::Models => "cargo test --workspace, AWS's models",
            Self::Tokens => "cargo test --workspace, no token logged",
            Self::Releases => "cargo test --workspace, what needs a cloud",
        }
    }
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let settings = settings.of_this_run("test");
    if arguments.awkward {
        return on_an_awkward_cloud(&settings).await;
    }
    heading("Starting a cloud for the tests; meanwhile, what needs none runs");
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only));
    let others = others(&settings);
    let clouds = Box::pin(async {
        // Of a hundred releases most of the time would be pauses between tries.
        let cloud = bring_up(&settings, process::free_port()?, Pace::Quick, Source::Repository).await?;
        let beside = Box::pin(bring_up_others(&others));
        let mut clouds = Clouds { first: cloud, others: Vec::new() };
        let (others, ended) = tokio::join!(beside, openly(&Group::TERRAFORM, &settings, &clouds, wanted));
        clouds.others = others?;
        Ok((clouds, ended))
    });
    let beside = Box::pin(async {
        tokio::select! {
            ended = all_quietly(&settings, wanted) => Ok(ended),
            () = process::interrupted() => bail!("interrupted"),
        }
    });
    let ((clouds, terraform), mut ended) = match tokio::try_join!(clouds, beside) {
        Ok(both) => both,
        Err(error) => {
            take_all_down(&settings, &others).await?;
            return Err(error);
        }
    };
    show(&ended);
    ended.extend(terraform);

    let tests = async {
        let (first, units, corrections) = tokio::join!(
            openly(&Group::FIRST_ON_THE_CLOUD, &settings, &clouds, wanted),
            quietly(&[Quiet::Workspace], &settings, wanted),
            quietly(&[Quiet::Corrections], &settings, wanted),
        );
        show(&units);
        show(&corrections);
        ended.extend(first.into_iter().chain(units).chain(corrections));
        ended.extend(openly(&Group::ON_THE_CLOUDS, &settings, &clouds, wanted).await);
        if arguments.only.is_some() {
            ended.extend(openly(&Group::BY_NAME, &settings, &clouds, wanted).await);
        }
        ended
    };
    let ended = tokio::select! {
        ended = tests => Ok(ended),
        () = process::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    take_all_down(&settings, &others).await?;
    // Where the run was interrupted while one of these had a cloud of its own.
    for name in ["trial", "adopt"] {
        take_down(&settings.of_this_run(name)).await?;
    }
    summarize(&ended?)
}

/// The clouds that the tests of releases share; each is one test's at a time.
struct Clouds {
    first: Cloud,
    /// A test waits most of its time, so a machine plays one cloud more than it has cores.
    others: Vec<Cloud>,
}

impl Clouds {
    fn all(&self) -> impl Iterator<Item = &Cloud> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// Where the other clouds are; none on a machine with one core.
fn others(settings: &Settings) -> Vec<Settings> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = if cores > 1 { cores.min(MOST_CLOUDS - 1) } else { 0 };
    (1..=count)
        .map(|number| {
            let mut state = settings.state.clone().into_os_string();
            state.push(format!("-{}", number + 1));
            settings.with_state(state.into())
        })
        .collect()
}

/// The first of them is applied from a bundle, so all that is tested on it holds for who has a bundle alone.
async fn bring_up_others(others: &[Settings]) -> anyhow::Result<Vec<Cloud>> {
    let sources = std::iter::once(Source::Bundle).chain(std::iter::repeat(Source::Repository));
    try_join_all(
        others.iter().zip(sources).map(async |(settings, source)| {
            bring_up(settings, process::free_port()?, Pace::Quick, source).await
        }),
    )
    .await
}

async fn take_all_down(settings: &Settings, others: &[Settings]) -> anyhow::Result<()> {
    for other in others {
        take_down(other).await?;
    }
    take_down(settings).await
}

/// Runs the tests of releases while AWS is as awkward as it may be. It takes longer than the plain run, so it is a command
/// of its own.
async fn on_an_awkward_cloud(settings: &Settings) -> anyhow::Result<()> {
    heading("Starting an awkward cloud: its answers lag, it replaces tasks, it throttles");
    let cloud = bring_up(settings, process::free_port()?, Pace::Quick, Source::Repository).await?;
    cloud.is_always(Awkward::whole())?;
    // What it says about times holds for a machine that plays one.
    let clouds = Clouds { first: cloud, others: Vec::new() };
    let tests = openly(&[Group::Releases], settings, &clouds, |_| true);
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
    clouds: &Clouds,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Ended> {
    let mut ended = Vec::new();
    for group in groups.iter().filter(|group| wanted(group.name())) {
        heading(group.name());
        let started = Instant::now();
        let outcome = run_group(*group, settings, clouds).await;
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
            Quiet::Workspace => without_a_cloud(settings).await,
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

async fn run_group(group: Group, settings: &Settings, clouds: &Clouds) -> anyhow::Result<()> {
    let cloud = &clouds.first;
    match group {
        Group::TerraformFormat => {
            let terraform = Terraform::prepare(settings, cloud.endpoint()).await?;
            let mut command = Command::new(terraform.program());
            command
                .args(["fmt", "-check", "-diff", "-recursive", "infra", "tests/local/theirs", "tests/bench"])
                .env_remove("TF_CLI_CONFIG_FILE")
                .current_dir(&settings.repository);
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
                .args(clouds.all().map(|cloud| cloud.state().calls()))
                .arg("--whole")
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .current_dir(&settings.repository);
            process::run_shown(&mut models).await
        }
        Group::Api => {
            let outputs = cloud.outputs()?;
            let url =
                outputs["operators_api"]["url"].as_str().context("Terraform printed no operators_api")?;
            let mut api = Command::new("bash");
            api.args(["tests/api/run", url]).envs(client::variables(cloud.endpoint()));
            process::run_shown(api.current_dir(&settings.repository)).await
        }
        Group::Trial => Box::pin(trial::play(settings, Pace::Quick)).await,
        Group::Adopt => Box::pin(adopt::play(settings)).await,
        Group::Tokens => {
            let clouds: Vec<_> = clouds.all().collect();
            tokens::look(settings, &clouds).await
        }
        Group::Releases => on_the_clouds(settings, clouds).await,
    }
}

/// The tests of the workspace but those of releases, and the examples in its documentation.
async fn without_a_cloud(settings: &Settings) -> anyhow::Result<()> {
    let mut tests = cargo_test(settings);
    tests.args(["--workspace", "--lib", "--bins"]);
    for name in settings.integration_tests()?.iter().filter(|name| !ON_A_CLOUD.contains(&name.as_str())) {
        tests.args(["--test", name]);
    }
    let mut examples = cargo_test(settings);
    examples.args(["--workspace", "--doc"]);
    for mut command in [tests, examples] {
        naming_failures(command.stderr(Stdio::null()), |_| ()).await?;
    }
    Ok(())
}

async fn on_the_clouds(settings: &Settings, clouds: &Clouds) -> anyhow::Result<()> {
    let mut cargo = cargo_test(settings);
    cargo.arg("--workspace").args(ON_A_CLOUD.iter().flat_map(|name| ["--test", name]));
    cargo.env("SLIPWAY_LOCAL", &settings.state);
    // Else the harness plays as many tests at a time as there are cores.
    cargo.env("RUST_TEST_THREADS", clouds.all().count().to_string());
    if !clouds.others.is_empty() {
        cargo.env(
            "SLIPWAY_LOCAL_OTHERS",
            env::join_paths(clouds.others.iter().map(|cloud| cloud.state().path()))?,
        );
    }
    naming_failures(&mut cargo, |line| println!("{line}")).await
}

/// Runs tests, and repeats in its error what failed and why.
async fn naming_failures(cargo: &mut Command, show: impl Fn(&str)) -> anyhow::Result<()> {
    let mut failures = Failures::default();
    let ended = process::run_read(cargo, |line| {
        show(line);
        failures.take(line);
    });
    ended.await.map_err(|error| anyhow::anyhow!("{error:#}{failures}"))
}

fn cargo_test(settings: &Settings) -> Command {
    let mut cargo = Command::new("cargo");
    // A test says with its message what is wrong; the backtraces are the harness's.
    cargo.arg("test").env("RUST_BACKTRACE", "0").current_dir(&settings.repository);
    cargo
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
    // What they wrote is far above.
    show(ended);
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}
