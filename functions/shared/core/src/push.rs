//! Whether an ECR event starts a release, and which one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::application::Application;
use crate::image::{Digest, Image};
use crate::name::{ApplicationName, ReleaseId, RepositoryName};
use crate::release::{Outcome, Release, Started};

/// How long after a push was received its event may come once more, with a time of its own: EventBridge delivers an event
/// at least once ("Amazon EventBridge event delivery", Amazon EventBridge user guide).
const SAME_PUSH: SignedDuration = SignedDuration::from_mins(5);

/// The `detail` of an `ECR Image Action` or `ECR Replication Action` event, as AWS documents them on "Amazon ECR events
/// and EventBridge" (Amazon ECR user guide). Fields that AWS adds are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageAction {
    /// `SUCCESS` or `FAILURE`.
    pub result: String,
    /// The repository's name, without the registry's host.
    pub repository_name: RepositoryName,
    /// The digest of what was pushed.
    pub image_digest: Digest,
    /// `PUSH`, `REPLICATE`, `DELETE` and others.
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

/// The `detail` of an `ECR Pull Through Cache Action` event, from the same page: ECR has fetched an image from another
/// registry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PullThrough {
    sync_status: String,
    repository_name: RepositoryName,
    image_digest: Digest,
    #[serde(default)]
    image_tag: Option<String>,
}

impl From<PullThrough> for ImageAction {
    fn from(pulled: PullThrough) -> Self {
        let PullThrough { sync_status, repository_name, image_digest, image_tag } = pulled;
        Self {
            result: sync_status,
            repository_name,
            image_digest,
            action_type: PULL_THROUGH.to_owned(),
            image_tag,
            manifest_media_type: None,
            artifact_media_type: None,
        }
    }
}

/// What brings an image into a repository: a push, replication from another registry, the pull-through cache.
const ARRIVALS: [&str; 3] = ["PUSH", "REPLICATE", PULL_THROUGH];
const PULL_THROUGH: &str = "PULL_THROUGH";

/// Why a push starts nothing. None of these is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The event is of another account or region than the deployer's.
    #[error("the event is of another account or region")]
    Elsewhere,
    /// Nothing that brings an image: a deletion, for example.
    #[error("the action is {0}, which brings no image")]
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
    /// The application does not want this tag.
    #[error("the tag {tag} is outside the patterns of the application {application}")]
    TagNotWanted {
        /// The application's name.
        application: String,
        /// The tag.
        tag: String,
    },
    /// The tag of a release was taken from its image, and is put on it again.
    #[error(
        "the image was received under this tag before, as the release {release}: push it under another tag, or ask for its release: slipway release"
    )]
    SameTag {
        /// The release.
        release: ReleaseId,
    },
    /// The image runs everywhere, as the templates say.
    #[error(
        "every service of every stage runs this image already, as its newest template says: there is nothing to release since {release}"
    )]
    NothingChanged {
        /// The release that was first to bring the image.
        release: ReleaseId,
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
            Self::TagNotWanted { .. } => "TagNotWanted",
            Self::SameTag { .. } => "SameTag",
            Self::NothingChanged { .. } => "NothingChanged",
        }
    }

    /// Whether people are notified of it: somebody meant this push to be released.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        matches!(self, Self::Quarantined { .. } | Self::SameTag { .. } | Self::NothingChanged { .. })
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
    if !ARRIVALS.contains(&action.action_type.as_str()) {
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
    for media_type in [&action.artifact_media_type, &action.manifest_media_type].into_iter().flatten() {
        is_an_image(media_type)?;
    }
    Ok(Image {
        repository: action.repository_name.clone(),
        digest: action.image_digest.clone(),
        tag: tag.to_owned(),
    })
}

/// That a media type is an image's, or unknown. The events of replication and of the pull-through cache have none: the
/// registry knows it.
///
/// # Errors
///
/// [`Ignored::NotAnImage`], when it is of something else.
pub fn is_an_image(media_type: &str) -> Result<(), Ignored> {
    if media_type.is_empty() || IMAGE_TYPES.contains(&media_type) {
        Ok(())
    } else {
        Err(Ignored::NotAnImage(media_type.to_owned()))
    }
}

/// When a release's image was pushed, for the order of releases. Of an image that came with its one tag ECR knows it
/// exactly. Putting a further tag on an image does not change the image's time, so what counts then is the event's.
#[must_use]
pub fn pushed_at(
    image_pushed_at: Timestamp,
    tags: usize,
    received_before: bool,
    event_at: Timestamp,
) -> Timestamp {
    if tags > 1 || received_before { image_pushed_at.max(event_at) } else { image_pushed_at }
}

/// Whether an event is the push that a release was started for, once more: the same tag, at the same time.
#[must_use]
pub fn is_same_push(started: &Started, tag: &str, event_at: Timestamp) -> bool {
    started.release.image.tag == tag && event_at < started.at + SAME_PUSH
}

