//! What the runs came to, to know that they test something.

use std::collections::BTreeMap;

/// How often runs came to something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(BTreeMap<&'static str, u32>);

impl Seen {
    /// What the runs are meant to come to.
    const ALL: [&str; 21] = [
        "RELEASED",
        "ROLLED_BACK",
        "REJECTED",
        "EXPIRED",
        "SUPERSEDED",
        "FAILED",
        "STUCK",
        "aborted",
        "lock taken over",
        "stale writer refused",
        "parked",
        "late park refused",
        "woken",
        "woken while it ran",
        "timed out",
        "nobody waits for the answer",
        "looked again",
        "restarted",
        "gave up",
        "killed, lost or failed",
        "found by the reconciler",
    ];

    pub(crate) fn one(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    pub(crate) fn times(&self, what: &str) -> u32 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// What no run came to.
    pub(crate) fn never(&self) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|what| self.times(what) == 0).collect()
    }
}
