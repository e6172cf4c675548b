//! Releases and how they end.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::name::{ApplicationName, ReleaseId, StageName};

/// One attempt to take one image through the application's stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The release's id, which is also its execution's name.
    pub id: ReleaseId,
    /// The application.
    pub application: ApplicationName,
    /// The image, by digest.
    pub image: Image,
}

impl Release {
    /// The release as people call it: the application and the tag.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{} {}", self.application, self.image.tag_in_words())
    }
}

/// That a release began, as it is kept in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The release.
    pub release: Release,
    /// When its push, or the request for it, was first received.
    pub at: Timestamp,
    /// When the image was pushed, as ECR knows it, or the release was asked for. Of two releases the one with the later
    /// time is the newer, in whatever order their events came.
    pub pushed_at: Timestamp,
    /// Who asked for it, where no push started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// Who asked for a release, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who, in words: as IAM proved it where there is an ARN, else in their own words; empty when they gave none.
    pub by: String,
    /// Why; empty when they gave no reason.
    pub reason: String,
    /// The ARN that IAM proved; nothing where an alarm asked, or an event of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

impl Asked {
    /// Who asked, and why, as far as it was said.
    #[must_use]
    pub fn in_words(&self) -> String {
        let by = if self.by.is_empty() { "a person" } else { &self.by };
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("Asked for by {by}{reason}")
    }
}

impl Started {
    /// That this release has taken an older one's place, in words.
    #[must_use]
    pub fn supersedes(&self) -> String {
        let image = &self.release.image;
        let what = if self.asked.is_some() { "later request for" } else { "newer push of" };
        format!("superseded by the {what} {} ({image})", image.tag_in_words())
    }
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Every stage runs the image and was verified.
    Released,
    /// A stage failed after it had changed, and runs its baseline again.
    RolledBack,
    /// An approver said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// A newer push took its place.
    Superseded,
    /// It failed, and nothing in the failing stage changed.
    Failed,
    /// A rollback failed: a person is needed.
    Stuck,
}

impl Outcome {
    /// The outcome in the words that logs, mails and Step Functions use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "RELEASED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
            Self::Superseded => "SUPERSEDED",
            Self::Failed => "FAILED",
            Self::Stuck => "STUCK",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The end of a release: what it came to, where, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ending {
    /// What the release came to.
    pub outcome: Outcome,
    /// The stage that ended it; none when it went through all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// Why, in a sentence or more that a person understands.
    pub reason: String,
    /// Whether no step judged it: AWS could not be asked, or a function failed. The image is not to blame then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unjudged: bool,
}

/// An ending with its time, as it is kept in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The ending.
    pub ending: Ending,
    /// When it was recorded.
    pub at: Timestamp,
}
