//! What a person does on the local cloud: `cargo local …`.

mod adopt;
mod alarm;
mod bench;
mod decide;
mod demo;
mod down;
mod env;
mod inbox;
mod logs;
mod package;
mod push;
mod reconcile;
mod scan;
mod send;
mod slipway;
mod test;
mod tokens;
mod trial;
mod up;
mod workflow;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub use down::take_down;
pub use up::{Source, bring_up};

use crate::{Pace, Settings, page::Answer, serve};

/// The port of the local cloud when none is named.
pub const PORT: u16 = 4566;

/// Slipway's local cloud: the whole path from a push to production, on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local")]
struct Arguments {
    /// The folder of the cloud's state [default: `$SLIPWAY_LOCAL`, else target/local/cloud].
    #[arg(long, global = true, value_name = "FOLDER")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the local cloud and set Slipway up on it.
    Up(up::Arguments),
    /// Build a version of the sample application and push its image.
    Push(push::Arguments),
    /// Show the mails that people got.
    Inbox(inbox::Arguments),
    /// Open the newest approval mail's link and approve.
    Approve(decide::Arguments),
    /// Open the newest approval mail's link and reject.
    Reject(decide::Arguments),
    /// Run the operators' command on this cloud, as its root user: `cargo local slipway status`.
    Slipway(slipway::Arguments),
    /// Look for pushes, events and outcomes that were lost, now and not in five minutes.
    Reconcile,
    /// Say what the scan of an image found.
    Scan(scan::Arguments),
    /// Set an alarm's state.
    Alarm(alarm::Arguments),
    /// Give an event from a file to the deployed rules.
    Send(send::Arguments),
    /// Show what the functions logged.
    Logs(logs::Arguments),
    /// Print the variables that let other tools use the local cloud: `eval "$(cargo local env)"`.
    Env,
    /// Print the workflow as JSON, for tools that do not resolve the aliases of its YAML.
    Workflow,
    /// Make the bundle of a release: Terraform, the workflow and the functions' packages.
    Package(package::Arguments),
    /// Show the whole path: a release, an approval, a broken version that is stopped.
    Demo(demo::Arguments),
    /// Play the trial from a bundle alone: apply, push, approve, a broken version, destroy; with the times.
    Trial(trial::Arguments),
    /// Take Slipway into use for services that exist: `slipway init`, apply, push, approve, a broken version, a rollback.
    Adopt,
    /// Measure the functions and a release, beside what people would use instead, and write docs/benchmarks.md.
    Bench(bench::Arguments),
    /// Run every test of the project.
    Test(test::Arguments),
    /// Stop the local cloud and remove all of its state.
    Down,
    /// The supervisor that `up` starts in the background.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        quick: bool,
    },
}

/// Runs what the command line says; a failure is shown in words and as the exit code.
pub async fn run() -> ExitCode {
    match dispatch(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::discover(arguments.state)?;
    if let Command::Slipway(arguments) = arguments.command {
        return slipway::run(&settings, arguments).await;
    }
    let done = match arguments.command {
        Command::Slipway(_) => Ok(()),
        Command::Up(arguments) => up::run(&settings, &arguments).await,
        Command::Push(arguments) => push::run(&settings, arguments).await,
        Command::Inbox(arguments) => inbox::run(&settings, &arguments).await,
        Command::Approve(arguments) => decide::run(&settings, Answer::Approve, &arguments).await,
        Command::Reject(arguments) => decide::run(&settings, Answer::Reject, &arguments).await,
        Command::Reconcile => reconcile::run(&settings).await,
        Command::Scan(arguments) => scan::run(&settings, arguments).await,
        Command::Alarm(arguments) => alarm::run(&settings, &arguments).await,
        Command::Send(arguments) => send::run(&settings, &arguments).await,
        Command::Logs(arguments) => logs::run(&settings, &arguments).await,
        Command::Env => env::run(&settings).await,
        Command::Workflow => workflow::run(&settings),
        Command::Package(arguments) => package::run(&settings, arguments).await,
        Command::Demo(arguments) => demo::run(&settings, &arguments).await,
        Command::Bench(arguments) => Box::pin(bench::run(&settings, &arguments)).await,
        Command::Trial(arguments) => Box::pin(trial::run(&settings, &arguments)).await,
        Command::Adopt => Box::pin(adopt::play(&settings)).await,
        Command::Test(arguments) => Box::pin(test::run(&settings, &arguments)).await,
        Command::Down => down::run(&settings).await,
        Command::Serve { port, quick } => {
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_env_filter(
                    tracing_subscriber::EnvFilter::try_from_default_env()
                        .unwrap_or_else(|_| "warn,slipway_local=info".into()),
                )
                .init();
            serve::serve(&settings, port, Pace::quick(quick)).await
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
