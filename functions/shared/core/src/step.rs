//! The documents between the workflow's states: what each step is given and what it answers once it is done.
//!
//! Their JSON Schemas are in `statemachine/schemas`, one real example of each in `statemachine/examples`. What a step
//! answers when it is not done is the same for all of them: [`crate::protocol`].

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::{Application, BakePolicy, HealthCheck, Stage, SteadyCheck, TargetHealthCheck};
use crate::approval::ApprovalId;
use crate::image::Digest;
use crate::migration::MigrationPolicy;
use crate::name::{ClusterName, ServiceArn, ServiceName, StageName, TaskDefinitionArn};
use crate::protocol::{StepResult, WakeKey};
use crate::release::Release;
use crate::rollback::Baseline;
use crate::scan::ImageCheckPolicy;
use crate::snapshot::SnapshotPolicy;
use crate::strategy::Strategy;
use crate::verification::Verification;

/// How long a step tries to find out, in seconds, before it gives up: AWS may throttle for minutes.
pub const PATIENCE_SECONDS: u32 = 10 * 60;
/// How much longer than the step itself the workflow waits, in seconds: the step judges its deadline, not the time-out.
pub const GRACE_SECONDS: u32 = 5;
/// How long the command of a service without a load balancer may take, in seconds.
pub const CHECK_SECONDS: u32 = 5 * 60;
/// How many looks at services that do not serve prove that they do not: they are 15 seconds apart.
pub const BAD_LOOKS: u32 = 6;
/// How long such a look and the pause before it may take, in seconds.
const BAD_LOOK_SECONDS: u32 = 30;

/// The workflow's tasks and the functions that do them. A test holds this and `statemachine/release.asl.yaml` together.
pub const TASKS: [(&str, &str); 13] = [
    ("AcquireLock", "acquire-lock"),
    ("CaptureBaseline", "capture-baseline"),
    ("CheckImage", "check-image"),
    ("RequestApproval", "request-approval"),
    ("CheckImageAgain", "check-image"),
    ("SnapshotDatabase", "snapshot-database"),
    ("RunMigration", "run-migration"),
    ("DeployServices", "deploy-services"),
    ("VerifyServices", "verify-services"),
    ("BakeStage", "bake-stage"),
    ("RollBack", "roll-back"),
    ("VerifyBaseline", "verify-services"),
    ("FinishRelease", "finish-release"),
];

/// The input of a step, as far as the protocol reads it.
pub trait StepInput {
    /// The release.
    fn release(&self) -> &Release;

    /// The stage; none before the first and after the last.
    fn stage(&self) -> Option<&StageName>;

    /// How long the step may fail to find out, in seconds, before it gives up; none for a step that never does.
    fn patience_seconds(&self) -> Option<u32> {
        Some(PATIENCE_SECONDS)
    }
}

/// The workflow's input: the whole truth of the release. A later change of the configuration does not reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInput {
    /// The release.
    pub release: Release,
    /// The application's configuration as it was when the push came.
    pub application: Application,
}

/// What `acquire-lock` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcquireLockInput {
    /// The release.
    pub release: Release,
    /// The application's configuration that the execution began with; absent in executions of a workflow that did not say it
    /// yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Application>,
    /// The execution's name; absent in the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

/// What `acquire-lock` answers: the release holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acquired {
    /// The lock's fencing token: what the release writes with.
    pub generation: u64,
}

/// What `capture-baseline` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureBaselineInput {
    /// The release.
    pub release: Release,
    /// The generation of the release's lock.
    pub generation: u64,
    /// The application's configuration.
    pub application: Application,
    /// Which of its stages is next, counted from 0.
    pub position: usize,
}

/// What `capture-baseline` answers: the stage may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// What the stage runs now.
    pub baseline: Baseline,
    /// How long each of the next steps may take.
    pub limits: Limits,
}

/// How long the workflow waits for each step of a stage, in seconds since its state was entered: a little longer than
/// the step's own deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// For the scan of the image to end.
    pub check_image: u32,
    /// For people to decide.
    pub request_approval: u32,
    /// For the database and its snapshot to be available.
    pub snapshot_database: u32,
    /// For the migration's task to stop.
    pub run_migration: u32,
    /// For ECS to deploy, and for a rollback.
    pub deploy_services: u32,
    /// For services to be seen to serve.
    pub verify_services: u32,
    /// For the bake.
    pub bake_stage: u32,
}

