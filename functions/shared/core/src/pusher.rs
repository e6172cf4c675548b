//! Who pushed an image, as far as CloudTrail records it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

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

    /// The people behind them, as configured; nothing where nobody has said whose one of them is.
    #[must_use]
    pub fn people(&self, identities: &Identities) -> Option<BTreeSet<EmailAddress>> {
        let people: Option<Vec<_>> = self.0.iter().map(|identity| identities.people(identity)).collect();
        Some(people?.into_iter().flatten().cloned().collect())
    }

    /// Their ARNs, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.0.join(" and ")
    }
}

/// Whose identities are. A name alone proves nothing: whoever assumes a role names their session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Identities(BTreeMap<String, Vec<EmailAddress>>);

impl Identities {
    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The people behind an identity, of every pattern that matches it; nothing where none does.
    fn people(&self, identity: &str) -> Option<Vec<&EmailAddress>> {
        let mut matching =
            self.0.iter().filter(|(pattern, _)| WildMatch::new(pattern).matches(identity)).peekable();
        matching.peek()?;
        Some(matching.flat_map(|(_, people)| people).collect())
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
    fn a_person_is_known_by_what_is_configured_and_by_no_name() {
        let identities: Identities = serde_json::from_value(serde_json::json!({
            "arn:aws:iam::111122223333:user/teams/ana": ["Ana@example.com"],
            "arn:aws:sts::111122223333:assumed-role/ci/*": [],
        }))
        .expect("they fit");
        let people = |identity: &str| Pushers::default().and(identity).people(&identities);

        let ana = people("arn:aws:iam::111122223333:user/teams/ana").expect("she is known");
        assert_eq!(ana.into_iter().collect::<Vec<_>>(), [person("ana@example.com")]);
        let pipeline = "arn:aws:sts::111122223333:assumed-role/ci/GitHubActions";
        assert_eq!(people(pipeline), Some(BTreeSet::new()), "a pipeline is nobody");
        let session = "arn:aws:sts::111122223333:assumed-role/Developers/bo@example.com";
        assert_eq!(people(session), None, "whoever assumes the role names the session");
        assert_eq!(Pushers::default().and(pipeline).and(session).people(&identities), None);
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
