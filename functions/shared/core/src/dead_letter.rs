//! Dead letters: events that a function could not handle, and where each goes when it is redriven.

use jiff::Timestamp;
use serde_json::Value;

/// How the name of every dead-letter queue ends.
pub const ENDING: &str = "-dead-letters";

/// A message of a dead-letter queue, as far as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// SQS's id of the message.
    pub id: String,
    /// The event in it.
    pub body: String,
    /// When it came to the queue.
    pub sent_at: Option<Timestamp>,
    /// What a rule or a schedule could not hand it to: the ARN of its target.
    pub target: Option<String>,
}

/// Why a message stays in its queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Kept {
    /// A function that fails on it returns it to the queue: without an end a redrive would go in circles.
    #[error("it came while this ran")]
    CameMeanwhile,
    /// It is no event.
    #[error("it is not JSON")]
    NotJson,
    /// Lambda keeps of a stream's batch only where the batch was.
    #[error("it only points at changes of the table, and holds none of them: the reconciler makes up for it")]
    PointsAtStream,
    /// Its target is something else.
    #[error("its target {0} is no function")]
    NoFunction(String),
    /// Lambda did not take it.
    #[error("{function} did not take it: {reason}")]
    NotTaken {
        /// The function.
        function: String,
        /// Why, in AWS's words.
        reason: String,
    },
}

/// The function that a message of a queue is for, by name or ARN. A rule's message, and a schedule's, names its target
/// (`TARGET_ARN`: "Using dead-letter queues to process undelivered events", Amazon `EventBridge` user guide); the other
/// queues are named after their function. `begun` is when the redrive began.
///
/// # Errors
///
/// Why it stays in the queue.
pub fn function_of(queue: &str, letter: &Letter, begun: Timestamp) -> Result<String, Kept> {
    if letter.sent_at.is_some_and(|sent_at| sent_at > begun) {
        return Err(Kept::CameMeanwhile);
    }
    let body: Value = serde_json::from_str(&letter.body).map_err(|_| Kept::NotJson)?;
    if body.get("DDBStreamBatchInfo").is_some() {
        return Err(Kept::PointsAtStream);
    }
    match &letter.target {
        Some(target) if !target.contains(":lambda:") => Err(Kept::NoFunction(target.clone())),
        Some(target) => Ok(target.clone()),
        None => Ok(queue.strip_suffix(ENDING).unwrap_or(queue).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    fn letter(body: &str, sent_at: i64, target: Option<&str>) -> Letter {
        Letter {
            id: "1".into(),
            body: body.into(),
            sent_at: Some(second(sent_at)),
            target: target.map(Into::into),
        }
    }

    #[test]
    fn a_message_is_redriven_to_the_function_that_it_was_for() {
        let begun = second(1_000);
        let of_function = letter(r#"{"detail":{}}"#, 999, None);
        let of_rule = letter("{}", 1_000, Some("arn:aws:lambda:r:a:function:slipway-reconcile"));

        assert_eq!(
            function_of("slipway-receive-push-dead-letters", &of_function, begun).as_deref(),
            Ok("slipway-receive-push")
        );
        assert_eq!(
            function_of("slipway-execution-ended-dead-letters", &of_rule, begun).as_deref(),
            Ok("arn:aws:lambda:r:a:function:slipway-reconcile")
        );
    }

    #[test]
    fn what_cannot_be_redriven_or_has_just_returned_is_kept_and_says_why() {
        let queue = "slipway-resume-release-dead-letters";
        for (letter, why) in [
            (letter(r#"{"DDBStreamBatchInfo":{"shardId":"1"}}"#, 0, None), "the reconciler makes up for it"),
            (letter("{}", 1_001, None), "it came while this ran"),
            (letter("hello", 0, None), "it is not JSON"),
            (letter("{}", 0, Some("arn:aws:sqs:r:a:other")), "is no function"),
        ] {
            let kept = function_of(queue, &letter, second(1_000)).expect_err("it is kept").to_string();
            assert!(kept.contains(why), "{kept}");
        }
    }
}
