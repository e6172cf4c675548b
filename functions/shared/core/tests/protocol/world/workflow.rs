//! Step Functions: one task token for each attempt at a state, and where its end leads to.

use std::rc::Rc;

use slipway_core::protocol::{Attempt, End, TaskError};
use slipway_core::rollback::Baseline;
use slipway_core::step::Failure;

use super::{
    APPROVAL_SECONDS, BAKE_SECONDS, DEPLOYMENT_SECONDS, MIGRATION_SECONDS, Place, SNAPSHOT_SECONDS, Stage,
    State, World, names,
};

/// How long a state lives at the least, in seconds: longer than any function.
const SHORTEST_SECONDS: i64 = 32;
/// How much longer than the step the workflow waits.
const GRACE_SECONDS: i64 = 5;

/// What an attempt's function is given.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub place: Place,
    pub token: usize,
    pub attempt: Attempt,
    /// When the attempt began, in milliseconds.
    pub began: i64,
    pub generation: u64,
    pub baseline: Option<Rc<Baseline>>,
    pub failure: Option<Rc<Failure>>,
}

/// What a step answers where it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Acquired(u64),
    Captured(Baseline),
    Nothing,
}

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaskEnd {
    /// `SendTaskSuccess`.
    Done(Output),
    /// `SendTaskFailure`, with the end that the step states.
    Failed(TaskError, Option<End>),
    /// Its time is over.
    TimedOut,
    /// The function failed, or Lambda lost it: it may be tried again.
    Transient,
    /// The function cannot find out for too long.
    Unavailable,
}

impl TaskEnd {
    /// The error's name.
    fn error(&self) -> &'static str {
        match self {
            Self::Done(_) => "",
            Self::Failed(error, _) => error.as_str(),
            Self::TimedOut => "States.Timeout",
            Self::Transient => "Transient",
            Self::Unavailable => "Unavailable",
        }
    }

    /// After how many seconds it is tried again, where it was so often before for want of an answer.
    fn retried_after(&self, transients: u32) -> Option<i64> {
        match self {
            Self::Failed(TaskError::LookAgain, _) => Some(15),
            Self::Failed(TaskError::Woken, _) | Self::TimedOut => Some(1),
            Self::Transient => Some(1_i64.checked_shl(transients).unwrap_or(60).min(60)),
            Self::Done(_) | Self::Failed(..) | Self::Unavailable => None,
        }
    }
}

/// Whether an execution runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    NotStarted,
    Running,
    Ended,
}

/// A release's execution.
#[derive(Debug, Default)]
pub(crate) struct Execution {
    pub status: Status,
    /// The attempt that it is at. Its token is worth nothing while `retry_at` is there.
    pub current: Option<Task>,
    pub retry_at: Option<i64>,
    pub times_out_at: i64,
    transients: u32,
    /// What was caught in the stage, and what its rollback came to.
    caught: Option<Failure>,
    rollback: Option<Failure>,
}

impl Execution {
    /// Whether this token ends the current attempt.
    pub(crate) fn waits_for(&self, token: usize) -> bool {
        self.status == Status::Running
            && self.retry_at.is_none()
            && self.current.as_ref().is_some_and(|task| task.token == token)
    }
}

impl Stage {
    /// The next gate that the stage has, or the deployment.
    fn gate_after(self, state: State) -> State {
        let gates = [
            (State::RequestApproval, self.approval),
            (State::SnapshotDatabase, self.snapshot),
            (State::RunMigration, self.migration),
        ];
        gates
            .into_iter()
            .find(|(gate, has)| *has && *gate > state)
            .map_or(State::DeployServices, |(gate, _)| gate)
    }
}

impl World {
    /// `StartExecution`.
    pub(crate) fn start(&mut self, release: usize) {
        self.executions[release].status = Status::Running;
        self.enter(release, State::AcquireLock, |_| {});
    }

    /// `StopExecution`, by hand. What its function has begun it goes on with.
    pub(crate) fn stop(&mut self, release: usize) {
        let execution = &mut self.executions[release];
        if execution.status == Status::Running {
            (execution.status, execution.retry_at) = (Status::Ended, None);
        }
    }

    /// `SendTaskSuccess` and `SendTaskFailure`, a time-out, or a function's error. `false` where nobody waits for
    /// this token.
    pub(crate) fn end_task(&mut self, token: usize, end: TaskEnd) -> bool {
        let Place { release, state } = self.tokens[token].place;
        if !self.executions[release].waits_for(token) {
            self.truth.seen.one("nobody waits for the answer");
            return false;
        }
        self.judge_end(token, &end);
        self.log(|now| format!("{now:8} release {release}: {state:?} ends {end:?}"));
        let execution = &mut self.executions[release];
        if let Some(seconds) = end.retried_after(execution.transients) {
            execution.transients += u32::from(end == TaskEnd::Transient);
            execution.retry_at = Some(self.now + seconds * 1_000);
            return true;
        }
        match end {
            TaskEnd::Done(output) => self.goes_on(release, state, output),
            TaskEnd::Failed(TaskError::Restart, _)
                if (State::RequestApproval..=State::BakeStage).contains(&state) =>
            {
                self.enter(release, State::CaptureBaseline, |task| task.baseline = None);
            }
            end => self.catch(release, state, &end),
        }
        true
    }

    /// The time of the current attempt is over.
    pub(crate) fn time_out(&mut self, release: usize) {
        self.end_current(release, TaskEnd::TimedOut);
    }

    /// Lambda loses the function of the current attempt.
    pub(crate) fn lose(&mut self, release: usize) {
        self.end_current(release, TaskEnd::Transient);
    }

