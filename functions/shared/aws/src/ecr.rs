//! ECR: which images are there.

use std::sync::LazyLock;
use std::time::Duration;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::operation::describe_image_scan_findings::{
    DescribeImageScanFindingsError, DescribeImageScanFindingsOutput,
};
use aws_sdk_ecr::operation::describe_images::DescribeImagesError;
use aws_sdk_ecr::types::{
    DescribeImagesFilter, EnhancedImageScanFinding, ImageDetail, ImageIdentifier, ImageScanFinding,
    ImageStatus, ImageTagMutability, ScanFrequency, TagStatus,
};
use jiff::Timestamp;
use serde_json::Value;
use slipway_core::adoption::ExistingRepository;
use slipway_core::image::{Digest, Image};
use slipway_core::name::RepositoryName;
use slipway_core::origin::Origin;
use slipway_core::scan::{Finding, Scan, Severity};
use slipway_core::words;

use crate::AwsError;
use crate::ecs::DEPLOYER_TAG;

/// The kinds of manifests that are read.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What stands for the name of a finding that has none.
const NAMELESS: &str = "a finding without a name";

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

    /// All repositories of the account, without their tags.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn existing(&self) -> Result<Vec<ExistingRepository>, AwsError> {
        let request = self.client.describe_repositories().max_results(1_000);
        let found = request.into_paginator().items().send().try_collect().await;
        let found = found.map_err(|error| AwsError::from_sdk("ecr:DescribeRepositories", error))?;
        let existing = found.iter().filter_map(|repository| {
            Some(ExistingRepository {
                name: RepositoryName::new(repository.repository_name()?).ok()?,
                arn: repository.repository_arn()?.to_owned(),
                uri: repository.repository_uri()?.to_owned(),
                deployer: None,
                has_mutable_tags: repository.image_tag_mutability() == Some(&ImageTagMutability::Mutable),
            })
        });
        Ok(existing.collect())
    }

    /// The deployer that may read a repository, as its tag `slipway:deployer` says.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn deployer(&self, arn: &str) -> Result<Option<String>, AwsError> {
        let answer = self.client.list_tags_for_resource().resource_arn(arn).send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk("ecr:ListTagsForResource", error))?;
        let tag = answer.tags().iter().find(|tag| tag.key() == DEPLOYER_TAG);
        Ok(tag.map(|tag| tag.value().to_owned()))
    }

    /// The image of this digest, if the registry has it and ECS can pull it: one that is archived is described, and a pull
    /// of it is answered with 404 (`imageStatus` of `ImageDetail`, Amazon ECR API reference, and "Archiving images").
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked, or has no such repository.
    pub async fn find(&self, image: &Image) -> Result<Option<Tagged>, AwsError> {
        const OPERATION: &str = "ecr:DescribeImages";
        let id = ImageIdentifier::builder().image_digest(image.digest.as_str()).build();
        let request = self.client.describe_images().repository_name(image.repository.as_str()).image_ids(id);
        match Box::pin(request.send()).await {
            Ok(answer) => {
                let found = answer.image_details().first().filter(|detail| is_there(detail));
                found.map(|detail| tagged(OPERATION, detail)).transpose()
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeImagesError::is_image_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// Where an image comes from, as far as it says so: by the annotations of its manifest, of an index by those of the
    /// first image in it, and by the labels of its configuration.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked, or its layer storage does not give the configuration.
    pub async fn origin(&self, image: &Image) -> Result<Origin, AwsError> {
        let Some(mut manifest) = self.manifest(&image.repository, image.digest.as_str()).await? else {
            return Ok(Origin::default());
        };
        let mut origin = Origin::read(&manifest["annotations"]);
        if let Some(first) = manifest["manifests"][0]["digest"].as_str() {
            manifest = self.manifest(&image.repository, first).await?.unwrap_or_default();
            origin = origin.or(Origin::read(&manifest["annotations"]));
        }
        if origin.revision.is_some() && origin.source.is_some() {
            return Ok(origin);
        }
        let configuration = self.configuration(&image.repository, &manifest).await?.unwrap_or_default();
        Ok(origin.or(Origin::read(&configuration["config"]["Labels"])))
    }

    /// The images that a scanner looks at: the image itself, or those of an index, without what describes them:
    /// attestations, and artifacts such as a SOCI index, whose entries say their `artifactType` (OCI image specification,
    /// "Image Index").
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn scanned_images(&self, image: &Image) -> Result<Vec<Digest>, AwsError> {
        let Some(manifest) = self.manifest(&image.repository, image.digest.as_str()).await? else {
            return Ok(Vec::new());
        };
        let Some(images) = manifest["manifests"].as_array() else { return Ok(vec![image.digest.clone()]) };
        let is_image = |entry: &&Value| {
            entry["annotations"]["vnd.docker.reference.type"].is_null()
                && entry["artifactType"].is_null()
                && entry["platform"]["os"].as_str() != Some("unknown")
        };
        Ok(images
            .iter()
            .filter(is_image)
            .filter_map(|entry| Digest::new(entry["digest"].as_str()?).ok())
            .collect())
    }

    /// What ECR says of the scan of one image, basic or enhanced. Of the findings of an enhanced scan those count
    /// that are not closed or suppressed.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked. For a repository with enhanced scanning the caller needs `inspector2:ListFindings` and
    /// `inspector2:ListCoverage` as well ("IAM permissions required for enhanced scanning", Amazon ECR user guide).
    pub async fn scan(&self, repository: &RepositoryName, digest: &Digest) -> Result<Scan, AwsError> {
        const OPERATION: &str = "ecr:DescribeImageScanFindings";
        let id = ImageIdentifier::builder().image_digest(digest.as_str()).build();
        let request =
            self.client.describe_image_scan_findings().repository_name(repository.as_str()).image_id(id);
        let mut pages = request.into_paginator().send();
        let mut findings = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(DescribeImageScanFindingsError::is_scan_not_found_exception) =>
                {
                    return Ok(Scan::Pending {
                        why: format!(
                            "there is no scan of {}@{}: turn on scanning on push",
                            repository,
                            digest.short()
                        ),
                    });
                }
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(DescribeImageScanFindingsError::is_image_not_found_exception) =>
                {
                    return Ok(Scan::Impossible {
                        why: format!("the registry has no image {repository}@{digest}"),
                    });
                }
                Err(error) => return Err(AwsError::from_sdk(OPERATION, error)),
            };
            if let Some(unfinished) = unfinished(&page) {
                return Ok(unfinished);
            }
            if let Some(some) = page.image_scan_findings() {
                let open = |finding: &&EnhancedImageScanFinding| {
                    finding.status().is_none_or(|status| status == "ACTIVE")
                };
                findings.extend(some.findings().iter().map(basic));
                findings.extend(some.enhanced_findings().iter().filter(open).map(enhanced));
            }
        }
        Ok(Scan::Done { findings })
    }

    /// A label of the image's configuration. Of an index the first image is asked.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked, or its layer storage does not give the configuration.
    pub async fn label(&self, image: &Image, label: &str) -> Result<Option<String>, AwsError> {
        let Some(first) = self.scanned_images(image).await?.into_iter().next() else { return Ok(None) };
        let Some(manifest) = self.manifest(&image.repository, first.as_str()).await? else { return Ok(None) };
        let configuration = self.configuration(&image.repository, &manifest).await?.unwrap_or_default();
        Ok(configuration["config"]["Labels"][label].as_str().map(ToOwned::to_owned))
    }

    /// The configuration of the image of a manifest; nothing where it names none.
    async fn configuration(
        &self,
        repository: &RepositoryName,
        manifest: &Value,
    ) -> Result<Option<Value>, AwsError> {
        const OPERATION: &str = "ecr:GetDownloadUrlForLayer";
        let Some(digest) = manifest["config"]["digest"].as_str() else { return Ok(None) };
        let request = self
            .client
            .get_download_url_for_layer()
            .repository_name(repository.as_str())
            .layer_digest(digest);
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let url = answer.download_url().ok_or_else(|| AwsError::unusable(OPERATION, "no URL"))?;
        let text = download(url)
            .await
            .map_err(|source| AwsError::Transient { operation: OPERATION, source: source.into() })?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| AwsError::unusable(OPERATION, error.to_string()))
    }

    async fn manifest(&self, repository: &RepositoryName, digest: &str) -> Result<Option<Value>, AwsError> {
        const OPERATION: &str = "ecr:BatchGetImage";
        let id = ImageIdentifier::builder().image_digest(digest).build();
        let request = self.client.batch_get_image().repository_name(repository.as_str()).image_ids(id);
        let request =
            MANIFESTS.iter().fold(request, |request, media_type| request.accepted_media_types(*media_type));
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(answer
            .images()
            .first()
            .and_then(|image| image.image_manifest())
            .and_then(|text| serde_json::from_str(text).ok()))
    }

    /// Whether the images of a repository are scanned by themselves, by what the registry's filters and the repository's own
    /// setting come to (`RepositoryScanningConfiguration`, Amazon ECR API reference); nothing where there is no such
    /// repository.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn is_scanned(&self, repository: &RepositoryName) -> Result<Option<bool>, AwsError> {
        const OPERATION: &str = "ecr:BatchGetRepositoryScanningConfiguration";
        let request =
            self.client.batch_get_repository_scanning_configuration().repository_names(repository.as_str());
        let answer = Box::pin(request.send()).await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        Ok(answer.scanning_configurations().first().map(|found| {
            found.scan_on_push()
                || found.scan_frequency().is_some_and(|frequency| *frequency != ScanFrequency::Manual)
        }))
    }

    /// The repository's images that have a tag. None where there is no such repository.
    ///
    /// # Errors
    ///
    /// When ECR cannot be asked.
    pub async fn tagged(&self, repository: &RepositoryName) -> Result<Vec<Tagged>, AwsError> {
        const OPERATION: &str = "ecr:DescribeImages";
        let filter = DescribeImagesFilter::builder().tag_status(TagStatus::Tagged).build();
        let request = self.client.describe_images().repository_name(repository.as_str()).filter(filter);
        match request.into_paginator().items().send().try_collect().await {
            Ok(details) => details
                .iter()
                .filter(|detail| is_there(detail))
                .map(|detail| tagged(OPERATION, detail))
                .collect(),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeImagesError::is_repository_not_found_exception) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }
}

