//! What a function asked for, read off the request.

use std::fmt;

use axum::http::{HeaderMap, request::Parts};
use serde::{Deserialize, Serialize};

use super::subject;

/// The name that functions give themselves towards AWS starts so.
const PREFIX: &str = "slipway-";
/// The caller of a call that does not say who makes it.
const UNKNOWN: &str = "unknown";

/// A call of an AWS operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The function, such as `deploy-services`; `unknown` when the request does not name one.
    pub caller: String,
    /// The operation as IAM names it, such as `ecs:UpdateService`.
    pub operation: String,
    /// Which try of the call it is, as the SDK counts them.
    pub attempt: Option<u32>,
    /// What it is about, for people: the item, the service, the topic.
    pub subject: String,
}

/// How a request is written, and so how its answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// AWS JSON 1.0 and 1.1: `X-Amz-Target` names the operation.
    Json,
    /// AWS query: a form in which `Action` is the operation; the answer is XML.
    Query,
    /// Smithy RPC v2 CBOR: the path ends in the operation.
    Cbor,
}

impl Call {
    pub(super) fn read(request: &Parts, body: &[u8]) -> (Self, Protocol) {
        let (protocol, operation) = operation(request, body);
        let service = service(&request.headers);
        let subject = invoked(request.uri.path()).map_or_else(
            || subject::of_call(&service, &operation, protocol, body),
            |function| function.rsplit("%3A").next().unwrap_or(function).to_owned(),
        );
        let call = Self {
            caller: caller(&request.headers),
            subject,
            operation: format!("{service}:{operation}"),
            attempt: attempt(&request.headers),
        };
        (call, protocol)
    }

    /// The service part of the operation's name.
    pub(super) fn service(&self) -> &str {
        self.operation.split(':').next().unwrap_or_default()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.caller, self.operation)?;
        if !self.subject.is_empty() {
            write!(formatter, " {}", self.subject)?;
        }
        match self.attempt {
            Some(attempt) if attempt > 1 => write!(formatter, " (try {attempt})"),
            _ => Ok(()),
        }
    }
}

fn operation(request: &Parts, body: &[u8]) -> (Protocol, String) {
    if let Some((_, operation)) = text(&request.headers, "x-amz-target").rsplit_once('.') {
        return (Protocol::Json, operation.to_owned());
    }
    if let Some((_, operation)) = request.uri.path().rsplit_once("/operation/") {
        return (Protocol::Cbor, operation.to_owned());
    }
    // REST in JSON, whose errors are like those of JSON.
    if invoked(request.uri.path()).is_some() {
        return (Protocol::Json, "InvokeFunction".to_owned());
    }
    let action = subject::form(body).into_iter().find(|(name, _)| name == "Action");
    (
        Protocol::Query,
        action.map_or_else(|| format!("{} {}", request.method, request.uri.path()), |(_, action)| action),
    )
}

/// The function that a call hands an event to: `/2015-03-31/functions/NAME/invocations`.
fn invoked(path: &str) -> Option<&str> {
    path.strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")
}

/// The service as IAM names it: the one that the request is signed for.
///
/// `Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`
fn service(headers: &HeaderMap) -> String {
    let signed_for = text(headers, "authorization")
        .split_once("Credential=")
        .and_then(|(_, credential)| credential.split([',', ' ']).next()?.split('/').nth(3))
        .unwrap_or(UNKNOWN);
    match signed_for {
        "monitoring" => "cloudwatch",
        other => other,
    }
    .to_owned()
}

/// The function of `User-Agent: aws-sdk-rust/… app/slipway-deploy-services …`.
fn caller(headers: &HeaderMap) -> String {
    let named = |agent: &str| {
        let name = agent.split_whitespace().find_map(|word| word.strip_prefix("app/"))?;
        Some(name.strip_prefix(PREFIX).unwrap_or(name).to_owned())
    };
    ["x-amz-user-agent", "user-agent"]
        .into_iter()
        .find_map(|header| named(text(headers, header)))
        .unwrap_or_else(|| UNKNOWN.to_owned())
}

/// The try of `amz-sdk-request: attempt=2; max=3`.
fn attempt(headers: &HeaderMap) -> Option<u32> {
    text(headers, "amz-sdk-request")
        .split(';')
        .find_map(|part| part.trim().strip_prefix("attempt=")?.parse().ok())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const AGENT: &str =
        "aws-sdk-rust/1.3 ua/2.1 api/ecs/1.1 os/linux lang/rust/1.95 app/slipway-deploy-services";

    fn request(service: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (Call, Protocol) {
        let mut request = Request::post(path)
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/{service}/aws4_request, Signature=0"
                ),
            )
            .header("user-agent", AGENT);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Call::read(&parts, body.as_bytes())
    }

    #[test]
    fn a_json_call_is_named_by_its_target() {
        let headers = [
            ("x-amz-target", "AmazonEC2ContainerServiceV20141113.UpdateService"),
            ("amz-sdk-request", "attempt=2; max=3"),
        ];

        let (call, protocol) =
            request("ecs", "/", &headers, r#"{"cluster": "production", "service": "web"}"#);

        assert_eq!(protocol, Protocol::Json);
        assert_eq!(call.to_string(), "deploy-services ecs:UpdateService production/web (try 2)");
    }

    #[test]
    fn a_query_call_is_named_by_its_action() {
        let topic = "arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3Aslipway-notifications";

        let (call, protocol) =
            request("sns", "/", &[], &format!("Action=Publish&Version=2010-03-31&TopicArn={topic}"));

        assert_eq!(protocol, Protocol::Query);
        assert_eq!(call.to_string(), "deploy-services sns:Publish slipway-notifications");
    }

    #[test]
    fn a_cbor_call_is_named_by_its_path() {
        let path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";

        let (call, protocol) = request("monitoring", path, &[("smithy-protocol", "rpc-v2-cbor")], "");

        assert_eq!(protocol, Protocol::Cbor);
        assert_eq!(call.operation, "cloudwatch:DescribeAlarms");
    }

    #[test]
    fn an_event_that_is_handed_to_a_function_is_named_by_the_path() {
        for function in [
            "slipway-reconcile",
            "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Aslipway-reconcile",
        ] {
            let path = format!("/2015-03-31/functions/{function}/invocations");

            let (call, protocol) = request("lambda", &path, &[], r#"{"Name": "x"}"#);

            assert_eq!(protocol, Protocol::Json);
            assert_eq!(call.to_string(), "deploy-services lambda:InvokeFunction slipway-reconcile");
        }
    }

    #[test]
    fn a_call_without_a_name_is_of_nobody_known() {
        let (parts, ()) = Request::get("/health").body(()).expect("a request").into_parts();

        let (call, _) = Call::read(&parts, b"");

        assert_eq!(call.to_string(), "unknown unknown:GET /health");
    }
}
