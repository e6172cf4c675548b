//! The keys of the table's items: printed and parsed here and nowhere else.
//!
//! The name of a stage, a service or a release is followed by `#` wherever it stands in a sort key. So a list by the
//! beginning of the sort keys finds what belongs to the stage `production`, and nothing of `production-eu`.

mod item;
pub(crate) mod partition;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use jiff::Timestamp;
use slipway_core::approval::ApprovalId;
use slipway_core::image::{Digest, Image};
use slipway_core::name::{ApplicationName, EmailAddress, ReleaseId, RepositoryName, ServiceName, StageName};
use slipway_core::notification::Kind;
use slipway_core::release::Started;
use slipway_core::timeline::Step;

pub use item::Item;

/// Where an item is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    /// What the partition keys of each kind of item begin with. None begins with another.
    pub const PARTITIONS: &[&str] = &partition::ALL;

    /// The partition of all open releases.
    pub const OPEN: &str = partition::OPEN;

    /// The partition of what the stages run.
    pub const RUNNING: &str = partition::RUNNING;

    /// The partition of people's freezes.
    pub const FREEZE: &str = partition::FREEZE;

    /// What the sort key of an approval is; other items of its partition have others.
    const APPROVAL: &str = "APPROVAL";
    /// What the sort key of an alarm that fired is.
    const FIRED: &str = "FIRED";
    /// What the sort key of a lock is.
    const LOCK: &str = "LOCK";
    /// What the sort key of an abort is.
    const ABORT: &str = "ABORT";
    /// What the sort key of an override is.
    const OVERRIDE: &str = "OVERRIDE";
    /// What stands for the stage where an item belongs to none. No stage's name is a hyphen.
    const NO_STAGE: &str = "-";

    fn of(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    fn in_release(id: &ReleaseId, sk: impl Into<String>) -> Self {
        Self::of(partition_of(partition::RELEASE, id), sk)
    }

    fn in_approval(id: &ApprovalId, sk: impl Into<String>) -> Self {
        Self::of(partition_of(partition::APPROVAL, id.as_str()), sk)
    }

    /// What is asked for while a function starts, to open its connection. It is never there.
    pub(crate) fn warm_up() -> Self {
        Self::of(partition::WARM_UP, "WARM-UP")
    }
}

/// Of a release.
impl Key {
    /// That a release began.
    #[must_use]
    pub fn release(id: &ReleaseId) -> Self {
        Self::in_release(id, "RELEASE")
    }

    /// A release whose outcome people were not notified of yet, with the workflow's input.
    #[must_use]
    pub fn open(application: &ApplicationName, id: &ReleaseId) -> Self {
        Self::of(Self::OPEN, format!("{application}#{id}#"))
    }

    /// The open releases of one application: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn open_of(application: &ApplicationName) -> (String, String) {
        (Self::OPEN.to_owned(), format!("{application}#"))
    }

    /// That a person asked for a release to end.
    #[must_use]
    pub fn abort(id: &ReleaseId) -> Self {
        Self::of(partition_of(partition::ABORT, id), Self::ABORT)
    }

    /// That a person let a release through the freezes of its stages.
    #[must_use]
    pub fn freeze_override(id: &ReleaseId) -> Self {
        Self::of(partition_of(partition::ABORT, id), Self::OVERRIDE)
    }

    /// What people are notified of besides a release's ending.
    #[must_use]
    pub fn note(id: &ReleaseId, word: &str) -> Self {
        Self::in_release(id, format!("NOTE#{word}"))
    }

    /// All notes of a release: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn notes(id: &ReleaseId) -> (String, String) {
        (partition_of(partition::RELEASE, id), "NOTE#".to_owned())
    }

    /// How a release ended.
    #[must_use]
    pub fn ending(id: &ReleaseId) -> Self {
        Self::in_release(id, "ENDING")
    }

    /// That people were notified of a kind of thing about a release.
    #[must_use]
    pub fn notified(id: &ReleaseId, kind: Kind, stage: Option<&StageName>) -> Self {
        Self::in_release(id, format!("NOTIFIED#{}#{}#", kind.as_str(), stage_or_none(stage)))
    }

    /// One event of a release's timeline; `detail` where a stage has several of a kind.
    #[must_use]
    pub fn timeline_event(id: &ReleaseId, stage: Option<&StageName>, step: Step, detail: &str) -> Self {
        let detail = if detail.is_empty() { String::new() } else { format!("#{detail}") };
        Self::of(Self::timeline(id), format!("{}#{}{detail}", stage_or_none(stage), step.as_str()))
    }

    /// The partition of a release's timeline. The public page may read it.
    #[must_use]
    pub fn timeline(id: &ReleaseId) -> String {
        partition_of(partition::TIMELINE, id)
    }

    /// A link to a release's page, by the hash of its token.
    #[must_use]
    pub fn view(token_hash: &str) -> Self {
        Self::of(partition_of(partition::VIEW, token_hash), "VIEW")
    }
}