/// The tags under which cosign and the OCI referrers fall-back keep what belongs to an image:
/// `sha256-<64 digits>` and an optional ending.
fn is_referrer_tag(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|rest| {
        let digits = rest.split('.').next().unwrap_or_default();
        digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// What was pushed under a tag, be it an image or not.
#[must_use]
pub fn tagged_of(action: &ImageAction) -> Option<Image> {
    let tag = action.image_tag.clone().filter(|tag| !tag.is_empty())?;
    ARRIVALS.contains(&action.action_type.as_str()).then(|| Image {
        repository: action.repository_name.clone(),
        digest: action.image_digest.clone(),
        tag,
    })
}

/// The release that an image of its application starts.
///
/// # Errors
///
/// [`Ignored::TagNotWanted`], when the application does not want the tag.
pub fn release_of(image: Image, application: &Application) -> Result<Release, Ignored> {
    if !application.wants(&image.tag) {
        return Err(Ignored::TagNotWanted { application: application.name.to_string(), tag: image.tag });
    }
    Ok(Release {
        id: release_id(&application.name, &image.digest),
        application: application.name.clone(),
        image,
    })
}

/// The release of an image that was received before and has come under a further tag. The same tag makes the same id,
/// however often its event comes.
#[must_use]
pub fn release_again(release: &Release) -> Release {
    let tag = hex::encode(Sha256::digest(release.image.tag.as_bytes()));
    Release { id: further_id(&release.id, &tag), ..release.clone() }
}

/// The id of a further release of an image: its first one's, and eight hexadecimal digits of what is different.
pub(crate) fn further_id(first: &ReleaseId, digits: &str) -> ReleaseId {
    ReleaseId::new(format!("{first}-{}", &digits[..8]))
        .expect("a release's id of 65 characters at the most, a hyphen and 8 digits make an id")
}

/// The same digest always makes the same id: however often its event comes, and under however many tags at one time,
/// Step Functions starts one execution of this name. 32 of 64 digits leave no chance of two digests meeting.
#[must_use]
pub fn release_id(application: &ApplicationName, digest: &Digest) -> ReleaseId {
    let id = format!("{application}-{}", &digest.hex()[..32]);
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

    fn web() -> Application {
        let json = r#"{"name":"web","repository":"web","tags":["v*"],
            "stages":[{"name":"staging","services":[{"service":"web","health":{"path":"/health"}}]}]}"#;
        Application::parse(json).expect("fits")
    }

    #[test]
    fn a_tagged_image_is_a_release_named_by_its_digest() {
        let release = release_of(image_of(&action()).expect("an image"), &web()).expect("wanted");
        let again = ImageAction { image_tag: Some("v1.0".into()), ..action() };
        let same = release_of(image_of(&again).expect("an image"), &web()).expect("wanted");

        assert_eq!(release.id.as_str(), format!("web-{}", "a1".repeat(16)));
        assert_eq!(same.id, release.id, "another tag of the same digest is the same release");
    }

    #[test]
    fn what_is_replicated_or_pulled_through_is_a_push() {
        let replicated = ImageAction {
            action_type: "REPLICATE".into(),
            manifest_media_type: None,
            artifact_media_type: None,
            ..action()
        };
        assert!(image_of(&replicated).is_ok());

        let pulled = |status: &str| {
            let detail = serde_json::json!({
                "rule-version": "1", "sync-status": status, "ecr-repository-prefix": "docker-hub", "repository-name": "docker-hub/web",
                "upstream-registry-url": "registry-1.docker.io", "image-tag": "v1", "image-digest": action().image_digest,
            });
            let pulled: PullThrough = serde_json::from_value(detail).expect("it fits");
            image_of(&pulled.into())
        };
        assert_eq!(pulled("SUCCESS").expect("an image").repository.as_str(), "docker-hub/web");
        assert_eq!(pulled("FAILED"), Err(Ignored::NotSuccessful("FAILED".into())));
    }

    #[test]
    fn a_further_tag_of_a_known_image_is_a_release_of_its_own_and_the_same_push_is_none() {
        let release = release_of(image_of(&action()).expect("an image"), &web()).expect("wanted");
        let image = Image { tag: "v1-again".into(), ..release.image.clone() };
        let again = release_of(image, &web()).expect("wanted");
        let again = release_again(&again);

        assert!(again.id.as_str().starts_with(&format!("{}-", release.id)));
        assert_eq!(release_again(&Release { id: release.id.clone(), ..again.clone() }), again);

        let at: Timestamp = "2026-11-20T08:00:00Z".parse().expect("a time");
        let started = Started { release, at, pushed_at: at, asked: None };
        let minutes = SignedDuration::from_mins;
        assert!(
            is_same_push(&started, "v1", at - minutes(1)) && is_same_push(&started, "v1", at + minutes(1))
        );
        assert!(!is_same_push(&started, "v1", at + minutes(6)) && !is_same_push(&started, "v1-again", at));
    }

    #[test]
    fn the_time_of_a_further_tag_is_its_events() {
        let (image, event): (Timestamp, Timestamp) = (
            "2026-11-20T08:00:00.5Z".parse().expect("a time"),
            "2026-11-21T09:00:00Z".parse().expect("a time"),
        );

        assert_eq!(pushed_at(image, 1, false, event), image, "its event may be late");
        assert_eq!(pushed_at(image, 2, false, event), event);
        assert_eq!(pushed_at(image, 1, true, event), event, "the tag that was received first is gone");
        assert_eq!(pushed_at(event, 2, false, image), event, "never before the image");
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
    fn deletions_failures_and_unwanted_tags_are_ignored() {
        let deletion = ImageAction { action_type: "DELETE".into(), ..action() };
        let failure = ImageAction { result: "FAILURE".into(), ..action() };
        assert_eq!(image_of(&deletion), Err(Ignored::NotAPush("DELETE".into())));
        assert_eq!(image_of(&failure), Err(Ignored::NotSuccessful("FAILURE".into())));

        let latest = ImageAction { image_tag: Some("latest".into()), ..action() };
        let image = image_of(&latest).expect("an image");
        assert!(matches!(release_of(image, &web()), Err(Ignored::TagNotWanted { .. })));
    }
}
