//! Proof, through the load balancer, that a release's tasks serve.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::application::HealthCheck;
use crate::deployment::{Balancer, ServiceView, TaskView, external_change};
use crate::image::Digest;
use crate::name::{ServiceName, TaskDefinitionArn};

/// How many good answers in a row are asked for.
pub const PROBES: usize = 3;

/// What should run and serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The service's name, for the verdict's words.
    pub service: &'a ServiceName,
    /// The only task definition that may run.
    pub task_definition: &'a TaskDefinitionArn,
    /// The only digest that the application's container may run, where it is known.
    pub digest: Option<&'a Digest>,
    /// How many tasks should run at least: younger ones beside them, which scaling has added, prove nothing and disprove
    /// nothing.
    pub desired_count: u32,
}

/// A target of a target group, as ELB sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The ARN of its target group.
    pub group: String,
    /// The address of the task behind it.
    pub address: String,
    /// Whether ELB calls it healthy.
    pub healthy: bool,
    /// ELB's reason when it does not.
    pub reason: String,
}

/// One request through the load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The HTTP status, or why there was none.
    pub answer: Result<u16, String>,
    /// How long the answer took, in milliseconds.
    pub took_ms: u64,
}

impl Probe {
    fn is_good(&self, health: &HealthCheck) -> bool {
        self.answer.as_ref().is_ok_and(|status| health.accepts(*status))
    }
}

/// How a service was looked at, besides its tasks and targets.
#[derive(Clone, Copy, Debug)]
pub enum Look<'a> {
    /// Through its load balancer, as it is configured.
    Probes(&'a HealthCheck, &'a [Probe]),
    /// By its load balancer's own health checks alone.
    Targets,
    /// Without one: as many tasks as are wanted must have run on for so many seconds until now.
    Steady {
        /// For how long.
        seconds: u32,
        /// Since when it is looked at.
        since: Timestamp,
        /// Why a task of it ended by itself since then, if one did.
        ended: Option<&'a str>,
        /// The moment of the look.
        now: Timestamp,
    },
}

/// The verdict on one service, with the figures that people see when they decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The service.
    pub service: ServiceName,
    /// Whether it serves.
    pub result: Health,
    /// Why not, in words; empty when it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Tasks that run what they should.
    pub tasks_running: u32,
    /// Tasks that should run.
    pub tasks_desired: u32,
    /// Targets of these tasks that ELB calls healthy.
    pub targets_healthy: u32,
    /// The answers through the load balancer, in order: a status, or why there was none.
    pub answers: Vec<String>,
    /// The slowest of them, in milliseconds.
    pub slowest_ms: u64,
    /// For how long its tasks had to run on, in seconds, where no load balancer asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_seconds: Option<u32>,
    /// How its command ended, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Verification {
    /// The figures in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let command =
            self.command.as_ref().map(|command| format!(", its command: {command}")).unwrap_or_default();
        match self.result {
            Health::Healthy if self.steady_seconds.is_some() => format!(
                "{} of {} tasks ran on for {} s{command}",
                self.tasks_running,
                self.tasks_desired,
                self.steady_seconds.unwrap_or_default()
            ),
            Health::Healthy if self.answers.is_empty() => format!(
                "{} of {} tasks run, {} healthy to the load balancer{command}",
                self.tasks_running, self.tasks_desired, self.targets_healthy
            ),
            Health::Healthy => format!(
                "{} of {} tasks serve, {} healthy, answers {}, slowest {} ms",
                self.tasks_running,
                self.tasks_desired,
                self.targets_healthy,
                self.answers.join(" "),
                self.slowest_ms
            ),
            Health::Unhealthy => format!("does not serve: {}", self.reason),
        }
    }
}

/// Whether a service serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Health {
    /// It serves.
    Healthy,
    /// It does not, or it cannot be shown that it does.
    Unhealthy,
}

