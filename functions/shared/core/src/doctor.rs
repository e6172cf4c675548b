//! What must be right before the first push, and what goes wrong later: each finding with what to do.
//!
//! The decisions are here, over what was read; the function `operate-releases` reads, and the command `slipway doctor`
//! shows. Nothing is changed.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wildmatch::WildMatch;

use crate::alarm::{AlarmReading, AlarmState};
use crate::application::ApprovalPolicy;
use crate::deployment::ServiceView;
use crate::name::{ApplicationName, EmailAddress, FamilyName, RepositoryName, ServiceName, StageName};
use crate::obstacle::Obstacle;
use crate::pusher::Pushers;
use crate::strategy::Strategy;
use crate::subscription::{self, Subscription};

/// How many filter policies a topic has room for, and with them approvers ("Filter policy constraints in Amazon SNS", Amazon
/// SNS developer guide).
const FILTER_POLICIES: usize = 200;
/// From how many percent of a quota on it is near its limit.
const NEAR_PERCENT: usize = 80;
/// After which time no record of a push is a finding. `CloudTrail` delivers "within an average of about 5 minutes of an API
/// call. This time is not guaranteed" ("Getting and viewing your `CloudTrail` log files", AWS `CloudTrail` user guide).
const RECORD_COMES_WITHIN: SignedDuration = SignedDuration::from_mins(20);
/// After how many intervals of its schedule no reconciliation is a finding, and how long that is at the least: as long as
/// the alarm `no-reconciliation` waits (infra/modules/observability).
const INTERVALS: i64 = 3;
const SHORTEST_SILENCE: SignedDuration = SignedDuration::from_mins(30);

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checkup {
    /// The applications that have a checkup of their own, by name; in that of the deployer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<ApplicationName>,
    /// What was looked at and is as it should be, a line each.
    pub healthy: Vec<String>,
    /// What is not, in the order in which it was looked at.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// Whether it would stop a release.
    pub severity: Severity,
    /// What is wrong, in words.
    pub what: String,
    /// What to do, in words.
    pub remedy: String,
    /// The application; nothing where it is about the deployer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    /// The stage; nothing where it is about all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// The service, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
}

/// Whether a finding would stop a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Severity {
    /// A release would end before it is done.
    Stops,
    /// Releases go on; something else goes wrong, or will.
    Warns,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Subject {
    /// An application's configuration.
    Configuration,
    /// The repository whose pushes start releases.
    Repository,
    /// The scans of its images.
    Scan,
    /// The subscription of a person to mails.
    Subscription,
    /// The trail that says who pushed.
    Trail,
    /// An ECS service.
    Service,
    /// The task definition that the next release is made from.
    Template,
    /// A role of its tasks.
    Role,
    /// How ECS replaces tasks.
    Strategy,
    /// What ends a deployment whose tasks do not start.
    CircuitBreaker,
    /// The load balancer that a release is verified through.
    LoadBalancer,
    /// The network mode of its tasks.
    Network,
    /// What runs and no release brought.
    Drift,
    /// A `CloudWatch` alarm.
    Alarm,
    /// What a function could not do with all its retries.
    DeadLetters,
    /// The scheduled look at what was lost.
    Reconciler,
    /// The version of a function.
    Version,
    /// What AWS has room for.
    Quota,
}

impl Subject {
    /// The subject in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Repository => "repository",
            Self::Scan => "scan",
            Self::Subscription => "subscription",
            Self::Trail => "trail",
            Self::Service => "service",
            Self::Template => "template",
            Self::Role => "role",
            Self::Strategy => "strategy",
            Self::CircuitBreaker => "circuit breaker",
            Self::LoadBalancer => "load balancer",
            Self::Network => "network",
            Self::Drift => "drift",
            Self::Alarm => "alarm",
            Self::DeadLetters => "dead letters",
            Self::Reconciler => "reconciler",
            Self::Version => "version",
            Self::Quota => "quota",
        }
    }
}

impl Finding {
    /// What would stop a release.
    #[must_use]
    pub fn stops(subject: Subject, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (what, remedy) = (what.into(), remedy.into());
        let severity = Severity::Stops;
        Self { subject, severity, what, remedy, application: None, stage: None, service: None }
    }

