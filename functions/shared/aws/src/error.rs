//! What can go wrong when AWS is asked, in two classes: what another try may cure, and what it will not.

use std::error::Error as StdError;
use std::fmt::Debug;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A call to AWS that did not succeed. `operation` is what IAM calls the action, such as `ecs:UpdateService`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsError {
    /// Throttled, timed out, interrupted, or AWS's own fault: it may be tried again. The effect may be there.
    #[error("{operation} failed and may be tried again")]
    Transient {
        /// The action, as IAM names it.
        operation: &'static str,
        /// The cause.
        source: BoxError,
    },
    /// AWS refused it: no permission, no such thing, or a request that does not fit.
    #[error("{operation} was refused")]
    Refused {
        /// The action, as IAM names it.
        operation: &'static str,
        /// The cause.
        source: BoxError,
    },
    /// AWS answered, and the answer cannot be used.
    #[error("{operation} gave an answer that cannot be used: {problem}")]
    Unusable {
        /// The action, as IAM names it.
        operation: &'static str,
        /// What is wrong with the answer.
        problem: String,
    },
}

/// AWS's own words: the error's code and message.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
struct Answer {
    code: String,
    message: String,
}

/// Codes that say "later". The SDK has tried a few times by itself before one of them is seen here.
const LATER: [&str; 12] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "TransactionConflictException",
    "LimitExceededException",
    "ServiceUnavailable",
];

impl AwsError {
    /// Sorts a failed call into its class.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed over by `map_err`")]
    pub(crate) fn from_sdk<E>(operation: &'static str, error: SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let SdkError::ServiceError(answer) = &error else {
            let may_be_tried_again = !matches!(error, SdkError::ConstructionFailure(_));
            let source: BoxError = Box::new(Chain(chain(&error)));
            return if may_be_tried_again { Self::Transient { operation, source } } else { Self::Refused { operation, source } };
        };
        let code = answer.err().code().unwrap_or("Unknown").to_owned();
        let message = answer.err().message().unwrap_or("no message").to_owned();
        // ECS serialises revisions of one family and says so with a plain ClientException.
        let concurrent = message.contains("Too many concurrent attempts to create a new revision");
        let later = LATER.contains(&code.as_str()) || concurrent || answer.raw().status().is_server_error();
        let source: BoxError = Box::new(Answer { code, message });
        if later { Self::Transient { operation, source } } else { Self::Refused { operation, source } }
    }

    /// An answer that lacks what it should have.
    pub(crate) fn unusable(operation: &'static str, problem: impl Into<String>) -> Self {
        Self::Unusable { operation, problem: problem.into() }
    }
}

/// The SDK's chain of causes as one text: its own types say little by themselves.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Chain(String);

fn chain(error: &dyn StdError) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::operation::describe_services::DescribeServicesError;
    use aws_sdk_ecs::operation::register_task_definition::RegisterTaskDefinitionError;
    use aws_smithy_mocks::mock;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;
    use crate::Ecs;
    use crate::answering::answering;

    fn answer(code: &str, message: &str) -> DescribeServicesError {
        DescribeServicesError::generic(ErrorMetadata::builder().code(code).message(message).build())
    }

    #[tokio::test]
    async fn a_refusal_names_the_action_and_quotes_aws() {
        let rule = mock!(aws_sdk_ecs::Client::describe_services).then_error(|| answer("AccessDeniedException", "User is not authorized"));
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&rule]));

        let error = ecs.services("staging", &["web"]).await.expect_err("it is refused");

        assert!(matches!(error, AwsError::Refused { operation: "ecs:DescribeServices", .. }), "{error:?}");
        assert_eq!(chain(&error), "ecs:DescribeServices was refused: AccessDeniedException: User is not authorized");
    }

    #[tokio::test]
    async fn throttling_may_be_tried_again() {
        let rule = mock!(aws_sdk_ecs::Client::describe_services).then_error(|| answer("ThrottlingException", "Rate exceeded"));
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&rule]));

        let error = ecs.services("staging", &["web"]).await.expect_err("it is throttled");

        assert!(matches!(error, AwsError::Transient { .. }), "{error:?}");
    }

    #[test]
    fn too_many_revisions_at_once_may_be_tried_again() {
        let words = "Too many concurrent attempts to create a new revision of the specified family";
        let metadata = ErrorMetadata::builder().code("ClientException").message(words).build();
        let response = Response::new(400.try_into().expect("a status"), aws_smithy_types::body::SdkBody::empty());
        let error = SdkError::service_error(RegisterTaskDefinitionError::generic(metadata), response);

        assert!(matches!(AwsError::from_sdk("ecs:RegisterTaskDefinition", error), AwsError::Transient { .. }));
    }
}
