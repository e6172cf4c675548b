//! SQS: the queues of dead letters.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName::SentTimestamp, QueueAttributeName::ApproximateNumberOfMessages,
};
use jiff::Timestamp;
use slipway_core::dead_letter::Letter;

use crate::AwsError;

/// How many messages one call receives at the most (`ReceiveMessage`, Amazon SQS API reference).
const AT_ONCE: i32 = 10;
/// Without a wait SQS asks some of its servers only, and finds nothing in a queue with few messages ("Amazon SQS short and
/// long polling", Amazon SQS developer guide).
const WAIT_SECONDS: i32 = 1;
/// The attribute of a message by which rules and schedules name whom it was for.
const TARGET: &str = "TARGET_ARN";

/// SQS's queues.
#[derive(Clone, Debug)]
pub struct Queues {
    client: Client,
}

/// A queue that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    url: String,
}

/// A message that was received, and is hidden from others for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub letter: Letter,
    handle: String,
}

impl Queues {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The queue of this name; nothing where there is none.
    ///
    /// # Errors
    ///
    /// When SQS cannot be asked, or refuses.
    pub async fn find(&self, name: &str) -> Result<Option<Queue>, AwsError> {
        const OPERATION: &str = "sqs:GetQueueUrl";
        match self.client.get_queue_url().queue_name(name).send().await {
            Ok(answer) => {
                let url = answer.queue_url.ok_or_else(|| AwsError::unusable(OPERATION, "it has no URL"))?;
                Ok(Some(Queue { url }))
            }
            Err(error) if error.as_service_error().is_some_and(GetQueueUrlError::is_queue_does_not_exist) => {
                Ok(None)
            }
            Err(error) => Err(AwsError::from_sdk(OPERATION, error)),
        }
    }

    /// About how many messages a queue holds that nobody has received just now.
    ///
    /// # Errors
    ///
    /// When SQS cannot be asked, or refuses.
    pub async fn count(&self, queue: &Queue) -> Result<u32, AwsError> {
        const OPERATION: &str = "sqs:GetQueueAttributes";
        let request = self.client.get_queue_attributes().queue_url(&queue.url);
        let answer = request.attribute_names(ApproximateNumberOfMessages).send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let count = answer.attributes().and_then(|attributes| attributes.get(&ApproximateNumberOfMessages));
        count
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| AwsError::unusable(OPERATION, "it does not say how many messages there are"))
    }

    /// Receives messages, ten at the most, which nobody else receives for so many seconds; none where the queue is empty.
    ///
    /// # Errors
    ///
    /// When SQS cannot be asked, or refuses.
    pub async fn receive(&self, queue: &Queue, hidden_seconds: i32) -> Result<Vec<Received>, AwsError> {
        const OPERATION: &str = "sqs:ReceiveMessage";
        let request = self
            .client
            .receive_message()
            .queue_url(&queue.url)
            .max_number_of_messages(AT_ONCE)
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(hidden_seconds)
            .message_attribute_names(TARGET)
            .message_system_attribute_names(SentTimestamp);
        let answer = request.send().await.map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        let messages = answer.messages.unwrap_or_default();
        messages.into_iter().map(|message| received(OPERATION, message)).collect()
    }

    /// Deletes a message that was received.
    ///
    /// # Errors
    ///
    /// When SQS cannot be asked, or refuses.
    pub async fn delete(&self, queue: &Queue, received: &Received) -> Result<(), AwsError> {
        let request = self.client.delete_message().queue_url(&queue.url).receipt_handle(&received.handle);
        request.send().await.map_err(|error| AwsError::from_sdk("sqs:DeleteMessage", error))?;
        Ok(())
    }

    /// Lets everybody receive a message again that was received.
    ///
    /// # Errors
    ///
    /// When SQS cannot be asked, or refuses.
    pub async fn give_back(&self, queue: &Queue, received: &Received) -> Result<(), AwsError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&queue.url)
            .receipt_handle(&received.handle)
            .visibility_timeout(0);
        request.send().await.map_err(|error| AwsError::from_sdk("sqs:ChangeMessageVisibility", error))?;
        Ok(())
    }
}

fn received(operation: &'static str, message: Message) -> Result<Received, AwsError> {
    let sent_at = message.attributes().and_then(|attributes| attributes.get(&SentTimestamp));
    let target = message.message_attributes().and_then(|attributes| attributes.get(TARGET));
    let letter = Letter {
        id: message.message_id().unwrap_or_default().to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        sent_at: sent_at
            .and_then(|sent_at| sent_at.parse().ok())
            .and_then(|sent_at| Timestamp::from_millisecond(sent_at).ok()),
        target: target.and_then(|target| target.string_value()).map(ToOwned::to_owned),
    };
    let handle =
        message.receipt_handle.ok_or_else(|| AwsError::unusable(operation, "a message has no handle"))?;
    Ok(Received { letter, handle })
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesOutput;
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
    use aws_sdk_sqs::types::MessageAttributeValue;
    use aws_sdk_sqs::types::error::QueueDoesNotExist;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    fn queue() -> Queue {
        Queue { url: "https://sqs.example/slipway-reconcile-dead-letters".into() }
    }

    #[tokio::test]
    async fn a_message_says_when_it_came_and_whom_it_was_for() {
        let rule = mock!(aws_sdk_sqs::Client::receive_message)
            .match_requests(|request| {
                request.wait_time_seconds() == Some(1) && request.visibility_timeout() == Some(60)
            })
            .then_output(|| {
                let target =
                    MessageAttributeValue::builder().data_type("String").string_value("arn:1").build();
                let message = Message::builder()
                    .message_id("1")
                    .receipt_handle("handle")
                    .body("{}")
                    .attributes(SentTimestamp, "1795162530000")
                    .message_attributes(TARGET, target.expect("an attribute"));
                ReceiveMessageOutput::builder().messages(message.build()).build()
            });
        let queues = Queues::new(answering!(aws_sdk_sqs, [&rule]));

        let received = queues.receive(&queue(), 60).await.expect("an answer");

        let Letter { id, body, sent_at, target } = received[0].letter.clone();
        assert_eq!((id.as_str(), body.as_str(), target.as_deref()), ("1", "{}", Some("arn:1")));
        assert_eq!(sent_at.map(|at| at.as_second()), Some(1_795_162_530));
    }

    #[tokio::test]
    async fn a_queue_that_is_not_there_is_none_and_one_that_is_says_how_many_it_holds() {
        let gone = mock!(aws_sdk_sqs::Client::get_queue_url)
            .then_error(|| GetQueueUrlError::QueueDoesNotExist(QueueDoesNotExist::builder().build()));
        let queues = Queues::new(answering!(aws_sdk_sqs, [&gone]));
        assert_eq!(queues.find("slipway-x-dead-letters").await.expect("an answer"), None);

        let three = mock!(aws_sdk_sqs::Client::get_queue_attributes).then_output(|| {
            GetQueueAttributesOutput::builder().attributes(ApproximateNumberOfMessages, "3").build()
        });
        let queues = Queues::new(answering!(aws_sdk_sqs, [&three]));
        assert_eq!(queues.count(&queue()).await.expect("an answer"), 3);
    }
}