    /// What would not.
    #[must_use]
    pub fn warns(subject: Subject, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warns, ..Self::stops(subject, what, remedy) }
    }

    /// Something that could not be looked at, because AWS refused it. It stops a release where that asks for the same.
    #[must_use]
    pub fn unseen(subject: Subject, severity: Severity, what: &str, why: &str) -> Self {
        let finding = Self::stops(
            subject,
            format!("{what} could not be looked at: {why}"),
            "make what AWS says is missing, or give the function operate-releases its right back (terraform apply), and look again",
        );
        Self { severity, ..finding }
    }

    fn overridable(self, may_be: bool) -> Self {
        if may_be { Self { severity: Severity::Warns, ..self } } else { self }
    }
}

impl From<Finding> for Look {
    fn from(finding: Finding) -> Self {
        Self::Found(finding)
    }
}

impl From<Obstacle> for Finding {
    fn from(obstacle: Obstacle) -> Self {
        let Obstacle { subject, what, remedy, .. } = obstacle;
        Self::stops(subject, what, remedy)
    }
}

/// What a look at one thing comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// It is as it should be, in a line.
    Fine(String),
    /// It is not.
    Found(Finding),
}

impl Checkup {
    /// Whether a release would stop.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Stops)
    }

    /// How many things were looked at.
    #[must_use]
    pub const fn looked_at(&self) -> usize {
        self.healthy.len() + self.findings.len()
    }

    /// With a look at one more thing.
    pub fn add(&mut self, look: Look) {
        match look {
            Look::Fine(line) => self.healthy.push(line),
            Look::Found(finding) => self.findings.push(finding),
        }
    }

    /// With looks at more things.
    pub fn add_all(&mut self, looks: impl IntoIterator<Item = Look>) {
        for look in looks {
            self.add(look);
        }
    }

    /// With what another checkup looked at.
    pub fn and(&mut self, more: Self) {
        self.healthy.extend(more.healthy);
        self.findings.extend(more.findings);
    }

    /// The same of a service.
    #[must_use]
    pub fn of_service(mut self, service: &ServiceName) -> Self {
        self.findings.iter_mut().for_each(|finding| finding.service = Some(service.clone()));
        self
    }

    /// The same of a stage of an application: their names begin each line.
    #[must_use]
    pub fn of_stage(self, application: &ApplicationName, stage: &StageName) -> Self {
        let mut checkup = self.of(&format!("{application} {stage}"), application);
        checkup.findings.iter_mut().for_each(|finding| finding.stage = Some(stage.clone()));
        checkup
    }

    /// The same of an application: its name begins each line.
    #[must_use]
    pub fn of_application(self, application: &ApplicationName) -> Self {
        self.of(application.as_str(), application)
    }

    fn of(mut self, place: &str, application: &ApplicationName) -> Self {
        self.healthy.iter_mut().for_each(|line| *line = format!("{place}: {line}"));
        self.findings.iter_mut().for_each(|finding| finding.application = Some(application.clone()));
        self
    }
}

/// Whether enough of a stage's approvers have a confirmed subscription, and that nobody can end one of them by a link.
#[must_use]
pub fn approvers(policy: &ApprovalPolicy, subscriptions: &[Subscription]) -> Vec<Look> {
    let cannot = subscription::unreachable(&policy.approvers, subscriptions);
    let (all, can) = (policy.approvers.len(), policy.approvers.len() - cannot.len());
    let enough = can >= usize::from(policy.quorum);
    policy
        .approvers
        .iter()
        .map(|person| {
            if !cannot.contains(person) {
                return safe(person, subscriptions);
            }
            let and_so = if enough {
                "is not asked".to_owned()
            } else {
                format!("nobody can approve: {can} of {all} approvers can answer, and {} must", policy.quorum)
            };
            let finding = Finding::stops(
                Subject::Subscription,
                format!("{person} has no confirmed subscription to the approvals, and {and_so}"),
                "confirm it with the link of SNS's mail (infra/tools/confirm-subscription LINK); terraform apply subscribes one who has none, and a new subscription works after 15 minutes at the latest",
            );
            Look::Found(finding.overridable(enough))
        })
        .collect()
}

