//! `cargo local status`.

use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_ecs::types::Service;
use serde_json::Value;

use crate::{
    Cloud, Settings,
    history::History,
    progress::{Seconds, heading},
    releases::Execution,
};

/// How many releases are shown.
const RELEASES: usize = 10;

pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    println!("The local cloud runs at {} (state in {})", cloud.endpoint(), cloud.state().path().display());
    for application in applications(&cloud).await? {
        let name = application["name"].as_str().unwrap_or_default();
        heading(format!("{name}: what runs"));
        for stage in application["stages"].as_array().into_iter().flatten() {
            show_stage(&cloud, stage).await?;
        }
        println!("{}", super::history::lock(&History::read(cloud.sdk(), name).await?));
    }
    heading("Releases");
    let executions = cloud.executions().await?;
    if executions.is_empty() {
        println!("  none yet: `cargo local push` starts one");
    }
    for execution in executions.iter().take(RELEASES) {
        show_release(execution);
    }
    Ok(())
}

/// The applications that are configured.
async fn applications(cloud: &Cloud) -> anyhow::Result<Vec<Value>> {
    let answer = aws_sdk_ssm::Client::new(cloud.sdk())
        .get_parameters_by_path()
        .path("/slipway/applications")
        .recursive(true)
        .send()
        .await?;
    answer
        .parameters()
        .iter()
        .map(|parameter| {
            serde_json::from_str(parameter.value().unwrap_or_default())
                .context("an application's configuration is not JSON")
        })
        .collect()
}

async fn show_stage(cloud: &Cloud, stage: &Value) -> anyhow::Result<()> {
    let name = stage["name"].as_str().unwrap_or_default();
    let cluster = stage["cluster"].as_str().unwrap_or(name);
    let ecs = aws_sdk_ecs::Client::new(cloud.sdk());
    for service in stage["services"].as_array().into_iter().flatten() {
        let service = service["service"].as_str().unwrap_or_default();
        let answer = ecs.describe_services().cluster(cluster).services(service).send().await?;
        match answer.services().first() {
            Some(found) => show_service(cloud, name, found).await?,
            None => println!("  {name:<12} {service}: there is no such service"),
        }
    }
    Ok(())
}

async fn show_service(cloud: &Cloud, stage: &str, service: &Service) -> anyhow::Result<()> {
    let definition = service.task_definition().unwrap_or_default();
    let answer = aws_sdk_ecs::Client::new(cloud.sdk())
        .describe_task_definition()
        .task_definition(definition)
        .send()
        .await?;
    let image = answer
        .task_definition()
        .and_then(|definition| definition.container_definitions().first())
        .and_then(|container| container.image())
        .unwrap_or_default();
    let short = definition.rsplit('/').next().unwrap_or_default();
    println!(
        "  {stage:<12} {:<24} {}/{} running   {}",
        short,
        service.running_count(),
        service.desired_count(),
        in_words(cloud, image).await?
    );
    Ok(())
}

/// An image with the tags that its digest has now.
async fn in_words(cloud: &Cloud, image: &str) -> anyhow::Result<String> {
    let Some((repository, digest)) = image.split_once('@') else {
        return Ok("nothing released yet".to_owned());
    };
    let repository = repository.rsplit('/').next().unwrap_or(repository);
    let answer = aws_sdk_ecr::Client::new(cloud.sdk())
        .describe_images()
        .repository_name(repository)
        .image_ids(aws_sdk_ecr::types::ImageIdentifier::builder().image_digest(digest).build())
        .send()
        .await?;
    let tags = answer
        .image_details()
        .iter()
        .flat_map(|image| image.image_tags())
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let short = digest.get(..19).unwrap_or(digest);
    Ok(format!("{repository}@{short}… ({tags})"))
}

fn show_release(execution: &Execution) {
    let now = crate::clock::now().as_millisecond();
    let end = execution.stopped.unwrap_or(now);
    let took = Duration::from_millis(u64::try_from(end - execution.started).unwrap_or_default());
    let outcome = execution.outcome().unwrap_or_else(|| execution.status.as_str());
    let reason = execution.reason().unwrap_or_default();
    let reason = reason.lines().next().unwrap_or_default();
    println!("  {:<12} {:>10}   {}   {reason}", outcome, Seconds(took), execution.name);
}
