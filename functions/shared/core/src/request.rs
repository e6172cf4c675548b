//! What a person asks Slipway for by an event: an earlier image again, the end of a release, a quarantine lifted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::application::Application;
use crate::image::{self, Digest, Image};
use crate::name::{ApplicationName, ReleaseId, StageName};
use crate::push::{further_id, release_id};
use crate::release::Release;
use crate::words;

/// The `source` of these events on the account's default bus.
pub const SOURCE: &str = "slipway";

/// What a person asks for, by the event's `detail-type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// One more release of an image, through every stage and gate.
    Release(ReleaseRequested),
    /// A release is to end, and what it has begun is to be rolled back.
    Abort(AbortRequested),
    /// An image may be released again, when someone asks for it.
    Lift(LiftRequested),
}

/// The `detail` of a `Release Requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequested {
    /// The application.
    pub application: ApplicationName,
    /// The image's digest.
    pub digest: Digest,
    /// The tag that people know it by; the digest's first digits when it is not given.
    #[serde(default, deserialize_with = "image::tag_or_none")]
    pub tag: Option<String>,
    /// The one stage that is to run it, where not all are. The image must have been released before.
    #[serde(default)]
    pub stage: Option<StageName>,
    /// Who asks, in their own words, as [`words::line`] leaves them: nobody has proved it.
    #[serde(default, deserialize_with = "words::read")]
    pub by: String,
    /// Why.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// The `detail` of an `Abort Requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortRequested {
    /// The release.
    pub release: ReleaseId,
    /// Who asks, in their own words.
    #[serde(default, deserialize_with = "words::read")]
    pub by: String,
    /// Why.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// The `detail` of a `Quarantine Lift Requested`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiftRequested {
    /// The application.
    pub application: ApplicationName,
    /// The image's digest.
    pub digest: Digest,
    /// Who asks, in their own words.
    #[serde(default, deserialize_with = "words::read")]
    pub by: String,
    /// Why.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// That a person asked for a release to end, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abort {
    /// Who, in their own words; empty when they gave none.
    pub by: String,
    /// Why; empty when they gave no reason.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Abort {
    /// The abort in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let by = if self.by.is_empty() { "a person" } else { &self.by };
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("aborted by {by}{why}")
    }
}

impl ReleaseRequested {
    /// The release that is asked for. Its id comes from the event's own, so that an event which comes twice is one
    /// release, and asking again is another one.
    #[must_use]
    pub fn release(&self, application: &Application, event_id: &str) -> Release {
        let event = hex::encode(Sha256::digest(event_id.as_bytes()));
        let tag =
            self.tag.clone().filter(|tag| !tag.is_empty()).unwrap_or_else(|| self.digest.short().to_owned());
        Release {
            id: further_id(&release_id(application, &self.digest), &event),
            application: application.name.clone(),
            image: Image { repository: application.repository.clone(), digest: self.digest.clone(), tag },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> Application {
        Application::parse(
            r#"{"name":"web","repository":"team/web","tags":["v*"],
                "stages":[{"name":"staging","services":[{"service":"web","health":{"path":"/health"}}]}]}"#,
        )
        .expect("it fits")
    }

    #[test]
    fn the_same_event_is_the_same_release_and_another_event_another_one() {
        let digest = Digest::new(format!("sha256:{}", "a1".repeat(32))).expect("a digest");
        let asked = ReleaseRequested {
            application: application().name,
            digest: digest.clone(),
            tag: None,
            stage: None,
            by: String::new(),
            reason: String::new(),
        };
        let first = asked.release(&application(), "event-1");

        assert_eq!(first, asked.release(&application(), "event-1"));
        assert_ne!(first.id, asked.release(&application(), "event-2").id);
        assert_eq!(
            first.image,
            Image { repository: application().repository, digest, tag: "a1a1a1a1a1a1".into() }
        );
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_by_its_name() {
        let error = serde_json::from_str::<AbortRequested>(r#"{"release":"web-a1","resaon":"x"}"#)
            .expect_err("it is unknown");
        assert!(error.to_string().contains("resaon"), "{error}");
    }

    #[test]
    fn an_abort_says_who_and_why_as_far_as_it_was_said() {
        let abort = |by: &str, reason: &str| {
            Abort { by: by.into(), reason: reason.into(), at: Timestamp::UNIX_EPOCH }.in_words()
        };
        assert_eq!(abort("", ""), "aborted by a person");
        assert_eq!(abort("ana", "wrong image"), "aborted by ana: wrong image");
    }
}
