//! Waits: parked task tokens, and what ends them.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::{HealthCheck, SteadyCheck};
use crate::approval::{Approval, ApprovalId, Status, Verdict};
use crate::image::Digest;
use crate::name::{ApplicationName, ClusterName, EmailAddress, RepositoryName, ServiceArn, ServiceName, TaskDefinitionArn};
use crate::snapshot::Database;
use crate::strategy::Strategy;
use crate::timeline::Step;

/// What a parked task waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "for", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Wait {
    /// The application's turn is free.
    Turn {},
    /// Every one of these services runs its task definition, and nothing else.
    Deployment {
        /// The services.
        services: Vec<DeployedService>,
    },
    /// The same, while a baseline is put back: an abort does not end it.
    Rollback {
        /// The services.
        services: Vec<DeployedService>,
    },
    /// People decide.
    Decision {
        /// The approval.
        approval: ApprovalId,
    },
    /// One of these alarms rings, or has rung since the stage began to change. That the time passes without it is the good
    /// end, and is the state's time-out.
    Bake {
        /// The alarms' names.
        alarms: Vec<String>,
        /// When the stage began to change.
        #[schemars(with = "String")]
        since: Timestamp,
    },
    /// The scan of each of these images has an end.
    Scan {
        /// Their repository.
        repository: RepositoryName,
        /// The image, or those of its index.
        images: Vec<Digest>,
    },
    /// The database is available, so that a snapshot can be taken.
    Database {
        /// The database.
        database: Database,
    },
    /// The snapshot has an end.
    Snapshot {
        /// Its database.
        database: Database,
        /// Its identifier.
        identifier: String,
    },
    /// The one-off task has stopped.
    Task {
        /// Its cluster.
        cluster: ClusterName,
        /// Its ARN.
        task: String,
    },
}

impl Wait {
    /// The wait's kind: one word, and for a task which one. A stage has one wait of a kind at a time, but its services may each have a
    /// task.
    #[must_use]
    pub fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Turn {} => "TURN",
            Self::Deployment { .. } => "DEPLOYMENT",
            Self::Rollback { .. } => "ROLLBACK",
            Self::Decision { .. } => "DECISION",
            Self::Bake { .. } => "BAKE",
            Self::Scan { .. } => "SCAN",
            Self::Database { .. } => "DATABASE",
            Self::Snapshot { .. } => "SNAPSHOT",
            Self::Task { task, .. } => return Cow::Owned(format!("TASK#{}", task.rsplit('/').next().unwrap_or_default())),
        })
    }

    /// What signals about it are named after: the ARNs of services, the names of alarms, and for a decision the
    /// application, whose newer push ends it. The decision itself needs none: its approval names release and stage.
    #[must_use]
    pub fn signals(&self, application: &ApplicationName) -> Vec<Signal> {
        match self {
            Self::Turn {} => vec![Signal::Turn(application.clone()), Signal::Push(application.clone())],
            Self::Deployment { services } | Self::Rollback { services } => {
                services.iter().map(|service| Signal::Service(service.arn.clone())).collect()
            }
            Self::Decision { .. } => vec![Signal::Push(application.clone())],
            Self::Bake { alarms, .. } => alarms.iter().cloned().map(Signal::Alarm).collect(),
            Self::Scan { images, .. } => images.iter().cloned().map(Signal::Scan).collect(),
            Self::Database { database } => vec![Signal::Database(database.name().to_owned())],
            Self::Snapshot { identifier, .. } => vec![Signal::Database(identifier.clone())],
            Self::Task { task, .. } => vec![Signal::Task(task.clone())],
        }
    }
}

/// What an AWS event is about, as waits are looked up by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A service's deployment changed.
    Service(ServiceArn),
    /// An alarm changed.
    Alarm(String),
    /// The application's turn changed hands.
    Turn(ApplicationName),
    /// An image of the application was pushed.
    Push(ApplicationName),
    /// The scan of an image changed.
    Scan(Digest),
    /// Something happened to a database, or to a snapshot, of this identifier.
    Database(String),
    /// The task of this ARN stopped.
    Task(String),
}

