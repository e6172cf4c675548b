//! `slipway approve` and `slipway reject`: what a person does with the link of their mail, without a browser.

use std::process::ExitCode;

use clap::Args;

use super::{agreed, say_wrapped};
use crate::Error;
use crate::page::{self, Answer, Filled};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The link of your mail. It is yours: whoever has it can answer in your name.
    #[arg(long)]
    link: String,
    /// Why, for the audit and everybody who is notified.
    #[arg(long)]
    reason: Option<String>,
    /// The digest's last six characters, where the page asks for them.
    #[arg(long, value_name = "CHARACTERS")]
    confirm_digest: Option<String>,
    /// Approve although alarms are not quiet, where the page asks for it.
    #[arg(long)]
    override_alarms: bool,
    /// Do not show the page and ask.
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(answer: Answer, arguments: &Arguments) -> Result<ExitCode, Error> {
    let Arguments { link, reason, confirm_digest, override_alarms, yes } = arguments;
    let page = page::open(link).await?;
    if !yes {
        say_wrapped(&format!("{}\n", page.text));
        let question = if answer == Answer::Approve { "Approve?" } else { "Reject?" };
        match agreed(question) {
            Some(true) => {}
            Some(false) => return Err(Error::Refused("nothing was decided".to_owned())),
            None => return Err(Error::Refused("nobody can be asked here: repeat it with --yes".to_owned())),
        }
    }
    let filled =
        Filled { reason: reason.clone(), digest: confirm_digest.clone(), overrides: *override_alarms };
    let answered = page::answer(link, &page, answer, &filled).await?;
    match answered.status {
        200..300 => {
            say_wrapped(&answered.text);
            Ok(ExitCode::SUCCESS)
        }
        500.. => Err(Error::Unanswered(answered.text)),
        _ => Err(Error::Refused(answered.text)),
    }
}
