//! What Slipway would do for services that exist already, and what would be configured.

use serde::Serialize;

use super::ScheduleKind;
use crate::alarm::AlarmState;
use crate::application::RUNNING;
use crate::name::{ApplicationName, ClusterName, EmailAddress, RepositoryName, ServiceName, StageName};
use crate::status::StatusCodes;

/// What would be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Each service that was looked at.
    pub services: Vec<ServiceReport>,
    /// Each schedule that runs tasks in one of the clusters.
    pub schedules: Vec<ScheduleReport>,
    /// The applications that would be configured, by repository.
    pub applications: Vec<PlannedApplication>,
    /// What is in no application, each with the reason.
    pub left_out: Vec<LeftOut>,
    /// The roles that Slipway passes on to ECS.
    pub task_role_arns: Vec<String>,
    /// What lacks the tag `slipway:deployer`.
    pub untagged: Vec<Untagged>,
    /// What could not be looked at, and why.
    pub unread: Vec<String>,
}

/// What was seen of a service, and what Slipway would do for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// The stage that it is in.
    pub stage: StageName,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub service: ServiceName,
    /// Its ARN.
    pub arn: String,
    /// Its launch type, or its capacity providers.
    pub runs_on: Vec<String>,
    /// The family and revision that it runs.
    pub task_definition: String,
    /// The family and revision that a release would be made from, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_from: Option<String>,
    /// The containers of the revision that a release would be made from.
    pub containers: Vec<ContainerReport>,
    /// The repository whose images a release would deploy to it; nothing where it runs none.
    pub repository: Option<RepositoryName>,
    /// What kind of load balancer it has.
    pub load_balancer: BalancerKind,
    /// How many target groups its tasks are in at the same time.
    pub target_groups: usize,
    /// The path of the first target group's health check.
    pub health_path: Option<String>,
    /// The codes that it takes for healthy.
    pub health_codes: Option<String>,
    /// `HTTP1`, `HTTP2` or `GRPC`.
    pub protocol_version: Option<String>,
    /// Where Slipway would ask it.
    pub url: Option<String>,
    /// The alarms that look at it, its target groups or its load balancer.
    pub alarms: Vec<AlarmReport>,
    /// Its deployment controller.
    pub controller: String,
    /// The deployer that its tag `slipway:deployer` names.
    pub deployer: Option<String>,
    /// The execution and task roles of what it runs, which a rollback restores, and of the revision that a release would be
    /// made from.
    pub roles: Vec<String>,
    /// What a release would be made from.
    pub template: Template,
    /// The containers to name, where they cannot be told by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named_containers: Vec<String>,
    /// How it would be judged.
    #[serde(flatten)]
    pub check: Check,
    /// What a person should know of what would be configured, a sentence each.
    pub notes: Vec<String>,
    /// What is better put right before the first release, a sentence each.
    pub warnings: Vec<String>,
    /// Why Slipway cannot deploy to it, and what to do; nothing where it can.
    pub unsupported: Option<String>,
}

/// A container of a service's task definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerReport {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Whether a release would replace its image.
    pub takes_release: bool,
}

/// An alarm of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlarmReport {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// Why it is not one that undoes a release; nothing where it is one.
    pub left_out: Option<String>,
}

/// A schedule, and what Slipway would do for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduleReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ScheduleKind,
    /// The cluster that its task runs in.
    pub cluster: ClusterName,
    /// The family of its task definition.
    pub family: String,
    /// The repository of its image; nothing where it is of none.
    pub repository: Option<RepositoryName>,
    /// What a person should know of it, a sentence each.
    pub notes: Vec<String>,
}

/// What kind of load balancer a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BalancerKind {
    /// None.
    None,
    /// A classic one, which has no target groups.
    Classic,
    /// Target groups that no load balancer forwards to.
    Unattached,
    /// An application load balancer with public addresses.
    InternetFacing,
    /// An application load balancer with private addresses alone.
    Internal,
    /// A network load balancer.
    Network,
    /// One of another type.
    Other,
}

impl BalancerKind {
    /// The kind in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::None => "no load balancer",
            Self::Classic => "a classic load balancer",
            Self::Unattached => "a target group without a load balancer",
            Self::InternetFacing => "an internet-facing application load balancer",
            Self::Internal => "an internal application load balancer",
            Self::Network => "a network load balancer",
            Self::Other => "a load balancer of another type",
        }
    }
}

/// What a release's task definition is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Template {
    /// Slipway's own: the newest revision of `<cluster>-<service>-template`.
    Default,
    /// The newest revision of the family that the service runs, which its Terraform registers anyway.
    Family(String),
    /// What the service runs at that moment.
    Running,
}

impl Template {
    /// What is written for it; nothing where nothing needs to be.
    #[must_use]
    pub fn as_field(&self) -> Option<&str> {
        match self {
            Self::Default => None,
            Self::Family(family) => Some(family),
            Self::Running => Some(RUNNING),
        }
    }
}

/// How a service is judged after a release has changed it, as its configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// By asking it through its load balancer.
    Health {
        /// The path.
        path: String,
        /// The address, where it is not the load balancer's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// The good codes, where not every 2xx and nothing else is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        codes: Option<StatusCodes>,
    },
    /// By what the load balancer's own health checks say.
    TargetHealth {},
    /// By its tasks, which run on.
    Steady {
        /// For how long.
        #[serde(rename = "for")]
        duration: String,
    },
}

/// An application, as it would be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedApplication {
    /// Its name.
    pub name: ApplicationName,
    /// The repository whose pushes start releases.
    pub repository: RepositoryName,
    /// The tags that start one.
    pub tags: Vec<String>,
    /// Its stages, first to last.
    pub stages: Vec<PlannedStage>,
    /// What a person should know of it, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A stage, as it would be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStage {
    /// Its name.
    pub name: StageName,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its services.
    pub services: Vec<PlannedService>,
    /// The scheduled tasks that run the same image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<PlannedTask>,
    /// Who is asked before it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<PlannedApproval>,
    /// The alarms that undo a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<PlannedBake>,
}

/// A service, as it would be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedService {
    /// Its name.
    pub service: ServiceName,
    /// What a release is made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The containers that run the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// How it is judged.
    #[serde(flatten)]
    pub check: Check,
    /// What a person should know of it, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A scheduled task, as it would be configured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PlannedTask {
    /// The family of its task definition.
    pub family: String,
    /// The container that runs the image.
    pub container: String,
}

/// An approval, as it would be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedApproval {
    /// Who is asked.
    pub approvers: Vec<EmailAddress>,
    /// How many must agree.
    pub quorum: u16,
    /// How long they have.
    pub expires_after: String,
}

/// A bake, as it would be configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedBake {
    /// The alarms.
    pub alarms: Vec<String>,
    /// For how long.
    #[serde(rename = "for")]
    pub duration: String,
}

/// Something that is in no application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// What it is.
    pub what: String,
    /// Why, and what to do.
    pub why: String,
}

/// Something that Slipway needs to change or to read, and may not yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Untagged {
    /// Whose API tags it.
    pub of: Tagger,
    /// Its ARN.
    pub arn: String,
}

/// Whose API tags something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tagger {
    /// ECS's.
    Ecs,
    /// ECR's.
    Ecr,
}