/// Of a stage of a release.
impl Key {
    /// What a stage ran before the release, as it was found in a round.
    #[must_use]
    pub fn baseline(id: &ReleaseId, stage: &StageName, round: u32) -> Self {
        Self::in_release(id, format!("BASELINE#{stage}#{round}"))
    }

    /// The baselines of a stage, of every round: their partition, and what their sort keys begin with. They are in no
    /// order of rounds.
    #[must_use]
    pub fn baselines(id: &ReleaseId, stage: &StageName) -> (String, String) {
        (partition_of(partition::RELEASE, id), format!("BASELINE#{stage}#"))
    }

    /// The whole document of the task definition that a service ran before the release, as it was found in a round.
    #[must_use]
    pub fn definition(id: &ReleaseId, stage: &StageName, service: &ServiceName, round: u32) -> Self {
        Self::in_release(id, format!("DEFINITION#{stage}#{service}#{round}"))
    }

    /// Which look at a stage is the current one.
    #[must_use]
    pub fn round(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("ROUND#{stage}#"))
    }

    /// That the release has begun to change a stage.
    #[must_use]
    pub fn change(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("CHANGE#{stage}#"))
    }

    /// The changes that a release has begun, of every stage: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn changes(id: &ReleaseId) -> (String, String) {
        (partition_of(partition::RELEASE, id), "CHANGE#".to_owned())
    }

    /// What the release has ECS run in a stage, once every service was updated.
    #[must_use]
    pub fn deployment(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("DEPLOYMENT#{stage}#"))
    }

    /// What the rollback of a stage has ECS run, once every service was updated.
    #[must_use]
    pub fn restoration(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("RESTORATION#{stage}#"))
    }

    /// The copy of a service's baseline that its rollback had to register.
    #[must_use]
    pub fn restored(id: &ReleaseId, stage: &StageName, service: &ServiceName) -> Self {
        Self::in_release(id, format!("RESTORED#{stage}#{service}#"))
    }

    /// What the release registered for a service.
    #[must_use]
    pub fn deployed(id: &ReleaseId, stage: &StageName, service: &ServiceName) -> Self {
        Self::in_release(id, format!("DEPLOYED#{stage}#{service}#"))
    }

    /// What a gate of a stage found, or when it was looked at first.
    #[must_use]
    pub fn gate(id: &ReleaseId, stage: &StageName, word: &str) -> Self {
        Self::in_release(id, format!("GATE#{stage}#{word}"))
    }

    /// The snapshot that a release took before a stage changed.
    #[must_use]
    pub fn snapshot(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("SNAPSHOT#{stage}#"))
    }

    /// The migration that a release ran before a stage changed.
    #[must_use]
    pub fn migration(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("MIGRATION#{stage}#"))
    }

    /// That a service of a stage was verified.
    #[must_use]
    pub fn verified(id: &ReleaseId, stage: &StageName, service: &ServiceName) -> Self {
        Self::in_release(id, format!("VERIFIED#{stage}#{service}#"))
    }

    /// The verifications of every stage of a release: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn verifications(id: &ReleaseId) -> (String, String) {
        (partition_of(partition::RELEASE, id), "VERIFIED#".to_owned())
    }

    /// That a stage of a release asked for an approval.
    #[must_use]
    pub fn asked(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("ASKED#{stage}#"))
    }

    /// The approvals that a release asked for, of every stage: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn all_asked(id: &ReleaseId) -> (String, String) {
        (partition_of(partition::RELEASE, id), "ASKED#".to_owned())
    }

    /// That people were offered to roll a stage back after the release had ended.
    #[must_use]
    pub fn offered(id: &ReleaseId, stage: &StageName) -> Self {
        Self::in_release(id, format!("OFFERED#{stage}#"))
    }
}

