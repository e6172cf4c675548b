//! Saying what is to be broken, and reading what passed: JSON on the wire's own port, under a path that AWS has not.
//!
//! | request | does |
//! | --- | --- |
//! | `PUT /_slipway/faults` with a [`Plan`] | replaces the plan; counting begins anew |
//! | `DELETE /_slipway/faults` | breaks nothing any more |
//! | `GET /_slipway/trace?after=N` | the [entries](Entry) after the one of this number |
//! | `GET /_slipway/trace/last` | the number of the last entry |
//! | `POST /_slipway/happened` with what an event tells | has the event delivered |

use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post, put},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Counted, Entry, News, Plan, Wire, pass};

const FAULTS: &str = "/_slipway/faults";
const TRACE: &str = "/_slipway/trace";
const LAST: &str = "/_slipway/trace/last";
const HAPPENED: &str = "/_slipway/happened";
/// How long the wire may take to answer for itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// The wire's own interface; all other paths are calls.
pub(super) fn router(wire: Wire) -> Router {
    Router::new()
        .route(FAULTS, put(set).delete(reset))
        .route(TRACE, get(trace))
        .route(LAST, get(last))
        .route(HAPPENED, post(happened))
        .fallback(pass::pass)
        .with_state(wire)
}

async fn set(State(wire): State<Wire>, Json(plan): Json<Plan>) -> StatusCode {
    wire.follow(plan);
    StatusCode::NO_CONTENT
}

async fn reset(State(wire): State<Wire>) -> StatusCode {
    wire.follow(Plan::default());
    StatusCode::NO_CONTENT
}

async fn happened(State(wire): State<Wire>, Json(news): Json<News>) -> StatusCode {
    // Nobody listens before the cloud is up and when it ends.
    let _ = wire.0.news.send(news);
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn trace(State(wire): State<Wire>, Query(query): Query<After>) -> Json<Vec<Entry>> {
    Json(wire.state().trace.after(query.after))
}

async fn last(State(wire): State<Wire>) -> Json<u64> {
    Json(wire.state().trace.last())
}

impl Wire {
    /// Where what happens by itself is told to.
    #[must_use]
    pub fn news(&self) -> String {
        format!("{}{HAPPENED}", self.endpoint())
    }

    fn follow(&self, plan: Plan) {
        let mut state = self.state();
        state.calls = plan.calls.into_iter().map(Counted::new).collect();
        state.events = plan.events.into_iter().map(Counted::new).collect();
    }
}

/// A running wire, for tests.
#[derive(Clone, Debug)]
pub struct Control {
    endpoint: String,
}

impl Control {
    /// The wire that listens there.
    #[must_use]
    pub fn of(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned() }
    }

    /// Breaks what the plan says from now on, and nothing else.
    ///
    /// # Errors
    ///
    /// When the wire does not answer, or does not understand.
    pub async fn follow(&self, plan: &Plan) -> anyhow::Result<()> {
        self.send(
            client()?
                .put(self.address(FAULTS))
                .header("content-type", "application/json")
                .body(serde_json::to_vec(plan)?),
        )
        .await?;
        Ok(())
    }

    /// Breaks nothing any more.
    ///
    /// # Errors
    ///
    /// When the wire does not answer.
    pub async fn reset(&self) -> anyhow::Result<()> {
        self.send(client()?.delete(self.address(FAULTS))).await?;
        Ok(())
    }

    /// What passed after the entry of this number; 0 for all that is kept.
    ///
    /// # Errors
    ///
    /// When the wire does not answer.
    pub async fn trace(&self, after: u64) -> anyhow::Result<Vec<Entry>> {
        parsed(&self.send(client()?.get(format!("{}?after={after}", self.address(TRACE)))).await?)
    }

    /// The number of the last entry, from which a later [`Control::trace`] goes on.
    ///
    /// # Errors
    ///
    /// When the wire does not answer.
    pub async fn last(&self) -> anyhow::Result<u64> {
        parsed(&self.send(client()?.get(self.address(LAST))).await?)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Vec<u8>> {
        let answer = request.send().await.context("the wire does not answer")?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            bail!("the wire answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body.into())
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?)
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("the wire answered something unexpected")
}