/// Whether IAM alone may end a person's subscription. One that was confirmed by its link ends by the link that is in every
/// mail, which mail scanners follow (`ConfirmSubscription`, Amazon SNS API reference: `AuthenticateOnUnsubscribe`).
fn safe(person: &EmailAddress, subscriptions: &[Subscription]) -> Look {
    let mut theirs = subscriptions.iter().filter(|one| one.person().as_ref() == Some(person));
    match theirs.find_map(|one| one.authenticated) {
        Some(false) => Look::Found(Finding::warns(
            Subject::Subscription,
            format!(
                "the subscription of {person} was confirmed by its link, so whoever follows the unsubscribe link of a mail, as mail scanners do, ends it"
            ),
            "end it (aws sns unsubscribe), subscribe again (terraform apply), and confirm with infra/tools/confirm-subscription LINK",
        )),
        Some(true) => {
            Look::Fine(format!("the subscription of {person} is confirmed, and IAM alone may end it"))
        }
        None => Look::Fine(format!("the subscription of {person} is confirmed")),
    }
}

/// Whether a stage's alarms exist, know their state, and are quiet.
#[must_use]
pub fn alarms(wanted: &[String], readings: &[AlarmReading], may_be_overridden: bool) -> Vec<Look> {
    let looks = wanted.iter().map(|name| {
        let reading = readings.iter().find(|reading| reading.name == *name);
        let (what, remedy) = match reading.map(|reading| (reading.state, &reading.reason)) {
            Some((AlarmState::Ok, _)) => return Look::Fine(format!("the alarm {name} is OK")),
            None => (
                format!("the alarm {name} does not exist"),
                "make it, or write the name of one that there is into bake.alarms of the stage",
            ),
            Some((AlarmState::Alarm, reason)) => (
                format!("the alarm {name} is in ALARM: {}", reason.trim_end_matches('.')),
                "do what its description says; the stage changes once it is OK",
            ),
            Some((AlarmState::InsufficientData, _)) => (
                format!("the alarm {name} has too little data to be called quiet"),
                "let it count missing data as notBreaching, or have its metric measured; a new alarm knows its state after some minutes",
            ),
        };
        Look::Found(Finding::stops(Subject::Alarm, what, remedy).overridable(may_be_overridden))
    });
    looks.collect()
}

/// Whether ECS gives up a deployment whose tasks do not start. One that shifts traffic has none (`DeploymentCircuitBreaker`,
/// Amazon ECS API reference): nothing is said of it.
#[must_use]
pub fn circuit_breaker(
    name: &ServiceName,
    service: &ServiceView,
    strategy: Option<&Strategy>,
    cluster: &str,
) -> Option<Look> {
    let shifts = strategy.map_or_else(|| service.traffic.shifts(), Strategy::shifts_traffic);
    if shifts {
        return None;
    }
    if service.traffic.has_circuit_breaker {
        return Some(Look::Fine(format!("{name} has its circuit breaker on")));
    }
    Some(Look::Found(Finding::warns(
        Subject::CircuitBreaker,
        format!(
            "{name} has no circuit breaker, so a release whose tasks do not start goes on until deploy_timeout before it is rolled back"
        ),
        format!(
            "turn it on in Terraform (deployment_circuit_breaker), or aws ecs update-service --cluster {cluster} --service {name} --deployment-configuration 'deploymentCircuitBreaker={{enable=true,rollback=true}}'"
        ),
    )))
}

