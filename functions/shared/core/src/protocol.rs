//! The one protocol of all steps: what a step is given, what it comes to, and how it waits.
//!
//! A step is one function and one Task state that gives it a task token. It does its work or looks, and comes to a
//! [`StepResult`]. `Done` ends the task well. Everything else ends it with an error of its own name, which the
//! workflow tries again or catches; `Wait` ends nothing: the token is parked as a [`Callback`] until an event, the
//! reconciler or the deadline wakes the step, which then runs again from its beginning with a new token.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Digest;
use crate::name::{ApplicationName, ReleaseId, ServiceArn, StageName};
use crate::release::Outcome;

/// A deadline that is nearer than this is not parked for, in seconds: the step looks again. A state lives for 32
/// seconds at the least, so that no function is cut off, and could not wake its step in time.
pub const NEAR_SECONDS: i64 = 30;

/// What a step is given: its input, and how it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTask<I> {
    /// The task's token, which ends this attempt and no other.
    pub token: String,
    /// Which attempt at the state this is.
    pub attempt: Attempt,
    /// The state's name.
    pub state: String,
    /// The step's own input.
    pub input: I,
}

/// One attempt at a state. A later one is greater: Step Functions enters a state anew, or tries it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// When the state was entered (`State.EnteredTime` of the context object).
    #[schemars(with = "String")]
    pub entered_at: Timestamp,
    /// How often it was tried again since (`State.RetryCount`).
    pub retry: u32,
}

/// What a step comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult<T> {
    /// It is done; the next state follows.
    Done(T),
    /// Something has to happen first.
    Wait {
        /// What it is woken by.
        on: Vec<WakeKey>,
        /// When it is woken in any case.
        deadline: Timestamp,
    },
    /// What is waited for has no event: the same step again in 15 seconds.
    LookAgain {
        /// What is waited for.
        reason: String,
    },
    /// The stage is not what people were shown: its baseline is captured anew. Only while nothing was begun.
    Restart {
        /// What is new.
        reason: String,
    },
    /// The release ends here.
    End(End),
}

/// The end of a release, as the step states it that found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// What the release comes to, where nothing that was begun has to be rolled back.
    pub outcome: Outcome,
    /// Why, in a sentence or more that a person understands.
    pub reason: String,
    /// Whether the release had begun to change the stage. Then a rollback follows, and decides the outcome.
    pub changed: bool,
}

impl End {
    /// An end before anything was changed.
    #[must_use]
    pub fn unchanged(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into(), changed: false }
    }

    /// An end after something was begun.
    #[must_use]
    pub fn changed(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into(), changed: true }
    }
}

impl<T> StepResult<T> {
    /// The release fails here, and nothing of the stage was changed.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::End(End::unchanged(Outcome::Failed, reason))
    }

    /// The release ends here, and the stage was changed: it is rolled back.
    #[must_use]
    pub fn roll_back(reason: impl Into<String>) -> Self {
        Self::End(End::changed(Outcome::RolledBack, reason))
    }

    /// A person is needed.
    #[must_use]
    pub fn stuck(reason: impl Into<String>) -> Self {
        Self::End(End::changed(Outcome::Stuck, reason))
    }

    /// The same, with another answer where it is done.
    pub fn map<U>(self, done: impl FnOnce(T) -> U) -> StepResult<U> {
        match self {
            Self::Done(answer) => StepResult::Done(done(answer)),
            Self::Wait { on, deadline } => StepResult::Wait { on, deadline },
            Self::LookAgain { reason } => StepResult::LookAgain { reason },
            Self::Restart { reason } => StepResult::Restart { reason },
            Self::End(end) => StepResult::End(end),
        }
    }

    /// A wait whose deadline is near is a look again: a parked token could not be woken in time.
    #[must_use]
    pub fn unless_near(self, now: Timestamp) -> Self {
        match self {
            Self::Wait { deadline, .. } if deadline < now + SignedDuration::from_secs(NEAR_SECONDS) => {
                Self::LookAgain { reason: format!("its time is over at {deadline:.0}") }
            }
            other => other,
        }
    }
}

/// How a step ends its task, where it is not done: the names that the workflow's Retry and Catch know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskError {
    /// [`StepResult::LookAgain`].
    LookAgain,
    /// Something happened that may end a [`StepResult::Wait`].
    Woken,
    /// [`StepResult::Restart`].
    Restart,
    /// [`StepResult::End`] before the stage's first change.
    Unchanged,
    /// [`StepResult::End`] after it.
    Changed,
}

impl TaskError {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::LookAgain, Self::Woken, Self::Restart, Self::Unchanged, Self::Changed];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LookAgain => "LookAgain",
            Self::Woken => "Woken",
            Self::Restart => "Restart",
            Self::Unchanged => "Unchanged",
            Self::Changed => "Changed",
        }
    }
}

