//! What a stage ran before a release touched it, and how that is restored.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alarm::{AlarmReading, disquiet};
use crate::definition::{fingerprint, registration};
use crate::deployment::{ServiceView, external_change, may_lag};
use crate::image::digest_of;
use crate::name::{FamilyName, ServiceArn, ServiceName, StageName, TaskDefinitionArn};
use crate::words;

/// The longest name of an image that is no digest, in characters.
const LONGEST_VERSION: usize = 60;

/// What a stage ran before the release touched it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Its services, in the order of the configuration.
    pub services: Vec<ServiceBaseline>,
    /// The families of its tasks, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskBaseline>,
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
    /// When ECS was asked last to change its services; nothing where it was not, or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
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
    /// What the release's revision is made from: people approve this, and nothing else is deployed.
    pub template: Template,
    /// The image of the application's container, as the task definition names it.
    pub image: String,
    /// How many tasks it should run.
    pub desired_count: u32,
    /// Whether it ran no release before: its task definition is the template.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// Whether the registry did not have its image any more. Restoring it would find nothing to run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_gone: bool,
}

/// What the newest revision of a family was that schedules run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskBaseline {
    /// The family.
    pub family: FamilyName,
    /// Its newest revision, and what is registered from it: people approve this, and nothing else is registered.
    pub template: Template,
}

/// The template of a service's next revision, as it was when the stage was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its ARN.
    pub arn: TaskDefinitionArn,
    /// What is registered from it, as [`crate::definition::fingerprint`] has it.
    pub registration: String,
}

impl Template {
    /// Whether a task definition is what is registered from it in a family.
    #[must_use]
    pub fn is_registered_as(&self, document: &Value, family: &str) -> bool {
        self.registration == fingerprint(&registration(document, family))
    }
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
            Some(format!("{service} runs {}, which the registry does not have any more", words::exact(image)))
        } else {
            None
        }
    }

    /// What it ran, in a word: the beginning of the digest, else the image as its task definition names it.
    #[must_use]
    pub fn version(&self) -> String {
        if self.ran_nothing() {
            return "nothing".to_owned();
        }
        let image = self.image.rsplit('/').next().unwrap_or_default();
        digest_of(image)
            .map_or_else(|| words::line(image, LONGEST_VERSION), |digest| digest.short().to_owned())
    }

    /// Whether the service ran nothing before: this is its first release, and a rollback can only stop it again.
    #[must_use]
    pub const fn ran_nothing(&self) -> bool {
        self.first
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
    /// ECS was asked to deploy the release just now, and shows nothing of it yet.
    NotShownYet,
    /// It runs neither: an external change, which is not ours to undo.
    Refuse {
        /// What it runs.
        running: TaskDefinitionArn,
        /// The same in words.
        reason: String,
    },
}

/// What a rollback knows of a service beside its baseline and how ECS shows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// What the release registered for it, if it got that far.
    pub registered: Option<&'a TaskDefinitionArn>,
    /// The copy of the baseline that an earlier run of the rollback registered, if it had to.
    pub copy: Option<&'a TaskDefinitionArn>,
    /// When ECS was asked to deploy the release.
    pub asked_at: Option<Timestamp>,
}

