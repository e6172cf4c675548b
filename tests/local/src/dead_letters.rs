//! Dead letters: events that a function could not handle, and their redrive.

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use aws_sdk_sqs::{
    error::SdkError,
    types::{
        Message, MessageSystemAttributeName::SentTimestamp, QueueAttributeName::ApproximateNumberOfMessages,
    },
};
use serde_json::Value;

use crate::clock;

/// How every such queue's name ends.
const ENDING: &str = "-dead-letters";
/// For how long a message that was received is not seen again: longer than a batch of ten takes.
const HIDDEN_SECONDS: i32 = 300;

/// A queue that holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// How many messages it holds, as SQS counts them.
    pub messages: u32,
}

/// What was done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// SQS's id of the message.
    pub message: String,
    /// The function that has its event again, or why it stays in the queue.
    pub function: Result<String, String>,
}

/// The dead-letter queues that are not empty.
///
/// # Errors
///
/// When SQS cannot be asked.
pub async fn not_empty(sdk: &SdkConfig) -> anyhow::Result<Vec<Queue>> {
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let mut queues = Vec::new();
    for url in sqs.list_queues().send().await?.queue_urls() {
        let name = url.rsplit('/').next().unwrap_or(url);
        if !name.ends_with(ENDING) {
            continue;
        }
        let answer = sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(ApproximateNumberOfMessages)
            .send()
            .await?;
        let count = answer.attributes().and_then(|attributes| attributes.get(&ApproximateNumberOfMessages));
        let messages = count.and_then(|count| count.parse().ok()).unwrap_or(0);
        if messages > 0 {
            queues.push(Queue { name: name.to_owned(), messages });
        }
    }
    Ok(queues)
}

/// Hands every message that is in a queue now to its function again. A message leaves the queue only once Lambda has
/// it.
///
/// # Errors
///
/// When there is no such queue, or SQS cannot be asked. What was redriven until then stays redriven.
pub async fn replay(sdk: &SdkConfig, queue: &str) -> anyhow::Result<Vec<Replayed>> {
    if !queue.ends_with(ENDING) {
        bail!("{queue} is no dead-letter queue: their names end with {ENDING}");
    }
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let lambda = aws_sdk_lambda::Client::new(sdk);
    let url = match sqs.get_queue_url().queue_name(queue).send().await.map_err(SdkError::into_service_error) {
        Err(error) if error.is_queue_does_not_exist() => bail!("there is no queue {queue}"),
        answer => answer?.queue_url().context("a queue without an address")?.to_owned(),
    };
    let begun = clock::now().as_millisecond();
    let mut replayed = Vec::new();
    let mut kept = Vec::new();
    loop {
        let receive = sqs
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10)
            .visibility_timeout(HIDDEN_SECONDS);
        let receive = receive.message_attribute_names("All").message_system_attribute_names(SentTimestamp);
        let messages = receive.send().await?.messages.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let handle = message.receipt_handle().context("a message without a handle")?.to_owned();
            let function =
                redrive(&lambda, queue, &message, begun).await.map_err(|error| format!("{error:#}"));
            if function.is_ok() {
                sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await?;
            } else {
                kept.push(handle);
            }
            replayed
                .push(Replayed { message: message.message_id().unwrap_or_default().to_owned(), function });
        }
    }
    for handle in kept {
        sqs.change_message_visibility()
            .queue_url(&url)
            .receipt_handle(handle)
            .visibility_timeout(0)
            .send()
            .await?;
    }
    Ok(replayed)
}

/// Hands one message's event to its function, and says to which.
async fn redrive(
    lambda: &aws_sdk_lambda::Client,
    queue: &str,
    message: &Message,
    begun: i64,
) -> anyhow::Result<String> {
    let (function, event) = letter(queue, message, begun)?;
    let invoke = lambda
        .invoke()
        .function_name(&function)
        .invocation_type(InvocationType::Event)
        .payload(Blob::new(event));
    invoke.send().await.with_context(|| format!("{function} did not take it"))?;
    Ok(function)
}

/// The function that a message is for, and the event in it. A rule's message names its target; the other queues are
/// named after their function.
fn letter(queue: &str, message: &Message, begun: i64) -> anyhow::Result<(String, String)> {
    let sent = message
        .attributes()
        .and_then(|attributes| attributes.get(&SentTimestamp))
        .and_then(|sent| sent.parse::<i64>().ok());
    if sent.is_some_and(|sent| sent > begun) {
        // A function that fails on it returns it to the queue: without an end this would go in circles.
        bail!("it came while this ran");
    }
    let body = message.body().unwrap_or_default();
    let parsed: Value = serde_json::from_str(body).context("it is not JSON")?;
    if parsed.get("DDBStreamBatchInfo").is_some() {
        bail!(
            "it only points at changes of the table, and holds none of them: the reconciler makes up for it"
        );
    }
    let target = message
        .message_attributes()
        .and_then(|attributes| attributes.get("TARGET_ARN"))
        .and_then(|target| target.string_value());
    let function = match target {
        Some(target) if !target.contains(":lambda:") => bail!("its target {target} is no function"),
        Some(target) => target.to_owned(),
        None => queue.trim_end_matches(ENDING).to_owned(),
    };
    Ok((function, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    const BEGUN: i64 = 1_000;

    fn target(arn: &str) -> MessageAttributeValue {
        MessageAttributeValue::builder().data_type("String").string_value(arn).build().expect("an attribute")
    }

    #[test]
    fn a_message_is_redriven_to_the_function_that_it_was_for() {
        let of_function =
            Message::builder().body(r#"{"detail":{}}"#).attributes(SentTimestamp, "999").build();
        let of_rule = Message::builder()
            .body("{}")
            .message_attributes("TARGET_ARN", target("arn:aws:lambda:r:a:function:slipway-reconcile"))
            .build();

        let (function, event) =
            letter("slipway-receive-push-dead-letters", &of_function, BEGUN).expect("a letter");
        assert_eq!((function.as_str(), event.as_str()), ("slipway-receive-push", r#"{"detail":{}}"#));
        let (function, _) =
            letter("slipway-execution-ended-dead-letters", &of_rule, BEGUN).expect("a letter");
        assert_eq!(function, "arn:aws:lambda:r:a:function:slipway-reconcile");
    }

    #[test]
    fn what_cannot_be_redriven_or_has_just_returned_is_kept_and_says_why() {
        let queue = "slipway-resume-release-dead-letters";
        for (message, why) in [
            (Message::builder().body(r#"{"DDBStreamBatchInfo":{"shardId":"1"}}"#).build(), "the reconciler"),
            (
                Message::builder().body("{}").attributes(SentTimestamp, "1001").build(),
                "it came while this ran",
            ),
            (Message::builder().body("hello").build(), "it is not JSON"),
            (
                Message::builder()
                    .body("{}")
                    .message_attributes("TARGET_ARN", target("arn:aws:sqs:r:a:other"))
                    .build(),
                "is no function",
            ),
        ] {
            let reason = letter(queue, &message, BEGUN).expect_err("it is kept").to_string();
            assert!(reason.contains(why), "{reason}");
        }
    }
}
