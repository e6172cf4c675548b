//! What must hold, and what only the proof knows: who waits, who has written, what failed when.

use std::collections::BTreeMap;

use slipway_core::approval::Status as Decided;
use slipway_core::deployment::{Progress, judge};
use slipway_core::protocol::{Attempt, TaskError, WakeKey};
use slipway_core::release::Outcome;

use super::names::{id, number};
use super::seen::Seen;
use super::service::{Revision, task_definition};
use super::workflow::{Task, TaskEnd};
use super::{Job, Place, State, World, baseline_revision, ours};

/// What the proof knows.
#[derive(Debug)]
pub(crate) struct Truth {
    /// The first thing that does not hold.
    pub broken: Option<String>,
    /// Which release wrote what to the service.
    writes: Vec<(usize, Revision)>,
    /// When each release wrote down that it begins to change the stage.
    pub begun: Vec<Option<i64>>,
    /// Up to which attempt each release has given up what it was to deploy: it restarted, or began to roll back.
    given_up: Vec<Option<Attempt>>,
    /// The token that each release has parked, whose function has ended, and what it waits on.
    waiting: Vec<Option<(usize, Vec<WakeKey>)>>,
    /// Since when each step cannot find out, up to which attempt that is known.
    failing: BTreeMap<Place, (Attempt, Option<i64>)>,
    pub seen: Seen,
}

