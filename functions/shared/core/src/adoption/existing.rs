//! What was seen of services that exist already, and what a person wants of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::alarm::AlarmState;
use crate::deployment::ServiceView;
use crate::name::{ClusterName, EmailAddress, RepositoryName, ServiceName, StageName, TaskDefinitionArn};

/// All that was seen of an account in one region, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The services of the clusters that were looked at.
    pub services: Vec<ExistingService>,
    /// The ECR repositories.
    pub repositories: Vec<ExistingRepository>,
    /// The alarms of metrics.
    pub alarms: Vec<ExistingAlarm>,
    /// What runs tasks in the clusters at times or on events.
    pub schedules: Vec<ExistingSchedule>,
    /// What could not be looked at, and why, in words.
    pub unread: Vec<String>,
}

/// An ECS service, with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExistingService {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: ServiceName,
    /// The service itself.
    pub view: ServiceView,
    /// Its launch type, or its capacity providers.
    pub runs_on: Vec<String>,
    /// The task definition that it runs; nothing where ECS has none.
    pub definition: Option<ExistingDefinition>,
    /// The target groups that its tasks are registered in: first one of each of its load balancers, then those that traffic is
    /// shifted to.
    pub target_groups: Vec<ExistingGroup>,
    /// Where its load balancer answers who asks from outside; else why it answers nobody. Nothing where it has no target
    /// group.
    pub address: Option<Result<Address, String>>,
}

/// The task definition that a service runs, as ECS describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExistingDefinition {
    /// ECS's own JSON of it.
    pub document: Value,
    /// The newest active revision of the service's [`template_family`](super::template_family); nothing where there is none.
    pub newest: Option<ExistingRevision>,
    /// Whether a release of Slipway registered it.
    pub is_released: bool,
}

/// A revision of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct ExistingRevision {
    /// Its ARN.
    pub arn: TaskDefinitionArn,
    /// ECS's own JSON of it.
    pub document: Value,
}

/// A target group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExistingGroup {
    /// Its ARN.
    pub arn: String,
    /// `HTTP1`, `HTTP2` or `GRPC`; nothing for one that is not of an application load balancer.
    pub protocol_version: Option<String>,
    /// The path of its health check; nothing where that asks for none (TCP).
    pub path: Option<String>,
    /// The codes that are healthy, as ELB writes them: `200`, `200,302`, `200-299`.
    pub codes: Option<String>,
    /// The load balancers that forward to it.
    pub balancers: Vec<ExistingBalancer>,
}

/// A load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExistingBalancer {
    /// Its ARN.
    pub arn: String,
    /// Its type, in ELB's word: `application`, `network`, `gateway`.
    pub kind: String,
    /// Whether it has private addresses alone.
    pub is_internal: bool,
    /// Its own DNS name.
    pub dns_name: String,
}

/// Where a load balancer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `http://` or `https://` and a host.
    pub url: String,
    /// Whether the host is that of a rule, and not the load balancer's own name.
    pub is_of_rule: bool,
    /// What that rule asks for besides a host, in ELB's words.
    pub asks: Vec<String>,
}

/// An ECR repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingRepository {
    /// Its name.
    pub name: RepositoryName,
    /// Its ARN.
    pub arn: String,
    /// What its images begin with: the registry's host, a slash, and its name.
    pub uri: String,
    /// The deployer that may read it, as its tag `slipway:deployer` says.
    pub deployer: Option<String>,
    /// Whether a tag may be moved to another image.
    pub has_mutable_tags: bool,
}

/// An alarm of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingAlarm {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// The dimensions of each metric that it looks at.
    pub metrics: Vec<BTreeMap<String, String>>,
    /// What it does when it fires, as ARNs.
    pub actions: Vec<String>,
}

/// What runs a task at times, or on events.
#[derive(Clone, Debug, PartialEq)]
pub struct ExistingSchedule {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ScheduleKind,
    /// The cluster that the task runs in.
    pub cluster: ClusterName,
    /// The ARN of the task definition, with or without a revision.
    pub task_definition: String,
    /// ECS's own JSON of its family's newest revision, which a release is made from; nothing where ECS has none.
    pub document: Option<Value>,
}

impl ExistingSchedule {
    /// The family of its task definition.
    #[must_use]
    pub fn family(&self) -> &str {
        let name = self.task_definition.rsplit('/').next().unwrap_or_default();
        name.rsplit_once(':').map_or(name, |(family, _)| family)
    }
}

/// What a schedule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ScheduleKind {
    /// A rule of EventBridge with a target in ECS.
    Rule,
    /// A schedule of EventBridge Scheduler.
    Schedule,
}

/// What a person wants: which stages, and who is asked before the last one changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The stages, first to last.
    pub stages: Vec<WishedStage>,
    /// The one repository to make an application of; each that fits when it is not given.
    pub repository: Option<RepositoryName>,
    /// Who is asked before the last stage changes; nobody when it is empty.
    pub approvers: Vec<EmailAddress>,
    /// The deployer's name.
    pub deployer: String,
}

/// A stage, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishedStage {
    /// Its name.
    pub name: StageName,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its services; all of the cluster that no other stage names when it is empty.
    pub services: Vec<ServiceName>,
}
