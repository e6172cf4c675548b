//! Where an image comes from: what whoever built it wrote into it. Nobody has proved it, so it is shown as words; an
//! address is made of it only where it is a repository's of a forge that is known.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::words;

/// The longest name of an author that is shown, in characters.
const LONGEST_AUTHOR: usize = 80;
/// The longest revision that is shown, in characters: a commit's SHA-256.
const LONGEST_REVISION: usize = 64;

/// Where an image comes from, as its annotations or its labels say ("Pre-Defined Annotation Keys", OCI image
/// specification).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The commit, or another name of what was built: `org.opencontainers.image.revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The repository of its source: `org.opencontainers.image.source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceRepository>,
    /// Who built it, in their own words: `org.opencontainers.image.authors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authors: Option<String>,
}

impl Origin {
    /// Reads annotations or labels. What somebody else wrote there is left out.
    #[must_use]
    pub fn read(annotations: &Value) -> Self {
        let of = |name: &str| annotations[format!("org.opencontainers.image.{name}")].as_str();
        let authors = of("authors").map(|authors| words::line(authors, LONGEST_AUTHOR));
        Self {
            revision: of("revision").filter(|revision| is_revision(revision)).map(ToOwned::to_owned),
            source: of("source").and_then(SourceRepository::read),
            authors: authors.filter(|authors| !authors.is_empty()),
        }
    }

    /// The same with what another place says of the image, where this one says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            revision: self.revision.or(other.revision),
            source: self.source.or(other.source),
            authors: self.authors.or(other.authors),
        }
    }
}

/// A revision is the name of a commit.
fn is_revision(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_REVISION
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}

/// A commit as a forge's address names it.
fn is_commit(text: &str) -> bool {
    (7..=LONGEST_REVISION).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The repository of a source, `https://github.com/OWNER/NAME` or `https://gitlab.com/GROUP/…/NAME`. No other address is one:
/// a link is made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceRepository {
    forge: Forge,
    path: String,
}

/// Whose addresses are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forge {
    GitHub,
    GitLab,
}

impl Forge {
    const fn host(self) -> &'static str {
        match self {
            Self::GitHub => "github.com",
            Self::GitLab => "gitlab.com",
        }
    }

    /// What stands between a repository and its pages.
    const fn pages(self) -> &'static str {
        match self {
            Self::GitHub => "",
            Self::GitLab => "/-",
        }
    }
}

impl SourceRepository {
    /// Reads an address; nothing where it is another one. A `.git` at its end is left out.
    #[must_use]
    pub fn read(address: &str) -> Option<Self> {
        let (host, path) = address.strip_prefix("https://")?.split_once('/')?;
        let forge = [Forge::GitHub, Forge::GitLab].into_iter().find(|forge| forge.host() == host)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let path = path.strip_suffix(".git").unwrap_or(path);
        let is_name = |name: &str| {
            name.len() <= 100
                && name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let names: Vec<_> = path.split('/').collect();
        let deepest = if forge == Forge::GitHub { 2 } else { 6 };
        ((2..=deepest).contains(&names.len()) && names.into_iter().all(is_name))
            .then(|| Self { forge, path: path.to_owned() })
    }

    /// The forge's host, such as `github.com`.
    #[must_use]
    pub const fn host(&self) -> &'static str {
        self.forge.host()
    }

    /// The page that shows what came between two commits; nothing where one is no commit, or both are the same.
    #[must_use]
    pub fn comparison(&self, old: &str, new: &str) -> Option<String> {
        (is_commit(old) && is_commit(new) && old != new)
            .then(|| format!("{self}{}/compare/{old}...{new}", self.forge.pages()))
    }

    /// The page of a commit; nothing where it is none.
    #[must_use]
    pub fn commit(&self, commit: &str) -> Option<String> {
        is_commit(commit).then(|| format!("{self}{}/commit/{commit}", self.forge.pages()))
    }
}

impl fmt::Display for SourceRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/{}", self.forge.host(), self.path)
    }
}

