//! Answers to browsers, and the cookie that holds a session's secret.

use lambda_http::http::StatusCode;
use lambda_http::http::header::{COOKIE, HeaderValue, LOCATION, REFRESH, SET_COOKIE};
use lambda_http::{Request, Response};
use maud::Markup;
use slipway_pages::{Answers, STYLE};

use crate::ask::NoDocument;
use crate::page;

/// Styles, scripts and what the script fetches come from here alone; nothing may stand in a page itself.
const ANSWERS: Answers = Answers::new(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The cookie. Its prefix has browsers take it from a page of this host alone, with TLS and for every path ("Cookies: HTTP
/// State Management Mechanism", draft-ietf-httpbis-rfc6265bis, 4.1.3.2).
const NAME: &str = "__Host-slipway";

/// How soon a page is loaded again while IAM is asked, in seconds.
const SOON: u16 = 1;

pub(crate) fn page(status: StatusCode, page: &Markup) -> Response<String> {
    ANSWERS.page(status, page)
}

pub(crate) fn stylesheet() -> Response<String> {
    ANSWERS.asset("text/css; charset=utf-8", format!("{STYLE}\n{}", include_str!("console.css")))
}

pub(crate) fn script() -> Response<String> {
    ANSWERS.asset("text/javascript; charset=utf-8", include_str!("script.js").to_owned())
}

/// The page for what cannot be shown.
pub(crate) fn no_document(why: &NoDocument) -> Response<String> {
    match why {
        NoDocument::NoSession => page(StatusCode::UNAUTHORIZED, &page::no_session()),
        NoDocument::Unproven => {
            let mut answer = page(StatusCode::ACCEPTED, &page::unproven());
            answer.headers_mut().insert(REFRESH, SOON.into());
            answer
        }
        NoDocument::Refused(path) => page(StatusCode::FORBIDDEN, &page::refused(path)),
        NoDocument::TooMany => page(StatusCode::TOO_MANY_REQUESTS, &page::too_many()),
        NoDocument::UnknownPage => page(StatusCode::NOT_FOUND, &page::unknown()),
        NoDocument::Problem(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            page(status, &page::problem(problem))
        }
        NoDocument::Unanswered(error) => {
            tracing::error!(
                "a page of the console could not be answered: {error}: {:?}",
                std::error::Error::source(error)
            );
            page(StatusCode::SERVICE_UNAVAILABLE, &page::try_again())
        }
    }
}

/// Sends a browser on to the board with a new secret, or without one.
pub(crate) fn to_the_board(secret: &str, seconds: i64) -> Response<String> {
    let mut answer = page(StatusCode::SEE_OTHER, &page::moved());
    let cookie = format!("{NAME}={secret}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    let cookie = HeaderValue::from_str(&cookie).expect("a secret of base64url and digits make a header");
    answer.headers_mut().insert(SET_COOKIE, cookie);
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
    answer
}

/// The secret that a browser sends; nothing where it sends none, or two.
pub(crate) fn secret_of(request: &Request) -> Option<String> {
    let cookies = request.headers().get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut secrets = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(NAME)?.strip_prefix('='));
    let secret = secrets.next().filter(|secret| !secret.is_empty())?.to_owned();
    secrets.next().is_none().then_some(secret)
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    fn with(cookies: &[&str]) -> Option<String> {
        let mut request = lambda_http::http::Request::builder();
        for cookie in cookies {
            request = request.header(COOKIE, *cookie);
        }
        secret_of(&request.body(Body::Empty).expect("a request"))
    }

    #[test]
    fn the_secret_is_in_one_cookie_of_its_own() {
        assert_eq!(with(&["a=1; __Host-slipway=b.c; d=2"]).as_deref(), Some("b.c"));
        assert_eq!(with(&["a=1", "__Host-slipway=b.c"]).as_deref(), Some("b.c"));
        for none in [&[][..], &["slipway=b.c"], &["__Host-slipway="], &["__Host-slipwayx=b"]] {
            assert_eq!(with(none), None, "{none:?}");
        }
        assert_eq!(
            with(&["__Host-slipway=a; __Host-slipway=b"]),
            None,
            "nobody knows whose the second one is"
        );
    }

    #[test]
    fn the_cookie_reaches_no_script_no_other_host_and_no_request_from_elsewhere() {
        let answer = to_the_board("name.secret", 28_800);
        assert_eq!(
            answer.headers()[SET_COOKIE],
            "__Host-slipway=name.secret; Path=/; Max-Age=28800; Secure; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            (answer.status(), &answer.headers()[LOCATION]),
            (StatusCode::SEE_OTHER, &HeaderValue::from_static("/"))
        );
    }

    #[test]
    fn every_answer_keeps_its_page_to_itself() {
        for answer in [
            page(StatusCode::OK, &page::no_session()),
            no_document(&NoDocument::Unproven),
            to_the_board("a.b", 1),
            stylesheet(),
            script(),
        ] {
            let headers = answer.headers();
            let policy = headers["content-security-policy"].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            assert_eq!(headers["x-frame-options"], "DENY");
            assert_eq!(headers["x-content-type-options"], "nosniff");
        }
        assert_eq!(page(StatusCode::OK, &page::no_session()).headers()["cache-control"], "no-store");
    }
}
