//! `ECS Deployment State Change`, and `ECS Service Action` of services that became steady.
//!
//! Shapes: Amazon ECS developer guide, "Service deployment state change events" and "Service action events".

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_ecs::{
    Client,
    primitives::DateTime,
    types::{Deployment, DeploymentRolloutState, Service},
};
use serde_json::{Value, json};

use super::{
    envelope,
    watch::{Memory, Watched},
};

/// How many services one question may name.
const SERVICES_PER_QUESTION: usize = 10;

/// What is remembered of a service.
#[derive(Debug)]
struct Seen {
    rollouts: HashMap<String, DeploymentRolloutState>,
    is_steady: bool,
}

/// The deployments of all services.
pub(super) struct Deployments {
    ecs: Client,
    /// The services of each cluster.
    services: Vec<(String, Vec<String>)>,
    /// The services of the clusters in which all was steady at the last look: they are looked at less often.
    steady: HashMap<String, Vec<Service>>,
    seen: Memory<String, Seen>,
}

impl Deployments {
    pub(super) fn new(sdk: &SdkConfig) -> Self {
        Self { ecs: Client::new(sdk), services: Vec::new(), steady: HashMap::new(), seen: Memory::new() }
    }

    async fn list(&self) -> anyhow::Result<Vec<(String, Vec<String>)>> {
        let mut listed = Vec::new();
        for cluster in self.ecs.list_clusters().send().await?.cluster_arns() {
            let services = self.ecs.list_services().cluster(cluster).send().await?;
            listed.push((cluster.clone(), services.service_arns().to_vec()));
        }
        Ok(listed)
    }

    async fn describe(&mut self, all: bool) -> anyhow::Result<Vec<Service>> {
        let mut described = Vec::new();
        for (cluster, services) in &self.services {
            if let (false, Some(steady)) = (all, self.steady.get(cluster)) {
                described.extend_from_slice(steady);
                continue;
            }
            let first = described.len();
            for some in services.chunks(SERVICES_PER_QUESTION) {
                let answer = self
                    .ecs
                    .describe_services()
                    .cluster(cluster)
                    .set_services(Some(some.to_vec()))
                    .send()
                    .await?;
                described.extend(answer.services.unwrap_or_default());
            }
            if described[first..].iter().all(is_steady) {
                self.steady.insert(cluster.clone(), described[first..].to_vec());
            } else {
                self.steady.remove(cluster);
            }
        }
        Ok(described)
    }
}

impl Watched for Deployments {
    const WHAT: &str = "the services";

    async fn look(&mut self, list: bool) -> anyhow::Result<Vec<Value>> {
        if list {
            self.services = self.list().await?;
        }
        let services = self.describe(list).await?;
        let arn = |service: &Service| service.service_arn().unwrap_or_default().to_owned();
        let seen = services.iter().map(|service| (arn(service), Seen::of(service))).collect();
        let mut before: HashMap<_, _> = self.seen.replace(seen).into_iter().collect();
        Ok(services
            .iter()
            .filter_map(|service| Some((service, before.remove(&arn(service))?)))
            .flat_map(|(service, before)| changes(service, before.as_ref()))
            .collect())
    }
}

impl Seen {
    fn of(service: &Service) -> Self {
        Self {
            rollouts: service
                .deployments()
                .iter()
                .filter_map(|deployment| {
                    Some((deployment.id()?.to_owned(), deployment.rollout_state()?.clone()))
                })
                .collect(),
            is_steady: is_steady(service),
        }
    }
}

/// One deployment, done, with as many tasks as wanted.
fn is_steady(service: &Service) -> bool {
    let [deployment] = service.deployments() else {
        return false;
    };
    deployment.rollout_state() == Some(&DeploymentRolloutState::Completed)
        && service.running_count() == service.desired_count()
        && service.pending_count() == 0
}

fn changes(service: &Service, before: Option<&Seen>) -> Vec<Value> {
    let mut events = Vec::new();
    // The oldest first, as they happened.
    for deployment in service.deployments().iter().rev() {
        let id = deployment.id().unwrap_or_default();
        let was = before.and_then(|before| before.rollouts.get(id));
        let Some(now) = deployment.rollout_state() else {
            continue;
        };
        if was == Some(now) {
            continue;
        }
        // Between two looks it can have begun and ended.
        if was.is_none() && *now != DeploymentRolloutState::InProgress {
            events.push(deployment_event(service, deployment, &DeploymentRolloutState::InProgress));
        }
        events.push(deployment_event(service, deployment, now));
    }
    if is_steady(service) && before.is_none_or(|before| !before.is_steady) {
        events.push(steady_event(service));
    }
    events
}

fn deployment_event(service: &Service, deployment: &Deployment, rollout: &DeploymentRolloutState) -> Value {
    let id = deployment.id().unwrap_or_default();
    let (event_type, name, reason) = match rollout {
        DeploymentRolloutState::Completed => {
            ("INFO", "SERVICE_DEPLOYMENT_COMPLETED", format!("ECS deployment {id} completed."))
        }
        DeploymentRolloutState::Failed => (
            "ERROR",
            "SERVICE_DEPLOYMENT_FAILED",
            deployment
                .rollout_state_reason()
                .unwrap_or("ECS deployment circuit breaker: task failed to start.")
                .to_owned(),
        ),
        _ => ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", format!("ECS deployment {id} in progress.")),
    };
    envelope(
        "aws.ecs",
        "ECS Deployment State Change",
        &[service.service_arn().unwrap_or_default()],
        &json!({
            "eventType": event_type,
            "eventName": name,
            "clusterArn": service.cluster_arn(),
            "deploymentId": id,
            "updatedAt": written(deployment.updated_at()),
            "reason": reason,
        }),
    )
}

fn steady_event(service: &Service) -> Value {
    envelope(
        "aws.ecs",
        "ECS Service Action",
        &[service.service_arn().unwrap_or_default()],
        &json!({
            "eventType": "INFO",
            "eventName": "SERVICE_STEADY_STATE",
            "clusterArn": service.cluster_arn(),
            "createdAt": written(None),
        }),
    )
}

/// A time as ECS writes it into events; now, when none is known.
fn written(time: Option<&DateTime>) -> String {
    let time = time
        .and_then(|time| time.to_millis().ok())
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .unwrap_or_else(crate::clock::now);
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
