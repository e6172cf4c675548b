//! People who answer approval mails, however often the page has to be opened for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use slipway_local::{Answer, Cloud, Mail};

/// How often the inbox is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a person waits before opening a page again that did not answer.
const AGAIN: Duration = Duration::from_millis(250);
/// How often a person tries.
const TRIES: u32 = 40;

/// What a person answers, and how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Yes, at once.
    Approve,
    /// Yes, after a second and a half.
    ApproveLate,
    /// No, at once.
    Reject,
}

/// The inbox, from some mail on.
#[derive(Clone, Debug)]
pub struct Inbox {
    folder: PathBuf,
    last: String,
}

impl Inbox {
    /// The inbox from now on.
    #[must_use]
    pub fn from_now(cloud: &Cloud) -> Self {
        let folder = cloud.state().inbox();
        let last = files(&folder).pop().unwrap_or_default();
        Self { folder, last }
    }

    /// The mails that came since, the oldest first.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn mails(&self) -> anyhow::Result<Vec<Mail>> {
        let new = files(&self.folder).into_iter().filter(|file| *file > self.last);
        new.map(|file| Ok(serde_json::from_slice(&std::fs::read(self.folder.join(file))?)?)).collect()
    }
}

/// The mails' names sort by their times.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"))
        .collect();
    names.sort();
    names
}

/// Answers every approval mail that comes, by the image's tag in its subject, until the future is dropped.
pub async fn answer_mails(cloud: &Cloud, inbox: &Inbox, replies: &BTreeMap<String, Reply>) {
    let mut answered = 0;
    loop {
        // A mail that is being written is read at the next look.
        let mails = inbox.mails().unwrap_or_default();
        for mail in mails.iter().skip(answered) {
            if let (Some(link), Some(reply)) = (mail.approval_link(), reply_to(mail, replies)) {
                tokio::spawn(answer_one(cloud.clone(), link.to_owned(), reply));
            }
        }
        answered = answered.max(mails.len());
        tokio::time::sleep(PAUSE).await;
    }
}

fn reply_to(mail: &Mail, replies: &BTreeMap<String, Reply>) -> Option<Reply> {
    mail.subject.split_whitespace().find_map(|word| replies.get(word)).copied()
}

async fn answer_one(cloud: Cloud, link: String, reply: Reply) {
    let answer = match reply {
        Reply::Approve => Answer::Approve,
        Reply::Reject => Answer::Reject,
        Reply::ApproveLate => {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            Answer::Approve
        }
    };
    let mut without_form = 0;
    for _ in 0..TRIES {
        match cloud.decide(&link, answer, Some("a run says so")).await {
            Ok(page) if page.status < 500 => return,
            // The page may have just recovered. One that has no form twice was decided.
            Err(_) if cloud.open(&link).await.is_ok_and(|page| page.status < 500) => without_form += 1,
            _ => tokio::time::sleep(AGAIN).await,
        }
        if without_form == 2 {
            return;
        }
    }
}
