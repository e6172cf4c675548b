//! What operators ask of the deployer itself: that it reconciles now, and that dead letters go to their functions again.
//!
//! Events are handed over and waited for by nobody. The function's role may invoke the functions that events of AWS wake,
//! and no step: none of those approves anything.

use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use slipway_aws::{Functions, Key, Queue, Queues, Received};
use slipway_core::api::{
    DeadLetterQueue, DeadLetters, Done, KeptMessage, ProblemCode, ReconcileRequest, RedriveRequest, Redriven,
    RedrivenQueue,
};
use slipway_core::dead_letter::{ENDING, Kept, function_of};
use slipway_core::reconciliation::Reconciliation;
use slipway_release::{StepError, count, now};

use crate::Operator;
use crate::act::hash;
use crate::idempotency::{Answered, answer_before};
use crate::problem::{Failure, problem};

/// How long one request begins to redrive messages: API Gateway waits for 30 seconds, and the function's own time-out is
/// shorter.
const REDRIVES_FOR: SignedDuration = SignedDuration::from_secs(5);
/// For how long a message that was received is not seen again: longer than a request may run.
const HIDDEN_SECONDS: i32 = 60;
/// How many queues are asked, or messages handed over, at once.
const AT_ONCE: usize = 10;
/// How many messages of a queue that stay are named in an answer.
const KEPT: usize = 100;

/// Does a request once: the same one again has the first one's answer. Where it was done and its answer was not written
/// down, it is done again, and each of these may be.
async fn once<T: Serialize + DeserializeOwned + Sync>(
    operator: &Operator<'_>,
    route: &str,
    key: &str,
    asked: String,
    done: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Operator { table, caller, .. } = operator;
    let answered = Key::upkeep(&hash(&[route, &caller.arn, key]));
    if let Some(before) = answer_before(table, &answered, &asked, route).await? {
        return Ok(before);
    }
    let new = Answered { asked, answer: done.await? };
    table.put_new(&answered, &new).await?;
    Ok(new.answer)
}

/// Has the reconciler run now, as its schedule does.
pub(crate) async fn reconcile(
    operator: &Operator<'_>,
    key: &str,
    _request: ReconcileRequest,
) -> Result<Done, Failure> {
    let done = async {
        let Operator { aws, config, table, caller } = operator;
        let known = table.get::<Reconciliation>(&Key::reconciliation()).await?;
        let runs = known.and_then(|stored| stored.document.until).is_some_and(|until| now() < until);
        let function = format!("{}-reconcile", config.deployer);
        aws.functions().hand_over(&function, "{}").await?;
        tracing::info!(caller = caller.arn, runs, "the reconciler is asked to run by {}", caller.name);
        let words = if runs {
            "a reconciliation runs already; it looks once more when it is through"
        } else {
            "the reconciler looks now for pushes, events and outcomes that were lost"
        };
        Ok(Done { words: format!("{words}; what it finds is in the log of {function}") })
    };
    once(operator, "reconcile", key, String::new(), done).await
}

/// Every dead-letter queue, with how many messages it holds.
pub(crate) async fn dead_letters(operator: &Operator<'_>) -> Result<DeadLetters, Failure> {
    Ok(DeadLetters { queues: dead_letter_queues(operator).await? })
}

/// The dead-letter queues that are there.
pub(crate) async fn dead_letter_queues(operator: &Operator<'_>) -> Result<Vec<DeadLetterQueue>, StepError> {
    let queues = operator.aws.queues();
    let asked = stream::iter(names(operator)).map(|name| {
        let queues = queues.clone();
        async move {
            // An earlier version's may be gone, a later one's not there yet.
            let Some(queue) = queues.find(&name).await? else { return Ok(None) };
            let messages = queues.count(&queue).await?;
            Ok::<_, StepError>(Some(DeadLetterQueue { name, messages }))
        }
    });
    let queues: Vec<_> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(queues.into_iter().flatten().collect())
}

/// The names of the dead-letter queues, in order.
fn names(operator: &Operator<'_>) -> Vec<String> {
    let config = operator.config;
    let origins = config.functions.iter().chain(&config.rules).map(String::as_str).chain(["schedule"]);
    let mut names: Vec<_> = origins.map(|origin| format!("{}-{origin}{ENDING}", config.deployer)).collect();
    names.sort_unstable();
    names
}

