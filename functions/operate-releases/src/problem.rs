//! Problems, as RFC 9457 has them.

use lambda_http::Response;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use slipway_core::api::{Problem, ProblemCode};
use slipway_core::history::ImageError;
use slipway_release::StepError;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request is the reason; its answer says what to change.
    Problem(Box<Problem>),
    /// AWS could not be asked.
    Step(StepError),
}

impl Failure {
    /// The same, about a field.
    pub(crate) fn at(mut self, field: &str) -> Self {
        if let Self::Problem(problem) = &mut self {
            problem.field = Some(field.to_owned());
        }
        self
    }
}

pub(crate) fn problem(status: StatusCode, code: ProblemCode, detail: impl Into<String>) -> Failure {
    Failure::Problem(Box::new(of(status, code, detail.into())))
}

/// That a key came with another request before.
pub(crate) fn key_used(what: &str) -> Failure {
    problem(
        StatusCode::UNPROCESSABLE_ENTITY,
        ProblemCode::KeyUsed,
        format!("the same key came with another request to {what} before: send another key"),
    )
    .at("Idempotency-Key")
}

pub(crate) fn unavailable() -> Problem {
    let detail =
        "AWS could not be asked; send the same request again in some seconds, with the same Idempotency-Key";
    of(StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Unavailable, detail.to_owned())
}

fn of(status: StatusCode, code: ProblemCode, detail: String) -> Problem {
    Problem {
        r#type: "about:blank".to_owned(),
        status: status.as_u16(),
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        detail,
        code,
        field: None,
    }
}

/// The answer to a request that has none; why is logged where AWS is the reason.
pub(crate) fn of_failure(failure: Failure) -> Response<String> {
    match failure {
        Failure::Problem(problem) => answer(&problem),
        Failure::Step(error) => {
            tracing::error!(
                error.name = error.name(),
                "a request could not be answered: {}",
                error.with_causes()
            );
            answer(&unavailable())
        }
    }
}

fn answer(problem: &Problem) -> Response<String> {
    json(problem.status, "application/problem+json", problem)
}

/// A document as the answer to a request.
pub(crate) fn json(status: u16, media_type: &str, document: &impl Serialize) -> Response<String> {
    let body = serde_json::to_string(document).expect("an answer is plain values, which make JSON");
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, media_type)
        .header(CACHE_CONTROL, "no-store")
        .body(body)
        .expect("a status and headers that are constants make a response")
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let status = match error {
            ImageError::Unknown { .. } => StatusCode::NOT_FOUND,
            ImageError::Ambiguous { .. } | ImageError::NothingBefore => StatusCode::CONFLICT,
        };
        problem(status, ProblemCode::UnknownImage, error.to_string())
    }
}
