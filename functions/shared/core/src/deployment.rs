//! What ECS says of a service, and whether that is what a release wanted.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::doctor::Subject;
use crate::image::Digest;
use crate::name::{ServiceArn, ServiceName, TaskDefinitionArn};
use crate::obstacle::Obstacle;

/// A service as ECS describes it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// The service.
    pub arn: ServiceArn,
    /// The deployer that may change it, as its tag `slipway:deployer` says.
    pub deployer: Option<String>,
    /// What its primary deployment runs.
    pub task_definition: TaskDefinitionArn,
    /// How many tasks it should run.
    pub desired_count: u32,
    /// How many it runs, of any deployment.
    pub running_count: u32,
    /// Its deployments, the primary one first.
    pub deployments: Vec<Deployment>,
    /// What ECS shifts its traffic with.
    pub traffic: Traffic,
    /// ECS's newest messages about the service, newest first.
    pub events: Vec<ServiceEvent>,
}

/// What ECS needs of a service to shift its traffic from one target group to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The type of its deployment controller.
    pub controller: Option<String>,
    /// The strategy that it deploys with, in ECS's word.
    pub strategy: Option<String>,
    /// Its load balancers.
    pub balancers: Vec<Balancer>,
    /// Whether ECS gives up a rolling update whose tasks do not start.
    pub has_circuit_breaker: bool,
}

impl Traffic {
    /// Whether ECS shifts its traffic from one target group to another.
    #[must_use]
    pub fn shifts(&self) -> bool {
        self.strategy.as_deref().is_some_and(|strategy| strategy != "ROLLING")
    }

    /// The load balancers that have target groups, which a classic one has not.
    pub fn balanced(&self) -> impl Iterator<Item = &Balancer> {
        self.balancers.iter().filter(|balancer| balancer.target_group.is_some())
    }
}

/// A load balancer of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balancer {
    /// The ARN of the target group that its tasks are registered with.
    pub target_group: Option<String>,
    /// The ARN of the target group that the new tasks are registered with, where traffic is shifted.
    pub alternate_target_group: Option<String>,
    /// Whether it names the listener rule whose weights ECS changes.
    pub has_production_rule: bool,
    /// Whether it names the role with which ECS does that.
    pub has_role: bool,
}

impl Balancer {
    /// The ARNs of the target groups that its tasks are in: where traffic is shifted, in the one or in the other. A classic
    /// load balancer has none.
    pub fn target_groups(&self) -> impl Iterator<Item = &str> {
        [&self.target_group, &self.alternate_target_group].into_iter().flatten().map(String::as_str)
    }
}

/// A message of ECS about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEvent {
    /// When ECS wrote it.
    pub at: Timestamp,
    /// ECS's words.
    pub message: String,
}

impl ServiceView {
    /// Whether it is the service of this name: a cluster has one.
    #[must_use]
    pub fn is_of(&self, service: &ServiceName) -> bool {
        self.arn.as_str().rsplit('/').next() == Some(service.as_str())
    }

    /// ECS's newest message since then that says what is wrong, else the one that the deployment failed; the others
    /// tell of its progress.
    #[must_use]
    pub fn trouble(&self, since: Timestamp) -> Option<&str> {
        let recent = self.events.iter().filter(|event| event.at >= since);
        let messages: Vec<_> = recent.map(|event| event.message.as_str()).collect();
        let cause =
            messages.iter().find(|message| message.contains("unhealthy") || message.contains("unable"));
        cause.or_else(|| messages.iter().find(|message| message.contains("deployment failed"))).copied()
    }
}

/// One deployment of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// ECS's id of it, `ecs-svc/…`.
    pub id: String,
    /// What it runs.
    pub task_definition: TaskDefinitionArn,
    /// How far it is.
    pub rollout: Rollout,
    /// ECS's reason for that.
    pub reason: String,
    /// How many it runs.
    pub running_count: u32,
    /// When ECS made it.
    pub created_at: Option<Timestamp>,
}

