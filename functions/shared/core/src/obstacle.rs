//! What keeps a stage's service from being deployed to, and what to do about it: a release stops at the first one that it
//! meets, the doctor names all of them.

use std::fmt;

use crate::application::Families;
use crate::deployment::ServiceView;
use crate::doctor::Subject;
use crate::name::ServiceName;

/// Something that keeps a service from being deployed to. Written out it is the sentence that a release ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is about.
    pub subject: Subject,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
    sentence: Sentence,
}

/// How a release says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sentence {
    /// What is wrong, and no more.
    Alone,
    /// What is wrong, a colon, what to do.
    WithRemedy,
    /// What is wrong, and what to do as a sentence of its own.
    BeforeRemedy,
}

impl Obstacle {
    /// What is wrong, and behind a colon what to do.
    pub(crate) fn new(subject: Subject, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { subject, what: what.into(), remedy: remedy.into(), sentence: Sentence::WithRemedy }
    }

    fn said(self, sentence: Sentence) -> Self {
        Self { sentence, ..self }
    }

    /// There is no such service.
    #[must_use]
    pub fn no_service(name: &ServiceName, cluster: &str) -> Self {
        Self::new(
            Subject::Service,
            format!("ECS has no active service {name} in the cluster {cluster}"),
            "apply the Terraform that makes it, or take it out of the stage",
        )
        .said(Sentence::Alone)
    }

    /// Nobody let Slipway change the service, if nobody did.
    #[must_use]
    pub fn untagged(name: &ServiceName, service: &ServiceView, cluster: &str) -> Option<Self> {
        service.deployer.is_none().then(|| {
            Self::new(
                Subject::Service,
                format!(
                    "{name} in the cluster {cluster} has no tag slipway:deployer, so Slipway may not change it"
                ),
                "tag the service with the deployer's name",
            )
        })
    }

    /// A service that is asked through its load balancer cannot be asked: it would fail after it has changed.
    #[must_use]
    pub fn unreachable(name: &ServiceName, why: impl fmt::Display) -> Self {
        Self::new(
            Subject::LoadBalancer,
            format!("{name} cannot be verified through its load balancer: {why}"),
            "write the address that answers from outside as health.url of the service, or target_health = {} in the place of health",
        )
        .said(Sentence::BeforeRemedy)
    }

    /// A service that is judged by its load balancer's health checks has none.
    #[must_use]
    pub fn no_target_group(name: &ServiceName) -> Self {
        Self::new(
            Subject::LoadBalancer,
            format!("{name} has no target group, so no load balancer checks its tasks"),
            "write steady in the place of target_health",
        )
    }

    /// Its target group is used by no load balancer.
    #[must_use]
    pub fn unattached(name: &ServiceName, group: &str) -> Self {
        Self::new(
            Subject::LoadBalancer,
            format!(
                "no load balancer forwards to the target group {group} of {name}, so nothing checks its tasks"
            ),
            "give a listener or a rule that target group, or write steady in the place of target_health",
        )
    }

    /// What the service runs is gone, and with it what a rollback would restore.
    #[must_use]
    pub fn nothing_to_restore(name: &ServiceName, service: &ServiceView, cluster: &str) -> Self {
        Self::new(
            Subject::Service,
            format!("ECS has no task definition {} any more, which {name} runs", service.task_definition),
            format!(
                "have the service run one that is there: aws ecs update-service --cluster {cluster} --service {name} --task-definition ARN"
            ),
        )
        .said(Sentence::Alone)
    }

    /// The service is scaled to nothing, if it is and has run anything before.
    #[must_use]
    pub fn scaled_to_zero(
        name: &ServiceName,
        service: &ServiceView,
        families: &Families,
        cluster: &str,
    ) -> Option<Self> {
        let first = families.is_unreleased(&service.task_definition);
        (!first && service.desired_count == 0).then(|| {
            Self::new(
                Subject::Service,
                format!("{name} is scaled to 0 tasks, and a release would start it"),
                format!(
                    "give it tasks (aws ecs update-service --cluster {cluster} --service {name} --desired-count 1), or take it out of the stage"
                ),
            )
        })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, remedy, sentence, .. } = self;
        match sentence {
            Sentence::Alone => f.write_str(what),
            Sentence::WithRemedy => write!(f, "{what}: {remedy}"),
            Sentence::BeforeRemedy => {
                let mut rest = remedy.chars();
                let first = rest.next().into_iter().flat_map(char::to_uppercase);
                write!(f, "{what}. {}{}", first.collect::<String>(), rest.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn an_obstacle_is_the_sentence_that_a_release_ends_with() {
        let name = ServiceName::new("web").expect("a name");
        let mut service = fixtures::service(7);

        for (obstacle, sentence) in [
            (
                Obstacle::no_service(&name, "production"),
                "ECS has no active service web in the cluster production",
            ),
            (
                Obstacle::untagged(&name, &service, "production").expect("it has no tag"),
                "web in the cluster production has no tag slipway:deployer, so Slipway may not change it: tag the service with the deployer's name",
            ),
            (
                Obstacle::unreachable(&name, "no listener for HTTP or HTTPS forwards to it"),
                "web cannot be verified through its load balancer: no listener for HTTP or HTTPS forwards to it. Write the address that answers from outside as health.url of the service, or target_health = {} in the place of health",
            ),
            (
                Obstacle::nothing_to_restore(&name, &service, "production"),
                "ECS has no task definition arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:7 any more, which web runs",
            ),
        ] {
            assert_eq!(obstacle.to_string(), sentence);
            assert!(!obstacle.remedy.is_empty());
        }
        service.deployer = Some("slipway".into());
        assert_eq!(Obstacle::untagged(&name, &service, "production"), None);
    }

    #[test]
    fn a_service_may_have_no_tasks_until_its_first_release() {
        let name = ServiceName::new("web").expect("a name");
        let service = ServiceView { desired_count: 0, ..fixtures::service(7) };

        let unreleased = ServiceView { task_definition: fixtures::template(4), ..service.clone() };
        let families = |template: Option<&str>| fixtures::families(template);
        assert_eq!(Obstacle::scaled_to_zero(&name, &unreleased, &families(None), "staging"), None);
        // Its owner's revision has a real image: somebody stopped it.
        let theirs = families(Some("staging-web-template"));
        assert!(Obstacle::scaled_to_zero(&name, &unreleased, &theirs, "staging").is_some());
        let obstacle = Obstacle::scaled_to_zero(&name, &service, &families(None), "staging");
        assert_eq!(
            obstacle.map(|obstacle| obstacle.to_string()).as_deref(),
            Some(
                "web is scaled to 0 tasks, and a release would start it: give it tasks (aws ecs update-service --cluster staging --service web --desired-count 1), or take it out of the stage"
            )
        );
        let running = fixtures::service(7);
        assert_eq!(Obstacle::scaled_to_zero(&name, &running, &families(None), "staging"), None);
    }
}
