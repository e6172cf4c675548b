//! The audit: what happened to approvals and what operators asked for, as entries that nobody updates. Each carries the hash of the one before it,
//! so that an entry which was changed, taken out or put in between breaks the chain.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use schemars::JsonSchema;

use crate::approval::{Approval, ApprovalId};
use crate::image::Digest;
use crate::name::{ApplicationName, EmailAddress, ReleaseId};
use crate::words;

/// The hash before the first entry.
pub const BEGINNING: &str = "";

/// What happened to an approval, or what an operator asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1 in each application.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// To which approval: its release and stage; nothing of what an operator asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// To which release; of an approval, its id says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// The digest that it lets into the stage, or that it is about; nothing of what is about no image, such as a freeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The person whose link was used, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<EmailAddress>,
    /// The operator, as the ARN that IAM proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Words to it: a reason, or who was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum What {
    /// People were asked.
    Requested,
    /// Those who had not answered were reminded.
    Reminded,
    /// Someone opened the page of a link. It may have been a mail scanner.
    Opened,
    /// A person approved.
    Approved,
    /// A person rejected.
    Rejected,
    /// An answer did not count.
    Refused,
    /// Nobody decided in time.
    Expired,
    /// A newer push took the release's place.
    Superseded,
    /// A person ended the release.
    Withdrawn,
    /// The stage changed, and people were asked again.
    Voided,
    /// The release began to change the stage with it.
    Used,
    /// An operator asked for a release.
    ReleaseRequested,
    /// An operator asked for a release to end.
    AbortRequested,
    /// An operator let an image be released again.
    QuarantineCleared,
    /// An operator froze stages.
    Frozen,
    /// An operator lifted a freeze.
    Unfrozen,
    /// An operator let a release through a freeze.
    FreezeOverridden,
    /// An operator asked for mails to go out again.
    ResendRequested,
}

impl What {
    /// The kind in the word that the table keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Reminded => "REMINDED",
            Self::Opened => "OPENED",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::Refused => "REFUSED",
            Self::Expired => "EXPIRED",
            Self::Superseded => "SUPERSEDED",
            Self::Withdrawn => "WITHDRAWN",
            Self::Voided => "VOIDED",
            Self::Used => "USED",
            Self::ReleaseRequested => "RELEASE_REQUESTED",
            Self::AbortRequested => "ABORT_REQUESTED",
            Self::QuarantineCleared => "QUARANTINE_CLEARED",
            Self::Frozen => "FROZEN",
            Self::Unfrozen => "UNFROZEN",
            Self::FreezeOverridden => "FREEZE_OVERRIDDEN",
            Self::ResendRequested => "RESEND_REQUESTED",
        }
    }
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The application whose audit has the entry.
    pub application: ApplicationName,
    approval: Option<ApprovalId>,
    release: Option<ReleaseId>,
    digest: Option<Digest>,
}

impl About {
    /// A release that an operator asks something of, and the digest that it is about.
    #[must_use]
    pub fn release(application: &ApplicationName, release: &ReleaseId, digest: &Digest) -> Self {
        let (release, digest) = (Some(release.clone()), Some(digest.clone()));
        Self { application: application.clone(), approval: None, release, digest }
    }

    /// An application as a whole.
    #[must_use]
    pub fn application(application: &ApplicationName) -> Self {
        Self { application: application.clone(), approval: None, release: None, digest: None }
    }
}

impl From<&Approval> for About {
    fn from(approval: &Approval) -> Self {
        Self {
            application: approval.release.application.clone(),
            approval: Some(approval.id.clone()),
            release: None,
            digest: Some(approval.release.image.digest.clone()),
        }
    }
}

/// What is to be written down; its place in the chain is found when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// Whose link was used, where one was.
    pub person: Option<EmailAddress>,
    /// The operator, as the ARN that IAM proved.
    pub caller: Option<String>,
    /// Words to it.
    pub words: String,
}

