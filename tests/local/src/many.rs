//! Hundreds of applications, made by calls: Terraform would need an hour for them.
//!
//! Each has two stages with one service each, which nobody asks through a load balancer. What they are made of (roles,
//! network, sizes) is the sample application's; everything that Slipway reads or changes is their own.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use aws_config::SdkConfig;
use aws_sdk_ecs::types::{DeploymentConfiguration, Service, Tag, TaskDefinition};
use futures::{TryStreamExt as _, stream};
use serde_json::json;

use crate::cloud::{APPLICATION, APPROVER};

/// How many are made at once: MiniStack answers one call after another anyway.
const AT_ONCE: usize = 8;
/// What lets the deployer use a resource, as the modules tag it.
const DEPLOYER: (&str, &str) = ("slipway:deployer", "slipway");
/// Their stages; each has a cluster, in which every application has a service.
const STAGES: [&str; 2] = ["staging", "production"];

/// The name of one of them, which is also its repository's and its services': `app-007`.
#[must_use]
pub fn name(number: usize) -> String {
    format!("app-{number:03}")
}

fn cluster(stage: &str) -> String {
    format!("many-{stage}")
}

/// What a stage's services are copied from.
struct Pattern {
    stage: &'static str,
    service: Service,
    template: TaskDefinition,
}

/// Makes as many applications, beside those that Terraform made.
///
/// # Errors
///
/// When AWS's interfaces refuse a part.
pub async fn make(sdk: &SdkConfig, count: usize) -> anyhow::Result<()> {
    let ecs = aws_sdk_ecs::Client::new(sdk);
    let mut patterns = Vec::new();
    for stage in STAGES {
        let services = ecs.describe_services().cluster(stage).services(APPLICATION).send().await?;
        let service =
            services.services.into_iter().flatten().next().context("the sample's service is gone")?;
        let family = format!("{stage}-{APPLICATION}-template");
        let template = ecs.describe_task_definition().task_definition(family).send().await?;
        let template = template.task_definition.context("the sample's template is gone")?;
        ecs.create_cluster().cluster_name(cluster(stage)).send().await?;
        patterns.push(Pattern { stage, service, template });
    }
    let patterns = Arc::new(patterns);
    stream::iter((1..=count).map(Ok::<_, anyhow::Error>))
        .try_for_each_concurrent(AT_ONCE, |number| {
            let patterns = Arc::clone(&patterns);
            async move {
                let name = name(number);
                one(sdk, &name, &patterns).await.with_context(|| format!("{name} cannot be made"))
            }
        })
        .await
}

async fn one(sdk: &SdkConfig, name: &str, patterns: &[Pattern]) -> anyhow::Result<()> {
    let tag = aws_sdk_ecr::types::Tag::builder().key(DEPLOYER.0).value(DEPLOYER.1).build()?;
    aws_sdk_ecr::Client::new(sdk)
        .create_repository()
        .repository_name(name)
        .image_tag_mutability(aws_sdk_ecr::types::ImageTagMutability::Immutable)
        .tags(tag)
        .send()
        .await?;
    for pattern in patterns {
        service(sdk, name, pattern).await?;
    }
    let ssm = aws_sdk_ssm::Client::new(sdk);
    // Last the repository's: from there on a push starts a release.
    for (parameter, value) in [
        (format!("/slipway/applications/{name}"), configuration(name).to_string()),
        (format!("/slipway/repositories/{name}"), name.to_owned()),
    ] {
        let kind = aws_sdk_ssm::types::ParameterType::String;
        ssm.put_parameter().name(parameter).r#type(kind).value(value).send().await?;
    }
    Ok(())
}

async fn service(sdk: &SdkConfig, name: &str, pattern: &Pattern) -> anyhow::Result<()> {
    let (ecs, cluster, template) =
        (aws_sdk_ecs::Client::new(sdk), cluster(pattern.stage), pattern.template.clone());
    let mut containers = template.container_definitions.unwrap_or_default();
    ensure!(containers.len() == 1, "the sample's template has {} containers", containers.len());
    for container in &mut containers {
        container.name = Some(name.to_owned());
        let image = container.image.take().unwrap_or_default();
        container.image = Some(image.replace(&format!("/{APPLICATION}:"), &format!("/{name}:")));
    }
    let registered = ecs
        .register_task_definition()
        .family(format!("{cluster}-{name}-template"))
        .set_container_definitions(Some(containers))
        .set_cpu(template.cpu)
        .set_memory(template.memory)
        .set_task_role_arn(template.task_role_arn)
        .set_execution_role_arn(template.execution_role_arn)
        .set_network_mode(template.network_mode)
        .set_requires_compatibilities(template.requires_compatibilities)
        .set_runtime_platform(template.runtime_platform)
        .send()
        .await?;
    let definition =
        registered.task_definition.and_then(|one| one.task_definition_arn).context("no revision")?;
    let circuit_breaker =
        pattern.service.deployment_configuration().and_then(|one| one.deployment_circuit_breaker());
    ecs.create_service()
        .cluster(&cluster)
        .service_name(name)
        .task_definition(definition)
        .desired_count(0)
        .set_launch_type(pattern.service.launch_type.clone())
        .set_capacity_provider_strategy(pattern.service.capacity_provider_strategy.clone())
        .set_network_configuration(pattern.service.network_configuration.clone())
        .deployment_configuration(
            DeploymentConfiguration::builder()
                .set_deployment_circuit_breaker(circuit_breaker.cloned())
                .minimum_healthy_percent(100)
                .maximum_percent(200)
                .build(),
        )
        .tags(Tag::builder().key(DEPLOYER.0).value(DEPLOYER.1).build())
        .send()
        .await?;
    Ok(())
}

/// The application's configuration, as Terraform writes it.
fn configuration(name: &str) -> serde_json::Value {
    let stage = |stage: &str| {
        json!({
            "name": stage,
            "cluster": cluster(stage),
            "services": [{ "service": name, "desired_count": 1, "steady": { "for": "2s" } }],
        })
    };
    let mut production = stage("production");
    production["approval"] = json!({ "approvers": [APPROVER], "quorum": 1, "expires_after": "24h" });
    json!({ "name": name, "repository": name, "tags": ["v*"], "stages": [stage("staging"), production] })
}

/// The numbers of those that a cloud has.
///
/// # Errors
///
/// When SSM cannot be asked.
pub async fn count(sdk: &SdkConfig) -> anyhow::Result<usize> {
    let ssm = aws_sdk_ssm::Client::new(sdk);
    let pages = ssm.get_parameters_by_path().path("/slipway/applications").recursive(true).into_paginator();
    let pages: Vec<_> = pages.send().try_collect().await?;
    let names = pages.iter().flat_map(|page| page.parameters()).filter_map(|parameter| parameter.name());
    Ok(names.filter(|name| name.starts_with("/slipway/applications/app-")).count())
}

#[cfg(test)]
mod tests {
    use slipway_core::application::Application;

    use super::*;

    #[test]
    fn what_is_written_is_a_valid_application() {
        let written = configuration(&name(7)).to_string();

        let application = Application::parse(&written).expect("it is valid");

        assert_eq!(application.name.as_str(), "app-007");
    }
}
