//! Reads what a run left behind, as the root user and past the wire.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context as _;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_ecs::types::TaskDefinitionField;
use jiff::Timestamp;
use slipway_core::application::Application;
use slipway_core::audit::Sealed;
use slipway_local::Cloud;
use slipway_local::releases::{self, Execution};

use crate::record::{Item, ReleaseRecord, Revision, Stage, tail};
use crate::schedule::Subject;

const TABLE: &str = "slipway";

/// Reads the cloud that a run plays on.
#[derive(Clone, Debug)]
pub struct Reader {
    application: &'static str,
    sdk: aws_config::SdkConfig,
    dynamodb: aws_sdk_dynamodb::Client,
    ecs: aws_sdk_ecs::Client,
}

impl Reader {
    /// Reads this application's releases.
    #[must_use]
    pub fn of(cloud: &Cloud, subject: Subject) -> Self {
        let sdk = cloud.sdk().clone();
        Self {
            application: subject.name(),
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
            ecs: aws_sdk_ecs::Client::new(&sdk),
            sdk,
        }
    }

    /// The stages of the application, as they are configured now.
    ///
    /// # Errors
    ///
    /// When SSM does not answer, or the configuration does not parse.
    pub async fn stages(&self) -> anyhow::Result<Vec<Stage>> {
        let ssm = aws_sdk_ssm::Client::new(&self.sdk);
        let answer =
            ssm.get_parameter().name(format!("/slipway/applications/{}", self.application)).send().await?;
        let text = answer
            .parameter()
            .and_then(|parameter| parameter.value())
            .context("a parameter without value")?;
        let application = Application::parse(text)?;
        let stage = |stage: slipway_core::application::Stage| Stage {
            services: stage
                .services
                .iter()
                .map(|service| format!("{}/{}", stage.name, service.service))
                .collect(),
            asks: stage.approval.is_some(),
            cluster: stage.cluster().to_string(),
            name: stage.name.to_string(),
        };
        Ok(application.stages.into_iter().map(stage).collect())
    }

    /// The revision that each service runs.
    ///
    /// # Errors
    ///
    /// When ECS does not answer.
    pub async fn services(&self, stages: &[Stage]) -> anyhow::Result<BTreeMap<String, String>> {
        let mut services = BTreeMap::new();
        for stage in stages {
            let names = stage.services.iter().map(|service| tail(service).to_owned());
            let answer = self
                .ecs
                .describe_services()
                .cluster(&stage.cluster)
                .set_services(Some(names.collect()))
                .send()
                .await?;
            for service in answer.services() {
                let name = format!("{}/{}", stage.name, service.service_name().unwrap_or_default());
                services.insert(name, tail(service.task_definition().unwrap_or_default()).to_owned());
            }
        }
        Ok(services)
    }

    /// The image and the release of each revision.
    ///
    /// # Errors
    ///
    /// When ECS does not answer, or does not know one.
    pub async fn revisions(&self, names: BTreeSet<String>) -> anyhow::Result<BTreeMap<String, Revision>> {
        let mut revisions = BTreeMap::new();
        for name in names {
            let request =
                self.ecs.describe_task_definition().task_definition(&name).include(TaskDefinitionField::Tags);
            let answer = request.send().await.with_context(|| format!("the task definition {name}"))?;
            let containers = answer
                .task_definition()
                .map(|definition| definition.container_definitions())
                .unwrap_or_default();
            let image =
                containers.first().and_then(|container| container.image()).unwrap_or_default().to_owned();
            let tag = answer.tags().iter().find(|tag| tag.key() == Some("slipway:release"));
            revisions.insert(
                name,
                Revision { image, release: tag.and_then(|tag| tag.value()).map(ToOwned::to_owned) },
            );
        }
        Ok(revisions)
    }

    /// The ids of the releases whose image was pushed, or that were asked for, since then.
    ///
    /// # Errors
    ///
    /// When DynamoDB does not answer.
    pub async fn releases_since(&self, since: Timestamp) -> anyhow::Result<BTreeSet<String>> {
        let items =
            self.query(&format!("APPLICATION#{}", self.application), Some(&format!("{since:.3}"))).await?;
        Ok(items
            .iter()
            .filter_map(|item| item.sk.trim_end_matches('#').rsplit('#').next())
            .map(ToOwned::to_owned)
            .collect())
    }

