//! How a step is served: what `slipway_runtime::serve_step` does, call by call.
//!
//! It reads like the real one on purpose, and asks the core the same. What it leaves out are logs, metrics, mails and
//! the timeline.

mod acquire_lock;
mod bake_stage;
mod capture_baseline;
mod deploy_services;
mod finish_release;
mod lock;
mod request_approval;
mod roll_back;
mod run_migration;
mod snapshot_database;

use slipway_core::protocol::{Callback, StepResult, TaskError, WakeKey, cannot_look, forget, gives_up, park};

use crate::aws::{Aws, Unknown, Update};
use crate::rules::Rule;
use crate::world::workflow::{Output, Task, TaskEnd};
use crate::world::{DEPLOYMENT_SECONDS, State, World, names};

pub(crate) use finish_release::finish_dead;

/// How often one invocation looks, where what it waits for changes under its eyes.
const LOOKS: usize = 4;

/// How long a step tries to find out, in seconds.
pub(crate) fn patience_seconds(state: State) -> Option<u32> {
    match state {
        State::AcquireLock | State::FinishRelease => None,
        State::RollBack => u32::try_from(DEPLOYMENT_SECONDS).ok(),
        _ => Some(slipway_core::step::PATIENCE_SECONDS),
    }
}

/// Serves one attempt at a step. What it throws is how its function fails.
pub(crate) async fn serve(aws: &Aws, task: &Task) -> Result<(), TaskEnd> {
    let run = Run { aws, task };
    match run.until_it_waits().await {
        Ok(Some(result)) => run.answer(result).await.map_err(|Unknown| TaskEnd::Transient),
        Ok(None) => Ok(()),
        Err(Unknown) => Err(run.patiently().await),
    }
}

/// One look of a step.
async fn look(aws: &Aws, task: &Task) -> Result<StepResult<Output>, Unknown> {
    match task.place.state {
        State::AcquireLock => acquire_lock::look(aws, task).await,
        State::CaptureBaseline => capture_baseline::look(aws, task).await,
        State::RequestApproval => request_approval::look(aws, task).await,
        State::SnapshotDatabase => snapshot_database::look(aws, task).await,
        State::RunMigration => run_migration::look(aws, task).await,
        State::DeployServices => deploy_services::look(aws, task).await,
        State::BakeStage => bake_stage::look(aws, task).await,
        State::RollBack => roll_back::look(aws, task).await,
        State::FinishRelease => finish_release::look(aws, task).await,
    }
}

/// One attempt.
struct Run<'a> {
    aws: &'a Aws,
    task: &'a Task,
}

