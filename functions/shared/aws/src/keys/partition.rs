//! What the partition keys of each kind of item begin with. The functions' permissions name these
//! (`dynamodb:LeadingKeys`), and so does the filter on the table's stream.

/// What people ask of a release that runs: its end, or to pass a freeze.
pub(crate) const ABORT: &str = "ABORT#";
pub(crate) const ALARM: &str = "ALARM#";
pub(crate) const APPLICATION: &str = "APPLICATION#";
pub(crate) const APPROVAL: &str = "APPROVAL#";
pub(crate) const APPROVER: &str = "APPROVER#";
pub(crate) const AUDIT: &str = "AUDIT#";
pub(crate) const CALLBACK: &str = "CALLBACK#";
/// A session of the console, what it may ask for and how often it asks.
pub(crate) const CONSOLE: &str = "CONSOLE#";
pub(crate) const DUE: &str = "DUE#";
pub(crate) const FLOOD: &str = "FLOOD#";
pub(crate) const FREEZE: &str = "FREEZE";
pub(crate) const IGNORED: &str = "IGNORED#";
pub(crate) const LINK: &str = "LINK#";
pub(crate) const LOCK: &str = "LOCK#";
pub(crate) const OPEN: &str = "OPEN";
pub(crate) const PACE: &str = "PACE#";
pub(crate) const PAGE: &str = "PAGE#";
pub(crate) const PUSHER: &str = "PUSHER#";
pub(crate) const QUARANTINE: &str = "QUARANTINE#";
pub(crate) const RECONCILE: &str = "RECONCILE#";
pub(crate) const RELEASE: &str = "RELEASE#";
pub(crate) const REQUEST: &str = "REQUEST#";
pub(crate) const RESEND: &str = "RESEND#";
pub(crate) const RUNNING: &str = "RUNNING";
pub(crate) const TIMELINE: &str = "TIMELINE#";
pub(crate) const VIEW: &str = "VIEW#";
pub(crate) const WAKE: &str = "WAKE#";
pub(crate) const WARM_UP: &str = "WARM-UP";

/// How long the items of a partition are kept from when they are written first, in days; nothing for those that are kept
/// for good: the audit, locks, quarantines, open releases, and what a decision about the next release rests on.
///
/// An execution lives for 366 days at the most (the workflow's `TimeoutSeconds`), so what it reads is kept for longer.
pub(crate) fn days_kept(pk: &str) -> Option<i64> {
    let kind = ALL.into_iter().find(|kind| pk.starts_with(kind))?;
    match kind {
        ABORT | APPLICATION | APPROVAL | CALLBACK | DUE | LINK | PUSHER | RELEASE | REQUEST | RESEND
        | TIMELINE | WAKE => Some(400),
        ALARM | IGNORED | VIEW => Some(90),
        CONSOLE | PACE | PAGE => Some(1),
        _ => None,
    }
}

/// All of them.
pub(crate) const ALL: [&str; 28] = [
    ABORT,
    ALARM,
    APPLICATION,
    APPROVAL,
    APPROVER,
    AUDIT,
    CALLBACK,
    CONSOLE,
    DUE,
    FLOOD,
    FREEZE,
    IGNORED,
    LINK,
    LOCK,
    OPEN,
    PACE,
    PAGE,
    PUSHER,
    QUARANTINE,
    RECONCILE,
    RELEASE,
    REQUEST,
    RESEND,
    RUNNING,
    TIMELINE,
    VIEW,
    WAKE,
    WARM_UP,
];
