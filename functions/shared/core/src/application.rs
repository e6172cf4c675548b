//! An application's configuration: what Terraform writes into SSM, and what each release takes along.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::freeze::{FreezeWindow, WhenFrozen};
use crate::migration::MigrationPolicy;
use crate::name::{
    ApplicationName, ClusterName, EmailAddress, FamilyName, RepositoryName, ServiceName, StageName,
    TaskDefinitionArn,
};
use crate::pusher::Identities;
use crate::scan::{ImageCheckPolicy, Severity};
use crate::snapshot::SnapshotPolicy;
use crate::span::Span;
use crate::status::StatusCodes;
use crate::strategy::Strategy;

/// What one image repository holds, and the stages that its images go through, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// The application's name.
    pub name: ApplicationName,
    /// The ECR repository whose pushes start releases.
    pub repository: RepositoryName,
    /// Patterns (`*` and `?`) of the tags that start a release. Other tags are ignored, and so are those that a pattern
    /// with `!` before it excludes, such as `!*-arm64`.
    pub tags: Vec<String>,
    /// The stages, first to last. A release goes through all of them, one after the other.
    pub stages: Vec<Stage>,
}

/// One place where the application runs, and what must be true before it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The stage's name, unique in its application.
    pub name: StageName,
    /// The ECS cluster; the stage's name when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// How long ECS may take to deploy before the release is rolled back; 30 minutes when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_timeout: Option<Span>,
    /// How ECS replaces what the services run; as each service has it when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The ECS services that run the image, at least one.
    pub services: Vec<StageService>,
    /// The families that scheduled and standalone tasks of the same image run: each gets a revision with the release's image
    /// once the stage has passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<StageTask>,
    /// Which findings of the image's scan stop the stage; its scan is not looked at when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_check: Option<ImageCheckPolicy>,
    /// Who is asked before the stage changes; nobody when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalPolicy>,
    /// The database whose snapshot is taken before the stage changes; none when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotPolicy>,
    /// The task that runs with the new image before the services change; none when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<MigrationPolicy>,
    /// How long an alarm still undoes the release after the stage serves; not at all when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<BakePolicy>,
    /// Times that come back in which the stage does not change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<FreezeWindow>,
    /// What a release does at the stage while it is frozen: `WAIT` until it is not, `END`, or `IGNORE` the freeze; it waits
    /// when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_frozen: Option<WhenFrozen>,
}

/// An ECS service of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageService {
    /// The service's name in the stage's cluster.
    pub service: ServiceName,
    /// How many tasks the first release starts, when the service has none yet; 1 when it is not given. Later
    /// releases leave the service's own count alone, because scaling may have changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_count: Option<u16>,
    /// Where the service's next revision comes from: the newest revision of this task definition family, or `running`, what
    /// the service runs; the newest revision of `<cluster>-<service>-template` when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<FamilyName>,
    /// The containers that take the release's image, the application's own first; found by the repository, or by the
    /// service's name, when none is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// How the service is looked at through its load balancer; this, `target_health` or `steady`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// How a service is judged whose load balancer cannot be asked from outside, or not by HTTP: by the load balancer's own
    /// health checks; this, `health` or `steady`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_health: Option<TargetHealthCheck>,
    /// How a service that no load balancer asks, such as a worker, is judged; this, `health` or `target_health`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<SteadyCheck>,
}

/// A family that a schedule, a rule or a person runs tasks of, without a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageTask {
    /// The task definition family that is named where tasks are started, without a revision: its newest one runs.
    pub family: FamilyName,
    /// The container that takes the release's image; found by the repository when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// How a service is judged by its load balancer's own health checks: as many tasks as are wanted are healthy in each target
/// group that takes traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetHealthCheck {
    /// A command that is run once, as a task of its own in the service's network with the service's new task definition, in
    /// the application's own container; 0 is well. None when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

