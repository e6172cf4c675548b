//! Whether an ECR event starts a release, and which one.

use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::image::{Digest, Image};
use crate::name::{ReleaseId, RepositoryName};
use crate::release::{Outcome, Release};

/// The `detail` of an `ECR Image Action` event, as AWS documents it on "Amazon ECR events and EventBridge"
/// (Amazon ECR user guide). Fields that AWS adds are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageAction {
    /// `SUCCESS` or `FAILURE`.
    pub result: String,
    /// The repository's name, without the registry's host.
    pub repository_name: RepositoryName,
    /// The digest of what was pushed.
    pub image_digest: Digest,
    /// `PUSH`, `DELETE` and others.
    pub action_type: String,
    /// The tag; absent or empty for a push by digest.
    #[serde(default)]
    pub image_tag: Option<String>,
    /// The media type of what was pushed: a manifest or an index.
    #[serde(default)]
    pub manifest_media_type: Option<String>,
    /// The media type of the artifact inside; for an image, of its configuration.
    #[serde(default)]
    pub artifact_media_type: Option<String>,
}

impl ImageAction {
    /// The event that ECR would have sent for a push that is known otherwise.
    #[must_use]
    pub fn push(repository: &RepositoryName, digest: &Digest, tag: &str, media_type: &str) -> Self {
        Self {
            result: "SUCCESS".to_owned(),
            repository_name: repository.clone(),
            image_digest: digest.clone(),
            action_type: "PUSH".to_owned(),
            image_tag: Some(tag.to_owned()),
            manifest_media_type: None,
            artifact_media_type: Some(media_type.to_owned()),
        }
    }
}

/// Why a push starts nothing. None of these is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The event is of another account or region than the deployer's.
    #[error("the event is of another account or region")]
    Elsewhere,
    /// Not a push: a deletion, for example.
    #[error("the action is {0}, not PUSH")]
    NotAPush(String),
    /// ECR reports that the push failed.
    #[error("the push did not succeed: {0}")]
    NotSuccessful(String),
    /// No tag: a push by digest, or a part of a multi-architecture image.
    #[error("the push has no tag: it is a part of a multi-architecture image, or was pushed by digest")]
    NoTag,
    /// A signature, an SBOM, an attestation, a chart: something beside an image.
    #[error("what was pushed is no image but {0}")]
    NotAnImage(String),
    /// No application has this repository.
    #[error("no application has the repository {0}")]
    UnknownRepository(RepositoryName),
    /// The image was rolled back or rejected, and nobody has lifted its quarantine.
    #[error("the image is quarantined since {release} ended {outcome}: {reason}")]
    Quarantined {
        /// The release that put it there.
        release: ReleaseId,
        /// What that release came to.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
    /// The release that is to end has ended.
    #[error("the release {release} has ended {outcome}")]
    Ended {
        /// The release.
        release: ReleaseId,
        /// What it came to.
        outcome: Outcome,
    },
    /// The application does not want this tag.
    #[error("the tag {tag} is outside the patterns of the application {application}")]
    TagNotWanted {
        /// The application's name.
        application: String,
        /// The tag.
        tag: String,
    },
}

impl Ignored {
    /// The reason as a metric's dimension: one word, few values.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Elsewhere => "Elsewhere",
            Self::NotAPush(_) => "NotAPush",
            Self::NotSuccessful(_) => "NotSuccessful",
            Self::NoTag => "NoTag",
            Self::NotAnImage(_) => "NotAnImage",
            Self::UnknownRepository(_) => "UnknownRepository",
            Self::Quarantined { .. } => "Quarantined",
            Self::Ended { .. } => "Ended",
            Self::TagNotWanted { .. } => "TagNotWanted",
        }
    }
}

