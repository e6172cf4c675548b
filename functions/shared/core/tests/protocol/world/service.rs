//! The one service, as ECS runs it.

use std::sync::LazyLock;

use slipway_core::deployment::{Deployment, Rollout, ServiceView, Traffic};
use slipway_core::name::{ServiceArn, TaskDefinitionArn};

/// What a service runs: 0 is what it ran before, others are the releases' numbers and 1, those of external changes
/// are above [`EXTERNAL`].
pub(crate) type Revision = u32;

/// Where the revisions begin that somebody else deploys.
const EXTERNAL: Revision = 10;

/// A deployment of the service.
#[derive(Clone, Copy, Debug)]
struct Rolling {
    revision: Revision,
    rollout: Rollout,
}

/// The service.
#[derive(Debug)]
pub(crate) struct Service {
    /// The primary one first.
    deployments: Vec<Rolling>,
    external: u32,
}

impl Service {
    /// The service before anything was released.
    pub(crate) fn new() -> Self {
        Self { deployments: vec![Rolling { revision: 0, rollout: Rollout::Completed }], external: 0 }
    }

    /// What it should run.
    pub(crate) fn runs(&self) -> Revision {
        self.deployments[0].revision
    }

    /// `UpdateService`. What it should run already begins no deployment.
    pub(crate) fn update(&mut self, revision: Revision) {
        if self.runs() != revision {
            self.deployments.retain(|before| before.rollout == Rollout::Completed);
            self.deployments.insert(0, Rolling { revision, rollout: Rollout::InProgress });
        }
    }

    /// ECS ends the deployment in progress: well, or its circuit breaker goes back. `false` where there is none.
    pub(crate) fn end_deployment(&mut self, well: bool) -> bool {
        if self.deployments[0].rollout != Rollout::InProgress {
            return false;
        }
        if well || self.deployments.len() == 1 {
            self.deployments.truncate(1);
            self.deployments[0].rollout = if well { Rollout::Completed } else { Rollout::Failed };
        } else {
            self.deployments.truncate(2);
            self.deployments.reverse();
            self.deployments[1].rollout = Rollout::Failed;
        }
        true
    }

    /// Somebody else deploys.
    pub(crate) fn change_by_others(&mut self) {
        self.external += 1;
        self.deployments = vec![Rolling { revision: EXTERNAL + self.external, rollout: Rollout::Completed }];
    }

    /// What ECS says of it.
    pub(crate) fn view(&self) -> ServiceView {
        let deployment = |Rolling { revision, rollout }: &Rolling| Deployment {
            id: revision.to_string(),
            task_definition: task_definition(*revision),
            rollout: *rollout,
            reason: String::new(),
            running_count: u32::from(*rollout == Rollout::Completed),
            created_at: None,
        };
        ServiceView {
            deployer: None,
            arn: service_arn(),
            task_definition: task_definition(self.runs()),
            desired_count: 1,
            running_count: 1,
            deployments: self.deployments.iter().map(deployment).collect(),
            traffic: Traffic::default(),
            events: Vec::new(),
        }
    }
}

/// The service's ARN.
pub(crate) fn service_arn() -> ServiceArn {
    static ARN: LazyLock<ServiceArn> = LazyLock::new(|| {
        ServiceArn::new("arn:aws:ecs:eu-central-1:111122223333:service/production/web").expect("an ARN")
    });
    ARN.clone()
}

/// The task definition of a revision.
pub(crate) fn task_definition(revision: Revision) -> TaskDefinitionArn {
    static RELEASED: LazyLock<Vec<TaskDefinitionArn>> = LazyLock::new(|| (0..EXTERNAL).map(named).collect());
    RELEASED.get(revision as usize).cloned().unwrap_or_else(|| named(revision))
}

fn named(revision: Revision) -> TaskDefinitionArn {
    TaskDefinitionArn::new(format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/web:{revision}"))
        .expect("an ARN")
}

/// The revision of a task definition.
pub(crate) fn revision_of(task_definition: &TaskDefinitionArn) -> Revision {
    let revision = task_definition.as_str().rsplit(':').next().and_then(|revision| revision.parse().ok());
    revision.expect("a revision of the model")
}
