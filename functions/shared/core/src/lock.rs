//! The lock: the right to change an application's services. One release has it at a time.
//!
//! Every change of it is a conditional write, so of two that meet one is refused. Taking it raises the generation,
//! and whoever changes a service first writes into the lock that it begins to: a release that has lost its lock
//! learns so before it changes anything, however late its function comes back to life, and nobody takes the lock
//! while it writes.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::deployment::is_within_lag;
use crate::name::ReleaseId;
use crate::protocol::Attempt;

/// How long a function that has begun to write may still be writing, in seconds: the longest time-out of a function
/// that changes services (30 s), and some more. Until then nobody takes the lock, dead or done as its holder may be.
pub const LEASE_SECONDS: i64 = 40;

/// Who has the lock of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// How often it was taken. Each release has the next one.
    pub generation: u64,
    /// Who has it; nobody between releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// From when on it may be taken, where a function of the last holder had not said that it stopped writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<Timestamp>,
}

/// The release that has the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The release.
    pub release: ReleaseId,
    /// How many of its functions have begun to write and have not said that they stopped: they write now, or were
    /// killed.
    #[serde(default)]
    pub writers: u32,
    /// Until when such a function may be writing.
    pub lease_until: Timestamp,
    /// The attempt at a step that has fenced off those before it: they do not begin to write any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Attempt>,
}

/// Whether a release's execution still runs, as Step Functions describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It ended, was stopped, or never was.
    Ended,
}

/// What fencing off the earlier attempts of a release came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// None of them writes, and none begins to.
    Alone,
    /// One of them has begun to write before, and may still be writing.
    NotYet,
}

/// What asking for the lock comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The release has it already, from an earlier run.
    Held,
    /// It is free, or its holder is dead: this is what to write in its place.
    Free(Lock),
    /// Another release has it.
    Taken(Holder),
    /// Nobody has it, but a function of the last holder may be writing until then.
    Resting(Timestamp),
}

/// A release that does not have the lock, or not any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("generation {generation} has lost the lock: {now}")]
pub struct Lost {
    /// The generation of the writer.
    pub generation: u64,
    /// Who has the lock instead, in words.
    pub now: String,
}

impl Lock {
    /// Asks for the lock. `life` is that of the holder's execution.
    #[must_use]
    pub fn claim(&self, release: &ReleaseId, life: Life, now: Timestamp) -> Claim {
        match &self.holder {
            Some(holder) if holder.release == *release => Claim::Held,
            Some(holder) if life == Life::Running || holder.is_writing(now) => Claim::Taken(holder.clone()),
            None if self.rests(now) => Claim::Resting(self.rests_until.unwrap_or(now)),
            _ => Claim::Free(Self {
                generation: self.generation + 1,
                holder: Some(Holder { release: release.clone(), writers: 0, lease_until: now, fence: None }),
                rests_until: None,
            }),
        }
    }

    /// Whether the lock was taken just now, or its holder wrote: Step Functions may not show that one's execution yet.
    #[must_use]
    pub fn is_new(&self, now: Timestamp) -> bool {
        self.holder.as_ref().is_some_and(|holder| is_within_lag(holder.lease_until, now))
    }