/// How a service without a load balancer is judged: its tasks run on for a while, and a command of its own image says
/// that all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SteadyCheck {
    /// How long every task must have run without being replaced.
    #[serde(rename = "for")]
    pub duration: Span,
    /// A command that is run once, as a task of its own with the service's new task definition, in the application's own
    /// container; 0 is well. None when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

/// What is asked through the load balancer to see that the service serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// The path, starting with `/`. An answer is good whose status is one of `codes`.
    pub path: String,
    /// The good statuses, as ELB writes its matcher: `200`, `200,302` or `200-299`; 200-299 when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<StatusCodes>,
    /// Headers that are sent along, such as one that a rule of the load balancer asks for. They are no place for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// `http://` or `https://` and a host, where the load balancer's own DNS name is not the one to ask: its
    /// certificate, for example, names another host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Who must agree before a stage changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalPolicy {
    /// The people who are asked, each with a link of their own.
    pub approvers: Vec<EmailAddress>,
    /// How many of them must approve; 1 when it is not given. The first rejection ends the release.
    #[serde(default = "one")]
    pub quorum: u16,
    /// How long they have.
    pub expires_after: Span,
    /// How long before the end those who have not answered are reminded; a quarter of the time when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_before: Option<Span>,
    /// Whether an approver types the digest's last six characters to approve; not when it is not given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm_digest: bool,
    /// Whether one of those who approve must be someone who did not push the image; not when it is not given. Where
    /// it is not known who pushed it, nobody can approve.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_than_pusher: bool,
    /// Whose the identities are that push, where one who approves must be someone else: an ARN as CloudTrail records it (`*`
    /// and `?` match), and the addresses of the people behind it; none for a pipeline.
    #[serde(default, skip_serializing_if = "Identities::is_empty")]
    pub pushers: Identities,
    /// Whether an approver may let the stage change although its alarms are not quiet, by saying so on the page; not
    /// when it is not given, and then such a stage stops before anybody is asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub override_alarms: bool,
}

impl ApprovalPolicy {
    /// What does not fit: the field, and what to write.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let people: HashSet<_> = self.approvers.iter().collect();
        if self.approvers.is_empty() {
            return Some(("approval.approvers", "write at least one e-mail address"));
        }
        if people.len() < self.approvers.len() {
            return Some(("approval.approvers", "write each address once"));
        }
        if self.quorum == 0 || usize::from(self.quorum) > people.len() {
            return Some(("approval.quorum", "write a number from 1 to the number of approvers"));
        }
        if self.other_than_pusher && self.pushers.is_empty() {
            return Some((
                "approval.pushers",
                "write whose each identity is that pushes, such as { \"arn:aws:iam::111122223333:user/ana\" = [\"ana@example.com\"] }, and [] for a pipeline's",
            ));
        }
        (self.remind_before_seconds() >= self.expires_after.seconds())
            .then_some(("approval.remind_before", "write a time shorter than expires_after"))
    }

    /// How long before the end people are reminded, in seconds: as configured, else a quarter of the time.
    #[must_use]
    pub fn remind_before_seconds(&self) -> u32 {
        self.remind_before.as_ref().map_or(self.expires_after.seconds() / 4, Span::seconds)
    }
}

/// The time after a stage serves in which one of its alarms undoes the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BakePolicy {
    /// How long.
    #[serde(rename = "for")]
    pub duration: Span,
    /// The names of the CloudWatch alarms. They must be quiet before the stage changes, too.
    pub alarms: Vec<String>,
    /// How long after a release one of its alarms still has the stage's approvers asked whether to restore what ran
    /// before; a day when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_for: Option<Span>,
}

impl BakePolicy {
    /// How long the stage bakes, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u32 {
        self.duration.seconds()
    }

    /// How long a release is watched after its end, in seconds: as configured, else a day.
    #[must_use]
    pub fn watch_for_seconds(&self) -> u32 {
        self.watch_for.as_ref().map_or(24 * 60 * 60, Span::seconds)
    }
}

/// What stands before the pattern of tags that start nothing. No tag has it.
const EXCLUDES: char = '!';

const fn one() -> u16 {
    1
}