/// How far a deployment is, as ECS reports it in `rolloutState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Still replacing tasks.
    InProgress,
    /// Its tasks run.
    Completed,
    /// The circuit breaker or a person stopped it.
    Failed,
}

/// A task as ECS describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// What it runs.
    pub task_definition: TaskDefinitionArn,
    /// Its addresses: under one of them it is registered in a target group.
    pub addresses: Vec<IpAddr>,
    /// The digests that its containers' image references name. (ECS's own `imageDigest` is that of the platform's
    /// manifest, another one than the index that a multi-architecture image was deployed by.)
    pub digests: Vec<Digest>,
    /// Since when it runs.
    pub started_at: Option<Timestamp>,
    /// Why it stopped, if it did, with its containers' exit codes.
    pub stopped_reason: Option<String>,
}

/// What keeps Slipway from deploying to a service, however its stage is configured; nothing where it can.
///
/// Controllers: `DeploymentController`; network modes: `networkMode` of `TaskDefinition` (Amazon ECS API reference). Only
/// in `awsvpc` is a task registered in a target group under an address of its own.
#[must_use]
pub fn unsupported(
    name: &ServiceName,
    service: &ServiceView,
    network_mode: Option<&str>,
) -> Option<Obstacle> {
    let controller = service.traffic.controller.as_deref().unwrap_or("ECS");
    if controller != "ECS" {
        return Some(Obstacle::new(
            Subject::Service,
            format!("{name} has the deployment controller {controller}, which deploys in the place of ECS"),
            "change it to ECS (deploymentController of the service)",
        ));
    }
    let mode = network_mode.unwrap_or("bridge");
    let is_balanced = service.traffic.balanced().next().is_some();
    (is_balanced && mode != "awsvpc").then(|| {
        Obstacle::new(
            Subject::Network,
            format!(
                "the tasks of {name} have the network mode {mode}, in which a target group does not tell one from another"
            ),
            "write networkMode awsvpc in its template, and a target group of the type ip",
        )
    })
}

/// Whether somebody else deployed to a service: it runs none of the task definitions that the release knows, which
/// are its baseline and what it deployed. In words.
#[must_use]
pub fn external_change(
    service: &ServiceName,
    running: &TaskDefinitionArn,
    known: &[&TaskDefinitionArn],
) -> Option<String> {
    (!known.contains(&running))
        .then(|| format!("external change: {service} runs {running}, which this release did not deploy"))
}

/// Where a deployment of one task definition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// ECS is at it.
    Going,
    /// ECS's answer may lag behind the event that told of it, and no further event comes: it is looked at again.
    Lagging {
        /// What it does not show yet.
        reason: &'static str,
    },
    /// The service runs the wanted task definition, and nothing else.
    Done,
    /// ECS gave it up, or the service runs something else: an external change, or ECS's circuit breaker has restored
    /// what ran before and forgotten the deployment.
    Failed {
        /// ECS's words, or what the service runs.
        reason: String,
    },
}

/// For how long an answer of ECS may be older than what it was asked to do: its API is eventually consistent ("Consider
/// eventual consistency", Amazon ECS API reference), and how late it is AWS does not say.
pub const LAG: SignedDuration = SignedDuration::from_secs(60);

/// That a deployment which ECS was asked for is not shown.
pub const NOT_SHOWN_YET: &str = "ECS does not show yet what it was asked for";
/// That its tasks run and nothing else does, and `rolloutState` says otherwise.
const NOT_COMPLETE_YET: &str = "all tasks run, and ECS has not called the deployment complete yet";

/// Whether an answer may be older than what AWS was asked to do at that time.
#[must_use]
pub fn is_within_lag(asked_at: Timestamp, now: Timestamp) -> bool {
    now < asked_at + LAG
}