/// Hands the messages of dead-letter queues to their functions again, as far as there is time for it.
pub(crate) async fn redrive(
    operator: &Operator<'_>,
    key: &str,
    request: RedriveRequest,
) -> Result<Redriven, Failure> {
    let asked = hash(&["redrive", request.queue.as_deref().unwrap_or_default()]);
    let done = async {
        let names: Vec<_> = if let Some(queue) = &request.queue {
            vec![known(operator, queue)?]
        } else {
            let held = dead_letters(operator).await?.queues.into_iter();
            held.filter(|queue| queue.messages > 0).map(|queue| queue.name).collect()
        };
        let redrive = Redrive {
            queues: operator.aws.queues(),
            functions: operator.aws.functions(),
            begun: now(),
            stop_at: now() + REDRIVES_FOR,
        };
        let redrive = &redrive;
        let all = stream::iter(names).map(|name| redrive.queue(name));
        let queues: Vec<_> = all.buffered(AT_ONCE).try_collect().await?;
        let queues: Vec<RedrivenQueue> = queues.into_iter().flatten().collect();
        for RedrivenQueue { name, redriven, kept, left } in &queues {
            tracing::info!(
                caller = operator.caller.arn,
                queue = name,
                redriven,
                kept = kept.len(),
                left,
                "{redriven} dead letters of {name} are redriven"
            );
        }
        Ok(Redriven { queues })
    };
    once(operator, "redrive", key, asked, done).await
}

/// A queue that a person names, by its whole name or by what it is of, such as `receive-push`.
fn known(operator: &Operator<'_>, name: &str) -> Result<String, Failure> {
    let names = names(operator);
    let whole = format!("{}-{name}{ENDING}", operator.config.deployer);
    if let Some(known) = names.iter().find(|known| *known == name || **known == whole) {
        return Ok(known.clone());
    }
    Err(problem(
        StatusCode::NOT_FOUND,
        ProblemCode::UnknownQueue,
        format!("there is no dead-letter queue {name}; there are: {}", names.join(", ")),
    )
    .at("queue"))
}

/// One run through queues.
struct Redrive {
    queues: Queues,
    functions: Functions,
    /// What came later is left: a function that fails on it has returned it just now.
    begun: Timestamp,
    stop_at: Timestamp,
}

impl Redrive {
    /// Goes through one queue; nothing where it is not there.
    async fn queue(&self, name: String) -> Result<Option<RedrivenQueue>, StepError> {
        let Some(queue) = self.queues.find(&name).await? else { return Ok(None) };
        let (mut redriven, mut kept, mut is_through) = (0, Vec::new(), false);
        while now() < self.stop_at && kept.len() < KEPT {
            let received = self.queues.receive(&queue, HIDDEN_SECONDS).await?;
            if received.is_empty() {
                is_through = true;
                break;
            }
            let handed = stream::iter(received).map(|message| self.message(&name, &queue, message));
            let handed: Vec<_> = handed.buffered(AT_ONCE).try_collect().await?;
            redriven +=
                u32::try_from(handed.iter().filter(|kept| kept.is_none()).count()).unwrap_or_default();
            kept.extend(handed.into_iter().flatten());
        }
        // Those that stay are hidden until now, or this would have looked at them again and again.
        for some in kept.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|(message, _)| self.queues.give_back(&queue, message))).await?;
        }
        let left = if is_through {
            0
        } else {
            let kept = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            self.queues.count(&queue).await?.saturating_sub(kept)
        };
        let kept = kept
            .into_iter()
            .map(|(message, kept)| KeptMessage { message: message.letter.id, reason: kept.to_string() });
        Ok(Some(RedrivenQueue { kept: kept.collect(), name, redriven, left }))
    }

    /// Hands one message to its function; what stays in the queue, with the reason. It leaves the queue only once Lambda
    /// has its event.
    async fn message(
        &self,
        name: &str,
        queue: &Queue,
        message: Received,
    ) -> Result<Option<(Received, Kept)>, StepError> {
        let function = match function_of(name, &message.letter, self.begun) {
            Ok(function) => function,
            Err(kept) => return Ok(Some((message, kept))),
        };
        if let Err(error) = self.functions.hand_over(&function, &message.letter.body).await {
            let reason = StepError::from(error).with_causes();
            return Ok(Some((message, Kept::NotTaken { function, reason })));
        }
        count("DeadLetterRedriven", &[("Queue", name)]);
        // One that is redriven and not deleted is redriven again, which does no harm.
        self.queues.delete(queue, &message).await?;
        Ok(None)
    }
}
