//! `cargo local inbox`.

use clap::Args;

use crate::{Cloud, Mail, Settings};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only the newest mail.
    #[arg(long)]
    last: bool,
    /// As JSON, one mail a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let mails = Cloud::attach(settings).await?.inbox()?;
    let skipped = if arguments.last { mails.len().saturating_sub(1) } else { 0 };
    if mails.is_empty() && !arguments.json {
        println!("No mail.");
    }
    for mail in &mails[skipped..] {
        if arguments.json {
            println!("{}", serde_json::to_string(mail)?);
        } else {
            show(mail);
        }
    }
    Ok(())
}

/// Prints a mail as a mail program shows it.
pub(super) fn show(mail: &Mail) {
    let at = jiff::Timestamp::from_millisecond(mail.at)
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .unwrap_or_default();
    println!();
    println!("    To:      {}", mail.to);
    println!("    Subject: {}", mail.subject);
    println!("    Date:    {at}");
    println!();
    for line in mail.body.lines() {
        println!("    {line}");
    }
    println!();
}
