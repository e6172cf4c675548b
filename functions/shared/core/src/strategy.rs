//! How gently ECS replaces what a stage runs: ECS's own deployment strategies, as data of the stage. Slipway shifts
//! no traffic itself.
//!
//! Names and limits: `DeploymentConfiguration`, `CanaryConfiguration` and `LinearConfiguration` (Amazon ECS API
//! reference).

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deployment::{NOT_SHOWN_YET, Progress, ServiceView, is_within_lag};
use crate::doctor::Subject;
use crate::name::{ServiceName, TaskDefinitionArn};
use crate::obstacle::Obstacle;
use crate::span::Span;

/// The longest that ECS bakes, in minutes.
const LONGEST_BAKE_MINUTES: u32 = 1_440;

/// A deployment strategy of ECS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Strategy {
    /// Task by task.
    Rolling {},
    /// All at once, once the new tasks are there beside the old ones.
    BlueGreen {
        /// How long the old tasks stay, ready for all traffic to go back; not at all when it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bake: Option<Span>,
    },
    /// A part of the traffic first, then the rest.
    Canary {
        /// The first part, from 0.1 to 100 percent.
        percent: Percent,
        /// How long it stays at that.
        step_bake: Span,
        /// How long the old tasks stay afterwards; not at all when it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bake: Option<Span>,
    },
    /// In equal parts.
    Linear {
        /// Each part, from 3 to 100 percent.
        percent: Percent,
        /// How long it stays at each.
        step_bake: Span,
        /// How long the old tasks stay afterwards; not at all when it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bake: Option<Span>,
    },
}

/// A part of the traffic, in tenths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct Percent(u16);

impl Percent {
    /// The part in percent.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

impl TryFrom<f64> for Percent {
    type Error = String;
    fn try_from(value: f64) -> Result<Self, String> {
        let tenths = (value * 10.0).round();
        if !(1.0..=1000.0).contains(&tenths) || (value * 10.0 - tenths).abs() > 1e-6 {
            return Err(format!(
                "{value} is no part of the traffic; write a percentage from 0.1 to 100, with one decimal at the most"
            ));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to 1000")]
        Ok(Self(tenths as u16))
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        percent.value()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.value())
    }
}

/// What ECS is given in whole minutes.
#[must_use]
pub const fn minutes(span: &Span) -> u32 {
    span.seconds() / 60
}

impl Strategy {
    /// The strategy in ECS's word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Rolling {} => "ROLLING",
            Self::BlueGreen { .. } => "BLUE_GREEN",
            Self::Canary { .. } => "CANARY",
            Self::Linear { .. } => "LINEAR",
        }
    }

    /// Whether ECS shifts traffic from one target group to another with it.
    #[must_use]
    pub const fn shifts_traffic(&self) -> bool {
        !matches!(self, Self::Rolling {})
    }

    const fn spans(&self) -> [Option<&Span>; 2] {
        match self {
            Self::Rolling {} => [None, None],
            Self::BlueGreen { bake } => [None, bake.as_ref()],
            Self::Canary { step_bake, bake, .. } | Self::Linear { step_bake, bake, .. } => {
                [Some(step_bake), bake.as_ref()]
            }
        }
    }

    /// How long ECS takes with it beside what tasks need to start, in minutes.
    #[must_use]
    pub fn minutes(&self) -> u32 {
        let [step, bake] = self.spans().map(|span| span.map_or(0, minutes));
        let steps = match self {
            Self::Rolling {} | Self::BlueGreen { .. } => 0,
            Self::Canary { .. } => 1,
            Self::Linear { percent, .. } => u32::from(1000_u16.div_ceil(percent.0)),
        };
        steps * step + bake
    }

    /// What ECS does not take: the field, and what to write.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        let [step, bake] = self.spans();
        let wrong = |span: Option<&Span>| {
            span.is_some_and(|span| span.seconds() % 60 != 0 || minutes(span) > LONGEST_BAKE_MINUTES)
        };
        if wrong(step) {
            return Some((
                "strategy.step_bake",
                "write whole minutes, 1440m at the most: ECS knows nothing shorter",
            ));
        }
        if wrong(bake) {
            return Some((
                "strategy.bake",
                "write whole minutes, 1440m at the most: ECS knows nothing shorter",
            ));
        }
        match self {
            Self::Linear { percent, .. } if percent.0 < 30 => {
                Some(("strategy.percent", "write 3 to 100 for LINEAR"))
            }
            _ => None,
        }
    }

    /// What a service lacks for it, and where it comes from; nothing where it has all.
    #[must_use]
    pub fn lacks(&self, name: &ServiceName, service: &ServiceView) -> Option<Obstacle> {
        let word = self.as_str();
        if !self.shifts_traffic() {
            return None;
        }
        if service.traffic.balancers.is_empty() {
            return match self {
                Self::BlueGreen { .. } => None,
                _ => Some(Obstacle::new(
                    Subject::Strategy,
                    format!("{word} shifts traffic, and {name} has no load balancer"),
                    "use ROLLING or BLUE_GREEN for its stage",
                )),
            };
        }
        let missing = service.traffic.balancers.iter().flat_map(|balancer| {
            [
                (balancer.alternate_target_group.is_none(), "an alternate target group"),
                (!balancer.has_production_rule, "a production listener rule"),
                (!balancer.has_role, "a role with which ECS may change the rule"),
            ]
        });
        let missing: Vec<_> = missing.filter(|(is_missing, _)| *is_missing).map(|(_, what)| what).collect();
        (!missing.is_empty()).then(|| {
            Obstacle::new(
                Subject::Strategy,
                format!("{word} needs {} at the load balancer of {name}", missing.join(", ")),
                "set traffic_shift for the service in Terraform, and see \"Traffic shifts\" in infra/modules/service/README.md",
            )
        })
    }
}

