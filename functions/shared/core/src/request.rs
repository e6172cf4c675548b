//! What an operator asks Slipway for: a release of an image once more, or the end of one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::application::Application;
use crate::image::Image;
use crate::push::{further_id, release_id};
use crate::release::Release;

/// The release of an image that is asked for. Its id comes from the request's own: the same request is the same release, and
/// asking again is another one.
#[must_use]
pub fn requested(application: &Application, image: Image, request: &str) -> Release {
    let request = hex::encode(Sha256::digest(request.as_bytes()));
    Release {
        id: further_id(&release_id(&application.name, &image.digest), &request),
        application: application.name.clone(),
        image,
    }
}

/// That somebody asked for a release to end, as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abort {
    /// Who, in words: as IAM proved it where there is an ARN, else in their own words; empty when they gave none.
    pub by: String,
    /// Why; empty when they gave no reason.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The ARN that IAM proved; nothing of what an event of an earlier version asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    #[test]
    fn the_same_request_is_the_same_release_and_another_request_another_one() {
        let application = Application::parse(
            r#"{"name":"web","repository":"team/web","tags":["v*"],
                "stages":[{"name":"staging","services":[{"service":"web","health":{"path":"/health"}}]}]}"#,
        )
        .expect("it fits");
        let digest = Digest::new(format!("sha256:{}", "a1".repeat(32))).expect("a digest");
        let image = Image { repository: application.repository.clone(), digest, tag: "v1".into() };
        let first = requested(&application, image.clone(), "request-1");

        assert_eq!(first, requested(&application, image.clone(), "request-1"));
        assert_ne!(first.id, requested(&application, image.clone(), "request-2").id);
        assert_eq!(first.image, image);
    }

    #[test]
    fn an_abort_says_who_and_why_as_far_as_it_was_said() {
        let abort = |by: &str, reason: &str| {
            Abort { by: by.into(), reason: reason.into(), at: Timestamp::UNIX_EPOCH, arn: None }.in_words()
        };
        assert_eq!(abort("", ""), "aborted by a person");
        assert_eq!(abort("the role deploy", "wrong image"), "aborted by the role deploy: wrong image");
    }
}