/// Of steps that wait.
impl Key {
    /// The callback of a step: its parked task token, and what wakes it. Only who parks and wakes may read it.
    #[must_use]
    pub fn callback(id: &ReleaseId, stage: Option<&StageName>, state: &str) -> Self {
        Self::of(Self::callbacks(id), format!("{}#{state}", stage_or_none(stage)))
    }

    /// The partition of a release's callbacks.
    #[must_use]
    pub fn callbacks(id: &ReleaseId) -> String {
        partition_of(partition::CALLBACK, id)
    }

    /// Points from what wakes a step to the step's callback. `wake` is the wake key as text.
    #[must_use]
    pub fn wake(wake: &str, id: &ReleaseId, stage: Option<&StageName>, state: &str) -> Self {
        Self::of(Self::wakes(wake), format!("{id}#{}#{state}", stage_or_none(stage)))
    }

    /// The partition of all steps that a wake key wakes.
    #[must_use]
    pub fn wakes(wake: &str) -> String {
        partition_of(partition::WAKE, wake)
    }

    /// That the reconciler asks for a step to be woken.
    #[must_use]
    pub fn due(id: &ReleaseId, stage: Option<&StageName>, state: &str) -> Self {
        Self::of(partition_of(partition::DUE, id), format!("{}#{state}", stage_or_none(stage)))
    }

    /// When an alarm last went into ALARM.
    #[must_use]
    pub fn fired(alarm: &str) -> Self {
        Self::of(partition_of(partition::ALARM, alarm), Self::FIRED)
    }
}

/// Of an application.
impl Key {
    /// A person's freeze, by what it is of.
    #[must_use]
    pub fn freeze(application: Option<&ApplicationName>, stage: Option<&StageName>) -> Self {
        let application = application.map_or(Self::NO_STAGE, ApplicationName::as_str);
        Self::of(Self::FREEZE, format!("{application}#{}#", stage_or_none(stage)))
    }

    /// Who has the application's lock.
    #[must_use]
    pub fn lock(application: &ApplicationName) -> Self {
        Self::of(partition_of(partition::LOCK, application), Self::LOCK)
    }

    /// What a stage runs, as the release that brought it wrote it down.
    #[must_use]
    pub fn running(application: &ApplicationName, stage: &StageName) -> Self {
        Self::of(Self::RUNNING, format!("{application}#{stage}#"))
    }