/// Whether an image can be pulled. A registry that says nothing of it has no archive.
fn is_there(detail: &ImageDetail) -> bool {
    detail.image_status().is_none_or(|status| *status == ImageStatus::Active)
}

/// What a scan without findings to read yet is; nothing where its findings are there.
fn unfinished(answer: &DescribeImageScanFindingsOutput) -> Option<Scan> {
    let status = answer.image_scan_status();
    let word = status.and_then(|status| status.status()).map_or("unknown", |status| status.as_str());
    let description =
        status.and_then(|status| status.description()).map(|words| format!(" ({})", message(words)));
    let description = description.unwrap_or_default();
    match word {
        // Of an enhanced scan, which goes on.
        "COMPLETE" | "ACTIVE" => None,
        "IN_PROGRESS" | "PENDING" => Some(Scan::Pending { why: format!("its scan is {word}") }),
        other => Some(Scan::Impossible { why: format!("its scan is {other}{description}") }),
    }
}

fn basic(finding: &ImageScanFinding) -> Finding {
    let package = finding
        .attributes()
        .iter()
        .find(|attribute| attribute.key() == "package_name")
        .and_then(|attribute| attribute.value());
    Finding {
        name: message(finding.name().unwrap_or(NAMELESS)),
        severity: Severity::of(finding.severity().map_or("", |severity| severity.as_str())),
        package: message(package.unwrap_or_default()),
    }
}

