//! The closed set of errors that a function ends with, and the names that Step Functions matches.

use std::error::Error as StdError;

use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway_aws::AwsError;

/// Why a step could not find out, or could not do, what it should. That an image is bad is no error but an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// It may be tried again. The effect may be there already.
    #[error(transparent)]
    Transient(AwsError),
    /// AWS wants to be asked less often. It may be tried again.
    #[error(transparent)]
    Throttled(AwsError),
    /// Trying again would not help.
    #[error(transparent)]
    Refused(AwsError),
    /// It was tried again for as long as the step has patience.
    #[error("AWS could not be asked for {minutes} minutes")]
    Unavailable {
        /// For how many.
        minutes: u32,
        /// The last error.
        source: Box<StepError>,
    },
    /// What the function was given does not parse.
    #[error("the input of this step does not parse at {field}: {problem}")]
    InvalidInput {
        /// The field, as a path.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A configuration that cannot be used.
    #[error("{0}")]
    InvalidConfiguration(String),
}

impl StepError {
    /// The name that Step Functions sees as the error's type. The workflow's Retry and Catch know these and no others.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Transient(_) => "Transient",
            Self::Throttled(_) => "Throttled",
            Self::Refused(_) => "Refused",
            Self::Unavailable { .. } => "Unavailable",
            Self::InvalidInput { .. } => "InvalidInput",
            Self::InvalidConfiguration(_) => "InvalidConfiguration",
        }
    }

    /// Every name that a function can end with.
    pub const NAMES: [&'static str; 6] =
        ["Transient", "Throttled", "Refused", "Unavailable", "InvalidInput", "InvalidConfiguration"];

    /// Somebody else writes the same item all the time.
    #[must_use]
    pub fn busy(item: &str) -> Self {
        let source = format!("others write {item} all the time").into();
        Self::Transient(AwsError::Transient { operation: "dynamodb:UpdateItem", source })
    }

    /// Others are tried again in this second.
    #[must_use]
    pub fn out_of_turn(state: &str) -> Self {
        let source =
            format!("AWS throttles, and other releases are tried again at {state} in this second").into();
        Self::Throttled(AwsError::Throttled { operation: "a further attempt", source })
    }

    /// Whether another try may find out.
    #[must_use]
    pub const fn may_be_tried_again(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::Throttled(_))
    }

    /// Whether what AWS was asked for may still be done: no answer came.
    #[must_use]
    pub const fn may_still_be_done(&self) -> bool {
        matches!(self, Self::Transient(AwsError::Unanswered { .. }))
    }
}

impl From<AwsError> for StepError {
    fn from(error: AwsError) -> Self {
        match error {
            AwsError::Unanswered { .. } | AwsError::Transient { .. } => Self::Transient(error),
            AwsError::Throttled { .. } => Self::Throttled(error),
            _ => Self::Refused(error),
        }
    }
}

impl StepError {
    /// The error and its causes, as one text.
    #[must_use]
    pub fn with_causes(&self) -> String {
        let mut message = self.to_string();
        let mut cause = self.source();
        while let Some(next) = cause {
            message = format!("{message}: {next}");
            cause = next.source();
        }
        message
    }
}

/// Reads a function's input.
///
/// # Errors
///
/// [`StepError::InvalidInput`], naming the first field that does not fit.
pub fn parse<T: DeserializeOwned>(input: Value) -> Result<T, StepError> {
    parse_at("the top", input)
}

/// Reads a part of a function's input.
///
/// # Errors
///
/// [`StepError::InvalidInput`], naming the first field that does not fit, below the part's own name.
pub fn parse_at<T: DeserializeOwned>(part: &str, input: Value) -> Result<T, StepError> {
    serde_path_to_error::deserialize(input).map_err(|error| {
        let path = error.path().to_string();
        let field = match (part, path.as_str()) {
            (part, ".") => part.to_owned(),
            ("the top", path) => path.to_owned(),
            (part, path) => format!("{part}.{path}"),
        };
        StepError::InvalidInput { field, problem: error.into_inner().to_string() }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        #[expect(dead_code, reason = "only that it parses is looked at")]
        detail: Detail,
    }

    #[derive(Debug, Deserialize)]
    struct Detail {
        #[expect(dead_code, reason = "only that it parses is looked at")]
        result: String,
    }

    #[test]
    fn an_input_that_does_not_parse_names_the_field() {
        for (input, field) in [
            (serde_json::json!({ "detail": { "result": 5 } }), "detail.result"),
            (serde_json::json!({ "detail": {} }), "`result`"),
            (serde_json::json!({ "detial": {} }), "`detial`"),
            (serde_json::json!("text"), "the top"),
        ] {
            let error = parse::<Input>(input).expect_err("it does not parse");
            assert_eq!(error.name(), "InvalidInput");
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn what_was_not_answered_may_still_be_done() {
        let source = || Box::<dyn StdError + Send + Sync>::from("connection closed");
        let operation = "ecs:UpdateService";

        let unanswered = StepError::from(AwsError::Unanswered { operation, source: source() });
        assert!(unanswered.may_still_be_done() && unanswered.may_be_tried_again());
        for answered in [
            AwsError::Transient { operation, source: source() },
            AwsError::Throttled { operation, source: source() },
            AwsError::Refused { operation, source: source() },
        ] {
            assert!(!StepError::from(answered).may_still_be_done());
        }
    }

    #[test]
    fn the_chain_of_causes_is_given_once() {
        let source = Box::<dyn StdError + Send + Sync>::from("AccessDeniedException: no");
        let error = StepError::from(AwsError::Refused { operation: "ecs:UpdateService", source });
        assert_eq!(error.name(), "Refused");
        assert_eq!(error.with_causes(), "ecs:UpdateService was refused: AccessDeniedException: no");
    }
}
