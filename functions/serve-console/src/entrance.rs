//! The way in, by a one-time address, and the way out.
//!
//! Opening the address shows a button and spends nothing: programs that look at links ahead of people open them, too. Only
//! the button's form spends it, once.

use lambda_http::http::StatusCode;
use lambda_http::{Request, Response};
use slipway_aws::OperatorsApi;
use slipway_core::api::{ConsoleEntrance, ConsoleEntry, ConsoleExit, Done};
use slipway_core::console::session_of;

use crate::answer::{self, moved_to, no_document, secret_of, with_secret};
use crate::ask::{NoDocument, post};
use crate::page;

/// What the form sends that enters a session in the place of another one.
const INSTEAD: &[u8] = b"instead=yes";

/// Shows the button. Whether the address is good is not looked up.
pub(crate) fn ask(token: &str) -> Response<String> {
    if session_of(token).is_some() {
        answer::page(StatusCode::OK, &page::entrance())
    } else {
        answer::page(StatusCode::NOT_FOUND, &page::not_entered(&ConsoleEntrance::Unknown))
    }
}

/// Spends the address for this browser.
pub(crate) async fn enter(api: &OperatorsApi, request: &Request, token: &str) -> Response<String> {
    if !is_own_form(request) {
        return answer::page(StatusCode::FORBIDDEN, &page::foreign_form());
    }
    if session_of(token).is_none() {
        return answer::page(StatusCode::NOT_FOUND, &page::not_entered(&ConsoleEntrance::Unknown));
    }
    // Whoever sends somebody an address of their own has them act in another session than they believe.
    let body: &[u8] = request.body().as_ref();
    if secret_of(request).is_some() && body != INSTEAD {
        return answer::page(StatusCode::CONFLICT, &page::entered_before());
    }
    let entry = ConsoleEntry { token: token.to_owned() };
    match post::<ConsoleEntrance>(api, "console/enter", &entry).await {
        Ok(ConsoleEntrance::Entered { secret, seconds, by }) if session_of(&secret).is_some() => {
            with_secret(answer::page(StatusCode::OK, &page::entered(&by)), &secret, seconds)
        }
        Ok(entrance) => answer::page(StatusCode::GONE, &page::not_entered(&entrance)),
        Err(why) => no_document(&why),
    }
}

/// Ends the session of this browser, and has it forget the secret.
pub(crate) async fn leave(api: &OperatorsApi, request: &Request) -> Response<String> {
    if !is_own_form(request) {
        return answer::page(StatusCode::FORBIDDEN, &page::foreign_form());
    }
    let Some(secret) = secret_of(request) else { return with_secret(moved_to("/"), "", 0) };
    match post::<Done>(api, "console/leave", &ConsoleExit { secret }).await {
        // The session goes on there, so the browser is told so.
        Err(why @ NoDocument::Unanswered(_)) => no_document(&why),
        Ok(_) | Err(_) => with_secret(moved_to("/"), "", 0),
    }
}

/// Whether a form comes from a page of this host, as the browser says itself: no page can write this header ("Fetch
/// Metadata Request Headers", W3C). The header `Origin` does not say it, because these pages send no referrer.
pub(crate) fn is_own_form(request: &Request) -> bool {
    request.headers().get("sec-fetch-site").is_some_and(|site| site == "same-origin")
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    fn from(site: Option<&str>) -> Request {
        let mut request = lambda_http::http::Request::builder().method("POST");
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        request.body(Body::Empty).expect("a request")
    }

    #[test]
    fn a_form_of_another_page_is_not_taken() {
        assert!(is_own_form(&from(Some("same-origin"))));
        for other in [None, Some("cross-site"), Some("same-site"), Some("none"), Some("")] {
            assert!(!is_own_form(&from(other)), "{other:?}");
        }
    }

    #[test]
    fn opening_an_address_asks_nobody_and_shows_a_button() {
        let token = format!("{}.{}", "a".repeat(43), "b".repeat(43));
        let shown = ask(&token);
        assert_eq!(shown.status(), StatusCode::OK);
        assert!(shown.body().contains(r#"<form method="post">"#) && !shown.body().contains(&token));
        assert_eq!(ask(&token[1..]).status(), StatusCode::NOT_FOUND);
    }
}
