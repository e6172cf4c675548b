//! What the partition keys of each kind of item begin with. The functions' permissions name these
//! (`dynamodb:LeadingKeys`), and so does the filter on the table's stream.

pub(crate) const ABORT: &str = "ABORT#";
pub(crate) const ALARM: &str = "ALARM#";
pub(crate) const APPLICATION: &str = "APPLICATION#";
pub(crate) const APPROVAL: &str = "APPROVAL#";
pub(crate) const APPROVER: &str = "APPROVER#";
pub(crate) const AUDIT: &str = "AUDIT#";
pub(crate) const CALLBACK: &str = "CALLBACK#";
pub(crate) const DUE: &str = "DUE#";
pub(crate) const FLOOD: &str = "FLOOD#";
pub(crate) const LINK: &str = "LINK#";
pub(crate) const LOCK: &str = "LOCK#";
pub(crate) const OPEN: &str = "OPEN";
pub(crate) const PUSHER: &str = "PUSHER#";
pub(crate) const QUARANTINE: &str = "QUARANTINE#";
pub(crate) const RECONCILE: &str = "RECONCILE#";
pub(crate) const RELEASE: &str = "RELEASE#";
pub(crate) const TIMELINE: &str = "TIMELINE#";
pub(crate) const VIEW: &str = "VIEW#";
pub(crate) const WAKE: &str = "WAKE#";
pub(crate) const WARM_UP: &str = "WARM-UP";

/// All of them.
pub(crate) const ALL: [&str; 20] = [
    ABORT,
    ALARM,
    APPLICATION,
    APPROVAL,
    APPROVER,
    AUDIT,
    CALLBACK,
    DUE,
    FLOOD,
    LINK,
    LOCK,
    OPEN,
    PUSHER,
    QUARANTINE,
    RECONCILE,
    RELEASE,
    TIMELINE,
    VIEW,
    WAKE,
    WARM_UP,
];
