//! The operators' API: what it takes and answers. The function `operate-releases` and the command `slipway` share these
//! shapes, `docs/openapi.json` is made from them, and `slipway --output json` prints them as they are.
//!
//! Times are RFC 3339 in UTC, durations whole seconds. Fields may be added; none is renamed or given another meaning.

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::approval::{Approval, Verdict};
use crate::freeze::{Freeze, Frozen};
use crate::history::Figures;
use crate::image::{Digest, Image};
use crate::name::{
    ApplicationName, ClusterName, EmailAddress, FamilyName, ReleaseId, ServiceName, StageName,
    TaskDefinitionArn,
};
use crate::release::{Ended, Outcome, Release};
use crate::timeline::{StageProgress, TimelineEvent};
use crate::words;

mod console;
mod upkeep;

pub use console::{
    ConsoleAnswer, ConsoleEnd, ConsoleEntrance, ConsoleEntry, ConsoleExit, ConsoleOpening,
    ConsolePermissions, ConsoleRequest, ConsoleRequests, OpenedConsole,
};
pub use upkeep::{
    DeadLetterQueue, DeadLetters, KeptMessage, LogLine, Logs, ReconcileRequest, RedriveRequest, Redriven,
    RedrivenQueue, ResendRequest,
};

pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

pub(crate) fn time_or_none(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "date-time" })
}

/// Every application, and what its stages run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Applications {
    /// Those that are configured, by name.
    pub applications: Vec<ApplicationStatus>,
    /// Those whose configuration cannot be used.
    pub broken: Vec<BrokenApplication>,
    /// The freezes of people that are in force.
    #[serde(default)]
    pub freezes: Vec<ActiveFreeze>,
}

/// A person's freeze that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActiveFreeze {
    /// The application; all of them where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    /// The stage; all of them where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// Until when; until somebody lifts it where no time is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_or_none")]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// Since when.
    #[schemars(schema_with = "time")]
    pub since: Timestamp,
}

impl From<Freeze> for ActiveFreeze {
    fn from(freeze: Freeze) -> Self {
        let Freeze { application, stage, until, reason, by, at, .. } = freeze;
        Self { application, stage, until, reason, by, since: at }
    }
}

/// An application whose configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrokenApplication {
    /// The parameter that holds the configuration.
    pub parameter: String,
    /// What is wrong with it, with the field.
    pub problem: String,
}

/// An application, and what its stages run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApplicationStatus {
    /// Its name.
    pub name: ApplicationName,
    /// Its stages, in order.
    pub stages: Vec<StageStatus>,
    /// Its releases that have not ended, the newest push first.
    pub releases: Vec<OpenRelease>,
}

/// A stage, and what it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageStatus {
    /// Its name.
    pub name: StageName,
    /// Its cluster.
    pub cluster: ClusterName,
    /// The release that it runs; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Running>,
    /// Its services.
    pub services: Vec<ServiceStatus>,
    /// That it is frozen now; nothing where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
}

/// What a stage runs, as the release that brought it wrote it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Running {
    /// The image.
    pub image: Image,
    /// The release that brought it; nothing where no release of Slipway's did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// Since when the stage runs it.
    #[schemars(schema_with = "time")]
    pub since: Timestamp,
    /// Who approved it; nobody where nobody was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<EmailAddress>,
    /// The release whose rollback brought it back, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<ReleaseId>,
    /// What each service runs since then.
    pub services: Vec<RunningService>,
    /// What schedules run since then that name a family of the stage's tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<RunningTask>,
}

/// What a service was given to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningService {
    /// The service.
    pub service: ServiceName,
    /// The task definition.
    pub task_definition: TaskDefinitionArn,
}

/// The revision of a task's family that a release registered, or found and left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningTask {
    /// The family.
    pub family: FamilyName,
    /// The revision.
    pub task_definition: TaskDefinitionArn,
}

impl Running {
    /// That the newest revision of a task's family is another one than the release's, in words; nothing where it is not.
    #[must_use]
    pub fn task_drift(&self, family: &FamilyName, newest: &TaskDefinitionArn) -> Option<String> {
        let given = self.tasks.iter().find(|given| given.family == *family)?;
        (given.task_definition != *newest).then(|| {
            let (given, newest) = (given.task_definition.name(), newest.name());
            format!("tasks of {family} run {newest}, and not {given}, which was released")
        })
    }

    /// That a service runs something else than what the release gave it, in words; nothing where it does not.
    #[must_use]
    pub fn drift(&self, service: &ServiceName, runs: &TaskDefinitionArn) -> Option<String> {
        let given = self.services.iter().find(|given| given.service == *service)?;
        (given.task_definition != *runs).then(|| {
            let (given, runs) = (given.task_definition.name(), runs.name());
            format!("{service} runs {runs}, and not {given}, which was released")
        })
    }
}

