//! ECR: whether an image is there.

use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::ImageIdentifier;
use slipway_core::image::Image;

use crate::AwsError;

/// ECR's repositories.
#[derive(Clone, Debug)]
pub struct Repositories {
    client: Client,
}

impl Repositories {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Whether the registry has the image's digest.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked, or has no such repository.
    pub async fn has(&self, image: &Image) -> Result<bool, AwsError> {
        let id = ImageIdentifier::builder().image_digest(image.digest.as_str()).build();
        let request = self.client.describe_images().repository_name(image.repository.as_str()).image_ids(id);
        match request.send().await {
            Ok(answer) => Ok(!answer.image_details().is_empty()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_ecr::operation::describe_images::DescribeImagesError::is_image_not_found_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(AwsError::from_sdk("ecr:DescribeImages", error)),
        }
    }
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
        let there = mock!(aws_sdk_ecr::Client::describe_images)
            .then_output(|| DescribeImagesOutput::builder().image_details(ImageDetail::builder().build()).build());

        let without = Repositories::new(answering!(aws_sdk_ecr, [&unknown]));
        let with = Repositories::new(answering!(aws_sdk_ecr, [&there]));

        assert!(!without.has(&image()).await.expect("an answer"));
        assert!(with.has(&image()).await.expect("an answer"));
    }
}
