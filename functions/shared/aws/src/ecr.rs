//! ECR: which images are there.

use aws_sdk_ecr::Client;
use aws_sdk_ecr::operation::describe_images::DescribeImagesError;
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageDetail, ImageIdentifier, TagStatus};
use jiff::Timestamp;
use serde_json::Value;
use slipway_core::image::{Digest, Image};
use slipway_core::name::RepositoryName;

use crate::AwsError;

/// The kinds of manifests that are read.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// ECR's repositories.
#[derive(Clone, Debug)]
pub struct Repositories {
    client: Client,
}

/// An image as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Its digest.
    pub digest: Digest,
    /// Its tags now.
    pub tags: Vec<String>,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// What it is, where ECR says so: the media type of an image's configuration, or of another artifact.
    pub media_type: String,
}

impl Repositories {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The image of this digest, if the registry has it.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked, or has no such repository.
    pub async fn find(&self, image: &Image) -> Result<Option<Tagged>, AwsError> {
        const OPERATION: &str = "ecr:DescribeImages";
        let id = ImageIdentifier::builder().image_digest(image.digest.as_str()).build();
        let request = self.client.describe_images().repository_name(image.repository.as_str()).image_ids(id);
        match request.send().await {
            Ok(answer) => answer.image_details().first().map(|detail| tagged(OPERATION, detail)).transpose(),
            Err(error) if error.as_service_error().is_some_and(DescribeImagesError::is_image_not_found_exception) => Ok(None),
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// The commit that an image was built from, where its manifest says so: its annotation `org.opencontainers.image.revision`
    /// (OCI image specification, "Annotations"). Of an index without one the first image in it is asked.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn revision(&self, image: &Image) -> Result<Option<String>, AwsError> {
        let Some(manifest) = self.manifest(&image.repository, image.digest.as_str()).await? else { return Ok(None) };
        if let Some(revision) = annotated(&manifest) {
            return Ok(Some(revision));
        }
        match manifest["manifests"][0]["digest"].as_str() {
            Some(first) => Ok(self.manifest(&image.repository, first).await?.as_ref().and_then(annotated)),
            None => Ok(None),
        }
    }

    async fn manifest(&self, repository: &RepositoryName, digest: &str) -> Result<Option<Value>, AwsError> {
        const OPERATION: &str = "ecr:BatchGetImage";
        let id = ImageIdentifier::builder().image_digest(digest).build();
        let request = self.client.batch_get_image().repository_name(repository.as_str()).image_ids(id);
        let request = MANIFESTS.iter().fold(request, |request, media_type| request.accepted_media_types(*media_type));
        let answer = request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(answer.images().first().and_then(|image| image.image_manifest()).and_then(|text| serde_json::from_str(text).ok()))
    }

    /// The repository's images that have a tag. None where there is no such repository.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn tagged(&self, repository: &RepositoryName) -> Result<Vec<Tagged>, AwsError> {
        const OPERATION: &str = "ecr:DescribeImages";
        let filter = DescribeImagesFilter::builder().tag_status(TagStatus::Tagged).build();
        let mut images = Vec::new();
        let mut next = None;
        loop {
            let request = self.client.describe_images().repository_name(repository.as_str()).filter(filter.clone()).set_next_token(next);
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) if error.as_service_error().is_some_and(DescribeImagesError::is_repository_not_found_exception) => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(AwsError::from_sdk(OPERATION, error)),
            };
            for detail in answer.image_details() {
                images.push(tagged(OPERATION, detail)?);
            }
            next = answer.next_token().map(ToOwned::to_owned);
            if next.is_none() {
                return Ok(images);
            }
        }
    }
}

/// A revision is a name of a commit: what else somebody wrote there is not shown.
fn annotated(manifest: &Value) -> Option<String> {
    let revision = manifest["annotations"]["org.opencontainers.image.revision"].as_str()?;
    let fits = !revision.is_empty()
        && revision.len() <= 64
        && revision.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    fits.then(|| revision.to_owned())
}

