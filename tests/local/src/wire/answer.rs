//! Answers in the place of AWS, in the shape of the call's protocol.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};
use serde_json::json;

use super::call::{Call, Protocol};

/// AWS could not do it, and nothing happened.
pub(super) fn internal_failure(
    call: &Call,
    protocol: Protocol,
    content_type: Option<&HeaderValue>,
) -> Response<Body> {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InternalFailure",
        "The wire refused this call.",
        call,
        protocol,
        content_type,
    )
}

/// AWS was asked too often, and nothing happened.
pub(super) fn throttled(
    call: &Call,
    protocol: Protocol,
    content_type: Option<&HeaderValue>,
) -> Response<Body> {
    let code = match (call.service(), protocol) {
        ("dynamodb", _) => "ProvisionedThroughputExceededException",
        (_, Protocol::Query) => "Throttling",
        _ => "ThrottlingException",
    };
    error(
        StatusCode::BAD_REQUEST,
        code,
        "Rate exceeded: the wire throttled this call.",
        call,
        protocol,
        content_type,
    )
}

fn error(
    status: StatusCode,
    code: &str,
    message: &str,
    call: &Call,
    protocol: Protocol,
    asked: Option<&HeaderValue>,
) -> Response<Body> {
    let mut response = Response::builder().status(status).header("x-amzn-requestid", "wire");
    let body = match protocol {
        Protocol::Json => {
            response = response.header("x-amzn-errortype", code);
            json!({ "__type": code, "message": message }).to_string().into_bytes()
        }
        Protocol::Query => {
            let at_fault = if status.is_server_error() { "Receiver" } else { "Sender" };
            format!(
                "<ErrorResponse><Error><Type>{at_fault}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>wire</RequestId></ErrorResponse>"
            )
            .into_bytes()
        }
        Protocol::Cbor => {
            response = response
                .header("smithy-protocol", "rpc-v2-cbor")
                .header("x-amzn-query-error", format!("{code};Receiver"));
            cbor(&[("__type", code), ("message", message)])
        }
    };
    response = match (protocol, asked) {
        (Protocol::Json, Some(asked)) => response.header(CONTENT_TYPE, asked),
        (Protocol::Json, None) => response.header(CONTENT_TYPE, "application/x-amz-json-1.1"),
        (Protocol::Query, _) => response.header(CONTENT_TYPE, "text/xml"),
        (Protocol::Cbor, _) => response.header(CONTENT_TYPE, "application/cbor"),
    };
    tracing::info!(call = %call, code, "the wire answered in the place of AWS");
    response.body(Body::from(body)).unwrap_or_default()
}

/// A map of few short texts (RFC 8949).
fn cbor(fields: &[(&str, &str)]) -> Vec<u8> {
    fn text(bytes: &mut Vec<u8>, text: &str) {
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        bytes.extend([0x78, length]);
        bytes.extend(text.bytes().take(length.into()));
    }

    let mut bytes = vec![0xa0 + u8::try_from(fields.len()).unwrap_or_default()];
    for (name, value) in fields {
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_cbor_is_a_map_of_its_type_and_message() {
        assert_eq!(cbor(&[("a", "bc")]), [0xa1, 0x78, 1, b'a', 0x78, 2, b'b', b'c']);
    }
}