/// How far ECS is with a deployment of a service, in its words (`ServiceDeployment.status`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceDeployment {
    /// Its ARN.
    pub arn: String,
    /// ECS's word.
    pub status: String,
    /// ECS's reason.
    pub reason: String,
    /// When ECS made it.
    pub created_at: Option<Timestamp>,
    /// What its target service revision runs, once it has ended well.
    pub target: Option<TaskDefinitionArn>,
}

impl ServiceDeployment {
    /// Whether it can still be stopped.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        ["PENDING", "IN_PROGRESS"].contains(&self.status.as_str())
    }
}

/// A lifecycle hook, people's own, that holds a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The stage of the deployment at which it does, in ECS's word.
    pub stage: String,
    /// The Lambda function that ECS waits for; none where the hook is a pause.
    pub function: Option<String>,
    /// ECS's id of it.
    pub id: String,
    /// The ARN of the service deployment.
    pub deployment: String,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, function, id, deployment } = self;
        match function {
            Some(function) => write!(f, "its lifecycle hook {function} has not let it go on at {stage}"),
            None => write!(
                f,
                "its pause hook holds it at {stage} until somebody continues it (aws ecs continue-service-deployment \
                 --service-deployment-arn {deployment} --hook-id {id})"
            ),
        }
    }
}

/// What a deployment that shifts traffic is judged for.
#[derive(Clone, Copy, Debug)]
pub struct Shift<'a> {
    /// What the service is to run.
    pub wanted: &'a TaskDefinitionArn,
    /// Whether that is what ran before.
    pub restores: bool,
    /// When ECS was asked for it.
    pub asked_at: Option<Timestamp>,
    /// The moment of the look.
    pub now: Timestamp,
}

