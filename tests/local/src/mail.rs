//! The inbox: what SNS mailed to people.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// A mail, as SNS would have sent it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Mail {
    /// The address it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// The topic that it was published to.
    pub topic: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

impl Mail {
    /// The first link in the text.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.links().next()
    }

    /// All links in the text, in their order.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.body
            .split(|character: char| character.is_whitespace() || "<>\"".contains(character))
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
            .map(|word| word.trim_end_matches(['.', ',', ';', ')']))
    }

    /// The link to an approval's page, when the mail asks for one.
    #[must_use]
    pub fn approval_link(&self) -> Option<&str> {
        self.links().find(|link| link.contains("/approvals/"))
    }
}

/// The mails of the folder, the oldest first.
///
/// # Errors
///
/// When the folder or a mail in it cannot be read.
pub fn read(inbox: &Path) -> anyhow::Result<Vec<Mail>> {
    let entries = fs::read_dir(inbox).with_context(|| format!("{} cannot be read", inbox.display()))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            serde_json::from_slice(&fs::read(file)?)
                .with_context(|| format!("{} is not a mail", file.display()))
        })
        .collect()
}

/// Waits for a mail that is not among the first `known` ones and that the test accepts.
///
/// # Errors
///
/// When none comes in time.
pub async fn wait(
    inbox: &Path,
    known: usize,
    patience: Duration,
    accepts: impl Fn(&Mail) -> bool,
) -> anyhow::Result<Mail> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if let Some(mail) = read(inbox)?.into_iter().skip(known).find(&accepts) {
            return Ok(mail);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("no mail came within {} s", patience.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_ends_where_the_sentence_goes_on() {
        let mail = Mail {
            to: String::new(),
            subject: String::new(),
            body: "See http://a.example/status.\nDecide: <http://b.example/approvals/x1>, soon".into(),
            topic: String::new(),
            at: 0,
        };

        assert_eq!(mail.link(), Some("http://a.example/status"));
        assert_eq!(mail.approval_link(), Some("http://b.example/approvals/x1"));
    }
}