/// What wakes a parked step: what an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeKey {
    /// ECS ended a deployment of the service, or the service is steady.
    Service(ServiceArn),
    /// The alarm went into ALARM.
    Alarm(String),
    /// The application's lock changed hands.
    Lock(ApplicationName),
    /// An image of the application was pushed, or its release asked for.
    Push(ApplicationName),
    /// People decided something about the approval of this id.
    Approval(String),
    /// The scan of an image ended.
    Scan(Digest),
    /// Something happened to a database, or to a snapshot, of this identifier.
    Database(String),
    /// The task of this ARN stopped.
    Task(String),
    /// Somebody froze stages, or lifted a freeze.
    Freeze,
}

impl WakeKey {
    /// The key as one text, by which the table finds the callbacks that wait for it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Service(arn) => format!("SERVICE#{arn}"),
            Self::Alarm(name) => format!("ALARM#{name}"),
            Self::Lock(application) => format!("LOCK#{application}"),
            Self::Push(application) => format!("PUSH#{application}"),
            Self::Approval(id) => format!("APPROVAL#{id}"),
            Self::Scan(digest) => format!("SCAN#{digest}"),
            Self::Database(identifier) => format!("DATABASE#{identifier}"),
            Self::Task(arn) => format!("TASK#{arn}"),
            Self::Freeze => "FREEZE".to_owned(),
        }
    }

    /// Whether only an event of AWS brings it. Such an event may be lost, and the reconciler looks; the table's own
    /// changes come for certain.
    #[must_use]
    pub const fn may_be_lost(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Alarm(_) | Self::Scan(_) | Self::Database(_) | Self::Task(_))
    }
}

/// A parked task token, with the step to wake and what to wake it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// The token; none where the step could not look yet.
    pub token: Option<String>,
    /// The release.
    pub release: ReleaseId,
    /// The stage; none before the first and after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// The state's name.
    pub state: String,
    /// The attempt that the token belongs to.
    pub attempt: Attempt,
    /// What wakes it.
    pub on: Vec<WakeKey>,
    /// When it is woken in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Since when the step cannot find out; not once it has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
}

/// What points from a wake key to a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The release.
    pub release: ReleaseId,
    /// The stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// The state's name.
    pub state: String,
}

/// The callback of an attempt that waits; none where a later attempt has written its own: an old invocation never
/// overwrites a newer token.
///
/// It keeps the keys of the callback before. What points to a callback is removed with the release, so that no
/// attempt removes what another one is found by; a key too many wakes for nothing.
#[must_use]
pub fn park(before: Option<Callback>, waits: &Callback) -> Option<Callback> {
    let before = match before {
        Some(before) if before.attempt > waits.attempt => return None,
        before => before.map_or_else(Vec::new, |before| before.on),
    };
    let mut on = [waits.on.clone(), before].concat();
    on.sort();
    on.dedup();
    Some(Callback { on, ..waits.clone() })
}

/// The callback once an attempt has found out what it wanted to know: nobody waits, and nothing fails. None where it
/// is a later attempt's. It stays, so that its version goes on: an old invocation that read it earlier cannot write
/// over a newer one.
#[must_use]
pub fn forget(before: Option<Callback>, attempt: Attempt) -> Option<Callback> {
    let before = before.filter(|before| before.attempt <= attempt)?;
    Some(Callback { token: None, deadline: None, failing_since: None, attempt, ..before })
}

/// The callback once an attempt could not find out, at `fails.failing_since`, and since when none could. None where
/// nothing new is known: the failure of an old attempt does not count against a later one, nor a failure in an
/// earlier visit of the state against this one.
#[must_use]
pub fn cannot_look(before: Option<Callback>, fails: &Callback) -> (Option<Callback>, Option<Timestamp>) {
    match before {
        Some(before) if before.attempt > fails.attempt => (None, None),
        Some(before)
            if before.failing_since.is_some() && before.attempt.entered_at == fails.attempt.entered_at =>
        {
            (None, before.failing_since)
        }
        Some(before) => {
            let token = before.token.filter(|_| before.attempt == fails.attempt);
            (
                Some(Callback { token, on: before.on, deadline: before.deadline, ..fails.clone() }),
                fails.failing_since,
            )
        }
        None => (Some(fails.clone()), fails.failing_since),
    }
}

impl Callback {
    /// Whether the reconciler wakes it: its time is over, or what it waits for may have happened without an event
    /// that arrived.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.token.is_some()
            && (self.deadline.is_some_and(|deadline| now >= deadline)
                || self.on.iter().any(WakeKey::may_be_lost))
    }
}

