//! EventBridge: events for whoever wants to hear of releases.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::Value;

use crate::AwsError;

/// The account's default bus.
#[derive(Clone, Debug)]
pub struct Events {
    client: Client,
}

impl Events {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Puts an event with the source `slipway` on the bus.
    ///
    /// # Errors
    ///
    /// When EventBridge cannot be asked, or does not take it.
    pub async fn put(&self, detail_type: &str, detail: &Value) -> Result<(), AwsError> {
        const OPERATION: &str = "events:PutEvents";
        let entry = PutEventsRequestEntry::builder()
            .source("slipway")
            .detail_type(detail_type)
            .detail(detail.to_string())
            .build();
        let answer = self
            .client
            .put_events()
            .entries(entry)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(OPERATION, error))?;
        // The call succeeds when entries fail: each says so by itself.
        let failed = answer
            .entries()
            .iter()
            .find_map(|entry| Some((entry.error_code()?, entry.error_message().unwrap_or_default())));
        failed.map_or(Ok(()), |(code, message)| Err(AwsError::from_words(OPERATION, code, message)))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
    use aws_sdk_eventbridge::types::PutEventsResultEntry;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn an_entry_that_is_not_taken_is_an_error_although_the_call_succeeds() {
        let failed =
            |code: &str| PutEventsResultEntry::builder().error_code(code).error_message("in words").build();
        for (entry, is_taken, may_be_tried_again) in [
            (PutEventsResultEntry::builder().event_id("1").build(), true, false),
            (failed("ThrottlingException"), false, true),
            (failed("InternalFailure"), false, true),
            (failed("MalformedDetail"), false, false),
        ] {
            let rule = mock!(aws_sdk_eventbridge::Client::put_events)
                .then_output(move || PutEventsOutput::builder().entries(entry.clone()).build());
            let events = Events::new(answering!(aws_sdk_eventbridge, [&rule]));

            let put = events.put("Slipway Notification", &Value::Null).await;

            assert_eq!(put.is_ok(), is_taken, "{put:?}");
            assert_eq!(put.is_err_and(|error| error.may_be_tried_again()), may_be_tried_again);
        }
    }
}