/// Media types of an image's configuration, and of the manifests and indexes that ECR may report in its place.
const IMAGE_TYPES: [&str; 6] = [
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// Reads a push: the tagged image that it brought.
///
/// # Errors
///
/// [`Ignored`], when it brought none.
pub fn image_of(action: &ImageAction) -> Result<Image, Ignored> {
    if action.action_type != "PUSH" {
        return Err(Ignored::NotAPush(action.action_type.clone()));
    }
    if action.result != "SUCCESS" {
        return Err(Ignored::NotSuccessful(action.result.clone()));
    }
    let tag = action.image_tag.as_deref().filter(|tag| !tag.is_empty()).ok_or(Ignored::NoTag)?;
    if is_referrer_tag(tag) {
        return Err(Ignored::NotAnImage(format!(
            "what the tag {tag} stands for, a signature, SBOM or attestation"
        )));
    }
    if let Some(other) = [&action.artifact_media_type, &action.manifest_media_type]
        .into_iter()
        .flatten()
        .find(|media_type| !media_type.is_empty() && !IMAGE_TYPES.contains(&media_type.as_str()))
    {
        return Err(Ignored::NotAnImage(other.clone()));
    }
    Ok(Image {
        repository: action.repository_name.clone(),
        digest: action.image_digest.clone(),
        tag: tag.to_owned(),
    })
}

/// The tags under which cosign and the OCI referrers fall-back keep what belongs to an image:
/// `sha256-<64 digits>` and an optional ending.
fn is_referrer_tag(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|rest| {
        let digits = rest.split('.').next().unwrap_or_default();
        digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// The release that an image starts, and the application's configuration that it takes along.
///
/// # Errors
///
/// [`Ignored`], when no application wants the image.
pub fn release_of(image: Image, applications: Vec<Application>) -> Result<(Release, Application), Ignored> {
    let application = applications
        .into_iter()
        .find(|application| application.repository == image.repository)
        .ok_or_else(|| Ignored::UnknownRepository(image.repository.clone()))?;
    if !application.wants(&image.tag) {
        return Err(Ignored::TagNotWanted { application: application.name.to_string(), tag: image.tag });
    }
    let release =
        Release { id: release_id(&application, &image.digest), application: application.name.clone(), image };
    Ok((release, application))
}

/// The same digest always makes the same id: however often its event comes, and under however many tags, Step
/// Functions starts one execution of this name. 32 of 64 digits leave no chance of two digests meeting.
pub(crate) fn release_id(application: &Application, digest: &Digest) -> ReleaseId {
    let id = format!("{}-{}", application.name, &digest.hex()[..32]);
    ReleaseId::new(id).expect("a name of 32 characters at the most, a hyphen and 32 digits make an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action() -> ImageAction {
        ImageAction {
            result: "SUCCESS".into(),
            repository_name: RepositoryName::new("web").expect("a name"),
            image_digest: Digest::new(format!("sha256:{}", "a1".repeat(32))).expect("a digest"),
            action_type: "PUSH".into(),
            image_tag: Some("v1".into()),
            manifest_media_type: Some("application/vnd.oci.image.manifest.v1+json".into()),
            artifact_media_type: Some("application/vnd.oci.image.config.v1+json".into()),
        }
    }

    fn applications() -> Vec<Application> {
        let json = r#"{"name":"web","repository":"web","tags":["v*"],
            "stages":[{"name":"staging","services":[{"service":"web","health":{"path":"/health"}}]}]}"#;
        vec![Application::parse(json).expect("fits")]
    }

    #[test]
    fn a_tagged_image_is_a_release_named_by_its_digest() {
        let (release, _) =
            release_of(image_of(&action()).expect("an image"), applications()).expect("wanted");
        let again = ImageAction { image_tag: Some("v1.0".into()), ..action() };
        let (same, _) = release_of(image_of(&again).expect("an image"), applications()).expect("wanted");

        assert_eq!(release.id.as_str(), format!("web-{}", "a1".repeat(16)));
        assert_eq!(same.id, release.id, "another tag of the same digest is the same release");
    }

    #[test]
    fn an_index_is_one_release_and_its_parts_are_none() {
        let index = ImageAction {
            manifest_media_type: Some("application/vnd.oci.image.index.v1+json".into()),
            artifact_media_type: None,
            ..action()
        };
        assert!(image_of(&index).is_ok());

        for tag in [None, Some(String::new())] {
            let part = ImageAction { image_tag: tag, ..action() };
            assert_eq!(image_of(&part), Err(Ignored::NoTag));
        }
    }

    #[test]
    fn what_is_no_image_is_ignored() {
        let signature =
            ImageAction { image_tag: Some(format!("sha256-{}.sig", "a1".repeat(32))), ..action() };
        let fallback = ImageAction { image_tag: Some(format!("sha256-{}", "a1".repeat(32))), ..action() };
        let sbom = ImageAction { artifact_media_type: Some("application/spdx+json".into()), ..action() };
        let chart = ImageAction {
            artifact_media_type: Some("application/vnd.cncf.helm.config.v1+json".into()),
            ..action()
        };
        for artifact in [signature, fallback, sbom, chart] {
            assert!(matches!(image_of(&artifact), Err(Ignored::NotAnImage(_))), "{artifact:?}");
        }
    }

    #[test]
    fn deletions_failures_and_other_accounts_are_ignored() {
        let deletion = ImageAction { action_type: "DELETE".into(), ..action() };
        let failure = ImageAction { result: "FAILURE".into(), ..action() };
        assert_eq!(image_of(&deletion), Err(Ignored::NotAPush("DELETE".into())));
        assert_eq!(image_of(&failure), Err(Ignored::NotSuccessful("FAILURE".into())));

        let other =
            ImageAction { repository_name: RepositoryName::new("other").expect("a name"), ..action() };
        let image = image_of(&other).expect("an image");
        assert!(matches!(release_of(image, applications()), Err(Ignored::UnknownRepository(_))));
        let latest = ImageAction { image_tag: Some("latest".into()), ..action() };
        let image = image_of(&latest).expect("an image");
        assert!(matches!(release_of(image, applications()), Err(Ignored::TagNotWanted { .. })));
    }
}