    /// What is known of a release.
    ///
    /// # Errors
    ///
    /// When AWS does not answer, or an item does not parse.
    pub async fn release(&self, id: &str, stages: &[Stage]) -> anyhow::Result<ReleaseRecord> {
        let mut items = self.query(&format!("RELEASE#{id}"), None).await?;
        items.extend(self.query(&format!("CALLBACK#{id}"), None).await?);
        items.extend(self.item("OPEN", &format!("{}#{id}#", self.application)).await?);
        for stage in stages.iter().filter(|stage| stage.asks) {
            let first = format!("APPROVAL#{id}/{}", stage.name);
            items.extend(self.query(&first, None).await?);
            for round in 2.. {
                let again = self.query(&format!("{first}/{round}"), None).await?;
                if again.is_empty() {
                    break;
                }
                items.extend(again);
            }
        }
        let mut record = ReleaseRecord::read(id, &items)?;
        if let Some(execution) = self.execution(id).await? {
            record.execution = Some(execution.status.as_str().to_owned());
            record.execution_outcome = execution.outcome().map(ToOwned::to_owned);
        }
        Ok(record)
    }

    /// The application's audit.
    ///
    /// # Errors
    ///
    /// When DynamoDB does not answer, or an entry does not parse.
    pub async fn audit(&self) -> anyhow::Result<Vec<Sealed>> {
        let items = self.query(&format!("AUDIT#{}", self.application), None).await?;
        items.iter().map(Item::document).collect()
    }

    /// Whether a release has begun.
    ///
    /// # Errors
    ///
    /// When AWS does not answer.
    pub async fn has_begun(&self, id: &str) -> anyhow::Result<bool> {
        Ok(self.item(&format!("RELEASE#{id}"), "RELEASE").await?.is_some()
            || self.item("OPEN", &format!("{}#{id}#", self.application)).await?.is_some())
    }

    /// Whether a release is over: its outcome recorded, people notified, and its execution ended.
    ///
    /// # Errors
    ///
    /// When AWS does not answer.
    pub async fn is_over(&self, id: &str) -> anyhow::Result<bool> {
        let closed = self.item(&format!("RELEASE#{id}"), "ENDING").await?.is_some()
            && self.item("OPEN", &format!("{}#{id}#", self.application)).await?.is_none();
        Ok(closed && self.execution(id).await?.is_some_and(|execution| !execution.is_running()))
    }

    /// Who has the lock; nothing before the first release.
    ///
    /// # Errors
    ///
    /// When DynamoDB does not answer, or the item does not parse.
    pub async fn lock(&self) -> anyhow::Result<slipway_core::lock::Lock> {
        let item = self.item(&format!("LOCK#{}", self.application), "LOCK").await?;
        item.map_or_else(
            || Ok(slipway_core::lock::Lock::default()),
            |item| Ok(serde_json::from_str(&item.document)?),
        )
    }

    /// The execution of a release; none where there is none.
    ///
    /// # Errors
    ///
    /// When Step Functions does not answer.
    pub async fn execution(&self, id: &str) -> anyhow::Result<Option<Execution>> {
        let arn = format!("{}:{id}", releases::state_machine().replace(":stateMachine:", ":execution:"));
        match releases::describe(&self.sdk, &arn).await {
            Ok(execution) => Ok(Some(execution)),
            Err(error) if format!("{error:?}").contains("ExecutionDoesNotExist") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn item(&self, pk: &str, sk: &str) -> anyhow::Result<Option<Item>> {
        let request = self
            .dynamodb
            .get_item()
            .table_name(TABLE)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .consistent_read(true);
        Ok(request.send().await?.item.as_ref().map(item))
    }

    async fn query(&self, pk: &str, from: Option<&str>) -> anyhow::Result<Vec<Item>> {
        let mut query = self
            .dynamodb
            .query()
            .table_name(TABLE)
            .consistent_read(true)
            .expression_attribute_values(":pk", text(pk));
        query = match from {
            Some(from) => query
                .key_condition_expression("pk = :pk AND sk >= :sk")
                .expression_attribute_values(":sk", text(from)),
            None => query.key_condition_expression("pk = :pk"),
        };
        let items: Result<Vec<_>, _> = query.into_paginator().items().send().collect().await;
        Ok(items?.iter().map(item).collect())
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn item(attributes: &HashMap<String, AttributeValue>) -> Item {
    let text =
        |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    Item { pk: text("pk"), sk: text("sk"), document: text("document") }
}