impl Limits {
    /// The limits of a stage's steps, from its configuration.
    #[must_use]
    pub fn of(stage: &Stage) -> Self {
        let looked_at = stage.services.iter().map(|service| {
            let steady = service.steady.as_ref();
            let command = steady.map_or_else(
                || service.target_health.as_ref().is_some_and(|check| check.command.is_some()),
                |steady| steady.command.is_some(),
            );
            steady.map_or(0, |steady| steady.duration.seconds()) + if command { CHECK_SECONDS } else { 0 }
        });
        Self {
            check_image: stage.image_check.as_ref().map_or(0, ImageCheckPolicy::wait_seconds) + GRACE_SECONDS,
            request_approval: stage.approval.as_ref().map_or(0, |policy| policy.expires_after.seconds())
                + GRACE_SECONDS,
            snapshot_database: stage.snapshot.as_ref().map_or(0, SnapshotPolicy::wait_seconds)
                + GRACE_SECONDS,
            run_migration: stage.migration.as_ref().map_or(0, MigrationPolicy::timeout_seconds)
                + GRACE_SECONDS,
            deploy_services: stage.deploy_timeout_seconds() + GRACE_SECONDS,
            verify_services: looked_at.max().unwrap_or(0) + BAD_LOOKS * BAD_LOOK_SECONDS + GRACE_SECONDS,
            bake_stage: stage.bake.as_ref().map_or(0, BakePolicy::seconds) + GRACE_SECONDS,
        }
    }
}

/// What every step between a stage's baseline and its bake is given, and the rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageInput {
    /// The release.
    pub release: Release,
    /// The generation of the release's lock.
    pub generation: u64,
    /// The stage.
    pub stage: Stage,
    /// What it ran before.
    pub baseline: Baseline,
    /// Whether people were asked since the same step looked first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// What `roll-back` is given. It tries for as long as a deployment may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RollBackInput(pub StageInput);

/// What a gate answers: the stage may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passed {
    /// With what evidence.
    pub evidence: String,
}

/// What `request-approval` answers: enough people approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// The approval.
    pub approval: ApprovalId,
}

/// What `deploy-services` answers: ECS runs it, and nothing else. `roll-back` answers the same of the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    /// The services, and what each runs.
    pub services: Vec<DeployedService>,
}

/// How many services are waited for by their events: as many as ECS describes in one call.
pub const AWAITED_SERVICES: usize = 10;

impl Deployed {
    /// Waits until ECS says that one of those services changed that it is still at. Where they are many, each of their
    /// events would have all of them described: they are looked at every now and then instead.
    #[must_use]
    pub fn wait(&self, going: Vec<ServiceArn>, deadline: Timestamp) -> StepResult<Self> {
        if going.len() > AWAITED_SERVICES {
            let reason =
                format!("{} of {} services are still being deployed", going.len(), self.services.len());
            return StepResult::LookAgain { reason };
        }
        StepResult::Wait { on: going.into_iter().map(WakeKey::Service).collect(), deadline }
    }

    /// Waits for all of the services.
    #[must_use]
    pub fn wait_for_all(&self, deadline: Timestamp) -> StepResult<Self> {
        self.wait(self.services.iter().map(|service| service.arn.clone()).collect(), deadline)
    }
}

/// A service and what a release, or its rollback, deployed to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployedService {
    /// The cluster.
    pub cluster: ClusterName,
    /// The service's name.
    pub service: ServiceName,
    /// Its ARN.
    pub arn: ServiceArn,
    /// What it should run.
    pub task_definition: TaskDefinitionArn,
    /// How many tasks it should run.
    pub desired_count: u32,
    /// The containers that run the application's image, where the configuration names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// How ECS replaces what it runs; as the service has it when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How it is looked at through its load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// How it is judged by its load balancer's own health checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_health: Option<TargetHealthCheck>,
    /// How it is judged without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<SteadyCheck>,
}

impl DeployedService {
    /// The command that says whether it is well, where its configuration has one.
    #[must_use]
    pub fn command(&self) -> Option<&[String]> {
        let steady = self.steady.as_ref().and_then(|steady| steady.command.as_deref());
        steady.or_else(|| self.target_health.as_ref().and_then(|check| check.command.as_deref()))
    }
}

/// What `verify-services` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyServicesInput {
    /// The release.
    pub release: Release,
    /// The stage's name.
    pub stage: StageName,
    /// The services and what they should run.
    pub services: Vec<DeployedService>,
    /// Whether this proves the release, or that its baseline serves again.
    pub proof: Proof,
    /// How long AWS may fail to answer, in seconds: for a baseline as long as a deployment may take, else as for most steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_seconds: Option<u32>,
}

/// What a verification is to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Proof {
    /// That the release's image serves. It is recorded, and lets the next stage begin.
    Release,
    /// That what ran before serves again.
    Baseline,
}

