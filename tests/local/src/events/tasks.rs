//! `ECS Task State Change` of one-off tasks that stopped. Those of services have events of their service.
//!
//! Shape: Amazon ECS developer guide, "Amazon ECS task state change events".

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_ecs::{
    Client,
    types::{DesiredStatus, Task},
};
use serde_json::{Value, json};

use super::{
    envelope,
    watch::{Memory, Watched},
};

/// The one-off tasks that have stopped, by their ARN.
pub(super) struct OneOffs {
    ecs: Client,
    seen: Memory<String, ()>,
}

impl OneOffs {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { ecs: Client::new(sdk), seen: Memory::new() }
    }
}

impl Watched for OneOffs {
    const WHAT: &str = "the one-off tasks";

    async fn look(&mut self, list: bool) -> anyhow::Result<Vec<Value>> {
        // They take seconds; looking at every cluster each time would be most of what the endpoint does.
        if !list {
            return Ok(Vec::new());
        }
        let clusters = self.ecs.list_clusters().send().await?.cluster_arns().to_vec();
        let mut stopped: HashMap<String, Task> = HashMap::new();
        for cluster in &clusters {
            let listed =
                self.ecs.list_tasks().cluster(cluster).desired_status(DesiredStatus::Stopped).send().await?;
            if listed.task_arns().is_empty() {
                continue;
            }
            let described = self
                .ecs
                .describe_tasks()
                .cluster(cluster)
                .set_tasks(Some(listed.task_arns().to_vec()))
                .send()
                .await?;
            for task in described.tasks.unwrap_or_default() {
                let one_off = task.started_by().is_some_and(|name| name.starts_with("slipway-"));
                if let (true, Some("STOPPED"), Some(arn)) = (one_off, task.last_status(), task.task_arn()) {
                    stopped.insert(arn.to_owned(), task.clone());
                }
            }
        }
        let before = self.seen.replace(stopped.keys().map(|arn| (arn.clone(), ())).collect());
        Ok(before
            .into_iter()
            .filter(|(_, before)| before.is_none())
            .filter_map(|(arn, _)| Some(event(&arn, stopped.get(&arn)?)))
            .collect())
    }
}

fn event(arn: &str, task: &Task) -> Value {
    let containers = task.containers().iter().map(|container| {
        json!({ "name": container.name(), "image": container.image(), "lastStatus": container.last_status(), "exitCode": container.exit_code() })
    });
    envelope(
        "aws.ecs",
        "ECS Task State Change",
        &[arn],
        &json!({
            "taskArn": arn,
            "clusterArn": task.cluster_arn(),
            "taskDefinitionArn": task.task_definition_arn(),
            "group": task.group(),
            "startedBy": task.started_by(),
            "lastStatus": "STOPPED",
            "desiredStatus": "STOPPED",
            "stoppedReason": task.stopped_reason(),
            "containers": containers.collect::<Vec<_>>(),
            "version": task.version(),
        }),
    )
}
