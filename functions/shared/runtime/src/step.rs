//! Serves a step: runs it, and ends its task or parks the token, as [`slipway_core::protocol`] says.
//!
//! A step begins its effect first, is parked then, and only looks after that: an event that came before the token was
//! parked is seen by that look, one that comes later finds the token. What it answers is the last thing that it does.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slipway_aws::{Aws, Delivery, Key, Stored, Table, Update};
use slipway_core::name::StageName;
use slipway_core::protocol::{
    Attempt, Callback, StepResult, StepTask, TaskError, Waiting, WakeKey, cannot_look, forget,
    further_attempts_a_second, gives_up, park,
};
use slipway_core::step::StepInput;
use slipway_release::{StepError, change_of, now, parse};

use crate::{Failure, run};

/// How often one invocation looks, where what it waits for changes under its eyes.
const LOOKS: usize = 4;

/// Serves the attempts at a step until Lambda ends the process.
///
/// # Errors
///
/// When the runtime itself cannot go on.
pub async fn serve_step<I, O, F, Fut>(aws: &Aws, table: &Table, step: F) -> Result<(), lambda_runtime::Error>
where
    I: StepInput + DeserializeOwned + Clone,
    O: Serialize + Sync,
    F: Fn(I, Attempt) -> Fut,
    Fut: Future<Output = Result<StepResult<O>, StepError>>,
{
    run(|event: Value| async {
        let task: StepTask<I> = parse(event)?;
        let run = Run { aws, table, task: &task };
        let done = match run.until_it_waits(&step).await {
            Ok(Some(result)) => run.answer(&result).await,
            Ok(None) => Ok(()),
            Err(error) => Err(run.patiently(error).await),
        };
        done.map_err(|error| Failure::of(error, run.in_words()))
    })
    .await
}

/// One attempt.
struct Run<'a, I> {
    aws: &'a Aws,
    table: &'a Table,
    task: &'a StepTask<I>,
}