/// Judges whether the service runs what it should, and nothing else, and serves it.
#[must_use]
pub fn judge(
    expected: &Expected<'_>,
    service: &ServiceView,
    tasks: &[TaskView],
    targets: &[Target],
    look: Look<'_>,
) -> Verification {
    let (health, probes) = match look {
        Look::Probes(health, probes) => (Some(health), probes),
        Look::Targets | Look::Steady { .. } => (None, [].as_slice()),
    };
    let ours = |task: &&TaskView| {
        task.task_definition == *expected.task_definition
            && expected.digest.is_none_or(|digest| task.digests.is_empty() || task.digests.contains(digest))
    };
    let running: Vec<&TaskView> = tasks.iter().filter(ours).collect();
    let others = tasks.len() - running.len();
    // In each load balancer's group; where ECS shifts traffic, in that one or in the other.
    let healthy_in = |balancer: &Balancer, task: &TaskView| {
        let here = |target: &&Target| balancer.target_groups().any(|group| target.group == group);
        let is_of_task = |target: &Target| {
            target.address.parse().is_ok_and(|address: IpAddr| task.addresses.contains(&address))
        };
        targets.iter().filter(here).any(|target| is_of_task(target) && target.healthy)
    };
    let balancers: Vec<_> = service.traffic.balanced().collect();
    let healthy = |task: &&&TaskView| {
        !balancers.is_empty() && balancers.iter().all(|balancer| healthy_in(balancer, task))
    };
    let targets_healthy = running.iter().filter(healthy).count();
    let good = probes.iter().filter(|probe| health.is_some_and(|health| probe.is_good(health))).count();
    let answers: Vec<String> = probes
        .iter()
        .map(|probe| probe.answer.as_ref().map_or_else(Clone::clone, ToString::to_string))
        .collect();
    let wanted = usize::try_from(expected.desired_count).unwrap_or(usize::MAX);
    let name = expected.service;

    let reason = if expected.desired_count == 0 {
        (!tasks.is_empty())
            .then(|| format!("{name} should run nothing, and still runs {}", count(tasks.len(), "task")))
    } else if let Some(change) = external_change(name, &service.task_definition, &[expected.task_definition])
    {
        Some(change)
    } else if others > 0 {
        Some(format!("{} of {name} run something else than this release", count(others, "task")))
    } else if running.len() < wanted {
        Some(format!("{name} runs {} of {wanted} tasks", running.len()))
    } else if !balancers.is_empty() && targets_healthy < wanted {
        let unhealthy: Vec<_> = targets
            .iter()
            .filter(|target| !target.healthy && !target.reason.is_empty())
            .map(|target| target.reason.as_str())
            .collect();
        let why = if unhealthy.is_empty() { String::new() } else { format!(": {}", unhealthy.join("; ")) };
        Some(format!("the load balancer calls {targets_healthy} of {wanted} tasks of {name} healthy{why}"))
    } else if let Look::Steady { ended: Some(why), .. } = look {
        Some(format!("a task of {name} ended by itself: {why}"))
    } else if let Look::Steady { seconds, since, now, .. } = look {
        let age = |at: Timestamp| now.duration_since(at).as_secs();
        let mut ages: Vec<_> = running.iter().map(|task| task.started_at.map_or(0, age)).collect();
        ages.sort_unstable_by(|one, other| other.cmp(one));
        // Of as many as are wanted the youngest; ECS may replace tasks of a service that is well.
        let youngest = ages.get(wanted - 1).copied().unwrap_or_default().max(age(since));
        (youngest < i64::from(seconds)).then(|| {
            format!("a task of {name} has run for {youngest} s only, and should have run on for {seconds} s")
        })
    } else if let Look::Targets = look {
        balancers.is_empty().then(|| format!("no target group has the tasks of {name}"))
    } else {
        let bad = health.filter(|_| good < probes.len() || probes.len() < PROBES);
        bad.map(|health| {
            format!(
                "{name} answered {} through the load balancer; {PROBES} answers of {} were asked for",
                in_words(&answers),
                health.good()
            )
        })
    };
    Verification {
        service: name.clone(),
        result: if reason.is_none() { Health::Healthy } else { Health::Unhealthy },
        reason: reason.unwrap_or_default(),
        tasks_running: u32::try_from(running.len()).unwrap_or(u32::MAX),
        tasks_desired: expected.desired_count,
        targets_healthy: u32::try_from(targets_healthy).unwrap_or(u32::MAX),
        answers,
        slowest_ms: probes.iter().map(|probe| probe.took_ms).max().unwrap_or_default(),
        steady_seconds: if let Look::Steady { seconds, .. } = look { Some(seconds) } else { None },
        command: None,
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn in_words(answers: &[String]) -> String {
    if answers.is_empty() { "nothing".to_owned() } else { answers.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::{Deployment, Rollout, Traffic};
    use crate::fixtures::{self, at, td};

    fn digest(digit: &str) -> Digest {
        Digest::new(format!("sha256:{}", digit.repeat(64))).expect("a digest")
    }

    fn task(revision: u32, address: &str) -> TaskView {
        TaskView {
            task_definition: td(revision),
            addresses: vec![address.parse().expect("an address")],
            digests: vec![digest("a")],
            started_at: None,
            stopped_reason: None,
        }
    }

    fn good_probes() -> Vec<Probe> {
        vec![Probe { answer: Ok(200), took_ms: 7 }; PROBES]
    }

    fn verdict(running: u32, tasks: &[TaskView], targets: &[(&str, bool)], probes: &[Probe]) -> Verification {
        let name = ServiceName::new("web").expect("a name");
        let service = ServiceView {
            deployments: vec![Deployment {
                id: "ecs-svc/1".into(),
                task_definition: td(running),
                rollout: Rollout::Completed,
                reason: String::new(),
                running_count: 1,
                created_at: None,
            }],
            traffic: Traffic { balancers: vec![balancer("blue", None)], ..Traffic::default() },
            ..fixtures::service(running)
        };
        let targets: Vec<_> = targets
            .iter()
            .map(|(address, healthy)| Target {
                group: "blue".into(),
                address: (*address).into(),
                healthy: *healthy,
                reason: "Target.Timeout".into(),
            })
            .collect();
        let expected = Expected {
            service: &name,
            task_definition: &td(2),
            digest: Some(&digest("a")),
            desired_count: 1,
        };
        judge(&expected, &service, tasks, &targets, Look::Probes(&health("200-299"), probes))
    }

    fn health(codes: &str) -> HealthCheck {
        serde_json::from_value(serde_json::json!({ "path": "/health", "codes": codes })).expect("it fits")
    }

    #[test]
    fn a_service_whose_tasks_run_and_serve_this_release_is_healthy() {
        let verification = verdict(2, &[task(2, "10.0.0.1")], &[("10.0.0.1", true)], &good_probes());

        assert_eq!(verification.result, Health::Healthy, "{}", verification.reason);
        assert_eq!(
            (verification.tasks_running, verification.targets_healthy, verification.slowest_ms),
            (1, 1, 7)
        );
    }

    #[test]
    fn an_answer_is_good_as_the_service_is_configured() {
        let good = |codes: Option<&str>, status| {
            let mut health = health("200");
            health.codes = codes.map(|codes| crate::status::StatusCodes::new(codes).expect("statuses"));
            Probe { answer: Ok(status), took_ms: 1 }.is_good(&health)
        };
        assert!(good(None, 204) && !good(None, 302), "2xx where nothing is said");
        assert!(good(Some("200,302"), 302) && !good(Some("200,302"), 204));
    }

    #[test]
    fn a_service_that_cannot_be_asked_is_judged_by_its_load_balancers_health_checks() {
        let name = ServiceName::new("web").expect("a name");
        let expected = Expected {
            service: &name,
            task_definition: &td(2),
            digest: Some(&digest("a")),
            desired_count: 1,
        };
        let seen = |balancers: Vec<Balancer>, healthy| {
            let traffic = Traffic { balancers, ..Traffic::default() };
            let service = ServiceView { traffic, ..fixtures::service(2) };
            let target = Target {
                group: "blue".into(),
                address: "10.0.0.1".into(),
                healthy,
                reason: "Target.Timeout".into(),
            };
            judge(&expected, &service, &[task(2, "10.0.0.1")], &[target], Look::Targets)
        };

        let good = seen(vec![balancer("blue", None)], true);
        assert_eq!(
            (good.result, good.in_words().as_str()),
            (Health::Healthy, "1 of 1 tasks run, 1 healthy to the load balancer")
        );
        let bad = seen(vec![balancer("blue", None)], false);
        assert!(bad.reason.contains("calls 0 of 1 tasks of web healthy: Target.Timeout"), "{}", bad.reason);
        assert_eq!(seen(vec![], true).reason, "no target group has the tasks of web");
    }

    #[test]
    fn a_service_without_a_load_balancer_is_judged_by_tasks_that_run_on() {
        let name = ServiceName::new("worker").expect("a name");
        let service = fixtures::service(2);
        let expected = Expected {
            service: &name,
            task_definition: &td(2),
            digest: Some(&digest("a")),
            desired_count: 1,
        };
        let look = |since, ended| Look::Steady { seconds: 30, since: at(since), ended, now: at(100) };
        let running = |started: &[i64]| -> Vec<_> {
            let task = |second: &i64| TaskView {
                started_at: Some(at(*second)),
                addresses: vec![],
                ..task(2, "10.0.0.1")
            };
            started.iter().map(task).collect()
        };
        let judged = |started: &[i64], since, ended| {
            judge(&expected, &service, &running(started), &[], look(since, ended))
        };
        let seen = |started| judged(&[started], 100, None);

        let steady = seen(70);
        assert_eq!(
            (steady.result, steady.in_words().as_str()),
            (Health::Healthy, "1 of 1 tasks ran on for 30 s")
        );
        let replaced = seen(71);
        assert!(
            replaced.result == Health::Unhealthy && replaced.reason.contains("29 s only"),
            "{}",
            replaced.reason
        );
        assert_eq!(judged(&[], 70, None).result, Health::Unhealthy);
        // Scaling has added a task: as many as are wanted have run on.
        assert_eq!(judged(&[95, 10], 90, None).result, Health::Healthy);
        // ECS has replaced the task (zone rebalancing, Spot), and it has been looked at for long enough.
        assert_eq!(judged(&[95], 70, None).result, Health::Healthy);
        // One that exited proves the opposite.
        let ended = judged(&[95], 70, Some("exit code 1"));
        assert!(ended.reason.contains("ended by itself: exit code 1"), "{}", ended.reason);
    }

    fn balancer(group: &str, alternate: Option<&str>) -> Balancer {
        Balancer {
            target_group: Some(group.into()),
            alternate_target_group: alternate.map(ToOwned::to_owned),
            ..Balancer::default()
        }
    }

    #[test]
    fn a_task_is_healthy_in_each_group_that_takes_traffic() {
        let name = ServiceName::new("web").expect("a name");
        let expected = Expected { service: &name, task_definition: &td(2), digest: None, desired_count: 1 };
        let tasks = [task(2, "10.0.0.1")];
        let healthy = |balancers: Vec<Balancer>, groups: &[(&str, bool)]| {
            let traffic = Traffic { balancers, ..Traffic::default() };
            let service = ServiceView { traffic, ..fixtures::service(2) };
            let target = |(group, healthy): &(&str, bool)| Target {
                group: (*group).into(),
                address: "10.0.0.1".into(),
                healthy: *healthy,
                reason: String::new(),
            };
            let targets: Vec<_> = groups.iter().map(target).collect();
            judge(&expected, &service, &tasks, &targets, Look::Probes(&health("200-299"), &good_probes()))
                .result
        };
        let two = || vec![balancer("public", None), balancer("internal", None)];

        assert_eq!(healthy(two(), &[("public", true), ("internal", true)]), Health::Healthy);
        assert_eq!(healthy(two(), &[("public", true), ("internal", false)]), Health::Unhealthy);
        assert_eq!(healthy(two(), &[("public", true)]), Health::Unhealthy);
        // Where ECS shifts traffic, the tasks are in the one group or in the other.
        let shifting = || vec![balancer("blue", Some("green"))];
        assert_eq!(healthy(shifting(), &[("green", true)]), Health::Healthy);
        assert_eq!(healthy(shifting(), &[("blue", false), ("green", false)]), Health::Unhealthy);
        // Nobody says so of a classic load balancer's tasks: their answers count.
        assert_eq!(healthy(vec![Balancer::default()], &[]), Health::Healthy);
    }

    #[test]
    fn a_task_with_ipv6_alone_is_known_however_its_address_is_written() {
        let verdict = |target| verdict(2, &[task(2, "2001:db8::1")], &[(target, true)], &good_probes());

        assert_eq!(verdict("2001:0db8:0:0:0:0:0:1").result, Health::Healthy);
        assert_eq!(verdict("2001:db8::2").result, Health::Unhealthy);
    }

    #[test]
    fn whatever_is_not_proved_is_not_healthy() {
        let ours = [task(2, "10.0.0.1")];
        let here: &[(&str, bool)] = &[("10.0.0.1", true)];
        let failing = |answer: Result<u16, String>| {
            let mut probes = good_probes();
            probes[2].answer = answer;
            probes
        };
        let wrong_digest = TaskView { digests: vec![digest("b")], ..task(2, "10.0.0.1") };
        let cases: [(&str, Verification); 9] = [
            ("500", verdict(2, &ours, here, &failing(Ok(500)))),
            ("timed out", verdict(2, &ours, here, &failing(Err("timed out after 5 s".into())))),
            ("nothing", verdict(2, &ours, here, &[])),
            ("0 of 1 tasks", verdict(2, &[], &[], &good_probes())),
            ("external change", verdict(9, &ours, here, &good_probes())),
            (
                "something else",
                verdict(
                    2,
                    &[task(2, "10.0.0.1"), task(1, "10.0.0.2")],
                    &[("10.0.0.1", true), ("10.0.0.2", true)],
                    &good_probes(),
                ),
            ),
            ("something else", verdict(2, &[wrong_digest], here, &good_probes())),
            (
                "0 of 1 tasks of web healthy: Target.Timeout",
                verdict(2, &ours, &[("10.0.0.1", false)], &good_probes()),
            ),
            // The old task's good health does not count for the new one.
            ("0 of 1 tasks of web healthy", verdict(2, &ours, &[("10.0.0.9", true)], &good_probes())),
        ];
        for (word, verification) in cases {
            assert_eq!(verification.result, Health::Unhealthy, "{word}");
            assert!(verification.reason.contains(word), "{word}: {}", verification.reason);
        }
    }
}
