//! What holds after every run, however much was broken in it.

mod approvals;
mod endings;
mod locks;
mod revisions;
#[cfg(test)]
mod tests;

use crate::record::Record;

/// An invariant: its sentence, and what breaks it.
pub type Invariant = (&'static str, fn(&Record) -> Vec<String>);

/// All of them.
pub const INVARIANTS: [Invariant; 12] = [
    (
        "a stage that asks people runs only what they approved, or its baseline",
        approvals::only_what_was_approved_runs,
    ),
    ("at most one release changes the application at a time", locks::one_release_changes_at_a_time),
    (
        "every release that began has one outcome, which its execution shares",
        endings::every_release_has_one_outcome,
    ),
    ("people are notified of every outcome", endings::people_are_notified),
    ("the lock is free", locks::the_lock_is_free),
    ("what is released was verified, every service of every stage", endings::what_is_released_was_verified),
    ("a decision counts once", approvals::a_decision_counts_once),
    ("the audit is one whole chain", approvals::the_audit_is_whole),
    (
        "after a failure the services run their baseline, or a person is asked for",
        revisions::a_failure_leaves_the_baseline,
    ),
    ("no callback of an ended release is left", endings::no_callback_is_left),
    ("a release uses one revision for a service", revisions::one_revision_is_used),
    ("the last reconciliation finds nothing", locks::nothing_is_left_to_find),
];

/// What a run broke, a line each: the invariant and how.
#[must_use]
pub fn broken(record: &Record) -> Vec<String> {
    INVARIANTS
        .iter()
        .flat_map(|(sentence, breaks)| {
            breaks(record).into_iter().map(move |how| format!("{sentence}: {how}"))
        })
        .collect()
}
