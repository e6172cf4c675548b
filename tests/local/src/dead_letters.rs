//! Dead letters: events that a function could not handle, and how they are brought again.

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_lambda::{primitives::Blob, types::InvocationType};
use aws_sdk_sqs::types::{Message, QueueAttributeName::ApproximateNumberOfMessages};
use serde_json::Value;

/// How every such queue's name ends.
const ENDING: &str = "-dead-letters";

/// A queue that holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// How many messages it holds, as SQS counts them.
    pub messages: u32,
}

/// What was done with a queue's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many were handed to the function again.
    pub brought: u32,
    /// Why others stay in the queue.
    pub kept: Vec<String>,
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
        let answer = sqs.get_queue_attributes().queue_url(url).attribute_names(ApproximateNumberOfMessages).send().await?;
        let count = answer.attributes().and_then(|attributes| attributes.get(&ApproximateNumberOfMessages));
        let messages = count.and_then(|count| count.parse().ok()).unwrap_or(0);
        if messages > 0 {
            queues.push(Queue { name: name.to_owned(), messages });
        }
    }
    Ok(queues)
}

/// Hands every message of a queue to its function again. A message leaves the queue only once Lambda has it.
///
/// # Errors
///
/// When there is no such queue, or AWS cannot be asked. What was brought until then is brought.
pub async fn replay(sdk: &SdkConfig, queue: &str) -> anyhow::Result<Replayed> {
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let lambda = aws_sdk_lambda::Client::new(sdk);
    let url = sqs.get_queue_url().queue_name(queue).send().await.with_context(|| format!("there is no queue {queue}"))?;
    let url = url.queue_url().context("a queue without an address")?;
    let mut replayed = Replayed::default();
    loop {
        // What is kept is not seen again for as long as this takes.
        let receive = sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(60).message_attribute_names("All");
        let messages = receive.send().await?.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(replayed);
        }
        for message in messages {
            match letter(queue, &message) {
                Ok((function, event)) => {
                    let call = lambda.invoke().function_name(&function).invocation_type(InvocationType::Event).payload(Blob::new(event));
                    call.send().await.with_context(|| format!("{function} was not invoked; its message stays in {queue}"))?;
                    let handle = message.receipt_handle().context("a message without a handle")?;
                    sqs.delete_message().queue_url(url).receipt_handle(handle).send().await?;
                    replayed.brought += 1;
                }
                Err(reason) => replayed.kept.push(reason.to_string()),
            }
        }
    }
}

/// The function that a message is for, and the event in it. A rule's message names its target; the other queues are named after
/// their function.
fn letter(queue: &str, message: &Message) -> anyhow::Result<(String, String)> {
    let body = message.body().unwrap_or_default();
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    if parsed.get("DDBStreamBatchInfo").is_some() {
        bail!("it only points at changes of the table, and holds none of them: the sweep makes up for it");
    }
    let target = message.message_attributes().and_then(|attributes| attributes.get("TARGET_ARN")).and_then(|target| target.string_value());
    let function = match target {
        Some(target) => target.to_owned(),
        None => queue.strip_suffix(ENDING).with_context(|| format!("{queue} is no dead-letter queue"))?.to_owned(),
    };
    Ok((function, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    #[test]
    fn a_message_goes_back_to_the_function_that_it_was_for() {
        let of_function = Message::builder().body(r#"{"detail":{}}"#).build();
        let target = MessageAttributeValue::builder().data_type("String").string_value("arn:aws:lambda:r:a:function:slipway-sweep").build();
        let of_rule = Message::builder().body("{}").message_attributes("TARGET_ARN", target.expect("an attribute")).build();

        assert_eq!(letter("slipway-receive-push-dead-letters", &of_function).expect("a letter").0, "slipway-receive-push");
        assert_eq!(
            letter("slipway-execution-ended-dead-letters", &of_rule).expect("a letter").0,
            "arn:aws:lambda:r:a:function:slipway-sweep"
        );
    }

    #[test]
    fn a_pointer_into_the_stream_is_kept() {
        let pointer = Message::builder().body(r#"{"DDBStreamBatchInfo":{"shardId":"1"}}"#).build();
        assert!(letter("slipway-resume-release-dead-letters", &pointer).expect_err("it is kept").to_string().contains("the sweep"));
    }
}
