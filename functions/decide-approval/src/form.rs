//! The form that decides, as the browser sends it.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use slipway_core::approval::Verdict;
use slipway_pages::{NoForm, form_of};
use subtle::ConstantTimeEq as _;

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Yes or no.
    pub verdict: Verdict,
    /// Their words, as sent.
    pub reason: String,
    /// The characters of the digest that they typed; empty when they typed none.
    pub digest: String,
    /// Whether they let the stage change although its alarms are not quiet.
    pub overrides: bool,
}

/// Why a form is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormProblem {
    /// Not what a browser's form sends.
    #[error("send the form of the approval page")]
    WrongContentType,
    /// Longer than the form can be.
    #[error("the reason is too long")]
    TooLong,
    /// A field is missing, unknown or has a value that the form does not offer.
    #[error("the form is not complete")]
    Incomplete,
    /// The form is not this link's.
    #[error("the form belongs to another link; open the link of your mail again")]
    Foreign,
}

impl FormProblem {
    /// The HTTP status that answers it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::WrongContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Foreign => StatusCode::FORBIDDEN,
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::WrongContentType => "WrongContentType",
            Self::TooLong => "TooLong",
            Self::Incomplete => "Incomplete",
            Self::Foreign => "Foreign",
        }
    }
}

impl From<NoForm> for FormProblem {
    fn from(why: NoForm) -> Self {
        match why {
            NoForm::WrongContentType => Self::WrongContentType,
            NoForm::TooLong => Self::TooLong,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    nonce: String,
    decision: Choice,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    digest: String,
    #[serde(default, rename = "override")]
    overrides: Option<Override>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Override {
    Alarms,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Approve,
    Reject,
}

/// The value that the form of a link carries: a page of another link cannot know it.
#[must_use]
pub fn nonce(token: &str) -> String {
    hex::encode(Sha256::digest(format!("form of {token}").as_bytes()))
}

impl Form {
    /// Reads the form of a link.
    ///
    /// # Errors
    ///
    /// [`FormProblem`]; nothing is decided then.
    pub fn read(request: &Request, token: &str) -> Result<Self, FormProblem> {
        let fields: Fields =
            serde_urlencoded::from_bytes(form_of(request)?).map_err(|_| FormProblem::Incomplete)?;
        if !bool::from(fields.nonce.as_bytes().ct_eq(nonce(token).as_bytes())) {
            return Err(FormProblem::Foreign);
        }
        let verdict = match fields.decision {
            Choice::Approve => Verdict::Approved,
            Choice::Reject => Verdict::Rejected,
        };
        Ok(Self {
            verdict,
            reason: fields.reason,
            digest: fields.digest.trim().to_lowercase(),
            overrides: fields.overrides.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::http::header::CONTENT_TYPE;

    use super::*;

    fn read(content_type: &str, body: &str) -> Result<Form, FormProblem> {
        let request = lambda_http::http::Request::builder()
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(body))
            .expect("a request");
        Form::read(&request, "token")
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn a_form_of_the_link_is_read() {
        let body = format!("nonce={}&decision=reject&reason=not+today", nonce("token"));
        assert_eq!(
            read(FORM, &body),
            Ok(Form {
                verdict: Verdict::Rejected,
                reason: "not today".into(),
                digest: String::new(),
                overrides: false
            })
        );
        assert!(read(FORM, &format!("{body}&override=alarms")).is_ok_and(|form| form.overrides));
    }

    #[test]
    fn everything_else_is_refused() {
        let good = format!("nonce={}&decision=approve", nonce("token"));
        for (content_type, body, problem) in [
            ("application/json", good.clone(), FormProblem::WrongContentType),
            ("", good.clone(), FormProblem::WrongContentType),
            (FORM, format!("{good}&reason={}", "x".repeat(1_000_000)), FormProblem::TooLong),
            (FORM, good.replace("approve", "maybe"), FormProblem::Incomplete),
            (FORM, format!("{good}&extra=1"), FormProblem::Incomplete),
            (FORM, format!("{good}&override=everything"), FormProblem::Incomplete),
            (FORM, format!("nonce={}", nonce("token")), FormProblem::Incomplete),
            (FORM, "decision=approve".into(), FormProblem::Incomplete),
            (FORM, String::new(), FormProblem::Incomplete),
            (FORM, good.replace(&nonce("token"), &nonce("another")), FormProblem::Foreign),
        ] {
            assert_eq!(
                read(content_type, &body),
                Err(problem),
                "{content_type} {}",
                &body[..body.len().min(100)]
            );
        }
    }
}
