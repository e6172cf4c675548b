//! The command `slipway`: what operators ask about releases, and ask of them, over the operators' API.
//!
//! [`client`] signs and sends, [`commands`] ask and say, [`show`] puts answers into lines. Nothing here reads the table or
//! knows how a release is made. Only `slipway init` asks AWS itself: it is for who has no Slipway yet.

pub mod client;
mod commands;
mod error;
pub mod page;
mod show;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

pub use client::Client;
pub use error::Error;

/// Releases on Amazon ECS: what runs, what is under way, and what you want changed.
#[derive(Debug, Parser)]
#[command(
    name = "slipway",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 done, or the release was RELEASED; 1 the release ended otherwise, or a check found something;
2 the request was wrong or refused, and nothing was changed; 3 AWS or the API did not answer.

Example: slipway status"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where Slipway is, and how its answers are shown.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The profile of AWS's configuration [default: `AWS_PROFILE`].
    #[arg(long, global = true, value_name = "NAME", help_heading = "Where")]
    profile: Option<String>,
    /// The region [default: `AWS_REGION`, or the profile's].
    #[arg(long, global = true, value_name = "REGION", help_heading = "Where")]
    region: Option<String>,
    /// The deployer's name, where it is another one.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "slipway",
        env = "SLIPWAY_DEPLOYER",
        help_heading = "Where"
    )]
    deployer: String,
    /// The operators' API, as Terraform's output `operators_api` has it [default: asked of SSM].
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "SLIPWAY_API",
        hide_env_values = true,
        help_heading = "Where"
    )]
    api: Option<String>,
    /// How answers are printed: text for people, or the API's documents as JSON.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    output: Output,
}

impl Default for Place {
    fn default() -> Self {
        Self { profile: None, region: None, deployer: "slipway".to_owned(), api: None, output: Output::Text }
    }
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// The API's documents.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what each stage runs, what is under way, and what waits for whom.
    #[command(after_help = "Example: slipway status web")]
    Status(commands::status::Arguments),
    /// Follow a release until it ends; the exit code says whether it was RELEASED.
    #[command(after_help = "Example: slipway watch web")]
    Watch(commands::watch::Arguments),
    /// Show an application's releases and DORA's four figures.
    #[command(after_help = "Example: slipway history web")]
    History(commands::history::Arguments),
    /// Show one release with all that happened to it.
    #[command(after_help = "Example: slipway show web-8d0f3c6e5a1b4c2d9e7f60718293a4b5")]
    Show(commands::show::Arguments),
    /// Show what a release would change in each stage now, and what would stop it; changes nothing.
    #[command(after_help = "Example: slipway diff web v12")]
    Diff(commands::diff::Arguments),
    /// Check what would stop a release and what goes wrong, each with what to do; changes nothing.
    #[command(after_help = "Example: slipway doctor web")]
    Doctor(commands::doctor::Arguments),
    /// Open the console in a browser, and have it see what IAM lets you see, until this command ends.
    #[command(after_help = "Example: slipway console")]
    Console(commands::console::Arguments),
    /// Release an image through every stage and gate.
    #[command(after_help = "Example: slipway release web v12 --reason 'the fix for checkout'")]
    Release(commands::act::Release),
    /// Release the image that ran before again.
    #[command(after_help = "Example: slipway rollback web --stage production --reason 'checkout is slow'")]
    Rollback(commands::act::Rollback),
    /// End a release; what it has begun to change is rolled back.
    #[command(
        after_help = "Example: slipway abort web-8d0f3c6e5a1b4c2d9e7f60718293a4b5 --reason 'wrong image'"
    )]
    Abort(commands::act::Abort),
    /// Let an image be released again that was rolled back or rejected.
    #[command(after_help = "Example: slipway clear web v12 --reason 'the database was down'")]
    Clear(commands::act::Clear),
    /// Freeze a stage, or every stage: no release begins to change it.
    #[command(
        after_help = "Example: slipway freeze production --until 3d --reason 'the sale goes on until Sunday'"
    )]
    Freeze(commands::freeze::Freeze),
    /// Lift a freeze; releases that wait for it go on.
    #[command(after_help = "Example: slipway unfreeze production")]
    Unfreeze(commands::freeze::Unfreeze),
    /// Let one release through the freezes that are in force now.
    #[command(after_help = "Example: slipway override web --reason 'it mends the outage'")]
    Override(commands::freeze::Override),
    /// Show who is asked for an approval, who has answered, and until when.
    #[command(after_help = "Example: slipway approvals")]
    Approvals(commands::approvals::Arguments),
    /// Approve by the link of your mail.
    #[command(after_help = "Example: slipway approve --link https://…/approvals/…")]
    Approve(commands::decide::Arguments),
    /// Reject by the link of your mail.
    #[command(after_help = "Example: slipway reject --link https://…/approvals/… --reason 'not on a Friday'")]
    Reject(commands::decide::Arguments),
    /// Show what the functions logged of a release, the oldest line first.
    #[command(after_help = "Example: slipway logs web --function deploy-services")]
    Logs(commands::logs::Arguments),
    /// Look for pushes, events and outcomes that were lost, now and not in some minutes.
    #[command(after_help = "Example: slipway reconcile")]
    Reconcile(commands::reconcile::Arguments),
    /// Hand events that could not be handled to their functions again.
    #[command(after_help = "Example: slipway redrive slipway-receive-push-dead-letters")]
    Redrive(commands::redrive::Arguments),
    /// Check an application's audit, and show who let what into which stage.
    #[command(after_help = "Example: slipway audit web")]
    Audit(commands::audit::Arguments),
    /// Look at services that exist already, and write the Terraform with which Slipway releases to them; changes nothing in AWS.
    #[command(
        after_help = "Example: slipway init --staging shop-staging --production shop-production --approver ana@example.com"
    )]
    Init(commands::init::Arguments),
    /// Print completions for a shell.
    #[command(after_help = "Example: slipway completions bash > /etc/bash_completion.d/slipway")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs what the command line says; what goes wrong is one line and the exit code.