/// A service, as ECS has it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Its name.
    pub name: ServiceName,
    /// How many tasks run.
    pub running: u32,
    /// How many should.
    pub desired: u32,
    /// What it runs; nothing where ECS has no such service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_definition: Option<TaskDefinitionArn>,
    /// What is not as it should be: it is not there, or somebody else changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// ECS's newest messages, the newest first; of the stage that changes now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
}

/// A message of ECS about a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// When.
    #[schemars(schema_with = "time")]
    pub at: Timestamp,
    /// What it says.
    pub words: String,
}

/// A release that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenRelease {
    /// Its id.
    pub id: ReleaseId,
    /// The image.
    pub image: Image,
    /// When it began.
    #[schemars(schema_with = "time")]
    pub begun_at: Timestamp,
    /// Who asked for it, and why; nothing where a push started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The stage that it is in; nothing while it waits for the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// What happens now, in words.
    pub state: String,
    /// Since when.
    #[schemars(schema_with = "time")]
    pub since: Timestamp,
    /// Whom it waits for: approvers who have not answered, or the release that has the lock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
}

/// An application with all that an operator asks about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Application {
    /// What its stages run.
    #[serde(flatten)]
    pub status: ApplicationStatus,
    /// The release that has the lock; nothing where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<ReleaseId>,
    /// Images that are not released until a person clears them, the newest first.
    pub quarantined: Vec<Quarantined>,
    /// Pushes that started nothing, the newest first; 20 at the most.
    pub ignored: Vec<IgnoredPush>,
}

/// An image that is quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantined {
    /// Its digest.
    pub digest: Digest,
    /// The tag that it was released under; nothing where the history does not reach back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The release that put it there.
    pub release: ReleaseId,
    /// What that release came to.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
    /// Since when.
    #[schemars(schema_with = "time")]
    pub since: Timestamp,
}

/// A push that started nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IgnoredPush {
    /// The image, with the tag that it was pushed under.
    pub image: Image,
    /// When it was pushed.
    #[schemars(schema_with = "time")]
    pub at: Timestamp,
    /// Why it started nothing.
    pub reason: String,
}

/// An application's releases and figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Releases {
    /// The releases, the newest push first; 200 at the most.
    pub releases: Vec<PastRelease>,
    /// DORA's four figures.
    pub figures: Figures,
}

/// A release in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastRelease {
    /// Its id.
    pub id: ReleaseId,
    /// The image.
    pub image: Image,
    /// When its image was pushed, or when it was asked for.
    #[schemars(schema_with = "time")]
    pub pushed_at: Timestamp,
    /// When it began.
    #[schemars(schema_with = "time")]
    pub begun_at: Timestamp,
    /// Who asked for it, and why; nothing where a push started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// How it ended; nothing while it runs or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ReleaseEnd>,
    /// Whether its image is quarantined now.
    #[serde(default)]
    pub quarantined: bool,
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseEnd {
    /// What it came to.
    pub outcome: Outcome,
    /// The stage that ended it; nothing where it went through all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// Why, in words.
    pub reason: String,
    /// When.
    #[schemars(schema_with = "time")]
    pub at: Timestamp,
}

impl From<Ended> for ReleaseEnd {
    fn from(ended: Ended) -> Self {
        let Ended { ending, at } = ended;
        Self { outcome: ending.outcome, stage: ending.stage, reason: ending.reason, at }
    }
}

/// A release with all that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseDetail {
    /// The release.
    #[serde(flatten)]
    pub release: Release,
    /// When its image was pushed, or when it was asked for.
    #[schemars(schema_with = "time")]
    pub pushed_at: Timestamp,
    /// When it began.
    #[schemars(schema_with = "time")]
    pub begun_at: Timestamp,
    /// Who asked for it, and why; nothing where a push started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Its stages, in order.
    pub stages: Vec<StageOfRelease>,
    /// The release that has the lock which this one waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for_lock_of: Option<ReleaseId>,
    /// The approvals that people are asked for now.
    pub approvals: Vec<OpenApproval>,
    /// The services of the stage that it is in, as ECS has them now.
    pub services: Vec<ServiceStatus>,
    /// How it ended; nothing while it runs or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<ReleaseEnd>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The time on the API's clock.
    #[schemars(schema_with = "time")]
    pub now: Timestamp,
}

/// How far a release is in one of its stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageOfRelease {
    /// The stage.
    pub name: StageName,
    /// How far the release is in it, such as `DEPLOYING`.
    pub state: String,
    /// The same in words.
    pub words: String,
    /// Whether something happens in it now.
    pub active: bool,
    /// What it ran before, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<String>,
    /// How long the release has been in it, or was, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
}

