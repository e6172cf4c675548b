//! The wire between the functions and the AWS endpoint: it writes down every call that a function makes, and can break
//! one of them on request.
//!
//! MiniStack gives its functions this address as their endpoint. Terraform, tests and people speak to MiniStack itself,
//! and what a function asks of a load balancer does not pass here either.

mod answer;
mod call;
mod caller;
mod control;
mod examples;
mod fault;
mod line;
mod pass;
mod plan;
mod rates;
mod subject;
#[cfg(test)]
mod tests;
mod trace;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle};

pub use call::Call;
pub use control::Control;
pub use fault::{CallRule, EventFault, EventRule, Fault, Plan};
pub use trace::{Entry, What};

pub(crate) use rates::BUCKETS;

use self::{
    examples::{Example, Examples},
    line::{Lines, Peer},
    plan::Counted,
    rates::Rates,
    trace::Trace,
};

/// How long an answer of MiniStack may take; longer than any client of ours waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many deliveries may be announced before a listener misses some.
const DELIVERIES: usize = 256;
/// How much news may wait for whoever delivers it, which takes no time.
const NEWS: usize = 65_536;

/// The wire, listening.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Shared>);

/// A wire that ends with this.
#[derive(Debug)]
pub struct Standing {
    wire: Wire,
    server: JoinHandle<()>,
}

/// Where a wire writes what passes, and reads how it is to behave.
#[derive(Clone, Debug)]
pub struct WireFiles {
    /// The file of the examples.
    pub examples: PathBuf,
    /// The folder that everything is recorded in while it exists.
    pub recording: PathBuf,
    /// The file that says how awkward AWS is.
    pub awkward: PathBuf,
}

/// What an event tells, before it is in its envelope.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct News {
    /// The event's source, such as `aws.ecs`.
    pub source: String,
    /// Its type, such as `ECS Service Action`.
    pub detail_type: String,
    /// The ARNs of what it is about.
    pub resources: Vec<String>,
    /// What happened, in the shape of its type.
    pub detail: Value,
    /// When, to the second, as EventBridge writes it.
    pub time: String,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    /// Where the calls go: MiniStack's endpoint, without a path.
    endpoint: String,
    client: reqwest::Client,
    state: Mutex<State>,
    /// Where it says how awkward AWS is.
    awkward: PathBuf,
    /// Takes what passed unbroken; no call waits until it is written.
    examples: mpsc::Sender<Example>,
    delivered: broadcast::Sender<String>,
    /// What happens by itself, as MiniStack tells it.
    news: broadcast::Sender<News>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Counted<CallRule>>,
    events: Vec<Counted<EventRule>>,
    trace: Trace,
    rates: Rates,
}

/// The operation that a request asks for, as IAM names it, such as `ecs:UpdateService`.
pub(crate) fn operation_of(request: &axum::http::request::Parts, body: &[u8]) -> String {
    Call::read(request, body).0.operation
}

impl Wire {
    /// Listens on a port that the system chooses, and passes everything on to the endpoint, which need not answer yet. Of
    /// what passes unbroken it writes examples to a file, and all of it while there is a folder for recordings; another file
    /// says how awkward AWS is ([`crate::Awkward`]).
    ///
    /// # Errors
    ///
    /// When no port is free, or the file cannot be made.
    pub async fn start(endpoint: &str, files: WireFiles) -> anyhow::Result<Standing> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("the wire finds no free port")?;
        let wire = Self(Arc::new(Shared {
            address: listener.local_addr()?,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(PATIENCE)
                .build()?,
            state: Mutex::default(),
            awkward: files.awkward,
            examples: Examples::create(&files.examples, files.recording)?.take(),
            delivered: broadcast::Sender::new(DELIVERIES),
            news: broadcast::Sender::new(NEWS),
        }));
        let service = control::router(wire.clone()).into_make_service_with_connect_info::<Peer>();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(Lines::new(listener), service).await {
                tracing::error!(%error, "the wire ended");
            }
        });
        Ok(Standing { wire, server })
    }

    /// Where it listens, as an endpoint for SDKs.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Writes an event down, and says what is to become of it.
    #[must_use]
    pub fn happened(&self, event: &Value) -> (u64, Option<EventFault>) {
        let mut state = self.state();
        let detail_type = event["detail-type"].as_str().unwrap_or_default().to_owned();
        let subject = subject::of_event(event);
        let fault = plan::choose(&mut state.events, |rule| rule.concerns(&detail_type, &subject))
            .map(|rule| rule.fault);
        let number = state.trace.write(What::Event { detail_type, subject, fault, rules: Vec::new() });
        (number, fault)
    }

    /// Writes down which rules got an event.
    pub fn delivered(&self, number: u64, detail_type: &str, rules: Vec<String>) {
        self.state().trace.deliver(number, rules);
        // Nobody may be listening.
        let _ = self.0.delivered.send(detail_type.to_owned());
    }

    /// The next delivery of an event of this type, counted from this call on and not from when it is awaited.
    pub fn next_delivery(&self, detail_type: &str) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut deliveries = self.0.delivered.subscribe();
        let wanted = detail_type.to_owned();
        async move {
            loop {
                match deliveries.recv().await {
                    Ok(delivered) if delivered == wanted => return,
                    Err(broadcast::error::RecvError::Closed) => return,
                    _ => {}
                }
            }
        }
    }

    /// What happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.0.news.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every value in it is whole between statements.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// The wire.
    #[must_use]
    pub fn wire(&self) -> &Wire {
        &self.wire
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.server.abort();
    }
}
