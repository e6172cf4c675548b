//! An API whose answers are prepared: what the command is told is what the test says.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What a route answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    pub(crate) document: Value,
}

impl Answer {
    /// A document of a type of the API: one that has another shape fails the test.
    pub(crate) fn of<T: Serialize + DeserializeOwned>(document: Value) -> Self {
        let read: T = serde_json::from_value(document.clone()).expect("it is of the type");
        let written = serde_json::to_value(read).expect("it is JSON");
        assert_eq!(written, document, "the document has what the type does not know");
        Self { status: StatusCode::OK, document }
    }

    /// A problem, as the API has it.
    pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Self {
        let problem =
            json!({ "type": "about:blank", "status": status, "title": "t", "detail": detail, "code": code });
        let status = StatusCode::from_u16(status).expect("a status");
        Self { status, ..Self::of::<slipway_core::api::Problem>(problem) }
    }

    /// That IAM let a request through which only proves that.
    pub(crate) const fn proven() -> Self {
        Self { status: StatusCode::NO_CONTENT, document: Value::Null }
    }

    /// What API Gateway says to who may not ask.
    pub(crate) fn forbidden() -> Self {
        Self { status: StatusCode::FORBIDDEN, document: json!({ "message": "Forbidden" }) }
    }
}

/// For each route what it answers, one after the other; the last stays.
type Answers = Arc<Mutex<HashMap<String, VecDeque<Answer>>>>;

/// An API on a port of its own, as long as the test runs.
pub(crate) struct Api {
    pub(crate) url: String,
}

impl Api {
    pub(crate) fn answering<const N: usize>(routes: [(&str, Vec<Answer>); N]) -> Self {
        let answers: HashMap<_, _> = routes.map(|(route, answers)| (route.to_owned(), answers.into())).into();
        Self::of(axum::Router::new().fallback(answer).with_state(Answers::new(Mutex::new(answers))))
    }

    /// One that answers as it is told.
    pub(crate) fn of(app: axum::Router) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                axum::serve(listener, app).await.expect("it serves");
            });
        });
        Self { url }
    }
}

async fn answer(State(answers): State<Answers>, request: Request) -> Response<Body> {
    let signature = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let is_signed = signature.is_some_and(|signature| signature.starts_with("AWS4-HMAC-SHA256 "));
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let route = format!("{} {path}", request.method());
    let mut answers = answers.lock().expect("no request has panicked");
    let answer = match answers.get_mut(&route) {
        _ if !is_signed => Answer::forbidden(),
        Some(several) if several.len() > 1 => several.pop_front().expect("there is one"),
        Some(last) => last.front().cloned().expect("there is one"),
        None => Answer::problem(404, "UnknownRoute", &format!("there is no {route}")),
    };
    Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(answer.document.to_string().into())
        .expect("a response")
}