fn enhanced(finding: &EnhancedImageScanFinding) -> Finding {
    let vulnerability = finding.package_vulnerability_details();
    let name = vulnerability.and_then(|details| details.vulnerability_id()).or_else(|| finding.title());
    let package = vulnerability
        .and_then(|details| details.vulnerable_packages().first())
        .and_then(|package| package.name());
    Finding {
        name: message(name.unwrap_or(NAMELESS)),
        severity: Severity::of(finding.severity().unwrap_or_default()),
        package: message(package.unwrap_or_default()),
    }
}

/// Fetches a short text from where AWS says it is. What a function has opened for one it uses for the next one.
async fn download(url: &str) -> Result<String, reqwest::Error> {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    CLIENT.get(url).timeout(Duration::from_secs(5)).send().await?.error_for_status()?.text().await
}

/// What a scanner says of an image, and whoever wrote of the vulnerability.
fn message(words: &str) -> String {
    words::line(words, words::LONGEST)
}

fn tagged(operation: &'static str, detail: &ImageDetail) -> Result<Tagged, AwsError> {
    let unusable = |what: &str| AwsError::unusable(operation, format!("an image without {what}"));
    let digest = detail
        .image_digest()
        .and_then(|digest| Digest::new(digest).ok())
        .ok_or_else(|| unusable("digest"))?;
    let pushed_at = detail.image_pushed_at().ok_or_else(|| unusable("the time of its push"))?;
    let pushed_at = i64::try_from(pushed_at.as_nanos() / 1_000_000)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
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
    use aws_sdk_ecr::operation::batch_get_repository_scanning_configuration::BatchGetRepositoryScanningConfigurationOutput;
    use aws_sdk_ecr::operation::describe_images::{DescribeImagesError, DescribeImagesOutput};
    use aws_sdk_ecr::types::error::{ImageNotFoundException, ScanNotFoundException};
    use aws_sdk_ecr::types::{
        Attribute, ImageDetail, ImageScanFindings, ImageScanStatus, PackageVulnerabilityDetails,
        RepositoryScanningConfiguration, VulnerablePackage,
    };
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
        let unknown = mock!(aws_sdk_ecr::Client::describe_images).then_error(|| {
            DescribeImagesError::ImageNotFoundException(ImageNotFoundException::builder().build())
        });
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&unknown]));

        assert_eq!(repositories.find(&image()).await.expect("an answer"), None);
    }

    fn manifest(text: &'static str) -> BatchGetImageOutput {
        BatchGetImageOutput::builder()
            .images(aws_sdk_ecr::types::Image::builder().image_manifest(text).build())
            .build()
    }

    #[tokio::test]
    async fn where_an_image_comes_from_is_annotated_or_that_of_the_first_image_of_an_index() {
        let index = mock!(aws_sdk_ecr::Client::batch_get_image)
            .match_requests(|request| request.image_ids()[0].image_digest() == Some(image().digest.as_str()))
            .then_output(|| manifest(r#"{"manifests":[{"digest":"sha256:b"},{"digest":"sha256:c"}]}"#));
        let first = mock!(aws_sdk_ecr::Client::batch_get_image)
            .match_requests(|request| request.image_ids()[0].image_digest() == Some("sha256:b"))
            .then_output(|| {
                manifest(
                    r#"{"annotations":{"org.opencontainers.image.revision":"4f5c0a1b","org.opencontainers.image.source":"https://github.com/acme/web"}}"#,
                )
            });
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&index, &first]));
        let origin = repositories.origin(&image()).await.expect("an answer");
        assert_eq!(origin.revision.as_deref(), Some("4f5c0a1b"));
        assert_eq!(origin.source.expect("a repository").to_string(), "https://github.com/acme/web");

        let strange = mock!(aws_sdk_ecr::Client::batch_get_image).then_output(|| {
            manifest(r#"{"annotations":{"org.opencontainers.image.revision":"click http://example.com"}}"#)
        });
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&strange]));
        assert_eq!(repositories.origin(&image()).await.expect("an answer"), Origin::default());
    }

    fn scanned(status: &str, findings: ImageScanFindings) -> DescribeImageScanFindingsOutput {
        DescribeImageScanFindingsOutput::builder()
            .image_scan_status(
                ImageScanStatus::builder().status(status.into()).description("in words").build(),
            )
            .image_scan_findings(findings)
            .build()
    }

    async fn scan(answer: DescribeImageScanFindingsOutput) -> Scan {
        let rule =
            mock!(aws_sdk_ecr::Client::describe_image_scan_findings).then_output(move || answer.clone());
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&rule]));
        repositories.scan(&image().repository, &image().digest).await.expect("ECR answers")
    }

    #[tokio::test]
    async fn the_findings_of_basic_and_enhanced_scans_are_read_alike() {
        let package = Attribute::builder().key("package_name").value("openssl").build().expect("a key");
        let basic = ImageScanFinding::builder()
            .name("CVE-2026-1")
            .severity("HIGH".into())
            .attributes(package)
            .build();
        let found =
            Finding { name: "CVE-2026-1".into(), severity: Severity::High, package: "openssl".into() };
        let answer = scanned("COMPLETE", ImageScanFindings::builder().findings(basic).build());
        assert_eq!(scan(answer).await, Scan::Done { findings: vec![found.clone()] });

        let details = PackageVulnerabilityDetails::builder()
            .vulnerability_id("CVE-2026-1")
            .vulnerable_packages(VulnerablePackage::builder().name("openssl").build())
            .build();
        let enhanced = |status: &str| {
            EnhancedImageScanFinding::builder()
                .severity("HIGH")
                .status(status)
                .package_vulnerability_details(details.clone())
                .build()
        };
        let findings = ImageScanFindings::builder()
            .enhanced_findings(enhanced("ACTIVE"))
            .enhanced_findings(enhanced("SUPPRESSED"))
            .build();
        assert_eq!(scan(scanned("ACTIVE", findings)).await, Scan::Done { findings: vec![found] });
    }

    #[tokio::test]
    async fn a_scan_that_has_no_result_is_none_that_passes() {
        for status in ["IN_PROGRESS", "PENDING"] {
            assert!(
                matches!(
                    scan(scanned(status, ImageScanFindings::builder().build())).await,
                    Scan::Pending { .. }
                ),
                "{status}"
            );
        }
        for status in
            ["FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "FINDINGS_UNAVAILABLE", "NEW_WORD"]
        {
            let Scan::Impossible { why } = scan(scanned(status, ImageScanFindings::builder().build())).await
            else {
                panic!("{status}")
            };
            assert!(why.contains(status) && why.contains("in words"), "{why}");
        }
        let none = mock!(aws_sdk_ecr::Client::describe_image_scan_findings).then_error(|| {
            DescribeImageScanFindingsError::ScanNotFoundException(ScanNotFoundException::builder().build())
        });
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&none]));
        let scan = repositories.scan(&image().repository, &image().digest).await.expect("an answer");
        assert!(matches!(scan, Scan::Pending { why } if why.contains("turn on scanning")));
    }

    #[tokio::test]
    async fn of_an_index_the_images_are_scanned_and_not_what_describes_them() {
        let index = mock!(aws_sdk_ecr::Client::batch_get_image).then_output(|| {
            let digests = ["b", "c"].map(|digit| format!("sha256:{}", digit.repeat(64)));
            let text = serde_json::json!({ "manifests": [
                { "digest": digests[0], "platform": { "os": "linux", "architecture": "arm64" } },
                { "digest": digests[1], "platform": { "os": "unknown" }, "annotations": { "vnd.docker.reference.type": "attestation-manifest" } },
                { "digest": digests[1], "platform": { "os": "linux", "architecture": "arm64" }, "artifactType": "application/vnd.amazon.soci.index.v2+json" },
            ] });
            let image = aws_sdk_ecr::types::Image::builder().image_manifest(text.to_string()).build();
            BatchGetImageOutput::builder().images(image).build()
        });
        let repositories = Repositories::new(answering!(aws_sdk_ecr, [&index]));

        let images = repositories.scanned_images(&image()).await.expect("an answer");

        assert_eq!(
            images.iter().map(Digest::as_str).collect::<Vec<_>>(),
            [format!("sha256:{}", "b".repeat(64))]
        );
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
        assert_eq!(
            found,
            Tagged { digest: image().digest, tags: vec!["v1".into()], pushed_at, media_type: String::new() }
        );
    }

    #[tokio::test]
    async fn a_repository_is_scanned_by_its_own_setting_or_by_a_filter_of_the_registry() {
        let scanned = |on_push: bool, frequency: ScanFrequency| async move {
            let answered = mock!(aws_sdk_ecr::Client::batch_get_repository_scanning_configuration)
                .then_output(move || {
                    let found = RepositoryScanningConfiguration::builder()
                        .scan_on_push(on_push)
                        .scan_frequency(frequency.clone());
                    BatchGetRepositoryScanningConfigurationOutput::builder()
                        .scanning_configurations(found.build())
                        .build()
                });
            let repositories = Repositories::new(answering!(aws_sdk_ecr, [&answered]));
            repositories.is_scanned(&image().repository).await.expect("an answer")
        };

        assert_eq!(scanned(true, ScanFrequency::ScanOnPush).await, Some(true));
        assert_eq!(scanned(false, ScanFrequency::ContinuousScan).await, Some(true));
        assert_eq!(scanned(false, ScanFrequency::Manual).await, Some(false));
    }

    #[tokio::test]
    async fn an_archived_image_is_not_there() {
        let described = |status: ImageStatus| {
            let answered = mock!(aws_sdk_ecr::Client::describe_images).then_output(move || {
                let detail = ImageDetail::builder()
                    .image_digest(image().digest.as_str())
                    .image_tags("v1")
                    .image_pushed_at(aws_smithy_types::DateTime::from_secs(1_700_000_000))
                    .image_status(status.clone());
                DescribeImagesOutput::builder().image_details(detail.build()).build()
            });
            Repositories::new(answering!(aws_sdk_ecr, [&answered]))
        };

        assert!(described(ImageStatus::Active).find(&image()).await.expect("an answer").is_some());
        for status in [ImageStatus::Archived, ImageStatus::Activating] {
            let repositories = described(status.clone());
            assert!(repositories.find(&image()).await.expect("an answer").is_none(), "{status:?}");
        }
        let repositories = described(ImageStatus::Archived);
        let tagged = repositories.tagged(&image().repository).await.expect("an answer");
        assert!(tagged.is_empty(), "{tagged:?}");
    }
}
