//! The documents between the workflow's states: what each function is given and what it answers.
//!
//! Their JSON Schemas are in `statemachine/schemas`, one real example of each in `statemachine/examples`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::{Application, Stage};
use crate::approval::ApprovalId;
use crate::image::Digest;
use crate::name::StageName;
use crate::release::Release;
use crate::rollback::Baseline;
use crate::wait::{DeployedService, Wait};

/// The workflow's tasks and the functions that do them. A test holds this and `statemachine/release.asl.json` together.
pub const TASKS: [(&str, &str); 27] = [
    ("TakeTurn", "take-turn"),
    ("AwaitTurn", "resume-release"),
    ("CaptureBaseline", "capture-baseline"),
    ("CheckImage", "check-image"),
    ("AwaitScan", "resume-release"),
    ("AwaitScanAgain", "resume-release"),
    ("RequestApproval", "request-approval"),
    ("AwaitDecision", "resume-release"),
    ("SettleDecision", "resume-release"),
    ("TellApprovers", "request-approval"),
    ("CheckImageAgain", "check-image"),
    ("SnapshotDatabase", "snapshot-database"),
    ("AwaitSnapshot", "resume-release"),
    ("RunMigration", "run-migration"),
    ("AwaitMigration", "resume-release"),
    ("DeployServices", "deploy-services"),
    ("AwaitDeployment", "resume-release"),
    ("SettleDeployment", "resume-release"),
    ("VerifyService", "verify-service"),
    ("AwaitCheck", "resume-release"),
    ("AwaitBake", "resume-release"),
    ("SettleBake", "resume-release"),
    ("RollBack", "roll-back"),
    ("AwaitRollback", "resume-release"),
    ("SettleRollback", "resume-release"),
    ("VerifyRestoredService", "verify-service"),
    ("FinishRelease", "finish-release"),
];

/// The workflow's input: the whole truth of the release. A later change of the configuration does not reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInput {
    /// The release.
    pub release: Release,
    /// The application's configuration as it was when the push came.
    pub application: Application,
}

/// What `take-turn` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeTurnInput {
    /// The release.
    pub release: Release,
}

/// What `take-turn` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Turned {
    /// The release has the turn.
    Taken {
        /// Its generation: what it writes with.
        generation: u64,
    },
    /// Another release has it; that is to be waited for.
    Waiting {
        /// Which.
        reason: String,
        /// After how many seconds it is asked for again, whatever happens until then.
        seconds: u32,
    },
    /// It is not to begin at all.
    Blocked {
        /// Why.
        reason: String,
    },
    /// A newer push has taken the release's place.
    Superseded {
        /// By which.
        reason: String,
    },
}

/// What `capture-baseline` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureBaselineInput {
    /// The release.
    pub release: Release,
    /// The generation of the release's turn.
    pub generation: u64,
    /// The application's configuration.
    pub application: Application,
    /// Which of its stages is next, counted from 0.
    pub position: usize,
    /// Which look at the stage this is, counted from 1.
    pub round: u32,
}

/// What `capture-baseline` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Captured {
    /// The stage may go on.
    Ready {
        /// What it runs now.
        baseline: Baseline,
        /// How long it bakes once it serves, in seconds; absent where it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bake_seconds: Option<u32>,
        /// The alarms that undo the release while it bakes: not those that were not quiet before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bake_alarms: Option<Vec<String>>,
    },
    /// It may not change.
    Blocked {
        /// Why.
        reason: String,
    },
    /// A newer push has taken the release's place.
    Superseded {
        /// By which.
        reason: String,
    },
}

/// What `request-approval` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "there is one for each invocation")]
pub enum RequestApprovalInput {
    /// Ask people; once the time has come, remind those who have not answered.
    Ask {
        /// The release.
        release: Release,
        /// The stage that is to change.
        stage: Stage,
        /// What it runs now.
        baseline: Baseline,
    },
    /// Tell all of them what became of it.
    Tell {
        /// The approval.
        approval: ApprovalId,
    },
}

