//! What can go wrong when AWS is asked, in classes: what another try may cure, sooner or later, and what it will not.

use std::error::Error as StdError;
use std::fmt::Debug;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use slipway_core::words;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A call to AWS that did not succeed. `operation` is what IAM calls the action, such as `ecs:UpdateService`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsError {
    /// Timed out or interrupted, so no answer came: it may be tried again. The effect may be there, or come yet.
    #[error("{operation} was not answered and may be tried again")]
    Unanswered {
        /// The action, as IAM names it.
        operation: &'static str,
        /// The cause.
        source: BoxError,
    },
    /// AWS's own fault, or what passes by itself: it may be tried again. The effect may be there.
    #[error("{operation} failed and may be tried again")]
    Transient {
        /// The action, as IAM names it.
        operation: &'static str,
        /// The cause.
        source: BoxError,
    },
    /// AWS is asked too often: it may be tried again, after some time. The call had no effect.
    #[error("{operation} was throttled and may be tried again later")]
    Throttled {
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

/// AWS's own words: the error's code and message, which quotes what it was given.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
struct Answer {
    code: String,
    message: String,
}

impl Answer {
    fn of(code: &str, message: &str) -> BoxError {
        Box::new(Self { code: code.to_owned(), message: words::line(message, words::LONGEST_MESSAGE) })
    }
}

/// Codes of throttling: those that the SDK knows (`THROTTLING_ERRORS` of aws-runtime), SNS's own, and those of KMS
/// behind a service. The SDK has tried a few times by itself before one of them is seen here.
const THROTTLING: [&str; 15] = [
    "Throttling",
    "ThrottlingException",
    "ThrottlingError",
    "Throttled",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "BandwidthLimitExceeded",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "KMSThrottling",
    "KMSThrottlingException",
    "KmsThrottlingException",
];

/// Codes of what passes by itself.
const PASSING: [&str; 7] = [
    "TransactionInProgressException",
    "TransactionConflictException",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalException",
    "RequestTimeout",
    "RequestTimeoutException",
];

/// What the functions' roles allow for resources that people tagged, and for no others (infra/modules/deployer).
const BY_TAG: [&str; 10] = [
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeImageScanFindings",
    "ecr:GetDownloadUrlForLayer",
    "ecs:ListServiceDeployments",
    "ecs:StopServiceDeployment",
    "ecs:UpdateService",
    "logs:GetLogEvents",
    "rds:CreateDBClusterSnapshot",
    "rds:CreateDBSnapshot",
];

impl AwsError {
    /// Whether the same call may succeed when it is made again.
    #[must_use]
    pub const fn may_be_tried_again(&self) -> bool {
        matches!(self, Self::Unanswered { .. } | Self::Transient { .. } | Self::Throttled { .. })
    }

    /// Sorts a failed call into its class.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed over by `map_err`")]
    pub(crate) fn from_sdk<E>(operation: &'static str, error: SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let SdkError::ServiceError(answer) = &error else {
            let source: BoxError = Box::new(Chain(chain(&error)));
            return match error {
                SdkError::ConstructionFailure(_) => Self::Refused { operation, source },
                _ => Self::Unanswered { operation, source },
            };
        };
        let (code, message) =
            (answer.err().code().unwrap_or("Unknown"), answer.err().message().unwrap_or("no message"));
        let status = answer.raw().status();
        match Self::from_words(operation, code, message) {
            Self::Refused { operation, source } if status.as_u16() == 429 => {
                Self::Throttled { operation, source }
            }
            Self::Refused { operation, source } if status.is_server_error() => {
                Self::Transient { operation, source }
            }
            sorted => sorted,
        }
    }

    /// Sorts what AWS says in an answer into its class.
    pub(crate) fn from_words(operation: &'static str, code: &str, message: &str) -> Self {
        // Most services mean a number of things by it, which another try does not change; those that mean a rate say
        // so.
        let rate = code == "LimitExceededException" && message.to_ascii_lowercase().contains("rate exceeded");
        // ECS serialises revisions of one family and says so with a plain ClientException.
        let concurrent = message.contains("Too many concurrent attempts to create a new revision");
        if rate || THROTTLING.contains(&code) {
            Self::throttled(operation, code, message)
        } else if concurrent || PASSING.contains(&code) {
            Self::transient(operation, code, message)
        } else if code.contains("AccessDenied") && BY_TAG.contains(&operation) {
            let hint =
                "The functions' rights name resources with the tag slipway:deployer and the deployer's name";
            let message = words::line(message, words::LONGEST_MESSAGE);
            let answer = Answer { code: code.to_owned(), message: format!("{message}. {hint}.") };
            Self::Refused { operation, source: Box::new(answer) }
        } else {
            Self::Refused { operation, source: Answer::of(code, message) }
        }
    }

    /// That AWS throttled a call, in its words.
    pub(crate) fn throttled(operation: &'static str, code: &str, message: &str) -> Self {
        Self::Throttled { operation, source: Answer::of(code, message) }
    }

    /// What passes by itself, in AWS's words.
    pub(crate) fn transient(operation: &'static str, code: &str, message: &str) -> Self {
        Self::Transient { operation, source: Answer::of(code, message) }
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
        let rule = mock!(aws_sdk_ecs::Client::describe_services)
            .then_error(|| answer("AccessDeniedException", "User is not authorized"));
        let ecs = Ecs::new(answering!(aws_sdk_ecs, [&rule]));

        let error = ecs.services("staging", &["web"]).await.expect_err("it is refused");

        assert!(matches!(error, AwsError::Refused { operation: "ecs:DescribeServices", .. }), "{error:?}");
        assert_eq!(
            chain(&error),
            "ecs:DescribeServices was refused: AccessDeniedException: User is not authorized"
        );
    }

    #[test]
    fn what_is_denied_for_want_of_a_tag_names_the_tag() {
        let denied = |operation| {
            chain(&AwsError::from_words(operation, "AccessDeniedException", "User is not authorized"))
        };

        assert!(denied("ecs:UpdateService").ends_with(
            "not authorized. The functions' rights name resources with the tag slipway:deployer and the deployer's name."
        ));
        assert!(denied("ecs:RegisterTaskDefinition").ends_with("not authorized"));
    }

    #[tokio::test]
    async fn throttling_may_be_tried_again_and_a_limit_of_number_may_not() {
        for (code, message, throttled) in [
            ("ThrottlingException", "Rate exceeded", true),
            ("Throttling", "Rate exceeded", true),
            ("TooManyRequestsException", "slow down", true),
            ("LimitExceededException", "Rate exceeded", true),
            ("LimitExceededException", "The limit for the resource was exceeded.", false),
            ("AccessDeniedException", "not authorized", false),
        ] {
            let rule =
                mock!(aws_sdk_ecs::Client::describe_services).then_error(move || answer(code, message));
            let ecs = Ecs::new(answering!(aws_sdk_ecs, [&rule]));

            let error = ecs.services("staging", &["web"]).await.expect_err("it is not answered");

            assert_eq!(matches!(error, AwsError::Throttled { .. }), throttled, "{error:?}");
            assert_eq!(error.may_be_tried_again(), throttled, "{error:?}");
        }
    }

    #[test]
    fn the_status_decides_where_the_code_is_a_new_one() {
        for (status, throttled, may_be_tried_again) in
            [(400, false, false), (429, true, true), (500, false, true), (503, false, true)]
        {
            let response =
                Response::new(status.try_into().expect("a status"), aws_smithy_types::body::SdkBody::empty());
            let error = AwsError::from_sdk(
                "ecs:DescribeServices",
                SdkError::service_error(answer("NewWord", "?"), response),
            );

            assert_eq!(matches!(error, AwsError::Throttled { .. }), throttled, "{status}: {error:?}");
            assert_eq!(error.may_be_tried_again(), may_be_tried_again, "{status}: {error:?}");
        }
    }

    #[test]
    fn too_many_revisions_at_once_may_be_tried_again() {
        let words = "Too many concurrent attempts to create a new revision of the specified family";
        let metadata = ErrorMetadata::builder().code("ClientException").message(words).build();
        let response =
            Response::new(400.try_into().expect("a status"), aws_smithy_types::body::SdkBody::empty());
        let error = SdkError::service_error(RegisterTaskDefinitionError::generic(metadata), response);

        assert!(matches!(
            AwsError::from_sdk("ecs:RegisterTaskDefinition", error),
            AwsError::Transient { .. }
        ));
    }
}
