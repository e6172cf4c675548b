//! One reconciliation at a time: who is at it, and where the next one goes on.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::name::{ApplicationName, EmailAddress};

/// How long a reconciliation is taken for running: longer than its function may run.
const LEASE: SignedDuration = SignedDuration::from_secs(70);

/// What is known of reconciliations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Until when one may be running; none runs when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether another one was asked for while one ran.
    #[serde(default)]
    pub again: bool,
    /// The last application that was looked at, where there was no time for all of them: the next one begins after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<ApplicationName>,
    /// Whose subscription was confirmed the last time that it was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reachable: Vec<EmailAddress>,
    /// When the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The version of the function that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Box<str>>,
}

impl Reconciliation {
    /// The reconciliation that begins now; an `Err` where one runs, which is asked to look once more.
    ///
    /// # Errors
    ///
    /// The same, with the wish for another one.
    pub fn begun(self, now: Timestamp) -> Result<Self, Self> {
        if self.until.is_some_and(|until| now < until) {
            Err(Self { again: true, ..self })
        } else {
            Ok(Self { until: Some(now + LEASE), again: false, ..self })
        }
    }

    /// The same once it has ended; `last` where it had no time for all applications. Whether it goes on at once, because
    /// another one was asked for and `has_time`, is the second.
    #[must_use]
    pub fn ended(self, last: Option<ApplicationName>, has_time: bool, now: Timestamp) -> (Self, bool) {
        let goes_on = self.again && has_time;
        let until = goes_on.then(|| now + LEASE);
        (Self { until, again: false, last, ended_at: Some(now), ..self }, goes_on)
    }
}

/// Applications in the order in which they are looked at: those behind the last one of the reconciliation before come first.
#[must_use]
pub fn in_turn(
    mut applications: Vec<ApplicationName>,
    last: Option<&ApplicationName>,
) -> Vec<ApplicationName> {
    applications.sort_unstable();
    applications.dedup();
    if let Some(last) = last {
        let first = applications.partition_point(|application| application <= last);
        applications.rotate_left(first);
    }
    applications
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    fn name(name: &str) -> ApplicationName {
        ApplicationName::new(name).expect("a name")
    }

    #[test]
    fn one_runs_at_a_time_and_looks_once_more_for_all_that_asked_meanwhile() {
        let running = Reconciliation::default().begun(second(0)).expect("none runs");
        let asked = running.begun(second(1)).expect_err("one runs").begun(second(2)).expect_err("one runs");
        let (again, goes_on) = asked.ended(None, true, second(3));
        assert!(goes_on && again.clone().begun(second(4)).is_err(), "it is not over");

        let (over, goes_on) = again.ended(None, true, second(5));
        assert_eq!(over.ended_at, Some(second(5)));
        assert!(!goes_on && over.begun(second(6)).is_ok());
    }

    #[test]
    fn one_that_was_killed_holds_up_the_next_for_a_while_only() {
        let killed = Reconciliation::default().begun(second(0)).expect("none runs");
        assert!(killed.clone().begun(second(69)).is_err());
        assert!(killed.begun(second(70)).is_ok());
    }

    #[test]
    fn without_time_the_next_one_goes_on_where_it_ended() {
        let asked = Reconciliation { again: true, ..Reconciliation::default() };
        let (over, goes_on) = asked.ended(Some(name("b")), false, second(1));
        assert!(!goes_on && over.until.is_none());

        let all = || ["c", "a", "b", "d", "a"].map(name).to_vec();
        assert_eq!(in_turn(all(), over.last.as_ref()), ["c", "d", "a", "b"].map(name));
        assert_eq!(in_turn(all(), Some(&name("d"))), ["a", "b", "c", "d"].map(name));
        assert_eq!(in_turn(all(), None), ["a", "b", "c", "d"].map(name));
    }
}
