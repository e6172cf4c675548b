//! `cargo local approve` and `cargo local reject`.

use anyhow::Context as _;
use clap::Args;

use crate::{Cloud, Settings, page::Answer};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Why, in words that the release keeps.
    #[arg(long)]
    reason: Option<String>,
    /// The link, instead of the newest approval mail's.
    #[arg(long)]
    link: Option<String>,
}

pub(super) async fn run(settings: &Settings, answer: Answer, arguments: &Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let mails = cloud.inbox()?;
    let link = match &arguments.link {
        Some(link) => link.as_str(),
        None => mails
            .iter()
            .rev()
            .find_map(|mail| mail.approval_link())
            .context("no mail asks for an approval: push an image first, with `cargo local push`")?,
    };
    let page = cloud.decide(link, answer, arguments.reason.as_deref()).await?;
    println!("{}", page.text);
    Ok(())
}