impl From<StageProgress> for StageOfRelease {
    fn from(progress: StageProgress) -> Self {
        let StageProgress { stage, state, ran, took } = progress;
        Self {
            name: stage,
            state: state.as_str().to_owned(),
            words: state.in_words().to_owned(),
            active: state.is_active(),
            ran,
            seconds: took.map(|took| took.as_secs()),
        }
    }
}

/// Something that happened to a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When.
    #[schemars(schema_with = "time")]
    pub at: Timestamp,
    /// In which stage; nothing for what is about the whole release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// What, such as `DEPLOYED`.
    pub step: String,
    /// The same in words, with figures.
    pub words: String,
}

impl From<TimelineEvent> for Event {
    fn from(event: TimelineEvent) -> Self {
        let TimelineEvent { at, stage, step, words, .. } = event;
        Self { at, stage, step: step.as_str().to_owned(), words }
    }
}

/// The approvals that people are asked for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approvals {
    /// The approvals, the oldest first.
    pub approvals: Vec<OpenApproval>,
}

/// An approval that people are asked for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenApproval {
    /// The release.
    pub release: ReleaseId,
    /// The application.
    pub application: ApplicationName,
    /// The stage that is to change.
    pub stage: StageName,
    /// The image that it is to run.
    pub image: Image,
    /// Since when people are asked.
    #[schemars(schema_with = "time")]
    pub asked_at: Timestamp,
    /// From when on no answer counts.
    #[schemars(schema_with = "time")]
    pub expires_at: Timestamp,
    /// How many of them must approve.
    pub quorum: u16,
    /// Who is asked.
    pub approvers: Vec<Approver>,
}

impl OpenApproval {
    /// Those who have not answered.
    pub fn silent(&self) -> impl Iterator<Item = String> {
        self.approvers
            .iter()
            .filter(|approver| approver.answer.is_none())
            .map(|approver| approver.address.to_string())
    }
}

/// Somebody who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approver {
    /// Their address.
    pub address: EmailAddress,
    /// What they said; nothing while they have not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Verdict>,
    /// When they said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_or_none")]
    pub answered_at: Option<Timestamp>,
    /// Whether SNS has a confirmed subscription of theirs: without one, no mail reached them.
    pub reachable: bool,
}

impl From<Approval> for OpenApproval {
    fn from(approval: Approval) -> Self {
        let Approval {
            release,
            stage,
            requested_at,
            expires_at,
            quorum,
            approvers,
            unreachable,
            decisions,
            ..
        } = approval;
        let approvers = approvers.into_iter().map(|address| {
            let decision = decisions.iter().find(|decision| decision.by == address);
            Approver {
                answer: decision.map(|decision| decision.verdict),
                answered_at: decision.map(|decision| decision.at),
                reachable: !unreachable.contains(&address),
                address,
            }
        });
        Self {
            approvers: approvers.collect(),
            application: release.application,
            image: release.image,
            release: release.id,
            stage,
            asked_at: requested_at,
            expires_at,
            quorum,
        }
    }
}

/// What a release of an image would change now. Asking changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// The image.
    pub image: Image,
    /// Why no release of it would begin; nothing where one would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<String>,
    /// The stages, in order.
    pub stages: Vec<StageDiff>,
}

/// What a release would change in a stage now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageDiff {
    /// The stage.
    pub name: StageName,
    /// Its services.
    pub services: Vec<ServiceDiff>,
    /// Who would be asked; nobody where nobody is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<EmailAddress>,
    /// How many of them would have to approve.
    #[serde(default)]
    pub quorum: u16,
    /// Why the stage would not change as it is now: a freeze, or alarms that are not quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<String>,
}

/// What a release would change of a service now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceDiff {
    /// The service.
    pub name: ServiceName,
    /// The image that it runs, as its task definition names it; nothing where it runs no release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<String>,
    /// Whether a release would change nothing of it.
    pub same: bool,
    /// What would change besides the image, line by line: what it runs against its newest template.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Why no revision of it could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<String>,
}

/// An application's audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// The sealed entries, in order, for whoever checks the chain: each is the text of an entry, the hash of the one
    /// before, and its own.
    pub entries: Vec<crate::audit::Sealed>,
}

