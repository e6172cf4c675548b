//! Answers, with the headers that keep links and pages to themselves.

use lambda_http::Response;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, REFRESH,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use maud::Markup;

const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page.
pub(crate) fn page(status: StatusCode, page: &Markup) -> Response<String> {
    answer(status, "text/html; charset=utf-8", "no-store", page.0.clone())
}

/// A page that a browser loads again by itself.
pub(crate) fn page_loaded_again(markup: &Markup, seconds: u32) -> Response<String> {
    let mut answer = page(StatusCode::OK, markup);
    answer.headers_mut().insert(REFRESH, seconds.into());
    answer
}

/// The one stylesheet.
pub(crate) fn stylesheet() -> Response<String> {
    answer(
        StatusCode::OK,
        "text/css; charset=utf-8",
        "public, max-age=3600",
        include_str!("style.css").to_owned(),
    )
}

fn answer(
    status: StatusCode,
    media_type: &'static str,
    caching: &'static str,
    body: String,
) -> Response<String> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, media_type)
        .header(CACHE_CONTROL, caching)
        .header(REFERRER_POLICY, "no-referrer")
        .header(CONTENT_SECURITY_POLICY, POLICY)
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(X_FRAME_OPTIONS, "DENY")
        .header(STRICT_TRANSPORT_SECURITY, "max-age=31536000")
        .header("x-robots-tag", "noindex")
        .body(body)
        .expect("a status and headers that are constants make a response")
}
