//! Quarantine: an image that was rolled back or rejected is not released again until a person clears it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::ReleaseId;
use crate::release::{Ending, Outcome};

/// Why an image is kept from being released again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The release that put it there.
    pub release: ReleaseId,
    /// What that release came to.
    pub outcome: Outcome,
    /// Why, in that release's words.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// That a person lifted it; not yet when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// That a person lifted a quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Who, in words: as IAM proved it where there is an ARN, else in their own words.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The ARN that IAM proved; nothing of what an event of an earlier version lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

impl Quarantine {
    /// The quarantine that an ending puts its image into: that of an image which was rolled back or rejected, and not one
    /// that ended because AWS could not be asked.
    #[must_use]
    pub fn after(release: &ReleaseId, ending: &Ending, at: Timestamp) -> Option<Self> {
        match ending.outcome {
            Outcome::RolledBack | Outcome::Stuck if ending.unjudged => None,
            Outcome::RolledBack | Outcome::Rejected | Outcome::Stuck => Some(Self {
                release: release.clone(),
                outcome: ending.outcome,
                reason: ending.reason.clone(),
                at,
                lifted: None,
            }),
            Outcome::Released | Outcome::Expired | Outcome::Superseded | Outcome::Failed => None,
        }
    }

    /// That it is quarantined, since when and why, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { release, outcome, reason, .. } = self;
        format!("quarantined since {release} ended {outcome}: {reason}")
    }

    /// Whether the image may not be released.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.lifted.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_that_did_harm_or_was_refused_is_quarantined() {
        let release = ReleaseId::new("web-a1").expect("an id");
        let at = Timestamp::UNIX_EPOCH;
        for (outcome, quarantined) in [
            (Outcome::RolledBack, true),
            (Outcome::Rejected, true),
            (Outcome::Stuck, true),
            (Outcome::Released, false),
            (Outcome::Expired, false),
            (Outcome::Superseded, false),
            (Outcome::Failed, false),
        ] {
            let ending = Ending { outcome, stage: None, reason: "r".into(), unjudged: false };
            assert_eq!(
                Quarantine::after(&release, &ending, at).is_some_and(|quarantine| quarantine.holds()),
                quarantined,
                "{outcome}"
            );
        }
        // AWS could not be asked: what people said of the image counts all the same.
        for (outcome, quarantined) in
            [(Outcome::RolledBack, false), (Outcome::Stuck, false), (Outcome::Rejected, true)]
        {
            let ending = Ending { outcome, stage: None, reason: "r".into(), unjudged: true };
            assert_eq!(Quarantine::after(&release, &ending, at).is_some(), quarantined, "{outcome}");
        }
    }
}