impl<I: StepInput + Clone> Run<'_, I> {
    /// Runs the step until it waits with its token parked; else what it comes to.
    async fn until_it_waits<O, F, Fut>(&self, step: &F) -> Result<Option<StepResult<O>>, StepError>
    where
        F: Fn(I, Attempt) -> Fut,
        Fut: Future<Output = Result<StepResult<O>, StepError>>,
    {
        let mut known = self.known_callback().await?;
        self.go_on(known.as_ref().map(|stored| &stored.document)).await?;
        let mut parked: Option<Vec<WakeKey>> = None;
        for _ in 0..LOOKS {
            let looked = Box::pin(step(self.task.input.clone(), self.task.attempt)).await?;
            match looked.unless_near(now()) {
                StepResult::Wait { mut on, deadline } => {
                    on.sort();
                    on.dedup();
                    if parked.as_ref() == Some(&on) {
                        tracing::info!(release.id = %self.task.input.release().id, stage = self.stage_name(), state = self.task.state, ?on, "{} waits until {deadline:.0}", self.task.state);
                        return Ok(None);
                    }
                    let callback = Callback { deadline: Some(deadline), ..self.callback(on.clone()) };
                    if !self.park(callback).await? {
                        return Ok(None);
                    }
                    parked = Some(on);
                }
                result => {
                    if parked.is_some() {
                        known = self.table.get(&self.key()).await?;
                    }
                    self.forget(known).await?;
                    return Ok(Some(result));
                }
            }
        }
        Ok(Some(StepResult::LookAgain { reason: "what it waits for changes all the time".to_owned() }))
    }

    /// The step and its release, as the log is searched for them.
    fn in_words(&self) -> String {
        let StepTask { state, input, .. } = self.task;
        let stage = input.stage().map(|stage| format!(" in {stage}")).unwrap_or_default();
        format!("{state} of {}{stage}", input.release().id)
    }

    fn stage_name(&self) -> &str {
        self.task.input.stage().map_or("", StageName::as_str)
    }

    fn key(&self) -> Key {
        Key::callback(&self.task.input.release().id, self.task.input.stage(), &self.task.state)
    }

    fn callback(&self, on: Vec<WakeKey>) -> Callback {
        let StepTask { token, attempt, state, input } = self.task;
        Callback {
            token: Some(token.clone()),
            release: input.release().id.clone(),
            stage: input.stage().cloned(),
            state: state.clone(),
            attempt: *attempt,
            on,
            deadline: None,
            failing_since: None,
        }
    }

    fn pointer(&self, on: &WakeKey) -> Key {
        Key::wake(&on.text(), &self.task.input.release().id, self.task.input.stage(), &self.task.state)
    }

    /// Keeps the token, and what points to it. `false` where a later attempt has done so.
    async fn park(&self, callback: Callback) -> Result<bool, StepError> {
        let key = self.key();
        let parked = self.table.update(&key, |before: Option<Callback>| match park(before, &callback) {
            Some(parked) => Update::Write(parked, true),
            None => Update::Leave(false),
        });
        if !parked.await? {
            tracing::info!(
                state = self.task.state,
                "a later attempt at {} is there: this one ends",
                self.task.state
            );
            return Ok(false);
        }
        let waiting = Waiting {
            release: callback.release.clone(),
            stage: callback.stage.clone(),
            state: callback.state.clone(),
        };
        for on in &callback.on {
            self.table.put(&self.pointer(on), &waiting).await?;
        }
        Ok(true)
    }

    /// The callback of an earlier attempt. A first attempt has none.
    async fn known_callback(&self) -> Result<Option<Stored<Callback>>, StepError> {
        if self.task.attempt.retry == 0 {
            return Ok(None);
        }
        Ok(self.table.get(&self.key()).await?)
    }

    /// Lets an attempt go on. Where AWS could not answer the one before and the stage has not begun to change, that is some in a
    /// second.
    async fn go_on(&self, known: Option<&Callback>) -> Result<(), StepError> {
        let StepTask { state, attempt, .. } = self.task;
        let is_failing = known.is_some_and(|known| {
            known.failing_since.is_some() && known.attempt.entered_at == attempt.entered_at
        });
        if !is_failing || !self.waits_its_turn().await? {
            return Ok(());
        }
        let second = now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let counted = self.table.count(&Key::pace(&format!("STATE#{state}"), &second)).await?;
        if counted <= further_attempts_a_second(state) { Ok(()) } else { Err(StepError::out_of_turn(state)) }
    }

    /// Whether the step may be throttled for as long as it takes: it gives up else, and its stage has not begun to change.
    async fn waits_its_turn(&self) -> Result<bool, StepError> {
        let input = &self.task.input;
        let Some(stage) = input.stage().filter(|_| input.patience_seconds().is_some()) else {
            return Ok(false);
        };
        Ok(change_of(self.table, &input.release().id, stage).await?.is_none())
    }

    /// Nobody waits with the token of this attempt or an earlier one any more. `known` is the callback as it was read.
    async fn forget(&self, known: Option<Stored<Callback>>) -> Result<(), StepError> {
        if known.is_none() {
            return Ok(());
        }
        let key = self.key();
        let forgotten = self.table.update_read(&key, known, |before: Option<Callback>| {
            match forget(before, self.task.attempt) {
                Some(forgotten) => Update::Write(forgotten, ()),
                None => Update::Leave(()),
            }
        });
        Ok(forgotten.await?)
    }

    /// Ends the task by its token.
    async fn answer<O: Serialize + Sync>(&self, result: &StepResult<O>) -> Result<(), StepError> {
        let StepTask { token, state, input, .. } = self.task;
        let (error, cause) = match result {
            StepResult::Done(output) => {
                let delivery = self.aws.executions().succeed(token, output).await?;
                self.log("Done", "", delivery);
                return Ok(());
            }
            // It has answered by parking its token.
            StepResult::Wait { .. } => return Ok(()),
            StepResult::LookAgain { reason } => (TaskError::LookAgain, json!({ "reason": reason })),
            StepResult::Restart { reason } => (TaskError::Restart, json!({ "reason": reason })),
            StepResult::End(end) => {
                let error = if end.changed { TaskError::Changed } else { TaskError::Unchanged };
                tracing::warn!(release.id = %input.release().id, stage = self.stage_name(), state, outcome = %end.outcome, reason = end.reason, "{state} ends the release: {}", end.reason);
                (error, json!(slipway_core::protocol::End { reason: short(&end.reason), ..end.clone() }))
            }
        };
        let delivery = self.aws.executions().fail(token, error.as_str(), &cause.to_string()).await?;
        self.log(error.as_str(), cause["reason"].as_str().unwrap_or_default(), delivery);
        Ok(())
    }

    fn log(&self, result: &str, reason: &str, delivery: Delivery) {
        let StepTask { state, input, .. } = self.task;
        let late = if delivery == Delivery::Delivered { "" } else { " (the task had ended before)" };
        tracing::info!(release.id = %input.release().id, stage = self.stage_name(), state, result, reason, "{state}: {result}{late}");
    }

    /// The error that the function throws: that it cannot find out, until its patience is over.
    async fn patiently(&self, error: StepError) -> StepError {
        let Some(patience) = self.task.input.patience_seconds().filter(|_| error.may_be_tried_again()) else {
            return error;
        };
        let fails = Callback { token: None, failing_since: Some(now()), ..self.callback(Vec::new()) };
        let key = self.key();
        let since = self.table.update(&key, |before: Option<Callback>| match cannot_look(before, &fails) {
            (Some(failing), since) => Update::Write(failing, since),
            (None, since) => Update::Leave(since),
        });
        match since.await {
            Ok(Some(since)) if gives_up(since, patience, now()) => {
                let is_throttled = matches!(error, StepError::Throttled(_));
                // Where nothing has begun, that others are served first is no reason to end the release: the workflow's own
                // retries do, after hours.
                if is_throttled && self.waits_its_turn().await.unwrap_or(false) {
                    return error;
                }
                StepError::Unavailable { minutes: patience.div_ceil(60), source: Box::new(error) }
            }
            _ => error,
        }
    }
}

/// A reason that a cause has room for: as JSON within a string of JSON, below the 4,000 characters that the workflow
/// keeps.
pub(crate) fn short(reason: &str) -> String {
    const LONGEST: usize = 3_600;
    let mut left = LONGEST;
    let mut short = String::new();
    for character in reason.chars() {
        // A quote, a backslash or a line break takes two characters, another control character six.
        let length = if character.is_control() && !matches!(character, '\n' | '\r' | '\t') {
            6
        } else {
            1 + usize::from(matches!(character, '"' | '\\' | '\n' | '\r' | '\t'))
        };
        if length > left {
            short.push('…');
            break;
        }
        left -= length;
        short.push(character);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_any_kind_fits_into_the_cause_that_the_workflow_keeps() {
        for reason in [
            "a".repeat(10_000),
            "\"".repeat(10_000),
            "\n".repeat(10_000),
            "\u{1}".repeat(10_000),
            "é".repeat(10_000),
        ] {
            let cause = json!(slipway_core::protocol::End::unchanged(
                slipway_core::release::Outcome::Rejected,
                short(&reason)
            ))
            .to_string();
            assert!(cause.chars().count() < 4_000, "{}", cause.chars().count());
        }
        assert_eq!(short("web answered 500"), "web answered 500");
    }
}