impl Signal {
    /// The signal as one text.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Service(arn) => format!("SERVICE#{arn}"),
            Self::Alarm(name) => format!("ALARM#{name}"),
            Self::Turn(application) => format!("TURN#{application}"),
            Self::Push(application) => format!("PUSH#{application}"),
            Self::Scan(digest) => format!("SCAN#{digest}"),
            Self::Database(identifier) => format!("DATABASE#{identifier}"),
            Self::Task(arn) => format!("TASK#{arn}"),
        }
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
    /// How ECS replaces what it runs; as the service has it when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How it is looked at through its load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// How it is judged without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<SteadyCheck>,
    /// How long its tasks must run on before it is judged, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_seconds: Option<u32>,
}

/// How a wait ended, as the workflow's choices read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum WaitResult {
    /// The deployment is done.
    Done {},
    /// The deployment failed, or someone deployed over it.
    Failed {
        /// In ECS's words, where there are any.
        reason: String,
    },
    /// A newer push took the release's place while people were asked.
    Superseded {
        /// By which.
        reason: String,
    },
    /// Enough people approved.
    Approved {
        /// Those whose links were used.
        by: Vec<EmailAddress>,
    },
    /// A person asked for the release to end.
    Aborted {
        /// Who and why.
        reason: String,
    },
    /// Nobody has decided, and there is time yet: those who have not answered are to be reminded.
    Undecided {},
    /// Someone rejected.
    Rejected {
        /// In words, with who it was.
        reason: String,
    },
    /// Nobody decided in time.
    Expired {
        /// In words, with the time.
        reason: String,
    },
    /// An alarm rang while the stage baked.
    Rang {
        /// Which, and CloudWatch's reason.
        reason: String,
    },
    /// No alarm rang.
    Quiet {},
}

impl WaitResult {
    /// How the wait ended, as a release's history keeps it; nothing for a turn, and while people may still answer.
    #[must_use]
    pub fn moment(&self, wait: &Wait) -> Option<(Step, String)> {
        let step = match wait {
            // What these ended with is told by the gate that looks again.
            Wait::Turn {} | Wait::Scan { .. } | Wait::Database { .. } | Wait::Snapshot { .. } | Wait::Task { .. } => return None,
            Wait::Deployment { .. } => Step::Deployed,
            Wait::Rollback { .. } => Step::Restored,
            Wait::Decision { .. } => Step::Decided,
            Wait::Bake { .. } => Step::Baked,
        };
        let words = match self {
            Self::Undecided {} => return None,
            Self::Done {} => "ECS runs it, and nothing else".to_owned(),
            Self::Quiet {} => "No alarm rang".to_owned(),
            Self::Approved { by } => {
                format!("Approved through the links issued to {}", by.iter().map(EmailAddress::as_str).collect::<Vec<_>>().join(", "))
            }
            Self::Failed { reason }
            | Self::Superseded { reason }
            | Self::Aborted { reason }
            | Self::Rejected { reason }
            | Self::Expired { reason }
            | Self::Rang { reason } => reason.clone(),
        };
        Some((step, words))
    }
}

/// What an approval's wait ends with by now: nothing while people may still answer.
#[must_use]
pub fn decision(approval: &Approval, now: Timestamp) -> Option<WaitResult> {
    let closed_because = |default: &str| approval.closed_because.clone().unwrap_or_else(|| default.to_owned());
    match approval.status_at(now) {
        Status::Pending => None,
        Status::Approved => Some(WaitResult::Approved {
            by: approval
                .decisions
                .iter()
                .filter(|decision| decision.verdict == Verdict::Approved)
                .map(|decision| decision.by.clone())
                .collect(),
        }),
        Status::Rejected => {
            let rejection = approval.decisions.iter().find(|decision| decision.verdict == Verdict::Rejected);
            let reason = rejection.map_or_else(
                || "rejected".to_owned(),
                |rejection| {
                    let words = if rejection.reason.is_empty() { String::new() } else { format!(": {}", rejection.reason) };
                    format!("rejected through the link issued to {}{words}", rejection.by)
                },
            );
            Some(WaitResult::Rejected { reason })
        }
        Status::Superseded => Some(WaitResult::Superseded { reason: closed_because("superseded by a newer push") }),
        Status::Voided => Some(WaitResult::Expired { reason: closed_because("the stage changed, and people were asked again") }),
        Status::Withdrawn => Some(WaitResult::Aborted { reason: closed_because("aborted by a person") }),
        Status::Expired => Some(WaitResult::Expired { reason: format!("nobody decided before {:.0}", approval.expires_at) }),
    }
}