/// Whether ECS's answer may be older than what it was asked at that time: so it is for a while, unless it shows a
/// deployment that is newer.
#[must_use]
pub fn may_lag(service: &ServiceView, asked_at: Option<Timestamp>, now: Timestamp) -> bool {
    asked_at.is_some_and(|asked_at| {
        let primary = service.deployments.iter().filter(|one| one.task_definition == service.task_definition);
        let newest = primary.filter_map(|deployment| deployment.created_at).max();
        is_within_lag(asked_at, now) && newest.is_none_or(|newest| newest <= asked_at)
    })
}

/// Whether a deployment was made before ECS was asked, by more than clocks differ.
fn is_earlier(deployment: &Deployment, asked_at: Option<Timestamp>) -> bool {
    const SLACK: SignedDuration = SignedDuration::from_secs(1);
    deployment.created_at.zip(asked_at).is_some_and(|(created, asked)| created + SLACK < asked)
}

/// Judges whether the service runs the wanted task definition, which ECS was asked for at that time. What ECS does not
/// show yet is not somebody else's.
#[must_use]
pub fn judge(
    service: &ServiceView,
    wanted: &TaskDefinitionArn,
    asked_at: Option<Timestamp>,
    now: Timestamp,
) -> Progress {
    let replaced = || {
        if may_lag(service, asked_at, now) {
            Progress::Lagging { reason: NOT_SHOWN_YET }
        } else {
            replaced(service)
        }
    };
    let Some(ours) = service.deployments.iter().find(|deployment| deployment.task_definition == *wanted)
    else {
        return replaced();
    };
    if service.desired_count == 0 && service.task_definition == *wanted {
        // A service that should run nothing is where it should be once nothing runs; ECS may still call its last
        // deployment failed.
        return if service.running_count == 0 { Progress::Done } else { Progress::Going };
    }
    match ours.rollout {
        // One of the same task definition that failed before ECS was asked says nothing of ours.
        Rollout::Failed if is_earlier(ours, asked_at) && may_lag(service, asked_at, now) => {
            Progress::Lagging { reason: NOT_SHOWN_YET }
        }
        Rollout::Failed => Progress::Failed { reason: ours.reason.clone() },
        _ if service.task_definition != *wanted => replaced(),
        Rollout::InProgress
            if service.deployments.len() == 1
                && ours.running_count > 0
                && ours.running_count >= service.desired_count =>
        {
            Progress::Lagging { reason: NOT_COMPLETE_YET }
        }
        Rollout::InProgress => Progress::Going,
        // ECS reports COMPLETED once the new tasks are up, even while an old deployment still drains. Nothing may
        // follow before that is gone. A failed deployment with no tasks left is only history.
        Rollout::Completed
            if service.deployments.iter().any(|other| {
                other.id != ours.id && (other.running_count > 0 || other.rollout != Rollout::Failed)
            }) =>
        {
            Progress::Going
        }
        Rollout::Completed if service.running_count < service.desired_count => Progress::Going,
        Rollout::Completed => Progress::Done,
    }
}

fn replaced(service: &ServiceView) -> Progress {
    Progress::Failed { reason: format!("the service runs {} instead", service.task_definition) }
}