impl TryFrom<String> for SourceRepository {
    type Error = String;
    fn try_from(address: String) -> Result<Self, String> {
        Self::read(&address).ok_or_else(|| format!("{address:?} is no repository of a forge that is known"))
    }
}

impl From<SourceRepository> for String {
    fn from(repository: SourceRepository) -> Self {
        repository.to_string()
    }
}

/// Whether people may be given an address to follow: `http://` or `https://`, a host, and perhaps a port.
#[must_use]
pub fn is_web_address(address: &str) -> bool {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let (host, port) = rest.split_once(':').unwrap_or((rest, "80"));
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
    };
    rest.len() <= 253 && host.split('.').all(is_label) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::hostile::text;

    const OLD: &str = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432";
    const NEW: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

    #[test]
    fn a_comparison_is_linked_where_the_repository_is_one_of_a_known_forge() {
        for (source, expected) in [
            ("https://github.com/acme/web", "https://github.com/acme/web/compare/OLD...NEW"),
            ("https://github.com/acme/web.git", "https://github.com/acme/web/compare/OLD...NEW"),
            ("https://gitlab.com/acme/shop/web/", "https://gitlab.com/acme/shop/web/-/compare/OLD...NEW"),
        ] {
            let repository = SourceRepository::read(source).expect(source);
            let link = repository.comparison(OLD, NEW).expect("two commits");
            assert_eq!(link, expected.replace("OLD", OLD).replace("NEW", NEW));
        }
    }

    #[test]
    fn no_other_address_becomes_a_link() {
        for other in [
            "http://github.com/acme/web",
            "https://github.com.example.net/acme/web",
            "https://github.com@example.net/acme/web",
            "https://github.com:443/acme/web",
            "https://GitHub.com/acme/web",
            "https://example.net/acme/web",
            "https://github.com/acme",
            "https://github.com/acme/web/tree/main",
            "https://github.com/acme/../login",
            "https://github.com/acme/web?x=1",
            "https://github.com/acme/web#x",
            "https://github.com//web",
            "https://github.com/acme/wéb",
            "git@github.com:acme/web.git",
            "javascript:alert(1)",
            " https://github.com/acme/web",
        ] {
            assert_eq!(SourceRepository::read(other), None, "{other}");
        }
        let repository = SourceRepository::read("https://github.com/acme/web").expect("one");
        for (old, new) in [(OLD, OLD), (OLD, "main"), ("v1", NEW), (OLD, "1a2b3c"), (OLD, "1a2b3c4d...x")] {
            assert_eq!(repository.comparison(old, new), None, "{old} {new}");
        }
    }

    #[test]
    fn what_is_said_in_one_place_counts_before_the_other() {
        let of = |name: &str| format!("org.opencontainers.image.{name}");
        let manifest = Origin::read(&json!({ of("revision"): NEW, of("authors"): "Ana\n<ana@example.com>" }));
        let labels =
            Origin::read(&json!({ of("revision"): OLD, of("source"): "https://github.com/acme/web" }));

        let origin = manifest.or(labels);

        assert_eq!(origin.revision.as_deref(), Some(NEW));
        assert_eq!(
            origin.source.map(|source| source.to_string()).as_deref(),
            Some("https://github.com/acme/web")
        );
        assert_eq!(origin.authors.as_deref(), Some("Ana ‹ana@example.com›"));
        assert_eq!(Origin::read(&json!({ of("revision"): "click http://example.com" })), Origin::default());
    }

    #[test]
    fn people_are_given_the_address_of_a_host_alone() {
        for good in [
            "http://web.eu-central-1.elb.amazonaws.com",
            "https://www.example.com",
            "http://web.localhost:8080",
        ] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "www.example.com",
            "ftp://example.com",
            "https://",
            "https://a@b.c",
            "https://a.b/c",
            "https://a..b",
            "http://a:0",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn words_of_others_make_no_link(text in text()) {
            let origin = Origin::read(&json!({ "org.opencontainers.image.source": text, "org.opencontainers.image.revision": text }));
            prop_assert_eq!(origin.source, None);
        }
    }
}
