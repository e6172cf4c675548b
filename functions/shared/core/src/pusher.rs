//! Who pushed an image, as far as CloudTrail records it.

use serde::{Deserialize, Serialize};

use crate::image::Digest;
use crate::name::{EmailAddress, RepositoryName};

/// The identities that pushed an image. Several may: the same digest can be pushed again under another tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pushers(Vec<String>);

impl Pushers {
    /// Those, and one more.
    #[must_use]
    pub fn and(mut self, identity: &str) -> Self {
        if !self.0.iter().any(|known| known == identity) {
            self.0.push(identity.to_owned());
        }
        self
    }

    /// Whether this person is one of them: the name of an IAM user, or of a role's session, is the address or the
    /// part of it before the `@`. Sessions of IAM Identity Center are named after the user.
    #[must_use]
    pub fn include(&self, person: &EmailAddress) -> bool {
        let address = person.as_str();
        let local = address.split('@').next().unwrap_or(address);
        self.0.iter().any(|identity| {
            let name = identity.rsplit('/').next().unwrap_or(identity);
            name.eq_ignore_ascii_case(address) || name.eq_ignore_ascii_case(local)
        })
    }

    /// Their ARNs, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.0.join(" and ")
    }
}

/// A push as CloudTrail records it: `detail` of the event "AWS API Call via CloudTrail" of ECR's `PutImage`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutImage {
    user_identity: UserIdentity,
    response_elements: Option<ResponseElements>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct UserIdentity {
    arn: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ResponseElements {
    image: PutImageAnswer,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutImageAnswer {
    repository_name: RepositoryName,
    image_id: ImageId,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: Digest,
}

impl PutImage {
    /// The repository, the digest and the identity; nothing of a call that failed, or whose caller CloudTrail does
    /// not name.
    #[must_use]
    pub fn pushed(&self) -> Option<(&RepositoryName, &Digest, &str)> {
        let image = &self.response_elements.as_ref()?.image;
        Some((&image.repository_name, &image.image_id.image_digest, self.user_identity.arn.as_deref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(address: &str) -> EmailAddress {
        EmailAddress::new(address).expect("an address")
    }

    #[test]
    fn a_person_is_known_by_the_name_of_the_user_or_of_the_session() {
        let user = Pushers::default().and("arn:aws:iam::111122223333:user/teams/ana");
        assert!(user.include(&person("Ana@example.com")) && !user.include(&person("bo@example.com")));

        let session =
            Pushers::default().and("arn:aws:sts::111122223333:assumed-role/Developers/bo@example.com");
        assert!(session.include(&person("bo@example.com")) && !session.include(&person("bo@example.org")));

        let pipeline = Pushers::default().and("arn:aws:sts::111122223333:assumed-role/ci/GitHubActions");
        assert!(!pipeline.include(&person("ana@example.com")));
    }

    #[test]
    fn the_same_identity_is_kept_once() {
        let twice = Pushers::default().and("a").and("b").and("a");
        assert_eq!(twice.in_words(), "a and b");
    }

    #[test]
    fn a_record_of_a_call_that_failed_tells_nothing() {
        let record = serde_json::json!({ "userIdentity": { "type": "Root", "arn": "arn:aws:iam::111122223333:root" }, "responseElements": null });
        let record: PutImage = serde_json::from_value(record).expect("it fits");
        assert_eq!(record.pushed(), None);
    }
}
