//! What a stage ran before a release touched it, and how that is restored.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alarm::{AlarmReading, disquiet};
use crate::deployment::{ServiceView, external_change};
use crate::name::{ServiceArn, ServiceName, StageName, TaskDefinitionArn};

/// What a stage ran before the release touched it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Its services, in the order of the configuration.
    pub services: Vec<ServiceBaseline>,
    /// Its alarms as they were read.
    pub alarms: Vec<AlarmReading>,
    /// Those of the stage's alarms that were not quiet, where an approver may let it change all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_quiet: Vec<String>,
    /// Which look at the stage this was, counted from 1: it is looked at again where someone changed it while people
    /// were asked.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub round: u32,
}

const fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_first(round: &u32) -> bool {
    *round <= 1
}

/// How often a stage's baseline is captured, where it changes while people are asked.
pub const ROUNDS: u32 = 3;

/// That a release has begun to change a stage: written before the first effect, so that a rollback knows of it
/// whatever became of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The stage.
    pub stage: StageName,
    /// When.
    pub at: Timestamp,
}

/// What one service ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceBaseline {
    /// The service's name.
    pub service: ServiceName,
    /// Its ARN.
    pub arn: ServiceArn,
    /// What its primary deployment ran.
    pub task_definition: TaskDefinitionArn,
    /// The image of the application's container, as the task definition names it.
    pub image: String,
    /// How many tasks it should run.
    pub desired_count: u32,
    /// Whether the registry did not have its image any more. Restoring it would find nothing to run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_gone: bool,
}

impl Baseline {
    /// What an approver lets the stage change in spite of, in words; nothing where all is quiet.
    #[must_use]
    pub fn in_spite_of(&self) -> Option<String> {
        disquiet(&self.not_quiet, &self.alarms)
    }
}

impl ServiceBaseline {
    /// Why a rollback cannot bring this back, where that is known before anything changes.
    #[must_use]
    pub fn not_restorable(&self) -> Option<String> {
        let Self { service, image, .. } = self;
        if self.ran_nothing() {
            Some(format!("this is the first release of {service}, and undoing it stops the service"))
        } else if self.image_gone {
            Some(format!("{service} runs {image}, which the registry does not have any more"))
        } else {
            None
        }
    }

    /// Whether the service ran nothing before: this is its first release, and a rollback can only stop it again.
    #[must_use]
    pub const fn ran_nothing(&self) -> bool {
        self.desired_count == 0
    }
}

/// What a rollback does with one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restoration {
    /// It runs its baseline already: the release had not reached it, an earlier run restored it, or ECS's circuit
    /// breaker was first.
    AlreadyBack,
    /// It runs what the release deployed: restore the baseline.
    Restore,
    /// It runs neither: an external change, which is not ours to undo.
    Refuse {
        /// What it runs.
        running: TaskDefinitionArn,
        /// The same in words.
        reason: String,
    },
}

/// Decides what a rollback does with a service, given what the release registered for it, if it got that far, and the
/// copy of the baseline that an earlier run of the rollback registered, if it had to.
#[must_use]
pub fn restoration(
    baseline: &ServiceBaseline,
    registered: Option<&TaskDefinitionArn>,
    copy: Option<&TaskDefinitionArn>,
    now: &ServiceView,
) -> Restoration {
    if copy.is_some_and(|copy| now.task_definition == *copy) {
        return Restoration::AlreadyBack;
    }
    if now.task_definition == baseline.task_definition {
        // A first release raises the count as well: running the template with tasks is not the baseline.
        let stopped = !baseline.ran_nothing() || now.desired_count == 0;
        return if stopped { Restoration::AlreadyBack } else { Restoration::Restore };
    }
    let known: Vec<_> = registered.into_iter().collect();
    match external_change(&baseline.service, &now.task_definition, &known) {
        None => Restoration::Restore,
        Some(reason) => Restoration::Refuse { running: now.task_definition.clone(), reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn td(revision: u32) -> TaskDefinitionArn {
        TaskDefinitionArn::new(format!(
            "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:{revision}"
        ))
        .expect("an ARN")
    }

    fn baseline(desired_count: u32) -> ServiceBaseline {
        ServiceBaseline {
            service: ServiceName::new("web").expect("a name"),
            arn: ServiceArn::new("arn:aws:ecs:eu-central-1:111122223333:service/staging/web")
                .expect("an ARN"),
            task_definition: td(1),
            image: "web@sha256:…".into(),
            desired_count,
            image_gone: false,
        }
    }

    fn running(revision: u32, desired_count: u32) -> ServiceView {
        ServiceView {
            arn: baseline(1).arn,
            task_definition: td(revision),
            desired_count,
            running_count: 0,
            deployments: vec![],
            target_groups: vec![],
            traffic: crate::deployment::Traffic::default(),
            events: vec![],
        }
    }

    #[test]
    fn only_our_own_change_is_undone() {
        assert_eq!(restoration(&baseline(1), Some(&td(2)), None, &running(2, 1)), Restoration::Restore);
        assert_eq!(restoration(&baseline(1), Some(&td(2)), None, &running(1, 1)), Restoration::AlreadyBack);
        assert_eq!(
            restoration(&baseline(1), Some(&td(2)), Some(&td(3)), &running(3, 1)),
            Restoration::AlreadyBack
        );
        assert!(
            matches!(restoration(&baseline(1), Some(&td(2)), None, &running(9, 1)), Restoration::Refuse { running, .. } if running == td(9))
        );
        assert!(matches!(restoration(&baseline(1), None, None, &running(2, 1)), Restoration::Refuse { .. }));
    }

    #[test]
    fn what_cannot_be_restored_is_known_before() {
        assert_eq!(baseline(1).not_restorable(), None);
        assert!(baseline(0).not_restorable().is_some_and(|why| why.contains("first release")));
        let gone = ServiceBaseline { image_gone: true, ..baseline(1) };
        assert!(gone.not_restorable().is_some_and(|why| why.contains("does not have any more")));
    }

    #[test]
    fn a_first_release_is_undone_by_stopping_the_service() {
        assert_eq!(restoration(&baseline(0), Some(&td(2)), None, &running(2, 1)), Restoration::Restore);
        assert_eq!(restoration(&baseline(0), Some(&td(2)), None, &running(1, 1)), Restoration::Restore);
        assert_eq!(restoration(&baseline(0), Some(&td(2)), None, &running(1, 0)), Restoration::AlreadyBack);
    }
}