/// Whether a template's roles are there for its tasks, and are some that the functions may pass on: ECS refuses a revision
/// with another one. `passable` are patterns of ARNs; empty where they are not known.
///
/// On Fargate the execution role pulls the image ("Amazon ECS task execution IAM role", Amazon ECS developer guide).
#[must_use]
pub fn roles(name: &str, template: &Value, passable: &[String]) -> Vec<Look> {
    let family = template["family"].as_str().unwrap_or_default();
    let is_fargate = template["requiresCompatibilities"]
        .as_array()
        .is_some_and(|kinds| !kinds.is_empty() && kinds.iter().all(|kind| kind == "FARGATE"));
    let mut looks = Vec::new();
    if is_fargate && template["executionRoleArn"].as_str().is_none_or(str::is_empty) {
        looks.push(Look::Found(Finding::stops(
            Subject::Role,
            format!("{family} has no execution role, and on Fargate its tasks cannot pull the image of {name} without one"),
            "write execution_role_arn into the task definition, a role with AmazonECSTaskExecutionRolePolicy",
        )));
    }
    let roles = ["executionRoleArn", "taskRoleArn"].into_iter().filter_map(|field| template[field].as_str());
    for role in roles.filter(|role| !role.is_empty() && !passable.is_empty()) {
        let may = passable.iter().any(|pattern| WildMatch::new(pattern).matches(role));
        looks.push(if may {
            Look::Fine(format!("{family} has a role that Slipway may pass on ({})", last(role)))
        } else {
            Look::Found(Finding::stops(
                Subject::Role,
                format!("{family} has the role {role}, which Slipway may not pass on to ECS"),
                "add it to task_role_arns of the module deployer and apply, or give the task definition one of those roles",
            ))
        });
    }
    looks
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// That a service runs what no release brought, where that is so: somebody deployed by hand, or Terraform did, because the
/// service does not ignore its task definition.
#[must_use]
pub fn drift(name: &ServiceName, drifts: Option<String>, template: Option<&str>, runs: &ServiceView) -> Look {
    let Some(what) = drifts else { return Look::Fine(format!("{name} runs what was released")) };
    let remedy = if template == Some(runs.task_definition.family()) {
        "Terraform deployed its template: write lifecycle { ignore_changes = [task_definition] } into its aws_ecs_service, then release what ran before again (slipway rollback)"
    } else {
        "find out who deployed it (CloudTrail, UpdateService), then release what should run (slipway release); a release goes on over it, and a rollback restores it"
    };
    Look::Found(Finding::warns(Subject::Drift, what, remedy))
}

/// That the newest revision of a task's family is one that no release registered, where that is so.
#[must_use]
pub fn task_drift(family: &FamilyName, drifts: Option<String>) -> Look {
    let Some(what) = drifts else { return Look::Fine(format!("tasks of {family} run what was released")) };
    Look::Found(Finding::warns(
        Subject::Drift,
        what,
        "find out who registered it (CloudTrail, RegisterTaskDefinition); the next release registers its image from it",
    ))
}

/// A push, and who made it as far as that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedPush {
    /// When.
    pub at: Timestamp,
    /// Who; nothing where no record has come.
    pub by: Option<Pushers>,
}

/// Whether it is known who pushes, for a stage one of whose approvers must be someone else. Only `CloudTrail` says so, and its
/// records of the last pushes show whether a trail gives them. `pushes` are the newest, the newest first.
#[must_use]
pub fn trail(policy: &ApprovalPolicy, pushes: &[RecordedPush], now: Timestamp) -> Option<Look> {
    if !policy.other_than_pusher {
        return None;
    }
    let make = "make a trail that records management events (at least the writing ones) of this account and region: aws cloudtrail describe-trails shows those that there are";
    if let Some(known) = pushes.iter().find_map(|push| push.by.as_ref()) {
        return Some(if known.people(&policy.pushers).is_some() {
            Look::Fine("it is known who pushed, by a trail".to_owned())
        } else {
            Look::Found(Finding::stops(
                Subject::Trail,
                format!(
                    "{} pushed, and nobody has said whose identity that is: nobody can approve what it pushes",
                    known.in_words()
                ),
                "write it into approval.pushers with the addresses of the people behind it, [] for a pipeline",
            ))
        });
    }
    let is_late = pushes.iter().any(|push| now.duration_since(push.at) > RECORD_COMES_WITHIN);
    Some(Look::Found(if is_late {
        Finding::stops(
            Subject::Trail,
            "no trail has said who pushed the newest images, and with other_than_pusher nobody can approve without",
            make,
        )
    } else {
        Finding::warns(
            Subject::Trail,
            "whether a trail says who pushes is not known before the first push's record has come, and other_than_pusher needs one",
            make,
        )
    }))
}

/// Whether the images of a repository are scanned, where a stage looks at their scans.
#[must_use]
pub fn scanning(repository: &RepositoryName, is_scanned: bool) -> Look {
    if is_scanned {
        return Look::Fine(format!("images of {repository} are scanned"));
    }
    Look::Found(Finding::stops(
        Subject::Scan,
        format!(
            "images of {repository} are not scanned when they are pushed, and image_check waits for a scan"
        ),
        "turn scanning on: a filter of the registry (aws ecr put-registry-scanning-configuration), or scan_on_push of the repository",
    ))
}

/// Whether a dead-letter queue is empty.
#[must_use]
pub fn dead_letters(queue: &str, messages: u32) -> Look {
    if messages == 0 {
        return Look::Fine(format!("{queue} is empty"));
    }
    let (few, lie) = if messages == 1 {
        ("1 message".to_owned(), "lies")
    } else {
        (format!("{messages} messages"), "lie")
    };
    Look::Found(Finding::warns(
        Subject::DeadLetters,
        format!("{few} that could not be handled {lie} in the queue {queue}, for fourteen days"),
        format!(
            "read what it says (aws sqs receive-message), repair the cause, then hand it over again: slipway redrive {queue}"
        ),
    ))
}