pub async fn run() -> ExitCode {
    let Arguments { place, command } = Arguments::parse();
    let output = place.output;
    ended(dispatch(Client::new(place), output, command).await)
}

/// The same with these arguments, after the command's name, for a client that knows where Slipway is.
pub async fn run_with(client: Client, arguments: Vec<OsString>) -> ExitCode {
    let arguments = [OsString::from("slipway")].into_iter().chain(arguments);
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { place, command }) => ended(dispatch(client, place.output, command).await),
        Err(error) => {
            let _printed = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn ended(done: Result<ExitCode, Error>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", show::paragraphs(&format!("error: {error}"), show::width_beside()));
            ExitCode::from(error.exit_code())
        }
    }
}

async fn dispatch(client: Client, output: Output, command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Status(arguments) => commands::status::run(&client, output, &arguments).await,
        Command::Watch(arguments) => commands::watch::run(&client, output, &arguments).await,
        Command::History(arguments) => commands::history::run(&client, output, &arguments).await,
        Command::Show(arguments) => commands::show::run(&client, output, &arguments).await,
        Command::Diff(arguments) => commands::diff::run(&client, output, &arguments).await,
        Command::Doctor(arguments) => commands::doctor::run(&client, output, &arguments).await,
        Command::Console(arguments) => commands::console::run(&client, output, &arguments).await,
        Command::Release(arguments) => commands::act::release(&client, output, &arguments).await,
        Command::Rollback(arguments) => commands::act::rollback(&client, output, &arguments).await,
        Command::Abort(arguments) => commands::act::abort(&client, output, &arguments).await,
        Command::Clear(arguments) => commands::act::clear(&client, output, &arguments).await,
        Command::Freeze(arguments) => commands::freeze::freeze(&client, output, &arguments).await,
        Command::Unfreeze(arguments) => commands::freeze::unfreeze(&client, output, &arguments).await,
        Command::Override(arguments) => commands::freeze::override_freeze(&client, output, &arguments).await,
        Command::Approvals(arguments) => commands::approvals::run(&client, output, &arguments).await,
        Command::Approve(arguments) => commands::decide::run(page::Answer::Approve, &arguments).await,
        Command::Reject(arguments) => commands::decide::run(page::Answer::Reject, &arguments).await,
        Command::Logs(arguments) => commands::logs::run(&client, output, &arguments).await,
        Command::Reconcile(arguments) => commands::reconcile::run(&client, output, &arguments).await,
        Command::Redrive(arguments) => commands::redrive::run(&client, output, &arguments).await,
        Command::Audit(arguments) => commands::audit::run(&client, output, &arguments).await,
        Command::Init(arguments) => commands::init::run(&client, output, &arguments).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "slipway", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands in the blocks for a shell of a document.
    fn shown(document: &str) -> Vec<String> {
        let blocks = document.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
        let lines = blocks.flat_map(str::lines).map(str::trim);
        lines.filter(|line| line.starts_with("slipway ")).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn every_command_that_the_documents_show_is_one() {
        let documents = [
            ("runbook", include_str!("../../docs/runbook.md"), 8),
            ("slipway", include_str!("../../docs/slipway.md"), 1),
        ];
        for (name, document, fewest) in documents {
            let shown = shown(document);
            assert!(shown.len() >= fewest, "{name} shows {shown:?}");
            for command in shown {
                let words =
                    shlex::split(&command).unwrap_or_else(|| panic!("{name}: {command} has an open quote"));
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{name}: {command}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_commands_fit_together_and_each_has_an_example() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for one in command.get_subcommands() {
            let help = one.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("Example: slipway {}", one.get_name())), "{}", one.get_name());
        }
    }
}
