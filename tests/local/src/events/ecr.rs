//! `ECR Image Action` of pushes.
//!
//! Shape: Amazon ECR user guide, "Amazon ECR events and EventBridge", event for a completed image push.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_ecr::{Client, types::ImageIdentifier};
use serde_json::{Value, json};

use super::{
    envelope,
    watch::{Memory, Watched},
};

/// A pushed manifest under a tag, or under none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pushed {
    repository: String,
    digest: String,
    tag: Option<String>,
}

/// The images of all repositories.
pub(super) struct Images {
    ecr: Client,
    repositories: Vec<String>,
    seen: Memory<Pushed, ()>,
    /// The manifests of the last look, under whatever tag.
    manifests: HashSet<(String, String)>,
}

impl Images {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self {
            ecr: Client::new(sdk),
            repositories: Vec::new(),
            seen: Memory::new(),
            manifests: HashSet::new(),
        }
    }

    async fn images(&self) -> anyhow::Result<HashMap<Pushed, ()>> {
        let mut images = HashMap::new();
        for repository in &self.repositories {
            let mut pages = self.ecr.describe_images().repository_name(repository).into_paginator().send();
            while let Some(page) = pages.next().await {
                for image in page?.image_details() {
                    let digest = image.image_digest().unwrap_or_default();
                    let pushed = |tag: Option<&String>| Pushed {
                        repository: repository.clone(),
                        digest: digest.to_owned(),
                        tag: tag.cloned(),
                    };
                    images.extend(image.image_tags().iter().map(|tag| (pushed(Some(tag)), ())));
                    if image.image_tags().is_empty() {
                        images.insert(pushed(None), ());
                    }
                }
            }
        }
        Ok(images)
    }

    async fn event(&self, pushed: &Pushed) -> anyhow::Result<Value> {
        let answer = self
            .ecr
            .batch_get_image()
            .repository_name(&pushed.repository)
            .image_ids(ImageIdentifier::builder().image_digest(&pushed.digest).build())
            .send()
            .await?;
        let image = answer.images().first().context("an image that is gone")?;
        let mut detail = json!({
            "result": "SUCCESS",
            "repository-name": pushed.repository,
            "image-digest": pushed.digest,
            "action-type": "PUSH",
        });
        if let Some(tag) = &pushed.tag {
            detail["image-tag"] = json!(tag);
        }
        let manifest: Value =
            image.image_manifest().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let media_type = image.image_manifest_media_type().or_else(|| manifest["mediaType"].as_str());
        if let Some(media_type) = media_type {
            detail["manifest-media-type"] = json!(media_type);
        }
        // What an artifact is: its own word, or the type of its configuration. An index has neither.
        let artifact = manifest["artifactType"].as_str().or_else(|| manifest["config"]["mediaType"].as_str());
        if let Some(artifact) = artifact {
            detail["artifact-media-type"] = json!(artifact);
        }
        Ok(envelope("aws.ecr", "ECR Image Action", &[], &detail))
    }
}

impl Watched for Images {
    const WHAT: &str = "the images";

    async fn look(&mut self, list: bool) -> anyhow::Result<Vec<Value>> {
        if list {
            let answer = self.ecr.describe_repositories().send().await?;
            self.repositories = answer
                .repositories()
                .iter()
                .filter_map(|repository| repository.repository_name().map(str::to_owned))
                .collect();
        }
        let images = self.images().await?;
        let mut events = Vec::new();
        let mut manifests = HashSet::new();
        for (pushed, before) in self.seen.replace(images) {
            let manifest = (pushed.repository.clone(), pushed.digest.clone());
            // A manifest that lost its tag to another one was not pushed again.
            let lost_its_tag = pushed.tag.is_none() && self.manifests.contains(&manifest);
            if before.is_none() && !lost_its_tag {
                events.push(self.event(&pushed).await?);
            }
            manifests.insert(manifest);
        }
        self.manifests = manifests;
        Ok(events)
    }
}