    /// What the stages of one application run: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn running_of(application: &ApplicationName) -> (&'static str, String) {
        (Self::RUNNING, format!("{application}#"))
    }

    /// What people were notified of that a stage runs and no release brought.
    #[must_use]
    pub fn drift(application: &ApplicationName, stage: &StageName) -> Self {
        Self::of(partition_of(partition::RECONCILE, application), format!("DRIFT#{stage}#"))
    }

    /// A request for a release that an operator made, by its hash.
    #[must_use]
    pub fn request(application: &ApplicationName, hash: &str) -> Self {
        Self::of(partition_of(partition::REQUEST, application), hash)
    }

    /// A request of an operator's that is about no application, by its hash. No application is called a hyphen.
    #[must_use]
    pub fn upkeep(hash: &str) -> Self {
        Self::of(partition_of(partition::REQUEST, Self::NO_STAGE), hash)
    }

    /// The partition of an application's quarantined images.
    #[must_use]
    pub fn quarantines(application: &ApplicationName) -> String {
        partition_of(partition::QUARANTINE, application)
    }

    /// An image that was rolled back or rejected.
    #[must_use]
    pub fn quarantine(application: &ApplicationName, digest: &Digest) -> Self {
        Self::of(partition_of(partition::QUARANTINE, application), digest.as_str())
    }

    /// From when on the pushes of an application count.
    #[must_use]
    pub fn since(application: &ApplicationName) -> Self {
        Self::of(partition_of(partition::RECONCILE, application), "SINCE")
    }

    /// Whether a reconciliation runs, and where the next one goes on. No application is called a hyphen.
    #[must_use]
    pub fn reconciliation() -> Self {
        Self::of(partition_of(partition::RECONCILE, Self::NO_STAGE), "RUN")
    }

    /// A release in its application's history: a later push sorts behind an earlier one, in whatever order they were
    /// received.
    #[must_use]
    pub fn history(started: &Started) -> Self {
        let Started { release, at, pushed_at, .. } = started;
        Self::of(Self::histories(&release.application), format!("{pushed_at:.3}#{at:.3}#{}#", release.id))
    }

    /// The partition of an application's history.
    #[must_use]
    pub fn histories(application: &ApplicationName) -> String {
        partition_of(partition::APPLICATION, application)
    }

    /// A push of an application's repository that started nothing. The same one again has the same key.
    #[must_use]
    pub fn ignored(application: &ApplicationName, at: Timestamp, image: &Image) -> Self {
        Self::of(Self::all_ignored(application), format!("{at:.3}#{}#{}", image.tag, image.digest))
    }

    /// The partition of an application's pushes that started nothing.
    #[must_use]
    pub fn all_ignored(application: &ApplicationName) -> String {
        partition_of(partition::IGNORED, application)
    }

    /// Who pushed an image.
    #[must_use]
    pub fn pushers(repository: &RepositoryName, digest: &Digest) -> Self {
        Self::of(partition_of(partition::PUSHER, format_args!("{repository}@{digest}")), "PUSHER")
    }

    /// An entry of an application's audit, counted from 1.
    #[must_use]
    pub fn audit(application: &ApplicationName, sequence: u64) -> Self {
        Self::of(Self::audits(application), format!("{sequence:012}"))
    }

    /// The partition of an application's audit.
    #[must_use]
    pub fn audits(application: &ApplicationName) -> String {
        partition_of(partition::AUDIT, application)
    }

    /// The changes of an application's alarms in the last minutes.
    #[must_use]
    pub fn flood(application: &ApplicationName) -> Self {
        Self::of(partition_of(partition::FLOOD, application), "FLOOD")
    }
}

/// Of the mails to one address, or of notifications.
impl Key {
    /// How many mails went to an address in a time, such as a minute.
    #[must_use]
    pub fn pace(to: &str, time: &str) -> Self {
        Self::of(partition_of(partition::PACE, to), format!("COUNT#{time}"))
    }

    /// A mail that waits for one that sums it up with others; `name` tells it from the others.
    #[must_use]
    pub fn held(to: &str, name: &str) -> Self {
        Self::of(partition_of(partition::PACE, to), format!("HELD#{name}"))
    }

    /// The mails to an address that wait: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn all_held(to: &str) -> (String, String) {
        (partition_of(partition::PACE, to), "HELD#".to_owned())
    }
}

/// Of a session of the console, by its name. Paths are those of the operators' API, with their methods.
impl Key {
    /// A session of the console.
    #[must_use]
    pub fn console(session: &str) -> Self {
        Self::of(Self::consoles(session), "SESSION")
    }

    /// That IAM lets a session ask for a path.
    #[must_use]
    pub fn console_permission(session: &str, method: &str, path: &str) -> Self {
        Self::of(Self::consoles(session), format!("PERMISSION#{method} {path}"))
    }

    /// That a page of a session asked for a path that has yet to be proven.
    #[must_use]
    pub fn console_request(session: &str, method: &str, path: &str) -> Self {
        Self::of(Self::consoles(session), format!("REQUEST#{method} {path}"))
    }