    fn end_current(&mut self, release: usize, end: TaskEnd) {
        if let Some(token) = self.executions[release].current.as_ref().map(|task| task.token) {
            self.end_task(token, end);
        }
    }

    /// The time of a retry has come.
    pub(crate) fn retry(&mut self, release: usize) {
        let Execution { current, retry_at, .. } = &mut self.executions[release];
        *retry_at = None;
        if let Some(task) = current {
            task.attempt.retry += 1;
        }
        self.attempt(release);
    }

    fn goes_on(&mut self, release: usize, state: State, output: Output) {
        let stage = self.stage;
        match (state, output) {
            (State::AcquireLock, Output::Acquired(generation)) => {
                self.enter(release, State::CaptureBaseline, |task| task.generation = generation);
            }
            (State::CaptureBaseline, Output::Captured(baseline)) => {
                self.enter(release, stage.gate_after(state), |task| task.baseline = Some(Rc::new(baseline)));
            }
            (State::RequestApproval | State::SnapshotDatabase | State::RunMigration, _) => {
                self.enter(release, stage.gate_after(state), |_| {});
            }
            (State::DeployServices, _) if stage.bake => self.enter(release, State::BakeStage, |_| {}),
            (State::DeployServices | State::BakeStage, _) => self.finish(release),
            (State::RollBack, _) => {
                self.executions[release].rollback = Some(failure(state, "", ""));
                self.fail_stage(release);
            }
            (State::FinishRelease, _) => self.executions[release].status = Status::Ended,
            (state, output) => self.truth.violated(format!("{state:?} answered {output:?}")),
        }
    }

    /// Where what is not tried again leads to.
    fn catch(&mut self, release: usize, state: State, end: &TaskEnd) {
        let stated = match end {
            TaskEnd::Failed(_, Some(stated)) => serde_json::to_string(stated).expect("JSON"),
            _ => String::new(),
        };
        let caught = failure(state, end.error(), &stated);
        match state {
            State::AcquireLock => {
                self.enter(release, State::FinishRelease, |task| task.failure = Some(Rc::new(caught)));
            }
            State::RunMigration | State::DeployServices | State::BakeStage
                if end.error() != TaskError::Unchanged.as_str() =>
            {
                self.executions[release].caught = Some(caught);
                self.enter(release, State::RollBack, |_| {});
            }
            State::RollBack => {
                self.executions[release].rollback = Some(caught);
                self.fail_stage(release);
            }
            State::FinishRelease => self.executions[release].status = Status::Ended,
            _ => {
                self.executions[release].caught = Some(caught);
                self.fail_stage(release);
            }
        }
    }

    /// `FailStage`, which the map hands on as its own error.
    fn fail_stage(&mut self, release: usize) {
        let Execution { caught, rollback, .. } = &self.executions[release];
        let mut cause = serde_json::json!({ "stage": names::stage(), "failure": caught });
        if let Some(rollback) = rollback {
            cause["rollback"] = serde_json::to_value(rollback).expect("JSON");
        }
        let failed = Failure { step: "Stages".into(), error: "StageFailed".into(), cause: cause.to_string() };
        self.enter(release, State::FinishRelease, |task| task.failure = Some(Rc::new(failed)));
    }

    fn finish(&mut self, release: usize) {
        self.enter(release, State::FinishRelease, |_| {});
    }

    /// A state is entered: its time is later than that of every state before.
    fn enter(&mut self, release: usize, state: State, with: impl FnOnce(&mut Task)) {
        self.now += 1;
        let attempt = Attempt { entered_at: self.time(), retry: 0 };
        let execution = &mut self.executions[release];
        let place = Place { release, state };
        let mut task = match execution.current.take() {
            Some(before) => Task { place, attempt, ..before },
            None => Task { place, token: 0, attempt, began: 0, generation: 0, baseline: None, failure: None },
        };
        with(&mut task);
        execution.transients = 0;
        execution.current = Some(task);
        self.attempt(release);
    }

    /// Another attempt: a new token, and a function that is invoked with it.
    fn attempt(&mut self, release: usize) {
        let (now, fixed) = (self.now, self.stage.timeouts_are_fixed);
        let execution = &mut self.executions[release];
        let Some(task) = &mut execution.current else { return };
        (task.token, task.began) = (self.tokens.len(), now);
        let entered_at = task.attempt.entered_at.as_millisecond();
        execution.times_out_at = match time_out_seconds(task.place.state) {
            (seconds, true) if !fixed => (entered_at + seconds * 1_000).max(now + SHORTEST_SECONDS * 1_000),
            (seconds, _) => now + seconds * 1_000,
        };
        self.tokens.push(task.clone());
        self.invoked.push(task.clone());
    }
}

/// A state's time, and whether it counts from the state's beginning on: else from each attempt's.
const fn time_out_seconds(state: State) -> (i64, bool) {
    match state {
        State::AcquireLock => (3_600, false),
        State::CaptureBaseline | State::FinishRelease => (120, false),
        State::RequestApproval => (APPROVAL_SECONDS + GRACE_SECONDS, true),
        State::SnapshotDatabase => (SNAPSHOT_SECONDS + GRACE_SECONDS, true),
        State::RunMigration => (MIGRATION_SECONDS + GRACE_SECONDS, true),
        State::DeployServices | State::RollBack => (DEPLOYMENT_SECONDS + GRACE_SECONDS, true),
        State::BakeStage => (BAKE_SECONDS + GRACE_SECONDS, true),
    }
}

fn failure(state: State, error: &str, cause: &str) -> Failure {
    Failure { step: format!("{state:?}"), error: error.into(), cause: cause.into() }
}
