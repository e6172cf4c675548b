//! `cargo local audit`.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use slipway_core::audit::{self, Entry, Sealed, What};

use crate::{Cloud, Settings, cloud::APPLICATION, history};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The application.
    #[arg(default_value = APPLICATION)]
    application: String,
    /// What `aws dynamodb query` printed of the audit's partition, instead of the local cloud's table.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The hash of an entry that was noted before, from a log or an earlier audit: it must still be in the chain.
    #[arg(long, value_name = "HASH")]
    contains: Option<String>,
}

pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { application, file, contains } = arguments;
    let chain =
        match file {
            Some(file) => exported(
                &fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?,
            )
            .with_context(|| {
                format!("{} is not what `aws dynamodb query` prints of AUDIT#{application}", file.display())
            })?,
            None => history::audit(Cloud::attach(settings).await?.sdk(), application).await?,
        };
    if let Some(hash) = contains.as_ref().filter(|hash| !chain.iter().any(|sealed| sealed.hash == **hash)) {
        bail!(
            "the audit of {application} has no entry {hash}: entries were taken out, or it is another application's"
        );
    }
    let entries = audit::read(&chain)?;
    if entries.is_empty() {
        bail!("{application} has no audit: nobody was asked for an approval yet");
    }
    match io::stdout().write_all(listing(application, &entries, &chain).as_bytes()) {
        // The reader has seen enough: `cargo local audit | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// The answer of `aws dynamodb query`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    document: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Text {
    s: String,
}

fn exported(json: &str) -> anyhow::Result<Vec<Sealed>> {
    let answer: Answer = serde_json::from_str(json)?;
    answer.items.iter().map(|item| Ok(serde_json::from_str(&item.document.s)?)).collect()
}

/// Every entry, and then who let what into which stage.
fn listing(application: &str, entries: &[Entry], chain: &[Sealed]) -> String {
    let mut text = format!("\nThe audit of {application}\n");
    for entry in entries {
        let person =
            entry.person.as_ref().map_or_else(String::new, |person| format!("  link issued to {person}"));
        let words = if entry.words.is_empty() { String::new() } else { format!("  {}", entry.words) };
        let line = format!(
            "  {:>5}  {:.0}  {:<10}  {}{person}{words}",
            entry.sequence,
            entry.at,
            entry.what.as_str(),
            entry.approval.as_str()
        );
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    }
    text.push_str("\nWhat was let in, and by whom\n");
    let used: Vec<_> = entries.iter().filter(|entry| entry.what == What::Used).collect();
    for entry in &used {
        let _ = writeln!(
            text,
            "  {:.0}  {}\n    image     {}\n    deployed  {}",
            entry.at,
            entry.approval.as_str(),
            entry.digest,
            entry.words
        );
        for yes in entries.iter().filter(|yes| yes.what == What::Approved && yes.approval == entry.approval) {
            let person = yes.person.as_ref().map_or("nobody", |person| person.as_str());
            let _ = writeln!(
                text,
                "    approved  by the link issued to {person}, {:.0}, entry {}",
                yes.at, yes.sequence
            );
        }
    }
    if used.is_empty() {
        text.push_str("  nothing yet\n");
    }
    let head = chain.last().map_or("", |last| last.hash.as_str());
    let _ = write!(
        text,
        "\nThe chain holds: {} entries, each with the hash of the one before. The last one's hash is\n  {head}\n\
         Entries that are cut off at the end do not break a chain: keep this hash, and give it to the next audit with --contains.\n\n",
        entries.len()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_aws_cli_prints_is_read() {
        let sealed = Sealed { entry: "{}".into(), previous: String::new(), hash: "h".into() };
        let document = serde_json::to_string(&sealed).expect("JSON");
        let answer = serde_json::json!({ "Items": [{ "pk": { "S": "AUDIT#web" }, "document": { "S": document } }], "Count": 1 });

        assert_eq!(exported(&answer.to_string()).expect("it is read"), [sealed]);
        assert!(exported(r#"{"Items": [{}]}"#).is_err());
    }
}
