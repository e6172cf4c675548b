//! ECR: which images are there.

use aws_sdk_ecr::Client;
use aws_sdk_ecr::operation::describe_images::DescribeImagesError;
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageDetail, ImageIdentifier, TagStatus};
use jiff::Timestamp;
use slipway_core::image::{Digest, Image};
use slipway_core::name::RepositoryName;

use crate::AwsError;

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