fn tagged(operation: &'static str, detail: &ImageDetail) -> Result<Tagged, AwsError> {
    let unusable = |what: &str| AwsError::unusable(operation, format!("an image without {what}"));
    let digest = detail.image_digest().and_then(|digest| Digest::new(digest).ok()).ok_or_else(|| unusable("digest"))?;
    let pushed_at = detail.image_pushed_at().ok_or_else(|| unusable("the time of its push"))?;
    let pushed_at = i64::try_from(pushed_at.as_nanos() / 1_000_000).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(Tagged {
        digest,
        tags: detail.image_tags().to_vec(),
        pushed_at: pushed_at.ok_or_else(|| unusable("a time of its push that is in range"))?,
        media_type: detail.artifact_media_type().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecr::operation::batch_get_image::BatchGetImageOutput;
    use aws_sdk_ecr::operation::describe_images::{DescribeImagesError, DescribeImagesOutput};
    use aws_sdk_ecr::types::ImageDetail;
    use aws_sdk_ecr::types::error::ImageNotFoundException;
    use aws_smithy_mocks::mock;
    use slipway_core::image::Digest;
    use slipway_core::name::RepositoryName;

    use super::*;
    use crate::answering::answering;

    fn image() -> Image {
        Image {
            repository: RepositoryName::new("web").expect("a name"),
            digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
            tag: "v1".into(),
        }
    }

    #[tokio::test]
    async fn a_digest_that_ecr_does_not_know_is_an_answer_and_no_error() {
        let unknown = mock!(aws_sdk_ecr::Client::describe_images)
            .then_error(|| DescribeImagesError::ImageNotFoundException(ImageNotFoundException::builder().build()));
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&unknown]));

        assert_eq!(repositories.find(&image()).await.expect("an answer"), None);
    }

    fn manifest(text: &'static str) -> BatchGetImageOutput {
        BatchGetImageOutput::builder().images(aws_sdk_ecr::types::Image::builder().image_manifest(text).build()).build()
    }

    #[tokio::test]
    async fn the_commit_is_the_manifests_annotation_or_that_of_the_first_image_of_an_index() {
        let index = mock!(aws_sdk_ecr::Client::batch_get_image)
            .match_requests(|request| request.image_ids()[0].image_digest() == Some(image().digest.as_str()))
            .then_output(|| manifest(r#"{"manifests":[{"digest":"sha256:b"},{"digest":"sha256:c"}]}"#));
        let first = mock!(aws_sdk_ecr::Client::batch_get_image)
            .match_requests(|request| request.image_ids()[0].image_digest() == Some("sha256:b"))
            .then_output(|| manifest(r#"{"annotations":{"org.opencontainers.image.revision":"4f5c0a1b"}}"#));
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&index, &first]));
        assert_eq!(repositories.revision(&image()).await.expect("an answer").as_deref(), Some("4f5c0a1b"));

        let strange = mock!(aws_sdk_ecr::Client::batch_get_image)
            .then_output(|| manifest(r#"{"annotations":{"org.opencontainers.image.revision":"click http://example.com"}}"#));
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&strange]));
        assert_eq!(repositories.revision(&image()).await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn an_image_is_its_digest_its_tags_and_the_time_of_its_push() {
        let there = mock!(aws_sdk_ecr::Client::describe_images).then_output(|| {
            let detail = ImageDetail::builder()
                .image_digest(image().digest.as_str())
                .image_tags("v1")
                .image_pushed_at(aws_smithy_types::DateTime::from_secs_f64(1_700_000_000.25))
                .build();
            DescribeImagesOutput::builder().image_details(detail).build()
        });
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&there]));

        let found = repositories.find(&image()).await.expect("an answer").expect("it is there");

        let pushed_at = Timestamp::from_millisecond(1_700_000_000_250).expect("in range");
        assert_eq!(found, Tagged { digest: image().digest, tags: vec!["v1".into()], pushed_at, media_type: String::new() });
    }
}