impl Truth {
    pub(crate) fn new(releases: usize) -> Self {
        Self {
            broken: None,
            writes: Vec::new(),
            begun: vec![None; releases],
            given_up: vec![None; releases],
            waiting: vec![None; releases],
            failing: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Something does not hold.
    pub(crate) fn violated(&mut self, problem: String) {
        self.broken.get_or_insert(problem);
    }

    /// The release has given up what this attempt or an earlier one was to deploy.
    pub(crate) fn gives_up_deploying(&mut self, task: &Task) {
        self.given_up[task.place.release] = Some(task.attempt);
    }

    /// A step looked, and it is written down.
    pub(crate) fn looked(&mut self, task: &Task) {
        let (latest, since) = self.failing.entry(task.place).or_insert((task.attempt, None));
        if *latest <= task.attempt {
            (*latest, *since) = (task.attempt, None);
        }
    }

    /// A step could not find out, or was killed before it did.
    pub(crate) fn failed(&mut self, task: &Task, now: i64) {
        let (latest, since) = self.failing.entry(task.place).or_insert((task.attempt, None));
        if latest.entered_at < task.attempt.entered_at {
            *since = None;
        }
        if *latest <= task.attempt {
            *latest = task.attempt;
            since.get_or_insert(now);
        }
    }
}

/// Of Step Functions.
impl World {
    /// A token ends the attempt that it is of.
    pub(crate) fn judge_end(&mut self, token: usize, end: &TaskEnd) {
        let task = self.tokens[token].clone();
        let Place { release, state } = task.place;
        let current =
            self.executions[release].current.as_ref().map(|current| (current.place, current.attempt));
        if current != Some((task.place, task.attempt)) {
            self.truth.violated(format!("a token of {:?} {:?} ended {current:?}", task.place, task.attempt));
        }
        let waited = self.truth.waiting[release].is_some();
        let seen = &mut self.truth.seen;
        match end {
            TaskEnd::Failed(TaskError::Woken, _) if waited => seen.one("woken"),
            TaskEnd::Failed(TaskError::Woken, _) => seen.one("woken while it ran"),
            TaskEnd::Failed(TaskError::LookAgain, _) => seen.one("looked again"),
            TaskEnd::Failed(TaskError::Restart, _) => {
                seen.one("restarted");
                self.judge_restart(&task);
            }
            TaskEnd::Failed(TaskError::Unchanged, _) if state == State::RollBack => {
                self.truth.gives_up_deploying(&task);
            }
            TaskEnd::TimedOut => seen.one("timed out"),
            TaskEnd::Transient => {
                seen.one("killed, lost or failed");
                self.truth.failed(&task, self.now);
            }
            TaskEnd::Unavailable => {
                seen.one("gave up");
                self.judge_patience(&task);
            }
            TaskEnd::Done(_) | TaskEnd::Failed(..) => {}
        }
        self.truth.waiting[release] = None;
    }

    /// A restart never comes after anything was begun.
    fn judge_restart(&mut self, task: &Task) {
        let release = task.place.release;
        if self.truth.begun[release].is_some() {
            self.truth.violated(format!("release {release} restarts after it has begun to change the stage"));
        }
        self.truth.gives_up_deploying(task);
    }

    /// A step gives up only once it could not find out for as long as it has patience, but for what an old function
    /// may still say.
    fn judge_patience(&mut self, task: &Task) {
        let since = self.truth.failing.get(&task.place).and_then(|(_, since)| *since);
        let failing_seconds = since.map_or(0, |since| (self.now - since) / 1_000);
        let patience = crate::step::patience_seconds(task.place.state).map_or(i64::MAX, i64::from);
        if failing_seconds < patience - crate::play::LONGEST_SECONDS {
            let problem = format!("{:?} gave up after {failing_seconds} s", task.place);
            self.truth.violated(problem);
        }
    }
}

/// Of those who wait.
impl World {
    /// A function has ended whose token is parked: whatever wakes it finds it.
    pub(crate) fn waits(&mut self, task: &Task, on: &[WakeKey]) {
        let Place { release, .. } = task.place;
        if !self.executions[release].waits_for(task.token) {
            return;
        }
        self.truth.seen.one("parked");
        self.truth.waiting[release] = Some((task.token, on.to_vec()));
        self.judge_waiting(release);
    }

    /// The token that a release waits with.
    fn who_waits(&self, release: usize) -> Option<usize> {
        let token = self.truth.waiting[release].as_ref().map(|(token, _)| *token);
        token.filter(|token| self.executions[release].waits_for(*token))
    }

    /// A function has ended well: it has ended its task, or waits.
    pub(crate) fn ended(&mut self, task: &Task) {
        let Place { release, .. } = task.place;
        if self.executions[release].waits_for(task.token) && self.who_waits(release) != Some(task.token) {
            self.truth.violated(format!("{:?} ended, and neither ended its task nor waits", task.place));
        }
    }

    /// Whoever waits is found by every key that it waits on.
    pub(crate) fn judge_waiting(&mut self, release: usize) {
        let Some(token) = self.who_waits(release) else { return };
        let Some((_, on)) = &self.truth.waiting[release] else { return };
        let place = self.tokens[token].place;
        let is_pointed_to =
            |on: &&WakeKey| self.table.pointers.iter().any(|(key, to)| key == *on && *to == place);
        let pointer = on.iter().find(|on| !is_pointed_to(on)).map(|on| format!("the pointer of {on:?}"));
        let parked = self.table.callback(place).get().and_then(|callback| callback.token.as_ref())
            == Some(&token.to_string());
        let Some(lost) = pointer.or_else(|| (!parked).then(|| "its callback".to_owned())) else { return };
        self.truth.violated(format!("{place:?} waits, and {lost} is gone"));
    }

    /// Where nothing is on its way, nobody waits for what is there: what only AWS tells may have been lost where
    /// `all` is not given.
    pub(crate) fn judge_rest(&mut self, all: bool) {
        for release in 0..self.executions.len() {
            let Some(token) = self.who_waits(release) else { continue };
            let place = self.tokens[token].place;
            let reason = match self.ready(place) {
                (Some(reason), _) => reason,
                (None, Some(reason)) if all => reason,
                _ => continue,
            };
            self.truth.violated(format!("{place:?} waits, and nobody wakes it, although {reason}"));
        }
    }

    /// What ends a wait: what the table tells, and what only AWS does.
    fn ready(&mut self, place: Place) -> (Option<&'static str>, Option<&'static str>) {
        let Place { release, state } = place;
        let record = &self.table.records[release];
        let aborted = record.aborted.then_some("it was aborted");
        let superseded = self.is_superseded(release).then_some("a newer image was pushed");
        let now = self.time();
        let is_going = |wanted: Revision| {
            judge(&self.service.view(), &task_definition(wanted), None, now) == Progress::Going
        };
        match state {
            State::AcquireLock => {
                let lock = self.table.lock();
                let free = lock.holder.is_none() && lock.rests_until.is_none_or(|until| until <= self.time());
                (aborted.or(superseded).or(free.then_some("the lock is free")), None)
            }
            State::RequestApproval => {
                let approval = record.approvals.values().next_back().and_then(|item| item.get());
                let decided = approval.is_some_and(|approval| approval.status != Decided::Pending);
                (aborted.or(superseded).or(decided.then_some("people have decided")), None)
            }
            State::SnapshotDatabase => {
                let possible = self.snapshots[release] == Some(true)
                    || (self.snapshots[release].is_none() && !self.database_is_busy);
                (aborted.or(superseded), possible.then_some("RDS is done"))
            }
            State::RunMigration => {
                (None, matches!(self.tasks[release], Some(Job::Ended(_))).then_some("its task has stopped"))
            }
            State::DeployServices => {
                (aborted, (!is_going(ours(release))).then_some("the deployment is over"))
            }
            State::BakeStage => {
                let since = record.change.as_ref().map(|change| change.at);
                (
                    aborted,
                    (self.fired_at.is_some() && self.fired_at >= since).then_some("its alarm has fired"),
                )
            }
            State::RollBack => {
                let token = self.who_waits(release).expect("it waits");
                let before = self.tokens[token]
                    .baseline
                    .as_ref()
                    .map(|baseline| baseline_revision(baseline))
                    .expect("a baseline");
                (None, (!is_going(before)).then_some("the rollback is over"))
            }
            State::CaptureBaseline | State::FinishRelease => (Some("it never waits"), None),
        }
    }
}

/// Of the service.
impl World {
    /// What must hold whenever a function writes to the service.
    pub(crate) fn judge_write(&mut self, task: &Task, revision: Revision) {
        let release = task.place.release;
        let deploys = revision == ours(release);
        if deploys && self.truth.given_up[release].is_some_and(|given_up| task.attempt <= given_up) {
            let problem = format!(
                "release {release} was deployed by an old function, after it had restarted or begun to roll back"
            );
            self.truth.violated(problem);
        } else if let Err(problem) = self.may_write(task, revision, deploys) {
            self.truth.violated(problem);
        }
        self.truth.writes.push((release, revision));
    }

    fn may_write(&self, task: &Task, revision: Revision, deploys: bool) -> Result<(), String> {
        let release = task.place.release;
        let lock = self.table.lock();
        // A function whose retry has done its work may go on while the lock rests after its release: nobody else
        // writes then.
        let rests = lock.holder.is_none() && lock.rests_until.is_some_and(|until| self.time() < until);
        if !rests && lock.holder.as_ref().is_none_or(|holder| holder.release != id(release)) {
            return Err(format!(
                "release {release} wrote while the lock was {:?}'s",
                lock.holder.map(|holder| holder.release)
            ));
        }
        if task.generation != lock.generation {
            return Err(format!("release {release} wrote as {}, at {}", task.generation, lock.generation));
        }
        let writes = &self.truth.writes;
        if !writes.iter().any(|(writer, _)| *writer == release)
            && writes.iter().any(|(writer, _)| *writer > release)
        {
            return Err(format!("release {release} began to change the service after a newer one had"));
        }
        if self.table.records[release].change.is_none() {
            return Err(format!("release {release} changes the service, and nobody knows that it begins to"));
        }
        let Some(baseline) = &task.baseline else { return Err(format!("release {release} has no baseline")) };
        if !deploys {
            let before = baseline_revision(baseline);
            return if before == revision {
                Ok(())
            } else {
                Err(format!("release {release} put {revision} back in the place of {before}"))
            };
        }
        if !self.stage.approval {
            return Ok(());
        }
        let Some(approval) = self.approval(release, baseline.round) else {
            return Err(format!("release {release} was deployed, and nobody was asked"));
        };
        let in_time = approval.decisions.iter().all(|decision| decision.at < approval.expires_at);
        if approval.status != Decided::Approved || !in_time {
            return Err(format!("release {release} was deployed, and its approval is {:?}", approval.status));
        }
        Ok(())
    }
}

/// Of the end.
impl World {
    /// Every release has ended, and the lock is free for whoever asks next.
    pub(crate) fn judge_the_end(&mut self) {
        for (release, record) in self.table.records.iter().enumerate() {
            let Some(outcome) = record.ending else {
                if record.pushed {
                    self.truth.broken.get_or_insert(format!("release {release} never ended"));
                }
                continue;
            };
            let changed = self
                .truth
                .writes
                .iter()
                .any(|(writer, revision)| *writer == release && *revision == ours(release));
            let says_unchanged = !matches!(outcome, Outcome::Released | Outcome::RolledBack | Outcome::Stuck);
            if changed && says_unchanged {
                self.truth
                    .broken
                    .get_or_insert(format!("release {release} ended {outcome}, and had changed the service"));
            }
        }
        let lock = self.table.lock();
        if let Some(holder) = &lock.holder {
            let ended = self.table.records[number(&holder.release)].ending.is_some();
            if !ended || holder.is_writing(self.time()) {
                self.truth.violated(format!("{} never gave the lock back", holder.release));
            }
            self.truth.violated(format!("{} has ended, and has the lock", holder.release));
        }
    }
}
