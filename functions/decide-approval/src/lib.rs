//! The approval page behind the link of a mail. Looking at it changes nothing; only its form, sent by POST, decides.
//!
//! It writes decisions into the table and nothing else: the table's stream brings them to the workflow. Links that are
//! altered, unknown, used or expired get the same calm kind of page, and no effect.

mod answer;
mod form;
mod page;

use std::future::Future;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Request, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use slipway_aws::{Aws, Key, Stored, Table};
use slipway_core::approval::{Approval, Decision, Link, Refusal};
use slipway_runtime::{Config, StepError, count, now};

pub use form::{Form, FormProblem, nonce};

/// How often a decision is tried again when another one was written at the same moment.
const RACES: usize = 5;

/// An entry of the audit trail: one decision, written together with what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// The approval.
    pub approval: slipway_core::approval::ApprovalId,
    /// The decision.
    pub decision: Decision,
}

/// Answers a request of a browser. What goes wrong inside is logged, and answered with a page that says to try again.
pub async fn handle(aws: &Aws, config: &Config, request: Request) -> Response<String> {
    let table = aws.table(&config.table);
    match route(&table, &request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error.name = error.name(), "the approval page could not be answered: {error}");
            answer::page(StatusCode::SERVICE_UNAVAILABLE, &page::try_again())
        }
    }
}

fn route<'a>(table: &'a Table, request: &'a Request) -> impl Future<Output = Result<Response<String>, StepError>> + 'a {
    let path = request.uri().path();
    async move {
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/style.css") => Ok(answer::stylesheet()),
            (&Method::GET | &Method::HEAD, _) => match locator(path) {
                Some(locator) => show(table, locator).await,
                None => Ok(unknown()),
            },
            (&Method::POST, _) => match locator(path) {
                Some(locator) => decide(table, locator, request).await,
                None => Ok(unknown()),
            },
            _ => Ok(answer::page(StatusCode::METHOD_NOT_ALLOWED, &page::unknown())),
        }
    }
}

/// The locator of `/approvals/{locator}`: 32 bytes as 43 characters. Anything else is not looked up.
fn locator(path: &str) -> Option<&str> {
    let locator = path.strip_prefix("/approvals/")?;
    let fits = locator.len() == 43 && locator.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    fits.then_some(locator)
}

async fn find(table: &Table, locator: &str) -> Result<Option<(Link, Stored<Approval>)>, StepError> {
    let hash = hex::encode(Sha256::digest(locator.as_bytes()));
    let Some(link) = table.get::<Link>(&Key::link(&hash)).await? else { return Ok(None) };
    let approval = table.get(&Key::approval(&link.document.approval)).await?;
    Ok(approval.map(|approval| (link.document, approval)))
}

async fn show(table: &Table, locator: &str) -> Result<Response<String>, StepError> {
    let Some((link, stored)) = find(table, locator).await? else { return Ok(unknown()) };
    Ok(answer::page(StatusCode::OK, &page::approval(&stored.document, &link.approver, &form::nonce(locator), now())))
}

async fn decide(table: &Table, locator: &str, request: &Request) -> Result<Response<String>, StepError> {
    let form = match Form::read(request, locator) {
        Ok(form) => form,
        Err(problem) => {
            count("DecisionRefused", &[("Reason", problem.label())]);
            return Ok(answer::page(problem.status(), &page::bad_form(problem)));
        }
    };
    for _ in 0..RACES {
        let Some((link, stored)) = find(table, locator).await? else { return Ok(unknown()) };
        let approval = stored.document;
        let decided = match approval.decide(&link.approver, form.verdict, &form.reason, now()) {
            Ok(decided) => decided,
            Err(refusal) => {
                count("DecisionRefused", &[("Reason", label(refusal))]);
                // The page shows what was decided, or that the time is over.
                return Ok(answer::page(StatusCode::CONFLICT, &page::approval(&approval, &link.approver, &form::nonce(locator), now())));
            }
        };
        let Some(decision) = decided.decisions.last().cloned() else { continue };
        let audited = Audited { approval: decided.id.clone(), decision };
        let audit = Key::audit(&decided.id, stored.version + 1);
        if table.replace_and_put_new(&Key::approval(&decided.id), &decided, stored.version, &audit, &audited).await? {
            tracing::info!(release.id = %decided.release.id, stage = %decided.stage, status = ?decided.status, "a decision about {} in {} was written", decided.release.id, decided.stage);
            count("Decision", &[("Status", page::word(decided.status))]);
            return Ok(answer::page(StatusCode::OK, &page::approval(&decided, &link.approver, &form::nonce(locator), now())));
        }
    }
    Ok(answer::page(StatusCode::SERVICE_UNAVAILABLE, &page::try_again()))
}

fn unknown() -> Response<String> {
    count("DecisionRefused", &[("Reason", "Unknown")]);
    answer::page(StatusCode::NOT_FOUND, &page::unknown())
}

const fn label(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Expired => "Expired",
        Refusal::Decided => "Decided",
        Refusal::Used => "Used",
        Refusal::NotAsked => "NotAsked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_43_characters_of_the_alphabet_are_looked_up() {
        let good = format!("/approvals/{}", "aZ09-_x".repeat(7).get(..43).expect("long enough"));
        assert!(locator(&good).is_some());
        for bad in
            ["/", "/approvals/", &good[..20], &format!("{good}x"), &good.replace('Z', "."), &good.replace('Z', "%"), &format!("{good}/")]
        {
            assert_eq!(locator(bad), None, "{bad}");
        }
    }
}
