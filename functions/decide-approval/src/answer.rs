//! Answers to browsers: the approval page and its style, which loads nothing else.

use lambda_http::Response;
use lambda_http::http::StatusCode;
use maud::Markup;
use slipway_pages::{Answers, STYLE};

/// Nothing is loaded but the style; the form goes back to where it came from.
const ANSWERS: Answers = Answers::new(
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

pub(crate) fn page(status: StatusCode, page: &Markup) -> Response<String> {
    ANSWERS.page(status, page)
}

/// A page that browsers load again by themselves.
pub(crate) fn page_loaded_again(markup: &Markup, seconds: u32) -> Response<String> {
    ANSWERS.page_loaded_again(markup, seconds)
}

pub(crate) fn stylesheet() -> Response<String> {
    ANSWERS.asset("text/css; charset=utf-8", STYLE.to_owned())
}