impl Run<'_> {
    /// Runs the step until it waits with its token parked; else what it comes to.
    async fn until_it_waits(&self) -> Result<Option<StepResult<Output>>, Unknown> {
        let mut parked: Option<Vec<WakeKey>> = None;
        for _ in 0..LOOKS {
            match look(self.aws, self.task).await?.unless_near(self.aws.now()) {
                StepResult::Wait { mut on, deadline } => {
                    on.sort();
                    on.dedup();
                    if parked.as_ref() == Some(&on) {
                        self.aws.note(|world| world.waits(self.task, &on));
                        return Ok(None);
                    }
                    if !self.park(Callback { deadline: Some(deadline), ..self.callback(on.clone()) }).await? {
                        self.aws.note(|world| world.truth.seen.one("late park refused"));
                        return Ok(None);
                    }
                    if !self.aws.keeps(Rule::LookAfterParking) {
                        self.aws.note(|world| world.waits(self.task, &on));
                        return Ok(None);
                    }
                    parked = Some(on);
                }
                result => {
                    if parked.is_some() || self.task.attempt.retry > 0 {
                        self.forget().await?;
                    }
                    self.aws.note(|world| world.truth.looked(self.task));
                    return Ok(Some(result));
                }
            }
        }
        Ok(Some(StepResult::LookAgain { reason: "what it waits for changes all the time".to_owned() }))
    }

    fn callback(&self, on: Vec<WakeKey>) -> Callback {
        let Task { place, token, attempt, .. } = self.task;
        Callback {
            token: Some(token.to_string()),
            release: names::id(place.release),
            stage: None,
            state: String::new(),
            attempt: *attempt,
            on,
            deadline: None,
            failing_since: None,
        }
    }

    /// Keeps the token, and what points to it. `false` where a later attempt has done so.
    async fn park(&self, callback: Callback) -> Result<bool, Unknown> {
        let Self { aws, task: &Task { place, .. } } = *self;
        let (in_order, stays) = (aws.keeps(Rule::LaterAttempts), aws.keeps(Rule::PointersStay));
        let decide = |before: Option<Callback>| {
            let known = before.as_ref().map(|before| before.on.clone()).unwrap_or_default();
            match park(before, &callback) {
                None if in_order => Update::Leave(None),
                None => Update::Write(callback.clone(), Some(Vec::new())),
                Some(parked) if stays => Update::Write(parked, Some(Vec::new())),
                Some(_) => Update::Write(callback.clone(), Some(known)),
            }
        };
        let parked = aws.update("parks", |world| world.table.callback(place), None, decide).await?;
        let Some(before) = parked else { return Ok(false) };
        aws.note(|world| world.truth.looked(self.task));
        for on in &callback.on {
            aws.call("points to it", |world| world.point(on, self.task)).await?;
        }
        for on in before.iter().filter(|on| !callback.on.contains(on)) {
            aws.call("removes a pointer", |world| world.unpoint(on, self.task)).await?;
        }
        Ok(true)
    }

    /// Nobody waits with the token of this attempt or an earlier one any more.
    async fn forget(&self) -> Result<(), Unknown> {
        let Self { aws, task: &Task { place, attempt, .. } } = *self;
        if aws.keeps(Rule::PointersStay) {
            let decide = |before: Option<Callback>| match forget(before, attempt) {
                Some(forgotten) => Update::Write(forgotten, ()),
                None => Update::Leave(()),
            };
            return aws.update("forgets", |world| world.table.callback(place), None, decide).await;
        }
        let (stored, version) =
            aws.call("reads what to forget", |world| world.table.callback(place).read()).await?;
        let Some(stored) = stored.filter(|stored| stored.attempt <= attempt) else { return Ok(()) };
        for on in &stored.on {
            aws.call("removes a pointer", |world| world.unpoint(on, self.task)).await?;
        }
        let forget = |world: &mut World| {
            world.table.callback(place).delete(version);
            world.judge_waiting(place.release);
        };
        aws.call("forgets", forget).await
    }

    /// Ends the task by its token: it is the last thing that the function does.
    async fn answer(&self, result: StepResult<Output>) -> Result<(), Unknown> {
        let end = match result {
            StepResult::Done(output) => TaskEnd::Done(output),
            StepResult::Wait { .. } => return Ok(()),
            StepResult::LookAgain { .. } => TaskEnd::Failed(TaskError::LookAgain, None),
            StepResult::Restart { .. } => TaskEnd::Failed(TaskError::Restart, None),
            StepResult::End(end) if end.changed => TaskEnd::Failed(TaskError::Changed, Some(end)),
            StepResult::End(end) => TaskEnd::Failed(TaskError::Unchanged, Some(end)),
        };
        self.aws.call("answers", |world| world.end_task(self.task.token, end)).await?;
        Ok(())
    }

    /// How the function fails that cannot find out, until its patience is over.
    async fn patiently(&self) -> TaskEnd {
        let Self { aws, task: &Task { place, .. } } = *self;
        let Some(patience) = patience_seconds(place.state) else { return TaskEnd::Transient };
        aws.note(|world| world.truth.failed(self.task, world.now));
        let (own, now) = (aws.keeps(Rule::OwnFailures), aws.now());
        let fails = Callback { token: None, failing_since: Some(now), ..self.callback(Vec::new()) };
        let decide = |before: Option<Callback>| match (own, before) {
            (true, before) => match cannot_look(before, &fails) {
                (Some(failing), since) => Update::Write(failing, since),
                (None, since) => Update::Leave(since),
            },
            (false, Some(Callback { failing_since: Some(since), .. })) => Update::Leave(Some(since)),
            (false, Some(before)) => {
                Update::Write(Callback { failing_since: Some(now), ..before }, Some(now))
            }
            (false, None) => Update::Write(fails.clone(), Some(now)),
        };
        match aws.update("keeps since when it fails", |world| world.table.callback(place), None, decide).await
        {
            Ok(Some(since)) if gives_up(since, patience, aws.now()) => TaskEnd::Unavailable,
            _ => TaskEnd::Transient,
        }
    }
}

/// Of the pointers.
impl World {
    fn point(&mut self, on: &WakeKey, task: &Task) {
        let pointer = (on.clone(), task.place);
        if !self.table.pointers.contains(&pointer) {
            self.table.pointers.push(pointer);
        }
    }

    fn unpoint(&mut self, on: &WakeKey, task: &Task) {
        self.table.pointers.retain(|(pointer, place)| (pointer, *place) != (on, task.place));
        self.judge_waiting(task.place.release);
    }
}