/// Whether the reconciler looks for what was lost, as often as its schedule says.
#[must_use]
pub fn reconciler(ended_at: Option<Timestamp>, every_minutes: u32, now: Timestamp) -> Look {
    let remedy = "look whether its schedule is enabled, then at the log of the function reconcile; slipway reconcile has it done now";
    let longest = SignedDuration::from_mins(INTERVALS * i64::from(every_minutes)).max(SHORTEST_SILENCE);
    let Some(ended_at) = ended_at else {
        return Look::Found(Finding::warns(
            Subject::Reconciler,
            "no reconciliation has ended yet, so what is lost stays lost",
            remedy,
        ));
    };
    let silence = now.duration_since(ended_at);
    if silence <= longest {
        return Look::Fine(format!("the last reconciliation was {} minutes ago", silence.as_mins().max(0)));
    }
    Look::Found(Finding::warns(
        Subject::Reconciler,
        format!("the last reconciliation was {} minutes ago, so what is lost stays lost", silence.as_mins()),
        remedy,
    ))
}

/// Whether the reconciler is of the version that the operators' API is of: an apply that broke off leaves functions behind.
#[must_use]
pub fn version(reconciler: Option<&str>, ours: &str) -> Option<Look> {
    let theirs = reconciler?;
    Some(if theirs == ours {
        Look::Fine(format!("the functions are of version {ours}"))
    } else {
        Look::Found(Finding::warns(
            Subject::Version,
            format!("the function reconcile is of version {theirs}, and operate-releases of {ours}"),
            "apply Terraform again with the packages of one version: an apply that broke off leaves functions behind",
        ))
    })
}

/// Whether nobody else is on the approvals' topic, and that it has room for more approvers.
#[must_use]
pub fn topic<'a>(
    approvers: impl IntoIterator<Item = &'a EmailAddress>,
    subscriptions: &[Subscription],
) -> Vec<Look> {
    let approvers = approvers.into_iter().cloned().collect();
    let foreign = subscription::strangers(&approvers, subscriptions);
    let alone = if foreign.is_empty() {
        Look::Fine("the approvals' topic has approvers alone".to_owned())
    } else {
        Look::Found(Finding::stops(
            Subject::Subscription,
            format!(
                "the approvals' topic has a subscriber who is no approver, so nobody is asked: {}",
                foreign.join(", ")
            ),
            "find out who subscribed it (CloudTrail, Subscribe), then remove it (aws sns unsubscribe)",
        ))
    };
    vec![alone, quota("filter policies of the approvals' topic", subscriptions.len(), FILTER_POLICIES)]
}

/// Whether mails to people who are notified reach them.
#[must_use]
pub fn notified(subscriptions: &[Subscription]) -> Vec<Look> {
    let mails = subscriptions.iter().filter(|one| one.protocol == "email");
    let looks = mails.map(|one| {
        let Subscription { endpoint, confirmed, .. } = one;
        if *confirmed {
            return Look::Fine(format!("{endpoint} is notified"));
        }
        Look::Found(Finding::warns(
            Subject::Subscription,
            format!(
                "{endpoint} has not confirmed the subscription to the notifications, and is not notified"
            ),
            "confirm it with the link of SNS's mail (infra/tools/confirm-subscription LINK)",
        ))
    });
    looks.collect()
}

/// Whether a service may be changed by the deployer of this name: its rights ask for the tag.
#[must_use]
pub fn deployer(name: &ServiceName, service: &ServiceView, cluster: &str, ours: &str) -> Look {
    if let Some(obstacle) = Obstacle::untagged(name, service, cluster) {
        return Look::Found(obstacle.into());
    }
    match &service.deployer {
        Some(theirs) if theirs != ours => Look::Found(Finding::stops(
            Subject::Service,
            format!(
                "{name} in the cluster {cluster} has the tag slipway:deployer = {theirs}, so {ours} may not change it"
            ),
            format!("tag the service with {ours}, where it is this deployer that is to change it"),
        )),
        _ => Look::Fine(format!("{ours} may change {name}")),
    }
}

/// A configuration that cannot be used.
#[must_use]
pub fn broken(parameter: &str, problem: &str, application: Option<ApplicationName>) -> Finding {
    let finding = Finding::stops(
        Subject::Configuration,
        format!("{parameter} cannot be used: {problem}"),
        "correct it in Terraform's variable applications, and apply",
    );
    Finding { application, ..finding }
}

