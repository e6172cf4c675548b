//! Lambda's Runtime API for one process ("Using the Lambda runtime API for custom runtimes", AWS Lambda developer guide):
//! it hands out events, takes what the function makes of them, and says when.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use anyhow::{Context as _, bail};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinHandle,
};

/// What the process did.
#[derive(Debug)]
pub(super) enum Heard {
    /// It asked for an event.
    Ready(Instant),
    /// It answered one.
    Answered(Instant),
    /// It failed, with these words.
    Failed(String),
}

/// The Runtime API of one process.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
    events: mpsc::UnboundedSender<Bytes>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    heard: mpsc::UnboundedSender<Heard>,
    events: Mutex<mpsc::UnboundedReceiver<Bytes>>,
}

impl RuntimeApi {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?;
        let address = listener.local_addr()?;
        let (hear, heard) = mpsc::unbounded_channel();
        let (events, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { heard: hear, events: Mutex::new(next) });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_event))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
            .route("/2018-06-01/runtime/init/error", post(init_failure))
            .with_state(shared);
        let server = tokio::spawn(async move {
            let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
                let _ = stream.set_nodelay(true);
            });
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { address, heard, events, server })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Has an event for who asks next.
    pub(super) fn invoke(&self, event: &Value) -> anyhow::Result<()> {
        self.events.send(event.to_string().into()).context("the Runtime API has ended")
    }

    /// When the process next asks for an event.
    pub(super) async fn ready(&mut self) -> anyhow::Result<Instant> {
        match self.heard.recv().await.context("the Runtime API has ended")? {
            Heard::Ready(at) => Ok(at),
            Heard::Answered(_) => bail!("it answered before it asked"),
            Heard::Failed(words) => bail!("it failed: {words}"),
        }
    }

    /// When the process answers.
    pub(super) async fn answered(&mut self) -> anyhow::Result<Instant> {
        match self.heard.recv().await.context("the Runtime API has ended")? {
            Heard::Answered(at) => Ok(at),
            Heard::Ready(_) => bail!("it asked again before it answered"),
            Heard::Failed(words) => bail!("it failed: {words}"),
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next_event(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let _ = shared.heard.send(Heard::Ready(Instant::now()));
    let event = shared.events.lock().await.recv().await;
    let Some(event) = event else {
        return (StatusCode::GONE, HeaderMap::new(), Bytes::new());
    };
    let headers = [
        ("lambda-runtime-aws-request-id", "6f0c1f2e-0000-4000-8000-000000000000"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench"),
        ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000"),
        ("content-type", "application/json"),
    ];
    let headers = headers.into_iter().filter_map(|(name, value)| {
        Some((axum::http::HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_static(value)))
    });
    (StatusCode::OK, headers.collect(), event)
}

async fn response(State(shared): State<Arc<Shared>>, Path(_): Path<String>, _body: Bytes) -> StatusCode {
    let _ = shared.heard.send(Heard::Answered(Instant::now()));
    StatusCode::ACCEPTED
}

async fn failure(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    let _ = shared.heard.send(Heard::Failed(String::from_utf8_lossy(&body).into_owned()));
    StatusCode::ACCEPTED
}

async fn init_failure(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let _ = shared.heard.send(Heard::Failed(String::from_utf8_lossy(&body).into_owned()));
    StatusCode::ACCEPTED
}