impl VerifyServicesInput {
    /// The digest that the application's container must run, where it is known: the release's own. A baseline is
    /// known by its task definition alone.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match self.proof {
            Proof::Release => Some(&self.release.image.digest),
            Proof::Baseline => None,
        }
    }
}

/// What `verify-services` answers: every service serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifiedServices {
    /// The figures of each.
    pub services: Vec<Verification>,
}

/// What `bake-stage` answers: no alarm fired, and the stage's tasks have the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baked {
    /// The alarms that were watched.
    pub alarms: Vec<String>,
    /// The revisions that the stage's scheduled and standalone tasks run from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskDefinitionArn>,
}

/// What `finish-release` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishReleaseInput {
    /// The release.
    pub release: Release,
    /// The execution's name; absent in executions of a workflow that did not say it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// What ended the release; absent when every stage passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What a state was caught with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The state.
    pub step: String,
    /// The error's name; empty where a rollback went well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Its cause, often JSON.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
}

impl StepInput for AcquireLockInput {
    fn release(&self) -> &Release {
        &self.release
    }

    fn stage(&self) -> Option<&StageName> {
        None
    }

    fn patience_seconds(&self) -> Option<u32> {
        None
    }
}

impl StepInput for CaptureBaselineInput {
    fn release(&self) -> &Release {
        &self.release
    }

    fn stage(&self) -> Option<&StageName> {
        self.application.stages.get(self.position).map(|stage| &stage.name)
    }
}

impl StepInput for StageInput {
    fn release(&self) -> &Release {
        &self.release
    }

    fn stage(&self) -> Option<&StageName> {
        Some(&self.stage.name)
    }
}

impl StepInput for RollBackInput {
    fn release(&self) -> &Release {
        &self.0.release
    }

    fn stage(&self) -> Option<&StageName> {
        Some(&self.0.stage.name)
    }

    fn patience_seconds(&self) -> Option<u32> {
        Some(self.0.stage.deploy_timeout_seconds())
    }
}

impl StepInput for VerifyServicesInput {
    fn release(&self) -> &Release {
        &self.release
    }

    fn stage(&self) -> Option<&StageName> {
        Some(&self.stage)
    }

    fn patience_seconds(&self) -> Option<u32> {
        Some(self.patience_seconds.unwrap_or(PATIENCE_SECONDS))
    }
}

impl StepInput for FinishReleaseInput {
    fn release(&self) -> &Release {
        &self.release
    }

    fn stage(&self) -> Option<&StageName> {
        None
    }

    /// An outcome is recorded whatever AWS does meanwhile.
    fn patience_seconds(&self) -> Option<u32> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, td};

    fn deployed(services: usize) -> Deployed {
        let one = |number: usize| DeployedService {
            cluster: ClusterName::new("production").expect("a name"),
            service: ServiceName::new(format!("web-{number}")).expect("a name"),
            arn: ServiceArn::new(format!(
                "arn:aws:ecs:eu-central-1:111122223333:service/production/web-{number}"
            ))
            .expect("an ARN"),
            task_definition: td(2),
            desired_count: 1,
            containers: Vec::new(),
            strategy: None,
            health: None,
            target_health: None,
            steady: None,
        };
        Deployed { services: (0..services).map(one).collect() }
    }

    #[test]
    fn many_services_are_looked_at_now_and_then_and_the_last_ones_by_their_events() {
        let many = deployed(45);
        let arns =
            |number: usize| many.services.iter().take(number).map(|one| one.arn.clone()).collect::<Vec<_>>();

        // 45 of them would have all of them described at each event.
        let StepResult::LookAgain { reason } = many.wait_for_all(at(1000)) else {
            panic!("they are too many")
        };
        assert_eq!(reason, "45 of 45 services are still being deployed");
        assert!(matches!(many.wait(arns(11), at(1000)), StepResult::LookAgain { .. }));
        let last = arns(10);
        assert_eq!(
            many.wait(last.clone(), at(1000)),
            StepResult::Wait { on: last.into_iter().map(WakeKey::Service).collect(), deadline: at(1000) }
        );
    }

    #[test]
    fn a_baseline_is_looked_at_for_as_long_as_its_rollback_may_take() {
        let text = include_str!("../../../../statemachine/examples/verify-services.input.baseline.json");
        let mut input: VerifyServicesInput = serde_json::from_str(text).expect("it fits");

        assert_eq!(input.patience_seconds(), Some(1805));
        input.patience_seconds = None;
        assert_eq!(input.patience_seconds(), Some(PATIENCE_SECONDS));
    }
}