/// Whether a repository is there and lets the deployer of this name read it; `seen` is what AWS answered.
#[must_use]
pub fn repository(name: &RepositoryName, seen: Result<bool, String>, ours: &str) -> Look {
    let remedy = format!(
        "make it, and tag it slipway:deployer = {ours}, which is what lets Slipway read its images (the module registry does both)"
    );
    let what = match seen {
        Ok(true) => return Look::Fine(format!("the repository {name} is there")),
        Ok(false) => format!("ECR has no repository {name}"),
        Err(why) => format!("the repository {name} does not let Slipway read it: {why}"),
    };
    Look::Found(Finding::stops(Subject::Repository, what, remedy))
}

/// A template from which no revision can be made. Without one there is nothing to change yet.
#[must_use]
pub fn template(family: &str, reason: String, is_there: bool) -> Finding {
    let remedy = if is_there {
        format!(
            "change the containers of {family}, or containers of the service in Terraform's variable applications, and apply"
        )
    } else {
        format!(
            "apply the Terraform that registers {family}, or register it: aws ecs register-task-definition --family {family}"
        )
    };
    Finding::stops(Subject::Template, reason, remedy)
}

/// Whether a quota has room.
fn quota(what: &str, used: usize, limit: usize) -> Look {
    if used * 100 < limit * NEAR_PERCENT {
        return Look::Fine(format!("{used} of {limit} {what} are used"));
    }
    Look::Found(Finding::warns(
        Subject::Quota,
        format!("{used} of {limit} {what} are used"),
        "ask AWS for more (Service Quotas in the console, or aws service-quotas request-service-quota-increase) before the next one is added",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deployment::Traffic;
    use crate::fixtures::{self, at};

    fn name() -> ServiceName {
        ServiceName::new("web").expect("a name")
    }

    fn policy(more: &Value) -> ApprovalPolicy {
        let mut policy = json!({
            "approvers": ["ana@example.com", "bo@example.com"], "quorum": 1, "expires_after": "1h",
        });
        policy.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(policy).expect("it fits")
    }

    fn by(person: &str, confirmed: bool, authenticated: Option<bool>) -> Subscription {
        Subscription { protocol: "email".into(), endpoint: person.into(), confirmed, authenticated }
    }

    /// The severities of what was found; nothing for what is fine.
    fn severities(looks: &[Look]) -> Vec<Option<Severity>> {
        let severity = |look: &Look| match look {
            Look::Fine(_) => None,
            Look::Found(finding) => {
                assert!(!finding.what.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
                Some(finding.severity)
            }
        };
        looks.iter().map(severity).collect()
    }

    fn found(look: Look) -> Finding {
        match look {
            Look::Found(finding) => finding,
            Look::Fine(line) => panic!("it is fine: {line}"),
        }
    }

    #[test]
    fn an_approver_who_gets_no_mail_stops_a_release_where_too_few_are_left() {
        let some = [by("ana@example.com", true, Some(true)), by("bo@example.com", false, None)];
        let one = approvers(&policy(&json!({})), &some);
        assert_eq!(severities(&one), [None, Some(Severity::Warns)]);
        let both = approvers(&policy(&json!({ "quorum": 2 })), &some);
        assert_eq!(severities(&both), [None, Some(Severity::Stops)]);
        let what = found(both[1].clone()).what;
        assert!(
            what.contains("bo@example.com") && what.contains("1 of 2") && what.contains("2 must"),
            "{what}"
        );
    }

    #[test]
    fn a_subscription_that_a_link_ends_is_warned_of() {
        let some = [by("ana@example.com", true, Some(false)), by("bo@example.com", true, None)];
        let looks = approvers(&policy(&json!({})), &some);
        assert_eq!(severities(&looks), [Some(Severity::Warns), None]);
        assert!(found(looks[0].clone()).remedy.contains("infra/tools/confirm-subscription"));
    }

    #[test]
    fn an_alarm_that_is_missing_fires_or_knows_nothing_stops_a_release_unless_people_may_override_it() {
        let reading = |name: &str, state| AlarmReading { name: name.into(), state, reason: "5 of 5.".into() };
        let wanted = ["ok", "fires", "unknown", "missing"].map(ToOwned::to_owned);
        let readings = [
            reading("ok", AlarmState::Ok),
            reading("fires", AlarmState::Alarm),
            reading("unknown", AlarmState::InsufficientData),
        ];
        let stops = Some(Severity::Stops);
        assert_eq!(severities(&alarms(&wanted, &readings, false)), [None, stops, stops, stops]);
        let warns = Some(Severity::Warns);
        assert_eq!(severities(&alarms(&wanted, &readings, true)), [None, warns, warns, warns]);
        assert!(alarms(&wanted, &readings, false).iter().skip(1).all(|look| {
            matches!(look, Look::Found(finding) if crate::alarm::disquiet(&wanted, &readings).expect("it is loud").contains(&finding.what))
        }), "a release says the same");
    }

    #[test]
    fn a_rolling_update_has_a_circuit_breaker_and_one_that_shifts_traffic_has_none() {
        let with = |has_circuit_breaker, strategy: Option<&str>| {
            let strategy = strategy.map(ToOwned::to_owned);
            let traffic = Traffic { strategy, has_circuit_breaker, ..Traffic::default() };
            ServiceView { traffic, ..fixtures::service(1) }
        };
        let look =
            |view, strategy: Option<Strategy>| circuit_breaker(&name(), &view, strategy.as_ref(), "staging");

        assert_eq!(severities(&[look(with(true, None), None).expect("a look")]), [None]);
        let off = found(look(with(false, Some("ROLLING")), None).expect("a look"));
        assert_eq!(off.severity, Severity::Warns);
        assert!(
            off.remedy.contains("'deploymentCircuitBreaker={enable=true,rollback=true}'"),
            "{}",
            off.remedy
        );
        assert_eq!(look(with(false, Some("CANARY")), None), None);
        assert_eq!(look(with(false, None), Some(Strategy::BlueGreen { bake: None })), None);
        assert!(look(with(false, Some("CANARY")), Some(Strategy::Rolling {})).is_some());
    }

    #[test]
    fn a_role_that_may_not_be_passed_on_and_one_that_fargate_needs_stop_a_release() {
        let ours = ["arn:aws:iam::111122223333:role/slipway/*".to_owned()];
        let template = |roles: Value| {
            let mut template = json!({ "family": "web-template", "requiresCompatibilities": ["FARGATE"] });
            template.as_object_mut().expect("an object").extend(roles.as_object().expect("one").clone());
            template
        };
        let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        let both =
            template(json!({ "executionRoleArn": role("slipway/execution"), "taskRoleArn": role("web") }));

        assert_eq!(severities(&roles("web", &both, &ours)), [None, Some(Severity::Stops)]);
        assert_eq!(roles("web", &both, &[]), [], "what may be passed on is not known");
        let none = roles("web", &template(json!({})), &ours);
        assert!(found(none[0].clone()).what.contains("no execution role"));
        let ec2 = json!({ "family": "web-template", "requiresCompatibilities": ["EC2", "FARGATE"] });
        assert_eq!(roles("web", &ec2, &ours), []);
    }

    #[test]
    fn what_terraform_deployed_again_is_told_from_what_somebody_else_did() {
        let view = fixtures::service(8);
        let drifts = || Some("web runs staging-web:8, and not staging-web:7, which was released".to_owned());

        assert_eq!(severities(&[drift(&name(), None, Some("staging-web-template"), &view)]), [None]);
        let by_hand = found(drift(&name(), drifts(), Some("staging-web-template"), &view));
        assert!(by_hand.remedy.contains("CloudTrail"), "{}", by_hand.remedy);
        let by_terraform = found(drift(&name(), drifts(), Some("staging-web"), &view));
        assert!(by_terraform.remedy.contains("ignore_changes"), "{}", by_terraform.remedy);
    }

    #[test]
    fn a_trail_is_known_by_its_records_of_the_last_pushes() {
        let asks = policy(&json!({
            "other_than_pusher": true, "pushers": { "arn:aws:iam::111122223333:user/ana": ["ana@example.com"] } }));
        let push = |second, by: Option<&str>| RecordedPush {
            at: at(second),
            by: by.map(|by| Pushers::default().and(&format!("arn:aws:iam::111122223333:user/{by}"))),
        };
        let look = |pushes: &[RecordedPush]| trail(&asks, pushes, at(10_000));

        assert_eq!(trail(&policy(&json!({})), &[], at(10_000)), None, "nobody asks for it");
        let of = |pushes: &[RecordedPush]| severities(&[look(pushes).expect("a look")]);
        assert_eq!(of(&[push(9_999, None), push(9_000, Some("ana"))]), [None]);
        assert_eq!(of(&[push(9_999, None)]), [Some(Severity::Warns)], "its record may come yet");
        assert_eq!(of(&[]), [Some(Severity::Warns)]);
        assert_eq!(of(&[push(9_999, None), push(1, None)]), [Some(Severity::Stops)]);
        let unknown = found(look(&[push(1, Some("eve"))]).expect("a look"));
        assert!(
            unknown.what.contains("user/eve") && unknown.remedy.contains("approval.pushers"),
            "{unknown:?}"
        );
    }

    #[test]
    fn a_reconciler_that_is_silent_for_longer_than_its_alarm_waits_is_warned_of() {
        let look = |ended_at: Option<i64>, every| reconciler(ended_at.map(at), every, at(10_000));
        let of = |ended_at, every| severities(&[look(ended_at, every)]);
        assert_eq!(of(Some(10_000 - 30 * 60), 5), [None]);
        assert_eq!(of(Some(10_000 - 31 * 60), 5), [Some(Severity::Warns)]);
        assert_eq!(of(Some(10_000 - 31 * 60), 15), [None]);
        assert_eq!(of(None, 5), [Some(Severity::Warns)]);
    }

    #[test]
    fn a_function_that_an_apply_left_behind_is_named() {
        assert_eq!(version(None, "0.2.0"), None, "one of before did not write it down");
        assert_eq!(severities(&[version(Some("0.2.0"), "0.2.0").expect("a look")]), [None]);
        let old = found(version(Some("0.1.0"), "0.2.0").expect("a look"));
        assert!(old.what.contains("reconcile is of version 0.1.0"), "{}", old.what);
    }

    #[test]
    fn dead_letters_are_counted_and_say_how_they_are_handed_over_again() {
        assert_eq!(severities(&[dead_letters("slipway-reconcile-dead-letters", 0)]), [None]);
        let one = found(dead_letters("slipway-reconcile-dead-letters", 1));
        assert!(one.what.starts_with("1 message that could not be handled lies in"), "{}", one.what);
        assert!(one.remedy.ends_with("slipway redrive slipway-reconcile-dead-letters"));
    }

    #[test]
    fn a_stranger_on_the_approvals_topic_and_one_that_is_nearly_full_are_found() {
        let ana = EmailAddress::new("ana@example.com").expect("an address");
        let mut all = vec![by("ana@example.com", true, None)];
        assert_eq!(severities(&topic([&ana], &all)), [None, None]);
        all.push(by("eve@example.net", false, None));
        assert_eq!(severities(&topic([&ana], &all)), [Some(Severity::Stops), None]);
        all.resize(160, by("ana@example.com", true, None));
        assert_eq!(severities(&topic([&ana], &all))[1], Some(Severity::Warns));
    }

    #[test]
    fn a_tag_of_another_deployer_stops_a_release() {
        let view = |deployer: Option<&str>| ServiceView {
            deployer: deployer.map(ToOwned::to_owned),
            ..fixtures::service(1)
        };
        let of = |view: &ServiceView| severities(&[deployer(&name(), view, "staging", "slipway")]);
        assert_eq!(of(&view(Some("slipway"))), [None]);
        assert_eq!(of(&view(Some("other"))), [Some(Severity::Stops)]);
        assert_eq!(of(&view(None)), [Some(Severity::Stops)]);
    }

    #[test]
    fn a_checkup_says_of_what_its_findings_are() {
        let mut services = Checkup::default();
        services.add(Look::Fine("web has its circuit breaker on".into()));
        services.add(Finding::warns(Subject::Drift, "it drifts", "release again").into());
        let mut whole = Checkup::default();
        let (shop, production) = (ApplicationName::new("shop"), StageName::new("production"));
        let (shop, production) = (shop.expect("a name"), production.expect("a name"));
        whole.add(Look::Fine("the repository shop is there".into()));
        let mut whole = whole.of_application(&shop);
        whole.and(services.of_service(&name()).of_stage(&shop, &production));

        assert_eq!(
            whole.healthy,
            ["shop: the repository shop is there", "shop production: web has its circuit breaker on"]
        );
        let finding = serde_json::to_value(&whole.findings[0]).expect("JSON");
        assert_eq!(
            finding,
            json!({ "subject": "Drift", "severity": "Warns", "what": "it drifts", "remedy": "release again",
                "application": "shop", "stage": "production", "service": "web" })
        );
        assert_eq!((whole.looked_at(), whole.stops()), (3, false));
    }
}
