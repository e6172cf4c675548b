//! Asks the operators' API for what a page shows, with the browser's secret.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slipway_aws::{AwsError, OperatorsApi};
use slipway_core::api::{ConsoleAnswer, ConsoleRequest, Problem, ProblemCode};

/// A browser, by its secret.
pub(crate) struct Visitor<'a> {
    pub(crate) api: &'a OperatorsApi,
    pub(crate) secret: &'a str,
}

/// What a page shows, and who sees it.
#[derive(Debug)]
pub(crate) struct Shown<T> {
    pub(crate) document: T,
    /// Who opened the session, in words.
    pub(crate) by: String,
}

/// Why a page shows something else.
#[derive(Debug)]
pub(crate) enum NoDocument {
    /// Nobody is in a session.
    NoSession,
    /// IAM has yet to be asked.
    Unproven,
    /// IAM does not allow this path.
    Refused(String),
    /// The session asks too often.
    TooMany,
    /// The console has no such page.
    UnknownPage,
    /// The API answers with a problem.
    Problem(Box<Problem>),
    /// The API did not answer.
    Unanswered(AwsError),
}

impl Visitor<'_> {
    /// Asks for the document at a path of the operators' API.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<Shown<T>, NoDocument> {
        read(self.send(self.request("GET", path)).await?, "GET", path)
    }

    /// Whether what is at a path may be done; who would do it, in words. Nothing is done.
    pub(crate) async fn may(&self, path: &str) -> Result<String, NoDocument> {
        let request = ConsoleRequest { asks_only: true, ..self.request("POST", path) };
        match self.send(request).await? {
            ConsoleAnswer::Allowed { by } => Ok(by),
            answer => read::<Value>(answer, "POST", path).map(|shown| shown.by),
        }
    }

    /// Does what is at a path, once for each key.
    pub(crate) async fn act(
        &self,
        path: &str,
        key: &str,
        document: Value,
    ) -> Result<Shown<Value>, NoDocument> {
        let (key, document) = (Some(key.to_owned()), Some(document));
        let request = ConsoleRequest { key, document, ..self.request("POST", path) };
        read(self.send(request).await?, "POST", path)
    }

    fn request(&self, method: &str, path: &str) -> ConsoleRequest {
        ConsoleRequest {
            secret: self.secret.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: std::collections::BTreeMap::new(),
            key: None,
            document: None,
            asks_only: false,
        }
    }

    async fn send(&self, request: ConsoleRequest) -> Result<ConsoleAnswer, NoDocument> {
        // Without a secret nobody has to be asked whose it is.
        if self.secret.is_empty() {
            return Err(NoDocument::NoSession);
        }
        post(self.api, "console/request", &request).await
    }
}

/// Sends a document to the API, and reads its answer.
pub(crate) async fn post<T: DeserializeOwned>(
    api: &OperatorsApi,
    path: &str,
    document: &(impl Serialize + Sync),
) -> Result<T, NoDocument> {
    let document = serde_json::to_string(document).expect("a request is plain values, which make JSON");
    let (_, answer) = Box::pin(api.post(path, &document)).await.map_err(NoDocument::Unanswered)?;
    serde_json::from_str(&answer)
        .map_err(|error| unusable(&format!("the API's answer does not parse: {error}")))
}

/// What an answer comes to.
fn read<T: DeserializeOwned>(
    answer: ConsoleAnswer,
    method: &str,
    path: &str,
) -> Result<Shown<T>, NoDocument> {
    match answer {
        ConsoleAnswer::Answered { status, document, by } if status < 400 => {
            let document = serde_json::from_value(document);
            let document = document
                .map_err(|error| unusable(&format!("the document of {path} does not parse: {error}")))?;
            Ok(Shown { document, by })
        }
        ConsoleAnswer::Answered { document, .. } => match serde_json::from_value::<Problem>(document) {
            Ok(problem) => Err(NoDocument::Problem(Box::new(problem))),
            Err(error) => Err(unusable(&format!("the problem of {path} does not parse: {error}"))),
        },
        ConsoleAnswer::Allowed { .. } => Err(unusable(&format!("{path} was not to be asked for alone"))),
        ConsoleAnswer::Unproven => Err(NoDocument::Unproven),
        ConsoleAnswer::Refused => Err(NoDocument::Refused(format!("{method} {path}"))),
        ConsoleAnswer::NoSession => Err(NoDocument::NoSession),
        ConsoleAnswer::TooMany => Err(NoDocument::TooMany),
    }
}

/// That a page cannot be made now, such as while the API and this function are of two versions.
pub(crate) fn unusable(why: &str) -> NoDocument {
    tracing::error!("{why}");
    NoDocument::Problem(Box::new(Problem {
        r#type: "about:blank".to_owned(),
        status: 503,
        title: "Service Unavailable".to_owned(),
        detail: "this page cannot be shown just now: load it again in a minute".to_owned(),
        code: ProblemCode::Unavailable,
        field: None,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use slipway_core::api::Approvals;

    use super::*;

    fn answer(document: serde_json::Value) -> Result<Shown<Approvals>, NoDocument> {
        read(serde_json::from_value(document).expect("it fits"), "GET", "/approvals")
    }

    #[test]
    fn a_document_is_shown_to_whoever_opened_the_session() {
        let shown = answer(
            json!({ "result": "ANSWERED", "status": 200, "by": "the IAM user ana", "document": { "approvals": [] } }),
        );
        let shown = shown.expect("it is shown");
        assert_eq!((shown.by.as_str(), shown.document.approvals.len()), ("the IAM user ana", 0));
    }

    #[test]
    fn everything_else_shows_nothing_of_it() {
        let problem = json!({ "type": "about:blank", "status": 404, "title": "Not Found", "detail": "none", "code": "UnknownApplication" });
        for (document, expected) in [
            (json!({ "result": "UNPROVEN" }), "Unproven"),
            (json!({ "result": "REFUSED" }), "Refused(\"GET /approvals\")"),
            (json!({ "result": "NO_SESSION" }), "NoSession"),
            (json!({ "result": "TOO_MANY" }), "TooMany"),
            (
                json!({ "result": "ANSWERED", "status": 404, "by": "x", "document": problem }),
                "UnknownApplication",
            ),
            (json!({ "result": "ANSWERED", "status": 200, "by": "x", "document": {} }), "Unavailable"),
        ] {
            let shown = format!("{:?}", answer(document).expect_err(expected));
            assert!(shown.contains(expected), "{shown} is not {expected}");
        }
    }
}
