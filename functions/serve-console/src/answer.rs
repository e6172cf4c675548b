//! Answers to browsers, and the cookie that holds a session's secret.

use lambda_http::http::header::{COOKIE, HeaderValue, LOCATION, REFRESH, SET_COOKIE};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Request, RequestExt as _, Response};
use maud::Markup;
use slipway_aws::AwsError;
use slipway_core::console::session_of;
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

/// How long a page waits before it is loaded again, in seconds: while IAM is asked, while the API does not answer, and while
/// the session asks too often. It waits twice as long each time.
const SOON: u32 = 1;
const LATER: u32 = 15;
const NEXT_MINUTE: u32 = 30;
const LONGEST: u32 = 60;
/// The query's parameter that says how often a page was loaded again.
const WAITED: &str = "waited";

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
        NoDocument::Unproven => page(StatusCode::ACCEPTED, &page::unproven()),
        NoDocument::Refused(path) => page(StatusCode::FORBIDDEN, &page::refused(path)),
        NoDocument::TooMany => page(StatusCode::TOO_MANY_REQUESTS, &page::too_many()),
        NoDocument::UnknownPage => page(StatusCode::NOT_FOUND, &page::unknown()),
        NoDocument::Problem(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            page(status, &page::problem(problem))
        }
        NoDocument::Unanswered(error) => {
            log_unanswered(error);
            page(StatusCode::SERVICE_UNAVAILABLE, &page::try_again())
        }
    }
}

pub(crate) fn log_unanswered(error: &AwsError) {
    let source = std::error::Error::source(error);
    tracing::error!("a page of the console could not be answered: {error}: {source:?}");
}

/// Has the browser load a page again that will be another one soon. Forms are not loaded: that would send nothing again, and
/// show another form.
pub(crate) fn again(mut answer: Response<String>, request: &Request) -> Response<String> {
    let least = match answer.status() {
        StatusCode::ACCEPTED => SOON,
        StatusCode::SERVICE_UNAVAILABLE => LATER,
        StatusCode::TOO_MANY_REQUESTS => NEXT_MINUTE,
        _ => return answer,
    };
    if request.method() != Method::GET {
        return answer;
    }
    let query = request.query_string_parameters();
    let waited: u32 = query.first(WAITED).and_then(|waited| waited.parse().ok()).unwrap_or_default();
    let pause = least.saturating_mul(1 << waited.min(6)).min(LONGEST);
    let mut parameters: Vec<_> = query.iter().filter(|(name, _)| *name != WAITED).collect();
    let times = waited.saturating_add(1).to_string();
    parameters.push((WAITED, &times));
    // An address of a query alone is the page's own path with it (RFC 3986, 5.2.2).
    let refresh = serde_urlencoded::to_string(&parameters).ok();
    let refresh = refresh.and_then(|query| HeaderValue::from_str(&format!("{pause}; url=?{query}")).ok());
    answer.headers_mut().insert(REFRESH, refresh.unwrap_or_else(|| pause.into()));
    answer
}

/// Sends a browser on to another page of the console.
pub(crate) fn moved_to(address: &str) -> Response<String> {
    let mut answer = page(StatusCode::SEE_OTHER, &page::moved());
    let address = HeaderValue::from_str(address).expect("names and a query of URL characters make a header");
    answer.headers_mut().insert(LOCATION, address);
    answer
}

/// Has a browser keep a new secret.
pub(crate) fn with_secret(mut answer: Response<String>, secret: &str, seconds: i64) -> Response<String> {
    let cookie = format!("{NAME}={secret}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    let cookie = HeaderValue::from_str(&cookie).expect("a secret of base64url and digits make a header");
    answer.headers_mut().insert(SET_COOKIE, cookie);
    answer
}

/// The secret that a browser sends; nothing where it sends none, two, or what has not the shape of one: nobody is asked whose
/// that is.
pub(crate) fn secret_of(request: &Request) -> Option<String> {
    let cookies = request.headers().get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut secrets = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(NAME)?.strip_prefix('='));
    let secret = secrets.next().filter(|secret| session_of(secret).is_some())?.to_owned();
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
        let secret = format!("{}.{}", "b".repeat(43), "c".repeat(43));
        let cookie = format!("__Host-slipway={secret}");
        assert_eq!(with(&[&format!("a=1; {cookie}; d=2")]).as_deref(), Some(secret.as_str()));
        assert_eq!(with(&["a=1", &cookie]).as_deref(), Some(secret.as_str()));
        for none in [&cookie["__Host-".len()..], "__Host-slipway=", &cookie.replacen('=', "x=", 1)] {
            assert_eq!(with(&[none]), None, "{none}");
        }
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[&cookie, &cookie]), None, "nobody knows whose the second one is");
    }

    #[test]
    fn what_has_not_the_shape_of_a_secret_is_asked_of_nobody() {
        let part = "b".repeat(43);
        for guess in [
            "x".to_owned(),
            part.clone(),
            format!("{part}."),
            format!("{part}.{part}x"),
            format!("{part}.{}!", &part[1..]),
            format!("{part}.{part}.{part}"),
        ] {
            assert_eq!(with(&[&format!("__Host-slipway={guess}")]), None, "{guess}");
        }
    }

    fn refreshed(method: Method, query: &str, status: StatusCode) -> Option<String> {
        let request = lambda_http::http::Request::builder().method(method).body(Body::Empty);
        let parameters: std::collections::HashMap<String, String> =
            serde_urlencoded::from_str(query).expect("a query");
        let request = request.expect("a request").with_query_string_parameters(parameters);
        let answer = again(page(status, &page::unproven()), &request);
        answer.headers().get(REFRESH).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    }

    #[test]
    fn a_page_that_waits_is_loaded_again_less_often_the_longer_it_waits() {
        for (query, status, expected) in [
            ("", StatusCode::ACCEPTED, "1; url=?waited=1"),
            ("waited=1", StatusCode::ACCEPTED, "2; url=?waited=2"),
            ("waited=4", StatusCode::ACCEPTED, "16; url=?waited=5"),
            ("waited=4000000000", StatusCode::ACCEPTED, "60; url=?waited=4000000001"),
            ("waited=x", StatusCode::ACCEPTED, "1; url=?waited=1"),
            ("", StatusCode::SERVICE_UNAVAILABLE, "15; url=?waited=1"),
            ("", StatusCode::TOO_MANY_REQUESTS, "30; url=?waited=1"),
        ] {
            assert_eq!(refreshed(Method::GET, query, status).as_deref(), Some(expected), "{query} {status}");
        }
        let kept = refreshed(Method::GET, "filter=a%26b+c", StatusCode::ACCEPTED);
        assert_eq!(kept.as_deref(), Some("1; url=?filter=a%26b+c&waited=1"));
    }

    #[test]
    fn what_is_there_and_what_a_form_came_to_is_not_loaded_again() {
        for status in [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND]
        {
            assert_eq!(refreshed(Method::GET, "", status), None, "{status}");
        }
        for status in [StatusCode::ACCEPTED, StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
            assert_eq!(refreshed(Method::POST, "", status), None, "{status}");
        }
    }

    #[test]
    fn the_cookie_reaches_no_script_no_other_host_and_no_request_from_elsewhere() {
        let answer = with_secret(moved_to("/"), "name.secret", 28_800);
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
            with_secret(moved_to("/"), "a.b", 1),
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
