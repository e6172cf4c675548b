//! The turn: the right to change an application's services. One release has it at a time.
//!
//! Every change of it is a conditional write, so of two that meet one is refused. Taking it raises the generation, and
//! whoever changes a service first renews it: a release that has lost its turn learns so before it writes, however late
//! its function comes back to life.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::name::ReleaseId;

/// How long after its last renewal a holder's function may still be writing, in seconds: the longest time-out of a
/// function that changes services, and some more. Until then nobody takes the turn over, dead as the holder may be.
pub const LEASE_SECONDS: i64 = 60;

/// Who has the turn of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// How often it was taken. Each release has the next one.
    pub generation: u64,
    /// Who has it; nobody between releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

/// The release that has the turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The release.
    pub release: ReleaseId,
    /// Until when one of its functions may be writing.
    pub lease_until: Timestamp,
}

/// Whether a release's execution still runs, as Step Functions tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It ended, was stopped, or never was.
    Ended,
}

/// What asking for the turn comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The release has it already, from an earlier run.
    Held,
    /// It is free, or its holder is dead: this is what to write in its place.
    Free(Turn),
    /// Another release has it.
    Taken(Holder),
}

/// A release that does not have the turn, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("generation {generation} has lost the turn: {now}")]
pub struct Lost {
    /// The generation of the writer.
    pub generation: u64,
    /// Who has the turn instead, in words.
    pub now: String,
}

impl Turn {
    /// Asks for the turn. `life` is that of the holder's execution.
    #[must_use]
    pub fn claim(&self, release: &ReleaseId, life: Life, now: Timestamp) -> Claim {
        match &self.holder {
            Some(holder) if holder.release == *release => Claim::Held,
            Some(holder) if life == Life::Running || now < holder.lease_until => Claim::Taken(holder.clone()),
            _ => Claim::Free(Self {
                generation: self.generation + 1,
                holder: Some(Holder { release: release.clone(), lease_until: lease_from(now) }),
            }),
        }
    }

    /// The turn with its holder's lease renewed: what is written before a service is changed.
    ///
    /// # Errors
    ///
    /// [`Lost`], when release and generation are not the holder's. Nothing may be changed then.
    pub fn renew(&self, release: &ReleaseId, generation: u64, now: Timestamp) -> Result<Self, Lost> {
        match &self.holder {
            Some(holder) if holder.release == *release && self.generation == generation => {
                Ok(Self { generation, holder: Some(Holder { release: release.clone(), lease_until: lease_from(now) }) })
            }
            Some(holder) => Err(Lost { generation, now: format!("{} has generation {}", holder.release, self.generation) }),
            None => Err(Lost { generation, now: format!("it was given back, at generation {}", self.generation) }),
        }
    }

    /// The turn once the release has given it back; nothing where the release does not have it.
    #[must_use]
    pub fn given_back(&self, release: &ReleaseId) -> Option<Self> {
        let held = self.holder.as_ref().is_some_and(|holder| holder.release == *release);
        held.then_some(Self { generation: self.generation, holder: None })
    }
}

fn lease_from(now: Timestamp) -> Timestamp {
    now + SignedDuration::from_secs(LEASE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ReleaseId {
        ReleaseId::new(name).expect("an id")
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    fn taken(turn: &Turn, by: &str, at: i64) -> Turn {
        match turn.claim(&id(by), Life::Ended, second(at)) {
            Claim::Free(taken) => taken,
            other => panic!("{by} does not get the turn: {other:?}"),
        }
    }

    #[test]
    fn taking_the_turn_raises_the_generation_and_asking_again_does_not() {
        let first = taken(&Turn::default(), "a", 0);
        assert_eq!(first.generation, 1);
        assert_eq!(first.claim(&id("a"), Life::Running, second(1)), Claim::Held);

        let free = first.given_back(&id("a")).expect("a has it");
        assert_eq!(taken(&free, "b", 2).generation, 2);
    }

    #[test]
    fn a_release_that_lives_keeps_its_turn_however_old_its_lease() {
        let first = taken(&Turn::default(), "a", 0);
        assert!(matches!(first.claim(&id("b"), Life::Running, second(100_000)), Claim::Taken(_)));
    }

    #[test]
    fn a_dead_holders_turn_is_taken_over_once_its_lease_is_over_and_its_late_write_is_refused() {
        let first = taken(&Turn::default(), "a", 0);
        assert!(matches!(first.claim(&id("b"), Life::Ended, second(LEASE_SECONDS - 1)), Claim::Taken(_)));

        let second_turn = taken(&first, "b", LEASE_SECONDS);
        assert_eq!(second_turn.generation, 2);
        let lost = second_turn.renew(&id("a"), 1, second(LEASE_SECONDS)).expect_err("a lost it");
        assert_eq!(lost.to_string(), "generation 1 has lost the turn: b has generation 2");
        assert!(second_turn.renew(&id("b"), 2, second(LEASE_SECONDS)).is_ok());
        assert_eq!(second_turn.given_back(&id("a")), None);
    }

    #[test]
    fn nobody_writes_after_giving_the_turn_back() {
        let free = taken(&Turn::default(), "a", 0).given_back(&id("a")).expect("a has it");
        assert!(free.renew(&id("a"), 1, second(1)).is_err());
    }
}
