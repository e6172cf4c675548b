//! Images, always by digest.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::name::RepositoryName;
use crate::words;

/// The longest tag, in characters.
const LONGEST_TAG: usize = 128;
/// How many digits of a digest name an image at the least.
const FEWEST_DIGITS: usize = 6;

/// The digest of an image's manifest or index: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Digest(String);

/// A text that is no image digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an image digest: sha256: and 64 hexadecimal digits")]
pub struct DigestError(String);

impl Digest {
    /// Checks a digest.
    ///
    /// # Errors
    ///
    /// When it is not `sha256:` and 64 lower-case hexadecimal digits.
    pub fn new(value: impl Into<String>) -> Result<Self, DigestError> {
        let value = value.into();
        match value.strip_prefix("sha256:") {
            Some(hex)
                if hex.len() == 64
                    && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) =>
            {
                Ok(Self(value))
            }
            _ => Err(DigestError(value)),
        }
    }

    /// The digest as text, with its `sha256:`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The first twelve hexadecimal digits, for people to read.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(value: String) -> Result<Self, DigestError> {
        Self::new(value)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An image by digest, never by tag: `repository@sha256:…`. The tag that was pushed is kept beside it for people.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The repository's name, without the registry's host.
    pub repository: RepositoryName,
    /// The digest of the manifest, or of the index of a multi-architecture image.
    pub digest: Digest,
    /// The tag that was pushed. For reading only: it is never deployed.
    #[serde(deserialize_with = "tag")]
    pub tag: String,
}

/// A tag as ECR has it (`PutImage`, Amazon ECR API reference): it is shown to people, in mails and on pages.
fn tag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let tag = String::deserialize(deserializer)?;
    let fits = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits && !tag.is_empty() && tag.len() <= LONGEST_TAG && !tag.starts_with(['.', '-']) {
        Ok(tag)
    } else {
        Err(serde::de::Error::custom(format!(
            "{tag:?} is no tag: write up to {LONGEST_TAG} letters, digits, dots, hyphens and underscores"
        )))
    }
}

impl Image {
    /// Whether a person means this image: by its tag, its digest, or six or more of the digest's first digits.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        let digits = name.strip_prefix("sha256:").unwrap_or(name);
        self.tag == name || (digits.len() >= FEWEST_DIGITS && self.digest.hex().starts_with(digits))
    }

    /// The tag as people read it: one that looks like an address is not followed.
    #[must_use]
    pub fn tag_in_words(&self) -> String {
        words::line(&self.tag, LONGEST_TAG)
    }

    /// What a container definition gets instead of `current`, when `current` is an image of this repository in any
    /// registry: the same registry and repository, and this digest. `None` for another repository's image (a sidecar).
    #[must_use]
    pub fn in_place_of(&self, current: &str) -> Option<String> {
        let name = without_version(current);
        let same = name == self.repository.as_str()
            || name
                .strip_suffix(self.repository.as_str())
                .is_some_and(|registry| registry.ends_with('/') && is_registry(registry));
        same.then(|| format!("{name}@{}", self.digest))
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

/// The digest that an image reference names, if it names one.
#[must_use]
pub fn digest_of(reference: &str) -> Option<Digest> {
    let (_, digest) = reference.rsplit_once('@')?;
    Digest::new(digest).ok()
}

/// `registry/repository` of `registry/repository:tag@digest`.
pub(crate) fn without_version(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        // A colon before the last slash is the registry's port.
        Some((before, after)) if !after.contains('/') => before,
        _ => name,
    }
}

/// A registry's host and a slash, and nothing between them: `web` is not the repository of `host/team/web`.
fn is_registry(prefix: &str) -> bool {
    prefix.matches('/').count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            repository: RepositoryName::new("web").expect("a name"),
            digest: Digest::new(format!("sha256:{}", "a1".repeat(32))).expect("a digest"),
            tag: "v2".to_owned(),
        }
    }

    #[test]
    fn only_the_applications_own_container_gets_the_new_digest() {
        let host = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
        let ours = format!("{host}/web@{}", image().digest);
        for current in [
            format!("{host}/web:template"),
            format!("{host}/web"),
            format!("{host}/web:v1@sha256:{}", "0".repeat(64)),
        ] {
            assert_eq!(image().in_place_of(&current), Some(ours.clone()), "{current}");
        }
        for other in
            [format!("{host}/team/web:v1"), format!("{host}/webhook:v1"), "envoyproxy/envoy:v1".to_owned()]
        {
            assert_eq!(image().in_place_of(&other), None, "{other}");
        }
    }

    #[test]
    fn a_registry_with_a_port_is_no_tag() {
        assert_eq!(
            image().in_place_of("localhost:4566/web:template"),
            Some(format!("localhost:4566/web@{}", image().digest))
        );
        assert_eq!(
            image().in_place_of("localhost:4566/web"),
            Some(format!("localhost:4566/web@{}", image().digest))
        );
    }

    #[test]
    fn an_image_is_named_by_its_tag_its_digest_or_the_digests_first_digits() {
        let image = image();
        let hex = image.digest.hex().to_owned();

        for name in [&image.tag, image.digest.as_str(), &hex, &hex[..6], &format!("sha256:{}", &hex[..12])] {
            assert!(image.is_named(name), "{name}");
        }
        for name in ["", "sha256:", &hex[..5], "another", &format!("{hex}0")] {
            assert!(!image.is_named(name), "{name}");
        }
    }

    #[test]
    fn a_digest_is_sha256_and_64_digits() {
        for bad in [
            "",
            "sha256:",
            "sha256:abc",
            &format!("sha256:{}", "G".repeat(64)),
            &format!("sha512:{}", "a".repeat(64)),
            &"a".repeat(64),
        ] {
            Digest::new(bad).expect_err(bad);
        }
        assert_eq!(image().digest.short(), "a1a1a1a1a1a1");
        assert_eq!(digest_of("host/web:v1"), None);
    }
}
