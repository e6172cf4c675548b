//! The operators' API, asked by a function: each request is signed with its role's credentials, so that IAM says what it may
//! ask for.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use url::Url;

use crate::AwsError;

/// As IAM names it.
const OPERATION: &str = "execute-api:Invoke";
/// How long an answer may take: `operate-releases` has 15 seconds, and who waits for a page less.
const PATIENCE: Duration = Duration::from_secs(16);

/// The operators' API.
#[derive(Clone, Debug)]
pub struct OperatorsApi {
    http: reqwest::Client,
    address: Url,
    region: String,
    credentials: SharedCredentialsProvider,
}

impl OperatorsApi {
    pub(crate) fn new(config: &SdkConfig, address: &str) -> Result<Self, AwsError> {
        let unusable = |problem: String| AwsError::unusable(OPERATION, problem);
        let url = Url::parse(&format!("{}/", address.trim_end_matches('/')));
        let address = url.map_err(|error| unusable(format!("{address} is no address: {error}")))?;
        let mut http =
            reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        // Names below `localhost` are the loopback address (RFC 6761, 6.3), which no proxy is asked for.
        if let Some(host) = address.host_str().filter(|host| host.ends_with(".localhost")) {
            let port = address.port_or_known_default().unwrap_or(80);
            http = http.no_proxy().resolve(host, ([127, 0, 0, 1], port).into());
        }
        Ok(Self {
            http: http.build().map_err(|error| unusable(error.to_string()))?,
            address,
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            credentials: config
                .credentials_provider()
                .ok_or_else(|| unusable("there are no credentials".to_owned()))?,
        })
    }

    /// Sends a document to a path without a slash at its beginning, and gives back the status and the document of the
    /// answer.
    ///
    /// # Errors
    ///
    /// When nothing answers, or API Gateway or IAM refuse.
    pub async fn post(&self, path: &str, document: &str) -> Result<(u16, String), AwsError> {
        let url = self.address.join(path);
        let url =
            url.map_err(|error| AwsError::unusable(OPERATION, format!("{path} is no path: {error}")))?;
        let mut request = self.http.post(url.clone()).body(document.to_owned());
        for (name, value) in self.headers(&url, document).await? {
            request = request.header(name, value);
        }
        let unanswered = |error: reqwest::Error| AwsError::Unanswered {
            operation: OPERATION,
            source: error.without_url().into(),
        };
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status().as_u16();
        let document = answer.text().await.map_err(unanswered)?;
        match status {
            403 => Err(AwsError::Refused { operation: OPERATION, source: document.into() }),
            429 => Err(AwsError::Throttled { operation: OPERATION, source: document.into() }),
            500.. => Err(AwsError::Transient { operation: OPERATION, source: document.into() }),
            _ => Ok((status, document)),
        }
    }

    /// The headers of a request, with those that prove who asks ("Signature Version 4 for API requests", IAM user guide).
    async fn headers(&self, url: &Url, document: &str) -> Result<Vec<(String, String)>, AwsError> {
        let unusable = |problem: String| AwsError::unusable(OPERATION, problem);
        let credentials = self.credentials.provide_credentials().await;
        let identity = credentials.map_err(|error| unusable(format!("no credentials: {error}")))?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("execute-api")
            .time(second())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let body = SignableBody::Bytes(document.as_bytes());
        let signable = SignableRequest::new("POST", url.as_str(), headers.into_iter(), body);
        let signed = signable.and_then(|signable| sign(signable, &parameters.into()));
        let (instructions, _) = signed.map_err(|error| unusable(error.to_string()))?.into_parts();
        let signature = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(signature.chain([("content-type".to_owned(), "application/json".to_owned())]).collect())
    }
}

/// The time that a signature says.
#[expect(clippy::disallowed_methods, reason = "AWS compares it with its own clock")]
fn second() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_credential_types::Credentials;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn config() -> SdkConfig {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "a test");
        SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    /// A server that answers one request with a status, and gives back what it was sent.
    async fn answers(status: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let request = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"{\"a\":1}") {
                assert!(stream.read_buf(&mut request).await.expect("it is sent") > 0, "it ended too early");
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).await.expect("it is read");
            String::from_utf8_lossy(&request).to_lowercase()
        });
        (address, request)
    }

    #[tokio::test]
    async fn a_request_is_signed_for_the_api_of_its_region() {
        let (address, request) = answers("200 OK").await;

        let api = OperatorsApi::new(&config(), &address).expect("an address");
        let answer = api.post("console/request", r#"{"a":1}"#).await.expect("it answers");

        assert_eq!(answer, (200, "{}".to_owned()));
        let request = request.await.expect("it was asked");
        assert!(request.starts_with("post /console/request http/1.1"), "{request}");
        assert!(request.contains("credential=akidexample/"), "{request}");
        assert!(request.contains("/eu-central-1/execute-api/aws4_request"), "{request}");
        assert!(request.contains("signedheaders=content-type;host;x-amz-date"), "{request}");
    }

    #[tokio::test]
    async fn what_iam_or_api_gateway_say_is_no_answer() {
        for (status, expected) in
            [("403 Forbidden", "refused"), ("429 Too Many", "throttled"), ("503 Unavailable", "failed")]
        {
            let (address, request) = answers(status).await;
            let api = OperatorsApi::new(&config(), &address).expect("an address");

            let error = api.post("console/request", r#"{"a":1}"#).await.expect_err(status);

            assert!(error.to_string().contains(expected), "{status}: {error}");
            request.await.expect("it was asked");
        }
    }
}
