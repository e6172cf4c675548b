//! The one HTTP client that all SDK clients share, and with it one pool of connections.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The certificates of Amazon Trust Services.
const AMAZON: &str = include_str!("roots.pem");

/// Whose certificates are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those that the system trusts. All of them are read, some 140, before the first connection.
    System,
    /// Amazon's own, which are all that AWS's endpoints have.
    Amazon,
}

/// Makes the client as the SDK makes its default one (`default_https_client` of aws-smithy-runtime 1.16), of which
/// each SDK client would get its own: HTTPS by rustls and aws-lc, through the proxy that the environment names.
///
/// It keeps a pool for each set of time-outs. All SDK clients have the same, so they have the same pool.
pub(crate) fn client(trust: Trust) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context(trust))
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

fn context(trust: Trust) -> TlsContext {
    let store = match trust {
        Trust::System => TrustStore::default(),
        Trust::Amazon => TrustStore::empty().with_pem_certificate(AMAZON),
    };
    TlsContext::builder().with_trust_store(store).build().expect("certificates alone make a context")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{Aws, Key, Settings, configured};

    /// A server that answers every request with an empty JSON object and keeps the connection open.
    #[derive(Clone, Default)]
    struct Server {
        /// How long an answer takes, in milliseconds.
        delay: u64,
        connections: Arc<AtomicUsize>,
        requests: Arc<AtomicUsize>,
    }

    impl Server {
        async fn start(&self) -> String {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let url = format!("http://{}", listener.local_addr().expect("an address"));
            let server = self.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    server.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(server.clone().serve(stream));
                }
            });
            url
        }

        async fn serve(self, stream: TcpStream) {
            let mut stream = BufReader::new(stream);
            loop {
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.is_ok_and(|read| read == 0) {
                        return;
                    }
                    let line = line.trim_end().to_ascii_lowercase();
                    if line.is_empty() {
                        break;
                    }
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().expect("a length");
                    }
                }
                stream.read_exact(&mut vec![0; length]).await.expect("the body");
                self.requests.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(self.delay)).await;
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).await.expect("the answer is taken");
            }
        }

        fn connections(&self) -> usize {
            self.connections.load(Ordering::SeqCst)
        }
    }

    fn connected(url: String) -> Aws {
        let settings =
            Settings { region: "eu-central-1".into(), endpoint_url: Some(url), ..Settings::default() };
        let credentials = Credentials::new("id", "secret", None, None, "test");
        Aws::of(configured("test", &settings, SharedCredentialsProvider::new(credentials)))
    }

    #[test]
    fn amazons_five_certificates_are_read_by_the_tls_client() {
        assert_eq!(AMAZON.matches("BEGIN CERTIFICATE").count(), 5);
        // One that does not parse panics when the connector is made.
        let _connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context(Trust::Amazon))
            .build();
    }

    async fn invocation(aws: &Aws) {
        let table = aws.table("slipway");
        assert!(table.get::<u8>(&Key::link("hash")).await.expect("an answer").is_none());
        assert!(aws.ecs().services("production", &["web"]).await.expect("an answer").is_empty());
        assert!(
            aws.clone().table("slipway").list::<u8>("LINK#hash", "").await.expect("an answer").is_empty()
        );
        assert!(aws.parameters().below("/slipway").await.expect("an answer").is_empty());
        assert!(aws.ecs().running_tasks("production", "web").await.expect("an answer").is_empty());
    }

    #[tokio::test]
    async fn what_init_opened_serves_every_client_and_every_invocation() {
        let server = Server::default();
        let url = server.start().await;
        let aws = connected(url);

        tokio::join!(aws.table("slipway").warm_up(), aws.ecs().warm_up());
        let opened = server.connections();
        invocation(&aws).await;
        invocation(&aws).await;

        assert!((1..=2).contains(&opened), "init opened {opened}");
        assert_eq!(server.connections(), opened, "the invocations opened none");
        assert_eq!(server.requests.load(Ordering::SeqCst), 2 + 2 * 5, "and all were answered");
    }

    #[tokio::test]
    async fn a_call_that_changes_something_is_waited_for() {
        let server = Server { delay: 5_000, ..Server::default() };
        let aws = connected(server.start().await);
        let service = slipway_core::name::ServiceName::new("web").expect("a name");
        let revision = "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:2";
        let revision = slipway_core::name::TaskDefinitionArn::new(revision).expect("an ARN");

        let updated = aws.ecs().update("staging", &service, &revision, None, None).await;

        updated.expect("it is not given up");
        assert_eq!(server.requests.load(Ordering::SeqCst), 1, "and asked for once");
    }
}
