//! Answers of pages, each with the headers that keep a page from being framed, kept, sniffed, or from telling where its
//! reader was.

use lambda_http::Response;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, REFRESH,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use maud::Markup;

/// Answers of pages that may load no more than their policy says.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    policy: &'static str,
}

impl Answers {
    /// Answers with this content security policy ("Content Security Policy Level 3", W3C).
    #[must_use]
    pub const fn new(policy: &'static str) -> Self {
        Self { policy }
    }

    /// A page.
    #[must_use]
    pub fn page(self, status: StatusCode, page: &Markup) -> Response<String> {
        self.answer(status, "text/html; charset=utf-8", "no-store", page.0.clone())
    }

    /// A page that browsers load again by themselves.
    #[must_use]
    pub fn page_loaded_again(self, markup: &Markup, seconds: u32) -> Response<String> {
        let mut answer = self.page(StatusCode::OK, markup);
        answer.headers_mut().insert(REFRESH, seconds.into());
        answer
    }

    /// What pages load, which says nothing about anybody: a style or a script.
    #[must_use]
    pub fn asset(self, media_type: &'static str, text: String) -> Response<String> {
        self.answer(StatusCode::OK, media_type, "public, max-age=3600", text)
    }

    fn answer(
        self,
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
            .header(CONTENT_SECURITY_POLICY, self.policy)
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(X_FRAME_OPTIONS, "DENY")
            .header(STRICT_TRANSPORT_SECURITY, "max-age=31536000")
            .header("x-robots-tag", "noindex")
            .body(body)
            .expect("a status and headers that are constants make a response")
    }
}