/// Whether a step that cannot find out gives up: it counts from its first look that failed since the last good one.
#[must_use]
pub fn gives_up(failing_since: Timestamp, budget_seconds: u32, now: Timestamp) -> bool {
    now.duration_since(failing_since).as_secs() >= i64::from(budget_seconds)
}

/// How many attempts of a state go on in a second, of all releases together, of those that AWS could not answer before and whose
/// stage has not begun to change. The others are tried again later, and ask AWS for nothing: they would take the account's
/// rates from the releases that are changing a stage.
///
/// ECS registers one task definition a second after a burst, and describes 20 services and 20 task definitions ("Request
/// throttling for the Amazon ECS API", Amazon ECS API reference).
#[must_use]
pub fn further_attempts_a_second(state: &str) -> u64 {
    match state {
        "RunMigration" | "DeployServices" => 1,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(second: i64, retry: u32) -> Attempt {
        Attempt { entered_at: Timestamp::from_second(second).expect("in range"), retry }
    }

    fn callback(attempt: Attempt, on: Vec<WakeKey>) -> Callback {
        Callback {
            token: Some("token".into()),
            release: ReleaseId::new("web-a1").expect("an id"),
            stage: None,
            state: "AcquireLock".into(),
            attempt,
            on,
            deadline: Timestamp::from_second(1_000).ok(),
            failing_since: None,
        }
    }

    #[test]
    fn an_old_invocation_never_overwrites_a_newer_token() {
        let alarm = |name: &str| WakeKey::Alarm(name.into());
        let there = callback(attempt(10, 2), vec![alarm("5xx")]);

        for older in [attempt(10, 1), attempt(9, 7)] {
            let late = callback(older, vec![]);
            assert_eq!(park(Some(there.clone()), &late), None);
            assert_eq!(forget(Some(there.clone()), older), None);
            assert_eq!(
                cannot_look(
                    Some(there.clone()),
                    &Callback { failing_since: Some(Timestamp::UNIX_EPOCH), ..late }
                ),
                (None, None)
            );
        }
        for same_or_later in [attempt(10, 2), attempt(10, 3), attempt(11, 0)] {
            let parked = park(Some(there.clone()), &callback(same_or_later, vec![alarm("cpu")]))
                .expect("it is parked");
            assert_eq!(
                (parked.attempt, parked.on),
                (same_or_later, vec![alarm("5xx"), alarm("cpu")]),
                "it keeps what points to it"
            );
            let forgotten = forget(Some(there.clone()), same_or_later).expect("it is forgotten");
            assert_eq!((forgotten.token, forgotten.on), (None, vec![alarm("5xx")]));
        }
        assert_eq!(forget(None, attempt(0, 0)), None);
    }

    #[test]
    fn it_counts_since_when_a_visit_of_the_state_cannot_find_out() {
        let at = |second| Timestamp::from_second(second).ok();
        let fails = |attempt, second| Callback {
            token: None,
            failing_since: at(second),
            ..callback(attempt, vec![])
        };

        let (first, since) = cannot_look(None, &fails(attempt(10, 0), 11));
        assert_eq!(since, at(11));
        assert_eq!(
            cannot_look(first.clone(), &fails(attempt(10, 4), 70)),
            (None, at(11)),
            "it fails since then"
        );
        let (_, since) = cannot_look(first.clone(), &fails(attempt(90, 0), 91));
        assert_eq!(since, at(91), "the state was entered anew");
        let looked = forget(first, attempt(10, 5));
        let (_, since) = cannot_look(looked, &fails(attempt(10, 6), 80));
        assert_eq!(since, at(80), "it had looked meanwhile");
    }

    #[test]
    fn a_wait_is_parked_only_where_its_deadline_leaves_time_to_wake_it() {
        let now = Timestamp::from_second(0).expect("in range");
        let wait = |second| StepResult::<()>::Wait {
            on: vec![],
            deadline: Timestamp::from_second(second).expect("in range"),
        };

        assert!(matches!(wait(NEAR_SECONDS).unless_near(now), StepResult::Wait { .. }));
        assert!(matches!(wait(NEAR_SECONDS - 1).unless_near(now), StepResult::LookAgain { .. }));
    }

    #[test]
    fn the_reconciler_wakes_what_is_due_and_what_an_event_may_be_lost_for() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let lock = callback(attempt(0, 0), vec![WakeKey::Lock(ApplicationName::new("web").expect("a name"))]);
        let bake = callback(attempt(0, 0), vec![WakeKey::Alarm("5xx".into())]);

        assert!(!lock.is_due(at(999)) && lock.is_due(at(1_000)) && bake.is_due(at(1)));
        assert!(!Callback { token: None, ..bake }.is_due(at(1)));
    }

    #[test]
    fn the_budget_counts_from_the_first_look_that_failed() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert!(!gives_up(at(100), 600, at(699)));
        assert!(gives_up(at(100), 600, at(700)));
    }
}
