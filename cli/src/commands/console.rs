//! `slipway console`.

use std::collections::HashMap;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use slipway_core::api::{
    ConsoleEnd, ConsoleOpening, ConsolePermissions, ConsoleRequests, Done, OpenedConsole,
};
use slipway_core::console::ADDRESS;

use super::{now, print, print_done, say_wrapped};
use crate::show::{duration, width, wrapped};
use crate::{Client, Error, Output};

/// How often the API is asked what pages wait for. A page that is opened for the first time waits about as long.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long an API that does not answer is asked again.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// What the pages of the console's header ask for: proven before the browser opens, so that they are there at once.
const FIRST: [(&str, &str); 3] = [("GET", "/board"), ("GET", "/approvals"), ("GET", "/doctor")];

/// What a second Ctrl-C says.
const NOT_ENDED: &str =
    "the session may go on, and sees nothing any more after five minutes; `slipway console --end` ends it";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// End the sessions that you have opened, and open none.
    #[arg(long)]
    end: bool,
    /// Show the address, and open no browser.
    #[arg(long, conflicts_with = "end")]
    no_browser: bool,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    if arguments.end {
        let done: Done = client.post("console/end", &ConsoleEnd::default()).await?;
        print_done(output, &done);
        return Ok(ExitCode::SUCCESS);
    }
    let opened: OpenedConsole = client.post("console/open", &ConsoleOpening {}).await?;
    let session = &opened.session;
    let mut session = Open { client, output, session, proven: HashMap::new(), entered: false };
    for (method, path) in FIRST {
        // What is not proven now is proven once a page asks for it.
        match client.prove(method, path, &opened.session).await {
            Err(error) if !error.may_be_asked_again() => return Err(error),
            _ => {}
        }
    }
    let opens = !arguments.no_browser && open_browser(&opened.address);
    print(output, &opened, || words(&opened, opens));
    let until_it_ends = session.renew();
    tokio::select! {
        ended = until_it_ends => ended?,
        stopped = tokio::signal::ctrl_c() => {
            stopped.map_err(|error| Error::Refused(format!("Ctrl-C cannot be awaited: {error}")))?;
            let end = ConsoleEnd { session: Some(opened.session.clone()) };
            let ending = client.post::<Done>("console/end", &end);
            tokio::select! {
                done = ending => drop(done?),
                _ = tokio::signal::ctrl_c() => return Err(Error::Refused(NOT_ENDED.to_owned())),
            }
        }
    }
    if output == Output::Text {
        say_wrapped("The session has ended.");
    }
    Ok(ExitCode::SUCCESS)
}

fn words(opened: &OpenedConsole, opens: bool) -> Vec<String> {
    // A browser that was started may show nothing, such as on a server without a display.
    let first = if opens { "The console opens in your browser. If it does not, open" } else { "Open" };
    let within = format!("{first} this address within {}; it lets one browser in:", duration(ADDRESS));
    let mut lines = wrapped(&within, 0, width());
    // It is to be copied, so it is never broken.
    lines.push(format!("  {}", opened.address));
    let until = format!(
        "It sees what IAM lets you see, as long as this command runs, and until {:.0} at the most. Ctrl-C ends it.",
        opened.expires_at
    );
    lines.extend(wrapped(&until, 0, width()));
    lines
}

/// A session while the command runs.
struct Open<'a> {
    client: &'a Client,
    output: Output,
    session: &'a str,
    /// For each request that IAM was asked about: when a page had last asked for it by then.
    proven: HashMap<String, Timestamp>,
    /// Whether a browser is in it.
    entered: bool,
}

impl Open<'_> {
    /// Has IAM asked about what pages wait for, until the session ends.
    async fn renew(&mut self) -> Result<(), Error> {
        let (mut refused, mut unanswered) = (Vec::new(), None);
        loop {
            match self.round(&refused).await {
                Ok(Some(newly)) => (refused, unanswered) = (newly, None),
                Ok(None) => return Ok(()),
                Err(error) if error.may_be_asked_again() => {
                    let since = *unanswered.get_or_insert_with(now);
                    if now().duration_since(since) > PATIENCE {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Proves what pages wait for; what IAM refused. Nothing once the session has ended.
    async fn round(&mut self, refused: &[String]) -> Result<Option<Vec<String>>, Error> {
        let asked = ConsolePermissions { session: self.session.to_owned(), refused: refused.to_vec() };
        let ConsoleRequests { requests, entered, ended } =
            self.client.post("console/permissions", &asked).await?;
        if ended {
            return Ok(None);
        }
        if entered && !std::mem::replace(&mut self.entered, entered) && self.output == Output::Text {
            say_wrapped("A browser is in the session. If it is not yours, end it with Ctrl-C.");
        }
        let mut refused = Vec::new();
        for request in requests {
            let name = format!("{} {}", request.method, request.path);
            if self.proven.get(&name) == Some(&request.at) {
                continue;
            }
            if !self.client.prove(&request.method, &request.path, self.session).await? {
                refused.push(name.clone());
            }
            self.proven.insert(name, request.at);
        }
        Ok(Some(refused))
    }
}

/// Opens a browser as the system does. Whether it has one is seen, whether it shows the page is not.
fn open_browser(address: &str) -> bool {
    let (program, arguments): (_, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
