//! `slipway audit`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use slipway_core::api::Audit;
use slipway_core::audit::{self, Entry, Sealed, What};
use slipway_core::image::Digest;

use super::{application, print, say_wrapped};
use crate::show::{Cell, Table, indented, width, wrapped};
use crate::{Client, Error, Output};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The application.
    application: String,
    /// What `aws dynamodb query` printed of the audit's partition, instead of what the API answers.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The hash of an entry that was noted before, from a log or an earlier audit: it must still be in the chain.
    #[arg(long, value_name = "HASH")]
    contains: Option<String>,
}

pub(crate) async fn run(client: &Client, output: Output, arguments: &Arguments) -> Result<ExitCode, Error> {
    let Arguments { application: name, file, contains } = arguments;
    let name = application(name)?;
    let chain = match file {
        Some(file) => exported(file, name.as_str())?,
        None => client.get::<Audit>(&format!("applications/{name}/audit")).await?.entries,
    };
    if let Some(hash) = contains.as_ref().filter(|hash| !chain.iter().any(|sealed| sealed.hash == **hash)) {
        say_wrapped(&format!(
            "The audit of {name} has no entry {hash}: entries were taken out, or it is another application's."
        ));
        return Ok(ExitCode::FAILURE);
    }
    match audit::read(&chain) {
        Ok(entries) => print(output, &entries, || listing(name.as_str(), &entries, &chain, width())),
        Err(broken) => {
            say_wrapped(&format!(
                "{broken}. Somebody changed the table: CloudTrail's data events say who, where a trail records them."
            ));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
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

fn exported(file: &Path, application: &str) -> Result<Vec<Sealed>, Error> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::Refused(format!("{} cannot be read: {error}", file.display())))?;
    entries_of(&text).map_err(|error| {
        Error::Refused(format!(
            "{} is not what `aws dynamodb query` prints of AUDIT#{application}: {error}",
            file.display()
        ))
    })
}

fn entries_of(text: &str) -> serde_json::Result<Vec<Sealed>> {
    let answer: Answer = serde_json::from_str(text)?;
    answer.items.iter().map(|item| serde_json::from_str(&item.document.s)).collect()
}

/// What an entry is about.
fn about(entry: &Entry) -> &str {
    let approval = entry.approval.as_ref().map(|approval| approval.as_str());
    approval.or(entry.release.as_ref().map(|release| release.as_str())).unwrap_or_default()
}

/// Every entry, and then who let what into which stage.
fn listing(application: &str, entries: &[Entry], chain: &[Sealed], width: Option<usize>) -> Vec<String> {
    if entries.is_empty() {
        let nothing = format!(
            "{application} has no audit yet: nobody was asked for an approval, and no operator asked for anything."
        );
        return wrapped(&nothing, 0, width);
    }
    let mut lines = vec![format!("The audit of {application}")];
    let mut table = Table::default();
    for entry in entries {
        let person = entry.person.as_ref().map(|person| format!("link issued to {person}"));
        let cells = [
            Cell::new(format!("  {:>5}", entry.sequence)),
            format!("{:.0}", entry.at).into(),
            entry.what.as_str().into(),
        ];
        let notes = [
            about(entry).to_owned(),
            person.unwrap_or_default(),
            entry.caller.clone().unwrap_or_default(),
            entry.words.clone(),
        ];
        table.row_with(cells, notes);
    }
    lines.extend(table.lines(width));
    lines.extend([String::new(), "What was let in, and by whom".to_owned()]);
    let used: Vec<_> = entries.iter().filter(|entry| entry.what == What::Used).collect();
    for entry in &used {
        lines.extend(indented(&format!("{:.0} {}", entry.at, about(entry)), 2, width));
        lines.extend(below("image", entry.digest.as_ref().map_or("", Digest::as_str), width));
        lines.extend(below("deployed", &entry.words, width));
        for yes in entries.iter().filter(|yes| yes.what == What::Approved && yes.approval == entry.approval) {
            let person = yes.person.as_ref().map_or("nobody", |person| person.as_str());
            let words = format!("by the link issued to {person}, {:.0}, entry {}", yes.at, yes.sequence);
            lines.extend(below("approved", &words, width));
        }
    }
    if used.is_empty() {
        lines.push("  nothing yet".to_owned());
    }
    lines.push(String::new());
    let holds = format!(
        "The chain holds: {} entries, each with the hash of the one before. The last one's hash is",
        entries.len()
    );
    lines.extend(wrapped(&holds, 0, width));
    lines.push(format!("  {}", chain.last().map_or("", |last| last.hash.as_str())));
    lines.extend(wrapped(
        "Entries that are cut off at the end do not break a chain: keep this hash, and give it to the next audit with --contains.",
        0,
        width,
    ));
    lines
}

/// A value below what it is of; on lines of its own where it has no room beside its label.
fn below(label: &str, value: &str, width: Option<usize>) -> Vec<String> {
    let mut table = Table::default();
    table.row_with([Cell::new(format!("    {label:<8}"))], [value.to_owned()]);
    table.lines(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_aws_cli_prints_is_read() {
        let sealed = Sealed { entry: "{}".into(), previous: String::new(), hash: "h".into() };
        let document = serde_json::to_string(&sealed).expect("JSON");
        let answer = serde_json::json!({ "Items": [{ "pk": { "S": "AUDIT#web" }, "document": { "S": document } }], "Count": 1 });

        assert_eq!(entries_of(&answer.to_string()).expect("it is read"), [sealed]);
        assert!(entries_of(r#"{"Items": [{}]}"#).is_err());
    }
}