/// The progress of several services together: the first failure counts, then the slowest.
#[must_use]
pub fn together(progress: impl IntoIterator<Item = Progress>) -> Progress {
    let mut whole = Progress::Done;
    for one in progress {
        match one {
            Progress::Failed { .. } => return one,
            Progress::Going => whole = Progress::Going,
            lagging @ Progress::Lagging { .. } if whole == Progress::Done => whole = lagging,
            Progress::Lagging { .. } | Progress::Done => {}
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, at, td};

    /// Long after ECS was asked.
    fn judged(service: &ServiceView, wanted: &TaskDefinitionArn) -> Progress {
        judge(service, wanted, Some(at(1)), at(1000))
    }

    fn deployment(revision: u32, rollout: Rollout, running_count: u32) -> Deployment {
        Deployment {
            id: format!("ecs-svc/{revision}"),
            task_definition: td(revision),
            rollout,
            reason: format!("reason {revision}"),
            running_count,
            created_at: Some(at(i64::from(revision))),
        }
    }

    fn service(primary: u32, deployments: Vec<Deployment>) -> ServiceView {
        let running_count = deployments.iter().map(|deployment| deployment.running_count).sum();
        ServiceView { running_count, deployments, ..fixtures::service(primary) }
    }

    #[test]
    fn a_completed_deployment_counts_once_the_old_one_is_gone() {
        let draining =
            service(2, vec![deployment(2, Rollout::Completed, 1), deployment(1, Rollout::Completed, 1)]);
        assert_eq!(judged(&draining, &td(2)), Progress::Going);

        let alone = service(2, vec![deployment(2, Rollout::Completed, 1)]);
        assert_eq!(judged(&alone, &td(2)), Progress::Done);
    }

    #[test]
    fn a_failed_deployment_without_tasks_does_not_keep_the_next_one_waiting() {
        let after = service(3, vec![deployment(3, Rollout::Completed, 1), deployment(2, Rollout::Failed, 0)]);
        assert_eq!(judged(&after, &td(3)), Progress::Done);
    }

    #[test]
    fn the_circuit_breakers_reason_is_quoted_even_after_it_went_back() {
        let rolled_back =
            service(1, vec![deployment(1, Rollout::InProgress, 1), deployment(2, Rollout::Failed, 0)]);
        assert_eq!(judged(&rolled_back, &td(2)), Progress::Failed { reason: "reason 2".into() });
    }

    #[test]
    fn a_trouble_is_the_newest_message_of_one_and_not_an_earlier_deployments() {
        let at = |seconds: i64, message: &str| ServiceEvent {
            at: Timestamp::from_second(seconds).expect("in range"),
            message: message.to_owned(),
        };
        let mut web = service(1, vec![]);
        web.events = vec![
            at(950, "has started 1 tasks"),
            at(900, "deployment failed"),
            at(800, "is unhealthy in tg"),
            at(700, "unable to place a task"),
        ];

        let since = |seconds| Timestamp::from_second(seconds).expect("in range");
        assert_eq!(web.trouble(since(800)), Some("is unhealthy in tg"));
        assert_eq!(web.trouble(since(801)), Some("deployment failed"));
        assert_eq!(web.trouble(since(901)), None);
    }

    #[test]
    fn what_ecs_does_not_deploy_itself_or_a_target_group_cannot_tell_apart_is_not_supported() {
        let name = ServiceName::new("web").expect("a name");
        let with = |controller: Option<&str>, is_balanced: bool| {
            let mut service = service(1, vec![]);
            service.traffic.controller = controller.map(ToOwned::to_owned);
            let balancer = Balancer { target_group: Some("tg".into()), ..Balancer::default() };
            service.traffic.balancers = if is_balanced { vec![balancer] } else { vec![] };
            service
        };

        for controller in ["CODE_DEPLOY", "EXTERNAL"] {
            let why = unsupported(&name, &with(Some(controller), false), Some("awsvpc")).expect("a reason");
            let why = why.to_string();
            assert!(why.contains(controller), "{why}");
        }
        for mode in [Some("bridge"), Some("host"), None] {
            let why = unsupported(&name, &with(Some("ECS"), true), mode).expect("a reason");
            let why = why.to_string();
            assert!(why.contains("awsvpc"), "{why}");
            assert_eq!(unsupported(&name, &with(Some("ECS"), false), mode), None);
        }
        assert_eq!(unsupported(&name, &with(None, true), Some("awsvpc")), None);
    }

    #[test]
    fn stable_is_not_mine() {
        let external = service(9, vec![deployment(9, Rollout::Completed, 1)]);
        let replaced = Progress::Failed { reason: format!("the service runs {} instead", td(9)) };
        assert_eq!(judged(&external, &td(2)), replaced);
        let both =
            service(9, vec![deployment(9, Rollout::InProgress, 0), deployment(2, Rollout::InProgress, 1)]);
        assert_eq!(judged(&both, &td(2)), replaced);
    }

    #[test]
    fn a_service_that_should_run_nothing_is_done_when_nothing_runs() {
        let mut none = service(1, vec![deployment(1, Rollout::Failed, 0)]);
        none.desired_count = 0;
        assert_eq!(judged(&none, &td(1)), Progress::Done);
        none.running_count = 1;
        assert_eq!(judged(&none, &td(1)), Progress::Going);
    }

    #[test]
    fn several_services_are_done_when_the_slowest_is_and_failed_with_the_first() {
        let failed = Progress::Failed { reason: "r".into() };
        assert_eq!(together([Progress::Done, Progress::Done]), Progress::Done);
        assert_eq!(together([Progress::Done, Progress::Going]), Progress::Going);
        assert_eq!(together([Progress::Going, failed.clone()]), failed);
    }

    #[test]
    fn what_ecs_does_not_show_yet_is_on_its_way_for_a_minute() {
        let stale = service(1, vec![deployment(1, Rollout::Completed, 1)]);
        let seen = |asked, now| judge(&stale, &td(2), Some(at(asked)), at(now));

        let unseen = Progress::Lagging { reason: NOT_SHOWN_YET };
        assert_eq!(seen(100, 100), unseen);
        assert_eq!(seen(100, 159), unseen);
        assert!(matches!(seen(100, 160), Progress::Failed { .. }));
        // A rollback: the old view still has what it restores, as one that drains.
        let draining =
            service(2, vec![deployment(2, Rollout::InProgress, 0), deployment(1, Rollout::Completed, 1)]);
        assert_eq!(judge(&draining, &td(1), Some(at(100)), at(101)), unseen);
        assert!(matches!(judge(&draining, &td(1), Some(at(100)), at(161)), Progress::Failed { .. }));
    }

    #[test]
    fn a_failure_from_before_ecs_was_asked_is_not_ours() {
        // A service whose template cannot run was released for the first time, and is stopped again.
        let stale =
            service(7, vec![deployment(7, Rollout::InProgress, 1), deployment(1, Rollout::Failed, 0)]);
        let judged = |asked, now| judge(&stale, &td(1), Some(at(asked)), at(now));

        assert_eq!(judged(100, 101), Progress::Lagging { reason: NOT_SHOWN_YET });
        assert!(matches!(judged(100, 161), Progress::Failed { .. }));
        assert!(matches!(judged(1, 4), Progress::Failed { .. }), "it is ours");
    }

    #[test]
    fn a_deployment_whose_tasks_run_is_looked_at_again_until_ecs_calls_it_complete() {
        let lagging = service(2, vec![deployment(2, Rollout::InProgress, 1)]);
        assert_eq!(judged(&lagging, &td(2)), Progress::Lagging { reason: NOT_COMPLETE_YET });
        let starting = service(2, vec![deployment(2, Rollout::InProgress, 0)]);
        assert_eq!(judged(&starting, &td(2)), Progress::Going);
        let draining =
            service(2, vec![deployment(2, Rollout::InProgress, 1), deployment(1, Rollout::Completed, 1)]);
        assert_eq!(judged(&draining, &td(2)), Progress::Going);
        assert_eq!(
            together([Progress::Done, Progress::Lagging { reason: NOT_COMPLETE_YET }, Progress::Done]),
            Progress::Lagging { reason: NOT_COMPLETE_YET }
        );
    }

    #[test]
    fn a_deployment_that_is_newer_than_ours_is_somebody_elses_at_once() {
        let external = service(101, vec![deployment(101, Rollout::InProgress, 0)]);

        assert!(matches!(judge(&external, &td(2), Some(at(100)), at(102)), Progress::Failed { .. }));
    }
}