/// What a request for a release takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// The image: a tag, a digest, or six or more of a digest's first digits.
    pub image: String,
    /// The one stage that is to run it, where not all are. The image must have been released before.
    #[serde(default)]
    pub stage: Option<StageName>,
    /// Why, for everybody who is notified; 200 characters on one line.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// What a request for a rollback takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The image to go back to, named as in a request for a release; the newest one that was released before what runs,
    /// where it is not given.
    #[serde(default)]
    pub to: Option<String>,
    /// The one stage that is rolled back, where not all are.
    #[serde(default)]
    pub stage: Option<StageName>,
    /// Why, for everybody who is notified; 200 characters on one line.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// What a request to end a release takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbortRequest {
    /// Why, for everybody who is notified; 200 characters on one line.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// What a request to clear an image's quarantine takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearRequest {
    /// The image, named as in a request for a release.
    pub image: String,
    /// Why, for the history; 200 characters on one line.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// What a freeze takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeRequest {
    /// The stage; every stage where none is named.
    #[serde(default)]
    pub stage: Option<StageName>,
    /// Until when; until somebody lifts it where no time is named.
    #[serde(default)]
    #[schemars(schema_with = "time_or_none")]
    pub until: Option<Timestamp>,
    /// Why, for those who wait; 200 characters on one line.
    #[serde(deserialize_with = "words::read")]
    #[schemars(length(min = 1), regex(pattern = r"\S"))]
    pub reason: String,
}

/// What the end of a freeze takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnfreezeRequest {
    /// The stage, as the freeze names it; none where it is of every stage.
    #[serde(default)]
    pub stage: Option<StageName>,
    /// Why, for the audit; 200 characters on one line.
    #[serde(default, deserialize_with = "words::read")]
    pub reason: String,
}

/// What letting a release through a freeze takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideRequest {
    /// Why, for everybody who is notified; 200 characters on one line.
    #[serde(deserialize_with = "words::read")]
    #[schemars(length(min = 1), regex(pattern = r"\S"))]
    pub reason: String,
}

/// A release that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseBegun {
    /// Its id.
    pub release: ReleaseId,
    /// The image.
    pub image: Image,
    /// The one stage that it changes, where not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// The release that has the lock which this one waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for_lock_of: Option<ReleaseId>,
}

/// What became of another request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// What was done, in a sentence.
    pub words: String,
}

/// Why a request was not done, as RFC 9457 has it; its media type is `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The kind of problem, as a URI: `about:blank`, because `code` says it.
    pub r#type: String,
    /// The HTTP status.
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// What is wrong, and what to do, for people.
    pub detail: String,
    /// What is wrong, for programs.
    pub code: ProblemCode,
    /// The field that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// What can be wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProblemCode {
    /// The request's body or header does not fit.
    Malformed,
    /// There is no such route.
    UnknownRoute,
    /// No application has this name.
    UnknownApplication,
    /// The application's configuration cannot be used.
    BrokenConfiguration,
    /// No release has this id.
    UnknownRelease,
    /// No image is the one that was named, or several are.
    UnknownImage,
    /// The application has no such stage.
    UnknownStage,
    /// The image is quarantined.
    Quarantined,
    /// The image is not quarantined.
    NotQuarantined,
    /// The release has ended.
    Ended,
    /// Nothing is frozen that could be lifted or overridden.
    NotFrozen,
    /// Nobody is asked for an approval of the release, or not the person who was named.
    NotAsked,
    /// Whoever would get a mail has answered.
    Answered,
    /// There is no such dead-letter queue.
    UnknownQueue,
    /// There is no such function.
    UnknownFunction,
    /// The caller has no such session of the console.
    UnknownSession,
    /// The same key came with another request before.
    KeyUsed,
    /// AWS could not be asked; the same request may be sent again.
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(revision: u32) -> TaskDefinitionArn {
        let arn = format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web:{revision}");
        TaskDefinitionArn::new(arn).expect("an ARN")
    }

    #[test]
    fn a_service_that_runs_something_else_than_was_released_drifts() {
        let service = ServiceName::new("web").expect("a name");
        let running = Running {
            image: serde_json::from_value(serde_json::json!({
                "repository": "web", "digest": format!("sha256:{}", "a1".repeat(32)), "tag": "v1" }))
            .expect("an image"),
            release: None,
            since: Timestamp::UNIX_EPOCH,
            approved_by: vec![],
            restored_from: None,
            services: vec![RunningService { service: service.clone(), task_definition: arn(7) }],
            tasks: Vec::new(),
        };

        assert_eq!(running.drift(&service, &arn(7)), None);
        assert_eq!(
            running.drift(&service, &arn(8)).as_deref(),
            Some("web runs production-web:8, and not production-web:7, which was released")
        );
        assert_eq!(running.drift(&ServiceName::new("new").expect("a name"), &arn(8)), None);
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_by_its_name() {
        let error = serde_json::from_str::<AbortRequest>(r#"{"resaon":"x"}"#).expect_err("it is unknown");
        assert!(error.to_string().contains("resaon"), "{error}");
    }
}
