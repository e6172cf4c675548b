//! A call's way through the wire.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, Response, StatusCode, header},
};

use crate::{awkward::Awkwardness, clock};

use super::{Call, Fault, What, Wire, answer, call::Protocol, caller, examples::Example, line::Peer, plan};

/// How long a delayed answer is held; the functions wait 8 seconds for a call with all its tries.
pub(super) const HELD: Duration = Duration::from_secs(10);
/// How much later than its call a late effect comes.
pub(super) const LATE: Duration = Duration::from_secs(10);
/// The largest body that passes; DynamoDB takes 16 MiB.
const LARGEST: usize = 32 << 20;

/// A request as it came.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: Method,
    /// With the query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Lets a call pass, or breaks it.
pub(super) async fn pass(
    State(wire): State<Wire>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let (call, protocol) = Call::read(&parts, &body);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let incoming = Incoming { method: parts.method, path, headers: parts.headers, body };
    // On its own: a caller that goes away in the middle changes nothing about the effect.
    tokio::spawn(async move { wire.take(&peer, &call, protocol, incoming).await })
        .await
        .unwrap_or_else(|_| status(StatusCode::BAD_GATEWAY))
}

impl Wire {
    async fn take(&self, peer: &Peer, call: &Call, protocol: Protocol, incoming: Incoming) -> Response<Body> {
        let at = clock::now();
        let (number, fault) = self.arrived(call, peer.address().port());
        let content_type = incoming.headers.get(header::CONTENT_TYPE).cloned();
        if fault == Some(Fault::KillBefore) {
            self.kill(peer, call);
            peer.cut();
            return status(StatusCode::BAD_GATEWAY);
        }
        if fault == Some(Fault::Late) {
            peer.cut();
            let wire = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LATE).await;
                if let Ok(answer) = wire.forward(&incoming).await {
                    wire.state().trace.answer(number, answer.status().as_u16());
                }
            });
            return status(StatusCode::BAD_GATEWAY);
        }
        let answer = match fault {
            Some(Fault::RefuseBefore) => answer::internal_failure(call, protocol, content_type.as_ref()),
            Some(Fault::Throttle) => answer::throttled(call, protocol, content_type.as_ref()),
            _ => {
                let answer = self.forward(&incoming).await;
                if let (None, Ok(answer)) = (fault, &answer) {
                    let (call, answer) = (call.clone(), answer.clone());
                    let ended = clock::now();
                    // Its writer lives as long as the wire.
                    let _taken = self.0.examples.send(Example {
                        at,
                        ended,
                        call,
                        protocol,
                        request: incoming,
                        answer,
                    });
                }
                answer.map_or_else(|_| status(StatusCode::BAD_GATEWAY), |answer| answer.map(Body::from))
            }
        };
        self.state().trace.answer(number, answer.status().as_u16());
        match fault {
            Some(Fault::Delay) => tokio::time::sleep(HELD).await,
            Some(Fault::LoseAnswer) => peer.cut(),
            Some(Fault::KillAfter) => {
                self.kill(peer, call);
                peer.cut();
            }
            _ => {}
        }
        answer
    }

    fn kill(&self, peer: &Peer, call: &Call) {
        match caller::kill_process(peer.address(), self.0.address) {
            Ok(process) => tracing::info!(%call, process, "the wire killed a function"),
            Err(error) => tracing::error!(%call, "the function could not be killed: {error:#}"),
        }
    }

    /// Writes a call down, and says how it is to be broken.
    fn arrived(&self, call: &Call, connection: u16) -> (u64, Option<Fault>) {
        let has_rates = Awkwardness::read(&self.0.awkward).has_rates();
        let mut state = self.state();
        let fault = plan::choose(&mut state.calls, |rule| rule.concerns(call)).map(|rule| rule.fault);
        let is_too_often = has_rates && !state.rates.take(&call.operation, Instant::now());
        let fault = fault.or_else(|| is_too_often.then_some(Fault::Throttle));
        (state.trace.write(What::Call { call: call.clone(), status: None, fault, connection }), fault)
    }

    async fn forward(&self, incoming: &Incoming) -> anyhow::Result<Response<Bytes>> {
        let mut headers = incoming.headers.clone();
        for of_this_connection in [header::CONNECTION, header::TRANSFER_ENCODING, header::EXPECT] {
            headers.remove(of_this_connection);
        }
        let answered = async {
            let answer = self
                .0
                .client
                .request(incoming.method.clone(), format!("{}{}", self.0.endpoint, incoming.path))
                .headers(headers)
                .body(incoming.body.clone())
                .send()
                .await?;
            let mut response = Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                if ![header::CONNECTION, header::TRANSFER_ENCODING].contains(name) {
                    response = response.header(name, value);
                }
            }
            anyhow::Ok(response.body(answer.bytes().await?)?)
        };
        answered.await.inspect_err(|error| tracing::warn!("the endpoint did not answer a call: {error:#}"))
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