/// What `request-approval` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum ApprovalRequested {
    /// People were asked.
    Asked {
        /// The approval that is waited for.
        approval: ApprovalId,
        /// From when on no answer counts.
        #[schemars(with = "String")]
        expires_at: Timestamp,
        /// How long the workflow waits, in seconds: until people are reminded, and then a little longer than the approval
        /// lives.
        timeout_seconds: u32,
    },
    /// Not enough people can be asked.
    Blocked {
        /// Who, and what they have to do.
        reason: String,
    },
    /// People were told.
    Told {},
}

/// What `deploy-services` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployServicesInput {
    /// The release.
    pub release: Release,
    /// The generation of the release's turn.
    pub generation: u64,
    /// The stage.
    pub stage: Stage,
    /// What it ran before.
    pub baseline: Baseline,
}

/// What a gate is given: `check-image`, `snapshot-database` and `run-migration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateInput {
    /// The release.
    pub release: Release,
    /// The generation of the release's turn.
    pub generation: u64,
    /// The stage.
    pub stage: Stage,
    /// What it runs now.
    pub baseline: Baseline,
    /// Whether people were asked since the gate was looked at first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// What a gate answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Gated {
    /// The stage may go on.
    Passed {
        /// With what evidence.
        words: String,
    },
    /// Something is to be waited for; then the gate is looked at again.
    Waiting {
        /// What.
        wait: Wait,
        /// How long at the most, in seconds.
        timeout_seconds: u32,
    },
    /// The stage may not change.
    Blocked {
        /// Why.
        reason: String,
    },
    /// The stage may not change with what people were shown. They are asked again.
    Outdated {
        /// What is new.
        reason: String,
    },
    /// A newer push has taken the release's place.
    Superseded {
        /// By which.
        reason: String,
    },
    /// The gate failed in the middle of what cannot be undone: a person is needed.
    Stuck {
        /// What happened, and what to do.
        reason: String,
    },
}

/// What `deploy-services` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Deployed {
    /// ECS was told; it is to be waited for.
    Started {
        /// The services, and what each should run.
        services: Vec<DeployedService>,
        /// How long ECS may take, in seconds.
        timeout_seconds: u32,
    },
    /// Nothing was changed, and nothing may be.
    Blocked {
        /// Why.
        reason: String,
    },
    /// Nothing was changed: the stage does not run any more what it ran when people were asked. They are asked again.
    Outdated {
        /// What it runs.
        reason: String,
    },
    /// Nothing was changed: a newer push has taken the release's place.
    Superseded {
        /// By which.
        reason: String,
    },
}

/// What `roll-back` answers; it is given what `deploy-services` was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Restored {
    /// Every service runs its baseline, or was told to; it is to be waited for.
    Restoring {
        /// The services, and what each should run.
        services: Vec<DeployedService>,
        /// How long ECS may take, in seconds.
        timeout_seconds: u32,
        /// Whether the release had reached any of them.
        touched: bool,
    },
    /// A service cannot be put back: a person is needed.
    Blocked {
        /// Why.
        reason: String,
    },
    /// A newer release has deployed over this one: what it deployed is its own to undo.
    Superseded {
        /// By which.
        reason: String,
    },
}

/// What `verify-service` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyServiceInput {
    /// The release.
    pub release: Release,
    /// The stage's name.
    pub stage: StageName,
    /// The service and what it should run.
    pub service: DeployedService,
    /// Whether this proves the release, or that its baseline is back.
    pub proof: Proof,
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

impl VerifyServiceInput {
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

/// What `resume-release` is given by the workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WaitRequest {
    /// Park this token until the wait is over.
    Park {
        /// The task's token.
        token: String,
        /// The release.
        release: Release,
        /// The stage; none before the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<StageName>,
        /// What is waited for.
        wait: Wait,
    },
    /// The wait timed out: look at the truth once more and close it.
    Settle {
        /// The release.
        release: Release,
        /// The stage.
        stage: StageName,
        /// What was waited for.
        wait: Wait,
    },
}

/// What `finish-release` is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishReleaseInput {
    /// The release.
    pub release: Release,
    /// What `Stages` was caught with; absent when every stage passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Caught>,
}

/// An error as Step Functions catches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caught {
    /// The error's name.
    #[serde(rename = "Error")]
    pub error: String,
    /// Its cause, often JSON.
    #[serde(rename = "Cause", default)]
    pub cause: Option<String>,
}
