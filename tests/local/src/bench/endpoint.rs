//! An AWS endpoint that answers as it did while a case was recorded, by HTTP or by TLS, and counts.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, bail};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, Response, Uri, request::Parts},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::case::{Answer, Case, bytes};
use crate::wire::operation_of;

/// What an answer is, ready to be sent.
#[derive(Clone, Debug)]
struct Ready {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// The answers of one operation, in their order.
type Answers = Vec<Given>;

/// An answer, with what it answers.
#[derive(Debug)]
struct Given {
    asked: Vec<u8>,
    answer: Ready,
    used: bool,
}

/// The answer to a request: to the same one, where it was made like this; else the next of its operation, as a request may
/// have a time in it. Calls that are made together may come in another order.
fn next(answers: &mut Answers, asked: &[u8]) -> Option<Ready> {
    let same = answers.iter().position(|one| !one.used && one.asked == asked);
    let place = same.or_else(|| answers.iter().position(|one| !one.used)).or(answers.len().checked_sub(1))?;
    let given = answers.get_mut(place)?;
    given.used = true;
    Some(given.answer.clone())
}

/// The endpoint. Until it plays a case it answers everything with an empty document: so init may open its connections.
#[derive(Debug)]
pub(super) struct Endpoint {
    shared: Arc<Shared>,
    address: SocketAddr,
    scheme: &'static str,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The answers by operation; none before a case is played.
    answers: Mutex<Option<HashMap<String, Answers>>>,
    /// Operations that were asked for and never recorded.
    unknown: Mutex<Vec<String>>,
    connections: AtomicUsize,
    calls: AtomicUsize,
}

/// What an endpoint has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) connections: usize,
    pub(super) calls: usize,
}

/// A listener that shows the certificate of `localhost`.
struct Secure {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
}

/// A listener that counts connections.
struct Plain {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl axum::serve::Listener for Plain {
    type Addr = SocketAddr;
    type Io = TcpStream;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await {
                let _ = stream.set_nodelay(true);
                self.shared.connections.fetch_add(1, Ordering::Relaxed);
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl axum::serve::Listener for Secure {
    type Addr = SocketAddr;
    type Io = TlsStream<TcpStream>;

    async fn accept(&mut self) -> (TlsStream<TcpStream>, SocketAddr) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await {
                let _ = stream.set_nodelay(true);
                self.shared.connections.fetch_add(1, Ordering::Relaxed);
                if let Ok(stream) = self.acceptor.accept(stream).await {
                    return (stream, address);
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Endpoint {
    /// Listens by HTTP, or by TLS where there is a folder with `server.pem` and `server.key`.
    pub(super) async fn start(certificate: Option<&Path>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let counted = Arc::clone(&shared);
        let (scheme, server) = match certificate {
            None => {
                let listener = Plain { listener, shared: counted };
                ("http", tokio::spawn(async move { drop(axum::serve(listener, router).await) }))
            }
            Some(folder) => {
                let chain = CertificateDer::pem_file_iter(folder.join("server.pem"))?
                    .collect::<Result<Vec<_>, _>>()?;
                let key = PrivateKeyDer::from_pem_file(folder.join("server.key"))?;
                let mut config = ServerConfig::builder_with_provider(Arc::new(
                    rustls::crypto::aws_lc_rs::default_provider(),
                ))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(chain, key)?;
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                let acceptor = TlsAcceptor::from(Arc::new(config));
                let listener = Secure { listener, acceptor, shared: counted };
                ("https", tokio::spawn(async move { drop(axum::serve(listener, router).await) }))
            }
        };
        Ok(Self { shared, address, scheme, server })
    }

    /// Where it answers, by a name that its certificate has.
    pub(super) fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// Answers for this case from now on, and counts its calls.
    pub(super) fn play(&self, case: &Case) -> anyhow::Result<()> {
        let mut answers: HashMap<String, Answers> = HashMap::new();
        for call in &case.calls {
            answers.entry(call.operation.clone()).or_default().push(Given {
                asked: bytes(&call.request.body)?,
                answer: Ready::of(&call.answer)?,
                used: false,
            });
        }
        *lock(&self.shared.answers) = Some(answers);
        self.shared.calls.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Begins from the first answer of each operation again, and counts from 0.
    pub(super) fn rewind(&self) {
        lock(&self.shared.answers)
            .iter_mut()
            .flatten()
            .flat_map(|(_, answers)| answers)
            .for_each(|one| one.used = false);
        self.shared.connections.store(0, Ordering::Relaxed);
        self.shared.calls.store(0, Ordering::Relaxed);
    }

    /// What it has counted since then.
    ///
    /// # Errors
    ///
    /// When it was asked for something that was never recorded.
    pub(super) fn counted(&self) -> anyhow::Result<Counted> {
        let unknown = lock(&self.shared.unknown);
        if let Some(operation) = unknown.first() {
            bail!("{operation} was asked for, which was not recorded");
        }
        Ok(Counted {
            connections: self.shared.connections.load(Ordering::Relaxed),
            calls: self.shared.calls.load(Ordering::Relaxed),
        })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Ready {
    fn of(answer: &Answer) -> anyhow::Result<Self> {
        Ok(Self {
            status: answer.status,
            headers: answer.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body: bytes(&answer.body)?.into(),
        })
    }

    fn send(&self) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body.clone())).unwrap_or_default()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, parts: Parts, body: Bytes) -> Response<Body> {
    // A probe of a load balancer, by the proxy that this is too.
    if is_of_a_load_balancer(&parts.uri) {
        return Response::new(Body::from("{}"));
    }
    shared.calls.fetch_add(1, Ordering::Relaxed);
    let operation = operation_of(&parts, &body);
    let mut answers = lock(&shared.answers);
    let Some(answers) = answers.as_mut() else {
        let mut response = Response::new(Body::from("{}"));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/x-amz-json-1.0"));
        return response;
    };
    let Some(answer) = answers.get_mut(&operation).and_then(|answers| next(answers, &body)) else {
        lock(&shared.unknown).push(operation);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = axum::http::StatusCode::NOT_FOUND;
        return response;
    };
    answer.send()
}

fn is_of_a_load_balancer(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| host.ends_with(".elb.amazonaws.com") || host.ends_with(".alb.localhost"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
