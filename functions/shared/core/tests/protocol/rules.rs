//! The rules of the protocol. Each can be left out, to know that the model sees what it is good for.

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A function writes only with the lock's generation.
    Generations,
    /// Nobody takes the lock while a function of its last holder may be writing.
    Leases,
    /// Nobody takes the lock of a release that lives.
    LivingHolders,
    /// Nothing is deployed that people did not approve.
    Approvals,
    /// A release that has not begun to change the stage gives way to a newer push.
    NewestPush,
    /// An older attempt does not park over a later one.
    LaterAttempts,
    /// A step looks again once its token is parked.
    LookAfterParking,
    /// A stage that has begun to change is not captured anew.
    NoRestartOnceBegun,
    /// The reconciler wakes what an event may be lost for.
    Reconciler,
    /// What points to a callback stays as long as its release: no attempt removes what a later one is found by.
    PointersStay,
    /// The failure of an old attempt does not count against a later one.
    OwnFailures,
    /// A migration reads first whether the stage has begun to change, and does not restart it then.
    MigrationReadsTheChange,
    /// Within a release, a later attempt shuts out the earlier ones before it restarts or rolls back.
    Fence,
    /// A release gives its lock back before it says what it changed.
    LockBeforeOutcome,
    /// A rollback writes down that it found the release's change, before it undoes it.
    RollbackRemembers,
    /// The reconciler gives the lock of an ended release back.
    LocksOfTheEnded,
}

impl Rule {
    /// Those of which chance finds within a few thousand runs what they are good for. Of the others `cases.rs` and
    /// `faults.rs` show it.
    pub(crate) const FOUND_BY_CHANCE: [Self; 10] = [
        Self::Generations,
        Self::LivingHolders,
        Self::Approvals,
        Self::NewestPush,
        Self::LaterAttempts,
        Self::LookAfterParking,
        Self::NoRestartOnceBegun,
        Self::Reconciler,
        Self::LockBeforeOutcome,
        Self::LocksOfTheEnded,
    ];
}

/// Which rules a run keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rules {
    /// Every one, as the code does.
    All,
    /// Every one but this.
    Without(Rule),
}

impl Rules {
    /// Whether the run keeps the rule.
    pub(crate) fn keep(self, rule: Rule) -> bool {
        !matches!(self, Self::Without(left_out) if left_out == rule)
    }
}
