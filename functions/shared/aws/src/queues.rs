//! SQS: how many messages lie in queues.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::AwsError;

/// SQS's queues.
#[derive(Clone, Debug)]
pub struct Queues {
    client: Client,
}

impl Queues {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The addresses of the queues whose names begin so, a thousand at the most.
    ///
    /// # Errors
    ///
    /// When SQS cannot be asked.
    pub async fn called(&self, prefix: &str) -> Result<Vec<String>, AwsError> {
        let answer = self.client.list_queues().queue_name_prefix(prefix).send().await;
        let answer = answer.map_err(|error| AwsError::from_sdk("sqs:ListQueues", error))?;
        Ok(answer.queue_urls.unwrap_or_default())
    }

    /// How many messages lie in the queue of this address, roughly, those that somebody holds just now among them; nothing
    /// where there is no such queue any more.
    ///
    /// # Errors
    ///
    /// When SQS cannot be asked.
    pub async fn messages(&self, address: &str) -> Result<Option<u32>, AwsError> {
        const COUNTS: [QueueAttributeName; 2] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.client.get_queue_attributes().queue_url(address);
        let request = COUNTS.iter().fold(request, |request, count| request.attribute_names(count.clone()));
        match request.send().await {
            Ok(answer) => {
                let count = |name| {
                    answer.attributes().and_then(|attributes| attributes.get(name)?.parse::<u32>().ok())
                };
                Ok(Some(COUNTS.iter().filter_map(count).sum()))
            }
            Err(error)
                if error.as_service_error().is_some_and(GetQueueAttributesError::is_queue_does_not_exist) =>
            {
                Ok(None)
            }
            Err(error) => Err(AwsError::from_sdk("sqs:GetQueueAttributes", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesOutput;
    use aws_sdk_sqs::types::error::QueueDoesNotExist;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn messages_that_somebody_holds_just_now_count_as_well() {
        let counted = mock!(aws_sdk_sqs::Client::get_queue_attributes)
            .match_requests(|request| request.queue_url() == Some("https://queue"))
            .then_output(|| {
                GetQueueAttributesOutput::builder()
                    .attributes(QueueAttributeName::ApproximateNumberOfMessages, "2")
                    .attributes(QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "1")
                    .build()
            });
        let gone = mock!(aws_sdk_sqs::Client::get_queue_attributes)
            .then_error(|| GetQueueAttributesError::QueueDoesNotExist(QueueDoesNotExist::builder().build()));
        let queues = Queues::new(answering!(aws_sdk_sqs, [&counted, &gone]));

        assert_eq!(queues.messages("https://queue").await.expect("SQS answers"), Some(3));
        assert_eq!(queues.messages("https://other").await.expect("SQS answers"), None);
    }
}