/// Decides what a rollback does with a service.
#[must_use]
pub fn restoration(
    baseline: &ServiceBaseline,
    known: Known<'_>,
    view: &ServiceView,
    now: Timestamp,
) -> Restoration {
    let Known { registered, copy, asked_at } = known;
    if copy.is_some_and(|copy| view.task_definition == *copy) {
        return Restoration::AlreadyBack;
    }
    if view.task_definition == baseline.task_definition {
        let is_shown =
            |ours: &TaskDefinitionArn| view.deployments.iter().any(|one| one.task_definition == *ours);
        if registered.is_some_and(|ours| !is_shown(ours)) && may_lag(view, asked_at, now) {
            return Restoration::NotShownYet;
        }
        // A first release raises the count as well: running the template with tasks is not the baseline.
        let stopped = !baseline.ran_nothing() || view.desired_count == 0;
        return if stopped { Restoration::AlreadyBack } else { Restoration::Restore };
    }
    let known: Vec<_> = registered.into_iter().collect();
    match external_change(&baseline.service, &view.task_definition, &known) {
        None => Restoration::Restore,
        Some(reason) => Restoration::Refuse { running: view.task_definition.clone(), reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{Deployment, Rollout};
    use crate::fixtures::{self, at, td};

    /// One that ran so many tasks; none of a release where that is 0.
    fn baseline(desired_count: u32) -> ServiceBaseline {
        ServiceBaseline {
            service: ServiceName::new("web").expect("a name"),
            arn: fixtures::service_arn(),
            task_definition: td(1),
            template: Template { arn: td(1), registration: String::new() },
            image: "web@sha256:…".into(),
            desired_count,
            first: desired_count == 0,
            image_gone: false,
        }
    }

    fn running(revision: u32, desired_count: u32) -> ServiceView {
        ServiceView { desired_count, running_count: 0, ..fixtures::service(revision) }
    }

    /// Long after ECS was asked.
    fn decided(
        count: u32,
        registered: Option<&TaskDefinitionArn>,
        copy: Option<&TaskDefinitionArn>,
        view: &ServiceView,
    ) -> Restoration {
        let known = Known { registered, copy, asked_at: Some(at(100)) };
        restoration(&baseline(count), known, view, at(1000))
    }

    #[test]
    fn a_deployment_that_ecs_does_not_show_yet_is_not_taken_for_one_that_never_was() {
        let known = Known { registered: Some(&td(2)), copy: None, asked_at: Some(at(100)) };
        let shown = |revision: u32, seconds| Deployment {
            id: revision.to_string(),
            task_definition: td(revision),
            rollout: Rollout::Completed,
            reason: String::new(),
            running_count: 1,
            created_at: Some(at(seconds)),
        };
        let view = |deployments| ServiceView { deployments, ..running(1, 1) };
        let decided = |view: &ServiceView, now| restoration(&baseline(1), known, view, at(now));

        let stale = view(vec![shown(1, 50)]);
        assert_eq!(decided(&stale, 101), Restoration::NotShownYet);
        assert_eq!(decided(&stale, 161), Restoration::AlreadyBack);
        // ECS's circuit breaker has restored it, as the failed deployment or a newer one of the baseline shows.
        assert_eq!(decided(&view(vec![shown(1, 50), shown(2, 100)]), 101), Restoration::AlreadyBack);
        assert_eq!(decided(&view(vec![shown(1, 105)]), 106), Restoration::AlreadyBack);
        // ECS was never asked.
        let refused = Known { asked_at: None, ..known };
        assert_eq!(restoration(&baseline(1), refused, &stale, at(101)), Restoration::AlreadyBack);
    }

    #[test]
    fn only_our_own_change_is_undone() {
        assert_eq!(decided(1, Some(&td(2)), None, &running(2, 1)), Restoration::Restore);
        assert_eq!(decided(1, Some(&td(2)), None, &running(1, 1)), Restoration::AlreadyBack);
        assert_eq!(decided(1, Some(&td(2)), Some(&td(3)), &running(3, 1)), Restoration::AlreadyBack);
        assert!(
            matches!(decided(1, Some(&td(2)), None, &running(9, 1)), Restoration::Refuse { running, .. } if running == td(9))
        );
        assert!(matches!(decided(1, None, None, &running(2, 1)), Restoration::Refuse { .. }));
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
        assert_eq!(decided(0, Some(&td(2)), None, &running(2, 1)), Restoration::Restore);
        assert_eq!(decided(0, Some(&td(2)), None, &running(1, 1)), Restoration::Restore);
        assert_eq!(decided(0, Some(&td(2)), None, &running(1, 0)), Restoration::AlreadyBack);
    }
}