    /// What pages of a session asked for: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn console_requests(session: &str) -> (String, String) {
        (Self::consoles(session), "REQUEST#".to_owned())
    }

    /// What a form of a session's pages came to, by its key.
    #[must_use]
    pub fn console_form(session: &str, key: &str) -> Self {
        Self::of(Self::consoles(session), format!("FORM#{key}"))
    }

    /// That a caller opened a session; the caller by the hash of their ARN.
    #[must_use]
    pub fn console_opened(caller_hash: &str, session: &str) -> Self {
        Self::of(Self::consoles(caller_hash), session)
    }

    /// The sessions that a caller opened: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn consoles_opened(caller_hash: &str) -> (String, String) {
        (Self::consoles(caller_hash), String::new())
    }

    /// How many requests of a session came in a minute.
    #[must_use]
    pub fn console_pace(session: &str, minute: &str) -> Self {
        Self::of(Self::consoles(session), format!("COUNT#{minute}"))
    }

    fn consoles(session: &str) -> String {
        partition_of(partition::CONSOLE, session)
    }
}

/// Of an approval.
impl Key {
    /// An approval.
    #[must_use]
    pub fn approval(id: &ApprovalId) -> Self {
        Self::in_approval(id, Self::APPROVAL)
    }

    /// A person's link to an approval, by the hash of its token.
    #[must_use]
    pub fn link(token_hash: &str) -> Self {
        Self::of(partition_of(partition::LINK, token_hash), "LINK")
    }

    /// How often the page of a person's link was asked for in a minute, such as `2026-11-20T08:15`.
    #[must_use]
    pub fn page(id: &ApprovalId, approver: &EmailAddress, minute: &str) -> Self {
        Self::of(partition_of(partition::PAGE, id.as_str()), format!("COUNT#{approver}#{minute}"))
    }

    /// That an approver's mail of an approval was handed to SNS.
    #[must_use]
    pub fn mailed(id: &ApprovalId, approver: &str) -> Self {
        Self::in_approval(id, format!("MAILED#{approver}"))
    }

    /// When an approver was asked for the first time, of whatever application.
    #[must_use]
    pub fn first_asked(approver: &EmailAddress) -> Self {
        Self::of(partition_of(partition::APPROVER, approver.as_str().to_lowercase()), "FIRST_ASKED")
    }

    /// That an approver was asked again, whose subscription had been new.
    #[must_use]
    pub fn asked_again(id: &ApprovalId, approver: &str) -> Self {
        Self::in_approval(id, format!("ASKED_AGAIN#{approver}"))
    }

    /// That an approver was reminded.
    #[must_use]
    pub fn reminded(id: &ApprovalId, approver: &str) -> Self {
        Self::in_approval(id, format!("REMINDED#{approver}"))
    }

    /// That an operator asked for an approval's mails to go out again, by the hash of the request.
    #[must_use]
    pub fn resend(id: &ApprovalId, request: &str) -> Self {
        Self::of(Self::resends(id), request)
    }

    /// The partition of what operators asked of an approval's mails.
    #[must_use]
    pub fn resends(id: &ApprovalId) -> String {
        partition_of(partition::RESEND, id.as_str())
    }

    /// That an approver's mail went out again, as the request of this hash asked.
    #[must_use]
    pub fn resent(id: &ApprovalId, request: &str, approver: &str) -> Self {
        Self::in_approval(id, format!("RESENT#{request}#{approver}"))
    }

    /// The mails of an approval that went out again: their partition, and what their sort keys begin with.
    #[must_use]
    pub fn all_resent(id: &ApprovalId) -> (String, String) {
        (partition_of(partition::APPROVAL, id.as_str()), "RESENT#".to_owned())
    }

    /// That an approver was notified of what became of an approval.
    #[must_use]
    pub fn receipt(id: &ApprovalId, approver: &str) -> Self {
        Self::in_approval(id, format!("RECEIPT#{approver}"))
    }
}

fn partition_of(partition: &str, owner: impl Display) -> String {
    format!("{partition}{owner}")
}

fn stage_or_none(stage: Option<&StageName>) -> &str {
    stage.map_or(Key::NO_STAGE, StageName::as_str)
}