/// An entry as it is kept: its text, and the hash over the one before and this text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sealed {
    /// The [`Entry`] as JSON, as it was hashed.
    pub entry: String,
    /// The hash of the entry before; empty for the first.
    pub previous: String,
    /// SHA-256 of `previous`, a line feed, and `entry`, in hexadecimal digits.
    pub hash: String,
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit is broken at entry {position}: {problem}")]
pub struct Broken {
    /// The position, counted from 1.
    pub position: u64,
    /// What does not fit.
    pub problem: String,
}

impl Sealed {
    /// The entry behind the last one of a chain; behind none, the first.
    #[must_use]
    pub fn after(last: Option<(u64, &Self)>, subject: &About, happening: &NewEntry) -> (u64, Self) {
        let sequence = last.map_or(0, |(sequence, _)| sequence) + 1;
        let NewEntry { at, what, person, caller, words } = happening.clone();
        let About { approval, release, digest, .. } = subject.clone();
        let entry = Entry {
            sequence,
            at,
            what,
            approval,
            release,
            digest,
            person,
            caller,
            words: words::sentence(&words),
        };
        let entry = serde_json::to_string(&entry).expect("an entry is plain values, which make JSON");
        let previous = last.map_or_else(|| BEGINNING.to_owned(), |(_, sealed)| sealed.hash.clone());
        let hash = hash(&previous, &entry);
        (sequence, Self { entry, previous, hash })
    }
}

/// Reads a whole chain, from its first entry on, and checks every link of it.
///
/// # Errors
///
/// [`Broken`], at the first entry that does not fit.
pub fn read(chain: &[Sealed]) -> Result<Vec<Entry>, Broken> {
    let mut previous = BEGINNING;
    let mut entries = Vec::with_capacity(chain.len());
    for (position, sealed) in (1..).zip(chain) {
        let broken = |problem: &str| Broken { position, problem: problem.to_owned() };
        if sealed.previous != previous {
            return Err(broken(
                "it does not follow the entry before it: one was taken out, put in, or changed",
            ));
        }
        if sealed.hash != hash(&sealed.previous, &sealed.entry) {
            return Err(broken("its text is not the one that was written"));
        }
        let entry: Entry = serde_json::from_str(&sealed.entry)
            .map_err(|error| broken(&format!("it does not parse: {error}")))?;
        if entry.sequence != position {
            return Err(broken(&format!("it says that it is number {}", entry.sequence)));
        }
        previous = &sealed.hash;
        entries.push(entry);
    }
    Ok(entries)
}

fn hash(previous: &str, entry: &str) -> String {
    hex::encode(Sha256::digest(format!("{previous}\n{entry}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::tests::approval;

    fn chain(length: u64) -> Vec<Sealed> {
        let mut chain: Vec<Sealed> = Vec::new();
        for number in 0..length {
            let happening = NewEntry {
                at: Timestamp::UNIX_EPOCH,
                what: What::Opened,
                person: None,
                caller: None,
                words: format!("look {number}"),
            };
            let (_, sealed) = Sealed::after(
                chain.last().map(|last| (number, last)),
                &About::from(&approval(1)),
                &happening,
            );
            chain.push(sealed);
        }
        chain
    }

    #[test]
    fn a_chain_that_nobody_touched_is_read_in_order() {
        let entries = read(&chain(4)).expect("it holds");
        assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(read(&[]), Ok(vec![]));
    }

    #[test]
    fn whatever_is_done_to_an_entry_is_seen() {
        let mut changed = chain(4);
        changed[1].entry = changed[1].entry.replace("look 1", "look 9");
        let mut resealed = chain(4);
        resealed[1].entry = resealed[1].entry.replace("look 1", "look 9");
        resealed[1].hash = hash(&resealed[1].previous, &resealed[1].entry);
        let mut shortened = chain(4);
        shortened.remove(1);
        let mut beheaded = chain(4);
        beheaded.remove(0);
        let mut swapped = chain(4);
        swapped.swap(1, 2);
        for (touched, position) in [(changed, 2), (resealed, 3), (shortened, 2), (beheaded, 1), (swapped, 2)]
        {
            assert_eq!(read(&touched).expect_err("it was touched").position, position);
        }
    }
}
