//! Requests through the load balancer, as a user would send them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use slipway_core::verification::Probe;

/// Sends the requests. It follows no redirect: where one is answered, it is not the service that answers.
#[derive(Clone, Debug)]
pub struct Prober {
    client: reqwest::Client,
}

impl Prober {
    /// Prepares the requests: no connection is kept, so that each one goes where the load balancer sends it now.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .dns_resolver(Loopback)
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("slipway")
            .build()?;
        Ok(Self { client })
    }

    /// Asks once, with these headers.
    pub async fn ask(&self, url: &str, headers: &BTreeMap<String, String>, timeout: Duration) -> Probe {
        let begun = Instant::now();
        let mut request = self.client.get(url).timeout(timeout);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = match request.send().await {
            Ok(answer) => Ok(answer.status().as_u16()),
            Err(error) if error.is_timeout() => Err(format!("nothing within {} s", timeout.as_secs())),
            Err(error) => Err(format!("no connection: {}", innermost(&error))),
        };
        Probe { answer, took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Resolves names as the system does, and names below `localhost` to the loopback address, as RFC 6761 (6.3) asks of
/// resolvers and not every system's does.
#[derive(Clone, Copy, Debug)]
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            if name.as_str() == "localhost" || name.as_str().ends_with(".localhost") {
                let here: Addrs = Box::new(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
                return Ok(here);
            }
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers one connection with this text, or reads and never answers.
    async fn server(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let _read = stream.read(&mut [0; 1024]).await;
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.expect("written"),
                None => std::future::pending().await,
            }
        });
        format!("http://web.alb.localhost:{port}/health")
    }

    #[tokio::test]
    async fn a_status_is_an_answer_whatever_it_is() {
        for (text, status) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
            ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", 500),
            ("HTTP/1.1 302 Away\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", 302),
        ] {
            let url = server(Some(text)).await;
            let probe = Prober::new().expect("TLS").ask(&url, &BTreeMap::new(), Duration::from_secs(5)).await;
            assert_eq!(probe.answer, Ok(status));
        }
    }

    #[tokio::test]
    async fn headers_are_sent_along() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let url = format!("http://127.0.0.1:{}/", listener.local_addr().expect("an address").port());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut text = [0; 1024];
            let read = stream.read(&mut text).await.expect("a request");
            stream.write_all(b"HTTP/1.1 204 \r\n\r\n").await.expect("written");
            String::from_utf8_lossy(&text[..read]).to_lowercase()
        });
        let headers = [("X-Probe", "slipway"), ("Host", "shop.example.com")]
            .map(|(name, value)| (name.into(), value.into()));

        let probe = Prober::new().expect("TLS").ask(&url, &headers.into(), Duration::from_secs(5)).await;

        let asked = asked.await.expect("asked");
        assert_eq!(probe.answer, Ok(204));
        assert!(
            asked.contains("x-probe: slipway\r\n") && asked.contains("host: shop.example.com\r\n"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn no_answer_in_time_and_no_connection_are_kept_apart() {
        let prober = Prober::new().expect("TLS");
        let url = server(None).await;
        let hanging = prober.ask(&url, &BTreeMap::new(), Duration::from_millis(50)).await;
        let nobody = prober.ask("http://127.0.0.1:1/health", &BTreeMap::new(), Duration::from_secs(5)).await;

        assert!(hanging.answer.expect_err("no answer").starts_with("nothing within"));
        assert!(nobody.answer.expect_err("no connection").starts_with("no connection"));
    }
}