/// A configuration that cannot be used: the field, and what to write there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration of an application does not fit at {field}: {problem}")]
pub struct ConfigurationError {
    /// Where, as a path: `stages[1].approval.quorum`.
    pub field: String,
    /// What is wrong and what to write.
    pub problem: String,
}

impl Application {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigurationError`], for the first field that is unknown, missing or does not fit.
    pub fn parse(json: &str) -> Result<Self, ConfigurationError> {
        let mut input = serde_json::Deserializer::from_str(json);
        let application: Self = serde_path_to_error::deserialize(&mut input).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." { "the top".to_owned() } else { path };
            ConfigurationError { field, problem: error.into_inner().to_string() }
        })?;
        application.check()?;
        Ok(application)
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        let wrong =
            |field: String, problem: &str| Err(ConfigurationError { field, problem: problem.to_owned() });
        if let Some((field, problem)) = self.tags_problem() {
            return wrong(field, problem);
        }
        if self.stages.is_empty() {
            return wrong("stages".into(), "write at least one stage");
        }
        let mut stages = HashSet::new();
        let mut deployed = HashSet::new();
        let mut families = HashSet::new();
        for (index, stage) in self.stages.iter().enumerate() {
            let at = |field: &str| format!("stages[{index}].{field}");
            if !stages.insert(&stage.name) {
                return wrong(
                    at("name"),
                    &format!("two stages are called {}; give each its own name", stage.name),
                );
            }
            if stage.services.is_empty() {
                return wrong(at("services"), "write at least one service");
            }
            for (position, service) in stage.services.iter().enumerate() {
                let at = |field: &str| at(&format!("services[{position}].{field}"));
                if !deployed.insert((stage.cluster(), &service.service)) {
                    return wrong(
                        at("service"),
                        &format!("{} is there twice in the cluster {}", service.service, stage.cluster()),
                    );
                }
                if service.desired_count == Some(0) {
                    return wrong(
                        at("desired_count"),
                        "write 1 or more: where no task runs, nothing can be verified",
                    );
                }
                if let Some((field, problem)) = service.problem() {
                    return wrong(at(field), problem);
                }
                if let Some(template) = &service.template
                    && template.as_str() == stage.families(service).release
                {
                    return wrong(
                        at("template"),
                        &format!(
                            "write another family: releases of {} are registered in {template}",
                            service.service
                        ),
                    );
                }
            }
            for (position, task) in stage.tasks.iter().enumerate() {
                let at = |field: &str| at(&format!("tasks[{position}].{field}"));
                if !families.insert(&task.family) {
                    return wrong(
                        at("family"),
                        &format!("{} is there twice; give each stage families of its own", task.family),
                    );
                }
                if task.container.as_ref().is_some_and(|name| name.trim().is_empty()) {
                    return wrong(at("container"), "write a container's name");
                }
            }
            if let Some(strategy) = &stage.strategy {
                if let Some((field, problem)) = strategy.problem() {
                    return wrong(at(field), problem);
                }
                if strategy.minutes() * 60 >= stage.deploy_timeout_seconds() {
                    return wrong(
                        at("deploy_timeout"),
                        &format!(
                            "write more than the {} minutes that the strategy takes",
                            strategy.minutes()
                        ),
                    );
                }
            }
            if let Some(problem) = stage.gates_problem() {
                return wrong(at(problem.0), problem.1);
            }
            if let Some((field, problem)) = stage.approval.as_ref().and_then(ApprovalPolicy::problem) {
                return wrong(at(field), problem);
            }
            if let Some(bake) = &stage.bake
                && (bake.alarms.is_empty() || bake.alarms.iter().any(String::is_empty))
            {
                return wrong(at("bake.alarms"), "write at least one name of a CloudWatch alarm");
            }
            let mut freeze = stage.freeze.iter().enumerate();
            if let Some((position, (field, problem))) =
                freeze.find_map(|(position, window)| Some((position, window.problem()?)))
            {
                return wrong(at(&format!("freeze[{position}].{field}")), problem);
            }
        }
        if let Some((field, problem)) = self.tasks_problem() {
            return wrong(field, &problem);
        }
        Ok(())
    }

    /// What does not fit in the families of tasks: a release registers revisions there, so a service's next revision cannot
    /// come from one of them, and no service's revisions may go there.
    fn tasks_problem(&self) -> Option<(String, String)> {
        let services = self
            .stages
            .iter()
            .flat_map(|stage| stage.services.iter().map(move |service| (service, stage.families(service))));
        let services: Vec<_> = services.collect();
        self.stages.iter().enumerate().find_map(|(index, stage)| {
            stage.tasks.iter().enumerate().find_map(|(position, task)| {
                let family = task.family.as_str();
                let (service, families) = services.iter().find(|(_, families)| {
                    families.template.as_deref() == Some(family) || families.release == family
                })?;
                let what = if families.release == family {
                    "releases are registered in it"
                } else {
                    "it is the template"
                };
                Some((
                    format!("stages[{index}].tasks[{position}].family"),
                    format!("write another family: {what} of the service {}", service.service),
                ))
            })
        })
    }

    /// What does not fit in the patterns of tags: the field, and what to write.
    fn tags_problem(&self) -> Option<(String, &'static str)> {
        let empty = |tag: &String| tag.trim_start_matches(EXCLUDES).trim().is_empty();
        if let Some(position) = self.tags.iter().position(empty) {
            return Some((
                format!("tags[{position}]"),
                "write a pattern of a tag, such as \"v*\" or \"!*-arm64\"",
            ));
        }
        self.tags.iter().all(|tag| tag.starts_with(EXCLUDES)).then(|| {
            ("tags".to_owned(), "write at least one pattern of the tags that start a release, such as \"v*\"")
        })
    }

    /// The same with one stage alone, for an image that was released before. It does not bake, and its alarms are not
    /// looked at: that one is in ALARM is why people restore an earlier image. For the same reason nothing else is
    /// waited for: what its scan found by now, a snapshot; its migration has run long ago, and all traffic shifts
    /// back at once. Nothing where there is no such stage.
    #[must_use]
    pub fn only(mut self, stage: &StageName) -> Option<Self> {
        self.stages.retain(|one| one.name == *stage);
        let stage = self.stages.first_mut()?;
        (stage.bake, stage.image_check, stage.snapshot, stage.migration) = (None, None, None, None);
        if stage.strategy.as_ref().is_some_and(Strategy::shifts_traffic) {
            stage.strategy = Some(Strategy::BlueGreen { bake: None });
        }
        Some(self)
    }

    /// The same, in spite of freezes: whoever is asked decides about a stage that is in trouble now.
    #[must_use]
    pub fn in_spite_of_freezes(mut self) -> Self {
        for stage in &mut self.stages {
            stage.when_frozen = Some(WhenFrozen::Ignore);
        }
        self
    }

    /// Whether a stage asks this person for its approval.
    #[must_use]
    pub fn asks(&self, person: &EmailAddress) -> bool {
        self.stages
            .iter()
            .filter_map(|stage| stage.approval.as_ref())
            .any(|policy| policy.approvers.contains(person))
    }

    /// Whether a push of this tag starts a release: a pattern takes it, and none excludes it.
    #[must_use]
    pub fn wants(&self, tag: &str) -> bool {
        let (excluded, wanted): (Vec<_>, Vec<_>) =
            self.tags.iter().partition(|pattern| pattern.starts_with(EXCLUDES));
        let matches = |pattern: &str| WildMatch::new(pattern).matches(tag);
        wanted.iter().any(|pattern| matches(pattern))
            && !excluded.iter().any(|pattern| matches(pattern.trim_start_matches(EXCLUDES)))
    }
}

impl Stage {
    /// What a release does at the stage while it is frozen: as configured, else it waits.
    #[must_use]
    pub fn when_frozen(&self) -> WhenFrozen {
        self.when_frozen.unwrap_or_default()
    }

    /// The cluster: as configured, else the stage's name.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.cluster.as_ref().map_or(self.name.as_str(), ClusterName::as_str)
    }

    /// What does not fit in the gates: the field, and what to write.
    fn gates_problem(&self) -> Option<(&'static str, &'static str)> {
        if let Some(check) = &self.image_check {
            if check.stop_above == Severity::Unknown {
                return Some((
                    "image_check.stop_above",
                    "write INFORMATIONAL, LOW, MEDIUM, HIGH or CRITICAL",
                ));
            }
            if check.allow.iter().any(|allowed| allowed.finding.trim().is_empty()) {
                return Some(("image_check.allow", "write each finding by its name, such as CVE-2026-12345"));
            }
        }
        if let Some(snapshot) = &self.snapshot {
            if snapshot.database().is_none() {
                return Some((
                    "snapshot",
                    "write database = the identifier of an RDS instance, or cluster = that of an Aurora cluster",
                ));
            }
            if snapshot.keep == 0 {
                return Some((
                    "snapshot.keep",
                    "write 1 or more: the snapshot of the release itself is kept",
                ));
            }
        }
        if let Some(migration) = &self.migration {
            if !self.services.iter().any(|service| service.service == migration.service) {
                return Some(("migration.service", "write the name of one of the stage's services"));
            }
            if migration.command.iter().all(|word| word.trim().is_empty()) {
                return Some((
                    "migration.command",
                    "write the command and its arguments, such as [\"python\", \"migrate.py\"]",
                ));
            }
        }
        None
    }

    /// How long ECS may take, in seconds: as configured, else 30 minutes.
    #[must_use]
    pub fn deploy_timeout_seconds(&self) -> u32 {
        self.deploy_timeout.as_ref().map_or(30 * 60, Span::seconds)
    }

    /// Where the service's next revision comes from, and the family that releases are registered in.
    #[must_use]
    pub fn families(&self, service: &StageService) -> Families {
        let name = format!("{}-{}", self.cluster(), service.service);
        match &service.template {
            None => Families { template: Some(format!("{name}-template")), release: name, is_own: true },
            // The service's owner may have called their family as the modules call that of releases.
            Some(template) => Families {
                template: (template.as_str() != RUNNING).then(|| template.to_string()),
                release: format!("{name}-release"),
                is_own: false,
            },
        }
    }
}

/// What `template` says in the place of a family: what the service runs.
pub const RUNNING: &str = "running";

impl StageService {
    /// What does not fit in how it is verified, or in its containers: the field, and what to write.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        let is_blank = |words: &[String]| words.iter().all(|word| word.trim().is_empty());
        let kinds = [self.health.is_some(), self.target_health.is_some(), self.steady.is_some()];
        if kinds.iter().filter(|is_there| **is_there).count() != 1 {
            return Some((
                "health",
                "write one of health = { path = \"/health\" } for a service behind a load balancer, target_health = {} for one behind a load balancer that cannot be asked from outside or not by HTTP, and steady = { for = \"30s\" } for one without",
            ));
        }
        if self.containers.iter().any(|name| name.trim().is_empty()) {
            return Some(("containers", "write the containers' names, such as [\"app\"]"));
        }
        if let Some(problem) = self.health.as_ref().and_then(HealthCheck::problem) {
            return Some(problem);
        }
        let of = |command: &Option<Vec<String>>| command.as_deref().is_some_and(is_blank);
        let words = "write the command and its arguments, such as [\"python\", \"check.py\"]";
        if self.steady.as_ref().is_some_and(|steady| of(&steady.command)) {
            return Some(("steady.command", words));
        }
        self.target_health
            .as_ref()
            .is_some_and(|check| of(&check.command))
            .then_some(("target_health.command", words))
    }
}

impl HealthCheck {
    /// Whether an answer's status is a good one.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        self.codes.as_ref().map_or((200..300).contains(&status), |codes| codes.contain(status))
    }

    /// The good statuses, in words.
    #[must_use]
    pub fn good(&self) -> &str {
        self.codes.as_ref().map_or("2xx", StatusCodes::as_str)
    }

    /// What does not fit: the field, and what to write.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !self.path.starts_with('/') {
            return Some(("health.path", "write a path that starts with /, such as /health"));
        }
        if self.url.as_deref().is_some_and(|url| !(url.starts_with("http://") || url.starts_with("https://")))
        {
            return Some((
                "health.url",
                "write http:// or https:// and a host, such as https://www.example.com",
            ));
        }
        // The characters of a token, and of a field's value (RFC 9110, 5.6.2 and 5.5).
        let is_name = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
        };
        let is_value = |value: &str| value.chars().all(|c| c.is_ascii_graphic() || c == ' ' || c == '\t');
        (!self.headers.iter().all(|(name, value)| is_name(name) && is_value(value))).then_some((
            "health.headers",
            "write headers' names and values, such as { X-Probe = \"slipway\" }",
        ))
    }
}

/// The task definition families of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Families {
    /// The family whose newest revision is the template; none where what the service runs is.
    pub template: Option<String>,
    /// The family that Slipway registers a revision in for each release.
    pub release: String,
    /// Whether the template is the modules' own, which has no real image: what runs it has run no release.
    is_own: bool,
}

impl Families {
    /// What ECS is asked for to see the template of a service that runs this: a family, or a revision.
    #[must_use]
    pub fn template_of<'a>(&'a self, running: &'a TaskDefinitionArn) -> &'a str {
        self.template.as_deref().unwrap_or(running.as_str())
    }

    /// Whether a service that runs this has run nothing yet: it was made with its template, which has no real image. A family
    /// of somebody else's has one.
    #[must_use]
    pub fn is_unreleased(&self, running: &TaskDefinitionArn) -> bool {
        self.is_own && self.template.as_deref() == Some(running.family())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
        "name": "web", "repository": "web", "tags": ["v*"],
        "stages": [
            { "name": "staging", "services": [{ "service": "web", "health": { "path": "/health" } }] },
            { "name": "production", "services": [{ "service": "web", "health": { "path": "/health" } }],
              "approval": { "approvers": ["ana@example.com", "bo@example.com"], "quorum": 1, "expires_after": "24h" },
              "bake": { "for": "15m", "alarms": ["web-production-5xx"] } }
        ]
    }"#;

    #[test]
    fn the_documented_example_is_read() {
        let application = Application::parse(GOOD).expect("the example fits");

        assert_eq!(application.stages[0].cluster(), "staging");
        assert_eq!(
            application.stages[1].families(&application.stages[1].services[0]).template.as_deref(),
            Some("production-web-template")
        );
        assert_eq!(application.stages[0].deploy_timeout_seconds(), 1_800);
        assert!(application.wants("v1.2.3"));
        assert!(!application.wants("latest"));
    }

    #[test]
    fn a_pattern_excludes_tags_that_another_one_takes() {
        let tags = r#""tags": ["v*", "!*-arm64", "!*-soci"]"#;
        let application = Application::parse(&GOOD.replacen(r#""tags": ["v*"]"#, tags, 1)).expect("it fits");

        assert!(application.wants("v5") && application.wants("v5-amd64"));
        assert!(
            !application.wants("v5-arm64") && !application.wants("v5-soci") && !application.wants("main-1")
        );
    }

    #[test]
    fn a_services_next_revision_comes_from_where_its_owner_registers_it() {
        let running = TaskDefinitionArn::new("arn:aws:ecs:eu-central-1:111122223333:task-definition/shop:7")
            .expect("an ARN");
        let families = |template: &str| {
            let json = GOOD.replacen(r#""service": "web","#, &format!(r#""service": "web", {template}"#), 1);
            let application = Application::parse(&json).expect("it fits");
            application.stages[0].families(&application.stages[0].services[0])
        };

        let own = families("");
        assert_eq!(
            (own.template_of(&running), own.release.as_str()),
            ("staging-web-template", "staging-web")
        );
        let theirs = families(r#""template": "shop","#);
        assert_eq!((theirs.template_of(&running), theirs.release.as_str()), ("shop", "staging-web-release"));
        assert!(!theirs.is_unreleased(&running), "it has a real image, and is restored to it");
        let same = families(r#""template": "running","#);
        assert_eq!(
            (same.template_of(&running), same.release.as_str()),
            (running.as_str(), "staging-web-release")
        );
        assert!(!same.is_unreleased(&running));
    }

    #[test]
    fn an_earlier_image_goes_back_alone_at_once_and_past_no_gate_but_people() {
        let gates = r#""strategy": { "type": "CANARY", "percent": 5, "step_bake": "5m" }, "image_check": { "stop_above": "LOW" },
            "snapshot": { "database": "orders" }, "migration": { "service": "web", "command": ["migrate"] }, "bake""#;
        let application = Application::parse(&GOOD.replacen(r#""bake""#, gates, 1)).expect("it fits");
        let production = StageName::new("production").expect("a name");

        let stages = application.only(&production).expect("it has the stage").stages;

        let [stage] = stages.as_slice() else { panic!("one stage") };
        assert!(stage.approval.is_some());
        assert_eq!(
            (&stage.bake, &stage.image_check, &stage.snapshot, &stage.migration),
            (&None, &None, &None, &None)
        );
        assert_eq!(stage.strategy, Some(Strategy::BlueGreen { bake: None }));
    }

    /// What the example has, what does not fit in its place, and the field that the refusal names.
    const MISFITS: &[(&str, &str, &str)] = &[
        (r#""tags": ["v*"]"#, r#""tags": []"#, "tags"),
        (r#""tags": ["v*"]"#, r#""tags": ["!v*"]"#, "tags"),
        (r#""tags": ["v*"]"#, r#""tags": ["v*", "!"]"#, "tags[1]"),
        (r#""tags": ["v*"],"#, "", "tags"),
        (r#""repository": "web""#, r#""repository": "Web!""#, "repository"),
        (r#""repository": "web""#, r#""repositry": "web""#, "repositry"),
        (r#""name": "production""#, r#""name": "staging""#, "stages[1].name"),
        (r#"[{ "service": "web", "health": { "path": "/health" } }] },"#, "[] },", "stages[0].services"),
        (r#""quorum": 1"#, r#""quorum": 3"#, "stages[1].approval.quorum"),
        (r#""quorum": 1"#, r#""quorum": 0"#, "stages[1].approval.quorum"),
        (r#""24h""#, r#""tomorrow""#, "stages[1].approval.expires_after"),
        (r#""24h""#, r#""24h", "remind_before": "24h""#, "stages[1].approval.remind_before"),
        (r#""bo@example.com""#, r#""bo""#, "stages[1].approval.approvers[1]"),
        (r#""bo@example.com""#, r#""ana@example.com""#, "stages[1].approval.approvers"),
        (r#""bo@example.com""#, r#""Ana@Example.com""#, "stages[1].approval.approvers"),
        (r#""quorum": 1"#, r#""quorum": 1, "other_than_pusher": true"#, "stages[1].approval.pushers"),
        (r#""quorum": 1"#, r#""quorum": 1, "pushers": { "arn:a": ["ana"] }"#, "stages[1].approval.pushers"),
        (r#"["web-production-5xx"]"#, "[]", "stages[1].bake.alarms"),
        (r#""path": "/health" } }] },"#, r#""path": "health" } }] },"#, "stages[0].services[0].health.path"),
        (r#""bake""#, r#""snapshot": {}, "bake""#, "stages[1].snapshot"),
        (r#""bake""#, r#""snapshot": { "database": "a", "cluster": "b" }, "bake""#, "stages[1].snapshot"),
        (r#""bake""#, r#""snapshot": { "database": "a", "keep": 0 }, "bake""#, "stages[1].snapshot.keep"),
        (
            r#""bake""#,
            r#""image_check": { "stop_above": "BAD" }, "bake""#,
            "stages[1].image_check.stop_above",
        ),
        (
            r#""bake""#,
            r#""image_check": { "stop_above": "UNKNOWN" }, "bake""#,
            "stages[1].image_check.stop_above",
        ),
        (
            r#""bake""#,
            r#""image_check": { "stop_above": "LOW", "allow": [{ "finding": "C", "until": "soon" }] }, "bake""#,
            "allow[0].until",
        ),
        (
            r#""bake""#,
            r#""migration": { "service": "api", "command": ["m"] }, "bake""#,
            "stages[1].migration.service",
        ),
        (
            r#""bake""#,
            r#""migration": { "service": "web", "command": [] }, "bake""#,
            "stages[1].migration.command",
        ),
        (
            r#""health": { "path": "/health" } }] },"#,
            r#""desired_count": 1 }] },"#,
            "stages[0].services[0].health",
        ),
        (
            r#""health": { "path": "/health" } }] },"#,
            r#""health": { "path": "/" }, "steady": { "for": "1s" } }] },"#,
            "services[0].health",
        ),
        (
            r#""health": { "path": "/health" } }] },"#,
            r#""steady": { "for": "1s", "command": [] } }] },"#,
            "steady.command",
        ),
        (
            r#""health": { "path": "/health" } }] },"#,
            r#""health": { "path": "/" }, "target_health": {} }] },"#,
            "services[0].health",
        ),
        (
            r#""health": { "path": "/health" } }] },"#,
            r#""target_health": { "command": [""] } }] },"#,
            "target_health.command",
        ),
        (r#""path": "/health""#, r#""path": "/health", "codes": "2xx""#, "services[0].health.codes"),
        (
            r#""path": "/health""#,
            r#""path": "/health", "headers": { "a b": "c" }"#,
            "services[0].health.headers",
        ),
        (
            r#""path": "/health""#,
            r#""path": "/health", "headers": { "X-Probe": "a\r\nHost: b" }"#,
            "services[0].health.headers",
        ),
        (r#""service": "web","#, r#""service": "web", "template": "a b","#, "services[0].template"),
        (
            r#""service": "web","#,
            r#""service": "web", "template": "staging-web-release","#,
            "stages[0].services[0].template",
        ),
        (r#""service": "web","#, r#""service": "web", "containers": [" "],"#, "services[0].containers"),
        (
            r#""bake""#,
            r#""tasks": [{ "family": "nightly" }, { "family": "nightly" }], "bake""#,
            "stages[1].tasks[1].family",
        ),
        (
            r#""bake""#,
            r#""tasks": [{ "family": "staging-web-template" }], "bake""#,
            "stages[1].tasks[0].family",
        ),
        (r#""bake""#, r#""tasks": [{ "family": "production-web" }], "bake""#, "stages[1].tasks[0].family"),
        (r#""bake""#, r#""tasks": [{ "family": "n", "container": "" }], "bake""#, "tasks[0].container"),
        (r#""bake""#, r#""snapshots": {}, "bake""#, "snapshots"),
        (
            r#""bake""#,
            r#""strategy": { "type": "LINEAR", "percent": 1, "step_bake": "1m" }, "bake""#,
            "stages[1].strategy.percent",
        ),
        (
            r#""bake""#,
            r#""strategy": { "type": "CANARY", "percent": 0, "step_bake": "1m" }, "bake""#,
            "stages[1].strategy",
        ),
        (
            r#""bake""#,
            r#""strategy": { "type": "CANARY", "percent": 5, "step_bake": "30m" }, "bake""#,
            "stages[1].deploy_timeout",
        ),
    ];

    #[test]
    fn what_does_not_fit_is_refused_with_the_fields_name() {
        for (good, bad, field) in MISFITS {
            assert!(GOOD.contains(good), "{good} is in the example");
            let error = Application::parse(&GOOD.replacen(good, bad, 1)).expect_err(bad);
            assert!(error.to_string().contains(field), "{bad}: {error}");
        }
    }
}
