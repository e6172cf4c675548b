//! Lambda: events that are handed to functions.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;

use crate::AwsError;

/// Lambda's functions.
#[derive(Clone, Debug)]
pub struct Functions {
    client: Client,
}

impl Functions {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Hands an event to a function, by name or ARN, and waits for nothing that comes of it: Lambda keeps the event, and
    /// tries it again, as it does with an event of AWS ("Invoking a Lambda function asynchronously", AWS Lambda developer
    /// guide).
    ///
    /// # Errors
    ///
    /// When Lambda cannot be asked, or refuses.
    pub async fn hand_over(&self, function: &str, event: &str) -> Result<(), AwsError> {
        let request = self
            .client
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event));
        request.send().await.map_err(|error| AwsError::from_sdk("lambda:InvokeFunction", error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
    use aws_smithy_mocks::mock;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;
    use crate::answering::answering;

    #[tokio::test]
    async fn an_event_is_handed_over_as_it_is_and_nobody_waits_for_what_comes_of_it() {
        let rule = mock!(aws_sdk_lambda::Client::invoke)
            .match_requests(|request| {
                request.function_name() == Some("slipway-reconcile")
                    && request.invocation_type() == Some(&InvocationType::Event)
                    && request.payload().map(AsRef::as_ref) == Some(b"{\"a\":1}".as_slice())
            })
            .then_output(|| InvokeOutput::builder().status_code(202).build());
        let functions = Functions::new(answering!(aws_sdk_lambda, [&rule]));

        functions.hand_over("slipway-reconcile", "{\"a\":1}").await.expect("Lambda takes it");
    }

    #[tokio::test]
    async fn a_function_that_may_not_be_invoked_is_a_refusal() {
        let rule = mock!(aws_sdk_lambda::Client::invoke).then_error(|| {
            let metadata = ErrorMetadata::builder().code("AccessDeniedException").message("no");
            InvokeError::generic(metadata.build())
        });
        let functions = Functions::new(answering!(aws_sdk_lambda, [&rule]));

        let error = functions.hand_over("slipway-roll-back", "{}").await.expect_err("it is refused");
        assert!(matches!(error, AwsError::Refused { operation: "lambda:InvokeFunction", .. }), "{error:?}");
    }
}