    /// Whether a function of the last holder, who gave the lock back, may be writing.
    #[must_use]
    pub fn rests(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Whether release and generation are the holder's.
    ///
    /// # Errors
    ///
    /// [`Lost`], when they are not. Nothing may be changed then.
    pub fn is_held_by(&self, release: &ReleaseId, generation: u64) -> Result<&Holder, Lost> {
        match &self.holder {
            Some(holder) if holder.release == *release && self.generation == generation => Ok(holder),
            Some(holder) => Err(Lost {
                generation,
                now: format!("{} has generation {}", holder.release, self.generation),
            }),
            None => {
                Err(Lost { generation, now: format!("it was given back, at generation {}", self.generation) })
            }
        }
    }

    /// The lock once a function has begun to write: what is written before a service is changed.
    ///
    /// # Errors
    ///
    /// [`Lost`], when release and generation are not the holder's, or a later attempt has fenced this one off.
    /// Nothing may be changed then.
    pub fn begin_writing(
        &self,
        release: &ReleaseId,
        generation: u64,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<Self, Lost> {
        let holder = self.is_held_by(release, generation)?;
        if holder.fence.is_some_and(|fence| fence > attempt) {
            return Err(Lost { generation, now: "a later step of the release writes with it".to_owned() });
        }
        let lease_until = now + SignedDuration::from_secs(LEASE_SECONDS);
        let holder = Holder { writers: holder.writers.saturating_add(1), lease_until, ..holder.clone() };
        Ok(Self { holder: Some(holder), ..self.clone() })
    }

    /// Fences off the attempts before this one: the lock to write, where it is not written yet, and whether this
    /// attempt is alone.
    ///
    /// # Errors
    ///
    /// [`Lost`], when release and generation are not the holder's.
    pub fn fence_off(
        &self,
        release: &ReleaseId,
        generation: u64,
        attempt: Attempt,
        now: Timestamp,
    ) -> Result<(Option<Self>, Fenced), Lost> {
        let holder = self.is_held_by(release, generation)?;
        let fenced = if holder.is_writing(now) { Fenced::NotYet } else { Fenced::Alone };
        if holder.fence >= Some(attempt) {
            return Ok((None, fenced));
        }
        let holder = Holder { fence: Some(attempt), ..holder.clone() };
        Ok((Some(Self { holder: Some(holder), ..self.clone() }), fenced))
    }

    /// The lock once a function has stopped writing; nothing where the release does not have it any more.
    #[must_use]
    pub fn stopped_writing(&self, release: &ReleaseId, generation: u64) -> Option<Self> {
        let holder = self.is_held_by(release, generation).ok()?;
        let holder = Holder { writers: holder.writers.saturating_sub(1), ..holder.clone() };
        Some(Self { holder: Some(holder), ..self.clone() })
    }

    /// The lock once the release has given it back; nothing where the release does not have it. It rests where a
    /// function of the release may still be writing: one that was killed, or that goes on after its retry has done
    /// its work.
    #[must_use]
    pub fn given_back(&self, release: &ReleaseId) -> Option<Self> {
        let holder = self.holder.as_ref().filter(|holder| holder.release == *release)?;
        let rests_until = (holder.writers > 0).then_some(holder.lease_until);
        Some(Self { generation: self.generation, holder: None, rests_until })
    }
}

impl Holder {
    /// Whether one of the holder's functions may be writing.
    #[must_use]
    pub fn is_writing(&self, now: Timestamp) -> bool {
        self.writers > 0 && now < self.lease_until
    }
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

    /// The attempt that most of these write as.
    const FIRST: Attempt = Attempt { entered_at: Timestamp::UNIX_EPOCH, retry: 0 };

    fn taken(lock: &Lock, by: &str, at: i64) -> Lock {
        match lock.claim(&id(by), Life::Ended, second(at)) {
            Claim::Free(taken) => taken,
            other => panic!("{by} does not get the lock: {other:?}"),
        }
    }

    #[test]
    fn taking_the_lock_raises_the_generation_and_asking_again_does_not() {
        let first = taken(&Lock::default(), "a", 0);
        assert_eq!(first.generation, 1);
        assert_eq!(first.claim(&id("a"), Life::Running, second(1)), Claim::Held);

        let free = first.given_back(&id("a")).expect("a has it");
        assert_eq!(taken(&free, "b", 2).generation, 2);
    }

    #[test]
    fn a_release_that_lives_keeps_its_lock_however_old_its_lease() {
        let first = taken(&Lock::default(), "a", 0);
        assert!(matches!(first.claim(&id("b"), Life::Running, second(100_000)), Claim::Taken(_)));
    }

    #[test]
    fn a_holder_that_took_the_lock_just_now_may_not_be_shown_yet() {
        let first = taken(&Lock::default(), "a", 100);
        assert!(first.is_new(second(100)) && first.is_new(second(159)));
        assert!(!first.is_new(second(160)));
        assert!(!Lock::default().is_new(second(100)));
    }

    #[test]
    fn a_dead_holders_lock_is_taken_over_and_its_late_write_is_refused() {
        let first = taken(&Lock::default(), "a", 0);
        let second_lock = taken(&first, "b", 0);
        assert_eq!(second_lock.generation, 2);
        let lost = second_lock.begin_writing(&id("a"), 1, FIRST, second(1)).expect_err("a lost it");
        assert_eq!(lost.to_string(), "generation 1 has lost the lock: b has generation 2");
        assert!(second_lock.begin_writing(&id("b"), 2, FIRST, second(1)).is_ok());
        assert_eq!(
            (second_lock.given_back(&id("a")), second_lock.stopped_writing(&id("a"), 1)),
            (None, None)
        );
    }

    #[test]
    fn nobody_takes_the_lock_while_a_function_of_a_dead_holder_may_be_writing() {
        let writing =
            taken(&Lock::default(), "a", 0).begin_writing(&id("a"), 1, FIRST, second(0)).expect("a has it");
        assert!(matches!(writing.claim(&id("b"), Life::Ended, second(LEASE_SECONDS - 1)), Claim::Taken(_)));
        assert_eq!(taken(&writing, "b", LEASE_SECONDS).generation, 2);
        let stopped = writing.stopped_writing(&id("a"), 1).expect("a has it");
        assert_eq!(taken(&stopped, "b", 1).generation, 2);
    }

    #[test]
    fn a_lock_that_is_given_back_rests_while_a_function_may_be_writing() {
        // A retry has done the work of a function that still goes on, or was killed.
        let twice =
            taken(&Lock::default(), "a", 0).begin_writing(&id("a"), 1, FIRST, second(0)).expect("a has it");
        let twice = twice.begin_writing(&id("a"), 1, FIRST, second(5)).expect("a has it");
        let once = twice.stopped_writing(&id("a"), 1).expect("a has it");
        let resting = once.given_back(&id("a")).expect("a has it");

        assert_eq!(
            resting.claim(&id("b"), Life::Ended, second(6)),
            Claim::Resting(second(5 + LEASE_SECONDS))
        );
        assert_eq!(taken(&resting, "b", 5 + LEASE_SECONDS).generation, 2);
        let free =
            once.stopped_writing(&id("a"), 1).and_then(|lock| lock.given_back(&id("a"))).expect("a has it");
        assert_eq!(taken(&free, "b", 6).generation, 2);
    }

    #[test]
    fn nobody_writes_after_giving_the_lock_back() {
        let free = taken(&Lock::default(), "a", 0).given_back(&id("a")).expect("a has it");
        assert!(free.begin_writing(&id("a"), 1, FIRST, second(1)).is_err());
    }

    #[test]
    fn an_earlier_attempt_does_not_begin_to_write_once_a_later_one_has_fenced_it_off() {
        let later = Attempt { retry: 1, ..FIRST };
        let lock =
            taken(&Lock::default(), "a", 0).begin_writing(&id("a"), 1, FIRST, second(0)).expect("a has it");

        let (fenced, alone) = lock.fence_off(&id("a"), 1, later, second(1)).expect("a has it");
        let fenced = fenced.expect("it is new");
        assert_eq!(alone, Fenced::NotYet);
        assert!(fenced.begin_writing(&id("a"), 1, FIRST, second(2)).is_err());
        assert!(fenced.begin_writing(&id("a"), 1, later, second(2)).is_ok());
        assert_eq!(
            fenced.fence_off(&id("a"), 1, later, second(LEASE_SECONDS)),
            Ok((None, Fenced::Alone)),
            "its lease is over"
        );
        assert_eq!(
            fenced.fence_off(&id("a"), 1, FIRST, second(2)),
            Ok((None, Fenced::NotYet)),
            "an earlier fence changes nothing"
        );
        assert!(fenced.fence_off(&id("b"), 1, later, second(2)).is_err());
    }
}