/// Where a deployment stands that shifts traffic: its end is that of the newest service deployment, because `rolloutState`
/// "is only returned for services that use the rolling update deployment type" (`Deployment`, Amazon ECS API reference).
/// What the service's own view says counts where it runs something else.
#[must_use]
pub fn progress(newest: Option<&ServiceDeployment>, shift: Shift<'_>, seen: Progress) -> Progress {
    let Shift { wanted, restores, asked_at, now } = shift;
    let Some(newest) = newest else { return seen };
    let is_older = asked_at.is_some_and(|at| newest.created_at.is_some_and(|created| created < at));
    let done = || if matches!(seen, Progress::Failed { .. }) { seen.clone() } else { Progress::Done };
    match newest.status.as_str() {
        "PENDING" | "IN_PROGRESS" | "STOP_REQUESTED" | "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => {
            Progress::Going
        }
        "ROLLBACK_FAILED" => {
            Progress::Failed { reason: format!("ECS could not roll it back: {}", newest.reason) }
        }
        // It was to be rolled back, and was.
        "ROLLBACK_SUCCESSFUL" | "STOPPED" if restores => done(),
        // One that ended before ECS was asked: ours is not shown yet.
        _ if is_older && asked_at.is_some_and(|at| is_within_lag(at, now)) => {
            Progress::Lagging { reason: NOT_SHOWN_YET }
        }
        "ROLLBACK_SUCCESSFUL" | "STOPPED" => {
            Progress::Failed { reason: format!("ECS stopped it: {}", newest.reason) }
        }
        "SUCCESSFUL" => match &newest.target {
            Some(target) if target != wanted => {
                Progress::Failed { reason: format!("the service runs {target} instead") }
            }
            _ => done(),
        },
        _ => seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{Balancer, Traffic};
    use crate::fixtures::{self, at, td};

    fn strategy(json: serde_json::Value) -> Strategy {
        serde_json::from_value(json).expect("it fits")
    }

    fn service(traffic: Traffic) -> ServiceView {
        ServiceView { traffic, ..fixtures::service(1) }
    }

    #[test]
    fn what_ecs_does_not_take_is_said_with_the_field() {
        let linear = |percent: f64, step: &str| {
            strategy(serde_json::json!({ "type": "LINEAR", "percent": percent, "step_bake": step }))
        };

        assert_eq!(linear(10.0, "5m").problem(), None);
        assert_eq!(linear(2.5, "5m").problem().map(|problem| problem.0), Some("strategy.percent"));
        assert_eq!(linear(10.0, "90s").problem().map(|problem| problem.0), Some("strategy.step_bake"));
        let long = strategy(serde_json::json!({ "type": "BLUE_GREEN", "bake": "2d" }));
        assert_eq!(long.problem().map(|problem| problem.0), Some("strategy.bake"));
        for percent in [0.0, 0.05, 100.1, 33.33] {
            assert!(Percent::try_from(percent).is_err(), "{percent}");
        }
    }

    #[test]
    fn how_long_it_takes_is_its_steps_and_its_bake() {
        assert_eq!(strategy(serde_json::json!({ "type": "ROLLING" })).minutes(), 0);
        assert_eq!(
            strategy(
                serde_json::json!({ "type": "CANARY", "percent": 0.1, "step_bake": "10m", "bake": "5m" })
            )
            .minutes(),
            15
        );
        assert_eq!(
            strategy(serde_json::json!({ "type": "LINEAR", "percent": 30, "step_bake": "2m", "bake": "1m" }))
                .minutes(),
            9
        );
    }

    #[test]
    fn what_a_service_lacks_is_named() {
        let name = ServiceName::new("web").expect("a name");
        let canary = strategy(serde_json::json!({ "type": "CANARY", "percent": 10, "step_bake": "5m" }));
        let blue_green = strategy(serde_json::json!({ "type": "BLUE_GREEN" }));
        let whole = Balancer {
            target_group: Some("group".into()),
            alternate_target_group: Some("arn".into()),
            has_production_rule: true,
            has_role: true,
        };
        let with = |balancers: Vec<Balancer>| {
            service(Traffic { controller: Some("ECS".into()), balancers, ..Traffic::default() })
        };

        assert_eq!(canary.lacks(&name, &with(vec![whole.clone()])), None);
        assert_eq!(strategy(serde_json::json!({ "type": "ROLLING" })).lacks(&name, &with(vec![])), None);
        assert_eq!(blue_green.lacks(&name, &with(vec![])), None);
        let words = canary.lacks(&name, &with(vec![])).map(|lack| lack.to_string());
        assert!(words.is_some_and(|words| words.contains("no load balancer")));
        let bare = Balancer { has_role: true, ..Balancer::default() };
        let words = blue_green.lacks(&name, &with(vec![bare])).expect("it lacks something").to_string();
        assert!(
            words.contains("an alternate target group, a production listener rule at")
                && words.contains("traffic_shift"),
            "{words}"
        );
    }

    #[test]
    fn a_deployment_that_shifts_traffic_is_done_when_its_service_deployment_is() {
        let one = |status: &str| ServiceDeployment {
            arn: "arn".into(),
            status: status.into(),
            reason: "an alarm".into(),
            created_at: Some(at(100)),
            target: (status == "SUCCESSFUL").then(|| td(2)),
        };
        let judged = |newest: Option<ServiceDeployment>, restores, seen| {
            let shift = Shift { wanted: &td(2), restores, asked_at: Some(at(100)), now: at(101) };
            progress(newest.as_ref(), shift, seen)
        };
        let replaced = || Progress::Failed { reason: "the service runs another instead".into() };

        for status in
            ["PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "STOP_REQUESTED"]
        {
            assert_eq!(judged(Some(one(status)), false, Progress::Going), Progress::Going, "{status}");
        }
        // ECS gives no rolloutState, so the service's own view never says more than that it is on its way.
        assert_eq!(judged(Some(one("SUCCESSFUL")), false, Progress::Going), Progress::Done);
        assert_eq!(judged(Some(one("SUCCESSFUL")), false, replaced()), replaced());
        let others = ServiceDeployment { target: Some(td(9)), ..one("SUCCESSFUL") };
        assert!(matches!(judged(Some(others), false, Progress::Going), Progress::Failed { .. }));
        // The deployment before is still the newest that ECS shows.
        for status in ["SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL"] {
            let before = ServiceDeployment { created_at: Some(at(50)), target: Some(td(1)), ..one(status) };
            let unseen = Progress::Lagging { reason: NOT_SHOWN_YET };
            assert_eq!(judged(Some(before), false, Progress::Going), unseen, "{status}");
        }
        for status in ["ROLLBACK_SUCCESSFUL", "STOPPED"] {
            assert_eq!(
                judged(Some(one(status)), false, Progress::Going),
                Progress::Failed { reason: "ECS stopped it: an alarm".into() }
            );
            let before = ServiceDeployment { created_at: Some(at(50)), ..one(status) };
            assert_eq!(judged(Some(before), true, Progress::Going), Progress::Done, "the baseline is back");
        }
        assert!(matches!(
            judged(Some(one("ROLLBACK_FAILED")), true, Progress::Done),
            Progress::Failed { .. }
        ));
        assert_eq!(judged(None, false, Progress::Going), Progress::Going);
    }
}
