//! What people do from pages: a page says what will happen and asks, and its form does it, in the name of whoever opened
//! the session.
//!
//! Nothing is done by GET. A form has a key of its own, by which the same form that is sent twice is one request, and a
//! nonce that is of this browser, this page and this key.

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt as _, Response};
use serde::Deserialize as _;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use slipway_core::api::{Done, ReleaseBegun};
use slipway_core::name::{ApplicationName, ReleaseId};
use slipway_pages::form_of;
use slipway_release::new_token;
use subtle::ConstantTimeEq as _;

use crate::answer;
use crate::ask::{NoDocument, Shown, Visitor, unusable};
use crate::entrance::is_own_form;
use crate::page::{self, Asking};

/// Of what was done a page says no more characters: they are in its address, which API Gateway takes up to 10 KB of ("Quotas
/// for HTTP APIs", API Gateway developer guide).
const LONGEST_WORDS: usize = 600;
/// How often a form is sent again while IAM is asked, and how long each time waits: `slipway console` looks each second.
const ROUNDS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Something that can be done from a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    /// The end of its path, here and in the operators' API.
    pub(crate) word: &'static str,
    /// The button.
    pub(crate) button: &'static str,
    /// What will happen.
    pub(crate) words: &'static str,
    /// What it takes, by the names of the API's fields.
    pub(crate) fields: &'static [Field],
    /// Whether it is done to a release, else to the application.
    pub(crate) of_release: bool,
}

/// A field of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) is_needed: bool,
}

const REASON: Field =
    Field { name: "reason", label: "Reason", hint: "everybody who is notified reads it", is_needed: false };
const WHY: Field = Field { is_needed: true, ..REASON };
const STAGE: Field =
    Field { name: "stage", label: "Stage", hint: "all of them, where it is empty", is_needed: false };
const IMAGE: Field = Field {
    name: "image",
    label: "Image",
    hint: "a tag, a digest, or six or more of its first digits",
    is_needed: true,
};
const TO: Field = Field {
    name: "to",
    label: "To",
    hint: "a tag or a digest; the one that was released before, where it is empty",
    is_needed: false,
};

/// All of them.
pub(crate) const ACTIONS: [Action; 6] = [
    Action {
        word: "release",
        button: "Release",
        words: "The image is released through every stage and gate. Approvers are asked as ever.",
        fields: &[IMAGE, STAGE, REASON],
        of_release: false,
    },
    Action {
        word: "rollback",
        button: "Roll back",
        words: "The image that was released before is released again, through the gates of the stages. Approvers are asked as ever.",
        fields: &[TO, STAGE, REASON],
        of_release: false,
    },
    Action {
        word: "freeze",
        button: "Freeze",
        words: "No release begins to change what is frozen, until somebody lifts it. What has begun goes on, and rollbacks by Slipway itself are never held.",
        fields: &[STAGE, WHY],
        of_release: false,
    },
    Action {
        word: "unfreeze",
        button: "Lift the freeze",
        words: "Releases that wait for it go on.",
        fields: &[STAGE, REASON],
        of_release: false,
    },
    Action {
        word: "clear",
        button: "Clear",
        words: "The image may be released again, although it was rolled back or rejected. Nothing is released by this.",
        fields: &[IMAGE, REASON],
        of_release: false,
    },
    Action {
        word: "abort",
        button: "Abort",
        words: "The release ends. A stage that it has begun to change is rolled back; a migration that runs is let end first.",
        fields: &[REASON],
        of_release: true,
    },
];

/// What is to be done, and to what.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) action: &'static Action,
    /// The page that it is asked from.
    pub(crate) back: String,
    /// What it is done to, in words.
    pub(crate) whose: String,
}

impl Target {
    /// By the parts of a page's path; nothing where they are of no such page.
    pub(crate) fn of(parts: &[&str]) -> Option<Self> {
        let find = |word: &str, of_release| {
            ACTIONS.iter().find(|action| action.word == word && action.of_release == of_release)
        };
        match parts {
            ["applications", name, word] => {
                let (action, name) = (find(word, false)?, ApplicationName::new(*name).ok()?);
                Some(Self { action, back: format!("/applications/{name}"), whose: name.to_string() })
            }
            ["applications", name, "releases", id, word] => {
                let action = find(word, true)?;
                let (name, id) = (ApplicationName::new(*name).ok()?, ReleaseId::new(*id).ok()?);
                Some(Self {
                    action,
                    back: format!("/applications/{name}/releases/{id}"),
                    whose: id.to_string(),
                })
            }
            _ => None,
        }
    }

    /// The path, here and in the operators' API.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.back, self.action.word)
    }
}

/// Shows what will happen, once IAM lets this caller do it; or what was done, where a form has led here.
pub(crate) async fn ask(
    visitor: &Visitor<'_>,
    target: &Target,
    request: &Request,
) -> Result<Response<String>, NoDocument> {
    let by = visitor.may(&target.path()).await?;
    if let Some(words) = words_of(request, visitor.secret, target) {
        return Ok(answer::page(StatusCode::OK, &page::done(target, &words, &by)));
    }
    let key = new_token().map_err(|error| unusable(&error.to_string()))?;
    let nonce = nonce(visitor.secret, &target.path(), &key);
    let asking = Asking { target, key: &key, nonce: &nonce, by: &by, typed: &Map::new(), notice: None };
    Ok(answer::page(StatusCode::OK, &page::asking(&asking)))
}

/// Does what a form asks for, once.
pub(crate) async fn act(
    visitor: &Visitor<'_>,
    target: &Target,
    request: &Request,
) -> Result<Response<String>, NoDocument> {
    let Some(form) = Form::read(request, visitor.secret, target) else {
        return Ok(answer::page(StatusCode::FORBIDDEN, &page::foreign_form()));
    };
    match send_form(visitor, target, &form).await {
        Ok(done) => Ok(answer::moved_to(&page_after(visitor.secret, target, &done.document))),
        Err(why) => same_form(target, &form, why),
    }
}

/// Sends a form; for some seconds again, while IAM is asked whether its path is still allowed.
async fn send_form(visitor: &Visitor<'_>, target: &Target, form: &Form) -> Result<Shown<Value>, NoDocument> {
    for _ in 0..ROUNDS {
        let document = Value::Object(form.document.clone());
        match visitor.act(&target.path(), &form.key, document).await {
            Err(NoDocument::Unproven) => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
    visitor.act(&target.path(), &form.key, Value::Object(form.document.clone())).await
}

/// The page that a form leads to once it is done. It is fetched by GET, so loading it again sends nothing.
fn page_after(secret: &str, target: &Target, document: &Value) -> String {
    if let Ok(begun) = ReleaseBegun::deserialize(document) {
        return format!("{}/releases/{}", target.back, begun.release);
    }
    let words: String = Done::deserialize(document)
        .map(|done| done.words)
        .unwrap_or_default()
        .chars()
        .take(LONGEST_WORDS)
        .collect();
    let seal = seal(secret, &target.path(), &words);
    let query = serde_urlencoded::to_string([("said", words.as_str()), ("seal", &seal)]);
    format!("{}?{}", target.path(), query.expect("two strings make a query"))
}

/// What was done, as the page says that a form has led to; nothing where somebody else has made the address up.
fn words_of(request: &Request, secret: &str, target: &Target) -> Option<String> {
    let query = request.query_string_parameters();
    let (words, given) = (query.first("said")?, query.first("seal")?);
    let expected = seal(secret, &target.path(), words);
    bool::from(given.as_bytes().ct_eq(expected.as_bytes())).then(|| words.to_owned())
}

/// The same form with its key and what was typed, where it may be sent again: then it is done once, whether it has been done
/// or not. A new form has another key, and would do it twice.
fn same_form(target: &Target, form: &Form, why: NoDocument) -> Result<Response<String>, NoDocument> {
    const MAYBE: &str =
        "It may have been done: the operators' API did not say. Press the button again, and it is done once.";
    let (status, notice) = match &why {
        NoDocument::Unproven => (
            StatusCode::ACCEPTED,
            "Nothing was done yet: IAM has still to be asked, by the command slipway console. Press the button again.",
        ),
        NoDocument::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            "Nothing was done: this session asked for too much in this minute. Press the button again in the next one.",
        ),
        NoDocument::Problem(problem) if problem.status >= 500 => (StatusCode::SERVICE_UNAVAILABLE, MAYBE),
        NoDocument::Unanswered(error) => {
            answer::log_unanswered(error);
            (StatusCode::SERVICE_UNAVAILABLE, MAYBE)
        }
        _ => return Err(why),
    };
    let Form { key, nonce, document } = form;
    let by = "whoever opened this session";
    let asking = Asking { target, key, nonce, by, typed: document, notice: Some(notice) };
    Ok(answer::page(status, &page::asking(&asking)))
}

/// What a form asks for.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    key: String,
    nonce: String,
    document: Map<String, Value>,
}

impl Form {
    /// Reads a form of the target's page that was shown to this browser; nothing where it is another one.
    fn read(request: &Request, secret: &str, target: &Target) -> Option<Self> {
        if !is_own_form(request) {
            return None;
        }
        let sent: Vec<(String, String)> = serde_urlencoded::from_bytes(form_of(request).ok()?).ok()?;
        let (mut key, mut given, mut document) = (None, None, Map::new());
        for (name, value) in sent {
            match name.as_str() {
                "key" if key.is_none() => key = Some(value),
                "nonce" if given.is_none() => given = Some(value),
                // An empty field is one that was left out.
                field if target.action.fields.iter().any(|one| one.name == field) => {
                    let value = value.trim();
                    if !value.is_empty() && document.insert(name, Value::from(value)).is_some() {
                        return None;
                    }
                }
                _ => return None,
            }
        }
        let (key, given) = (key?, given?);
        let expected = nonce(secret, &target.path(), &key);
        let is_own = bool::from(given.as_bytes().ct_eq(expected.as_bytes()));
        is_own.then_some(Self { key, nonce: given, document })
    }
}

/// What a form carries: who does not have the browser's secret makes none.
fn nonce(secret: &str, path: &str, key: &str) -> String {
    hex::encode(Sha256::digest(format!("form of {secret}\n{path}\n{key}").as_bytes()))
}

/// What an address carries that says what was done.
fn seal(secret: &str, path: &str, words: &str) -> String {
    hex::encode(Sha256::digest(format!("answer to {secret}\n{path}\n{words}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::http::header::CONTENT_TYPE;
    use serde_json::json;

    use super::*;

    const PATH: [&str; 3] = ["applications", "web", "rollback"];

    fn target() -> Target {
        Target::of(&PATH).expect("an action")
    }

    fn read(site: &str, media_type: &str, body: &str) -> Option<Form> {
        let request = lambda_http::http::Request::builder()
            .header("sec-fetch-site", site)
            .header(CONTENT_TYPE, media_type)
            .body(Body::from(body))
            .expect("a request");
        Form::read(&request, "secret", &target())
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn a_form_of_this_browser_and_page_is_read_without_its_empty_fields() {
        let nonce = nonce("secret", "/applications/web/rollback", "k");
        let form = read(
            "same-origin",
            FORM,
            &format!("key=k&nonce={nonce}&to=&stage=+production&reason=it+is+slow"),
        );
        let form = form.expect("it is read");
        assert_eq!(
            (form.key.as_str(), Value::Object(form.document)),
            ("k", json!({ "stage": "production", "reason": "it is slow" }))
        );
    }

    #[test]
    fn every_other_form_is_refused() {
        let good = format!("key=k&nonce={}&reason=x", nonce("secret", "/applications/web/rollback", "k"));
        let another =
            |secret: &str, path: &str, key: &str| format!("key=k&nonce={}", nonce(secret, path, key));
        assert!(read("same-origin", FORM, &good).is_some());
        for (site, media_type, body) in [
            ("cross-site", FORM, good.clone()),
            ("same-origin", "application/json", good.clone()),
            ("same-origin", FORM, format!("{good}&reason=y")),
            ("same-origin", FORM, format!("{good}&image=v1")),
            ("same-origin", FORM, format!("{good}&key=other")),
            ("same-origin", FORM, format!("{good}&reason={}", "x".repeat(10_000))),
            ("same-origin", FORM, good.replace("key=k", "key=l")),
            ("same-origin", FORM, another("of-another", "/applications/web/rollback", "k")),
            ("same-origin", FORM, another("secret", "/applications/shop/rollback", "k")),
            ("same-origin", FORM, another("secret", "/applications/web/release", "k")),
            ("same-origin", FORM, "key=k".to_owned()),
            ("same-origin", FORM, String::new()),
        ] {
            assert_eq!(
                read(site, media_type, &body),
                None,
                "{site} {media_type} {}",
                &body[..body.len().min(90)]
            );
        }
    }

    fn form() -> Form {
        let document = json!({ "reason": "it is \"slow\"" }).as_object().expect("an object").clone();
        Form { key: "the-key".into(), nonce: "the-nonce".into(), document }
    }

    fn problem(status: u16) -> NoDocument {
        let document = json!({ "type": "about:blank", "status": status, "title": "x", "detail": "x", "code": "Unavailable" });
        NoDocument::Problem(serde_json::from_value(document).expect("a problem"))
    }

    #[test]
    fn a_form_without_an_answer_is_shown_again_with_its_key() {
        let unanswered = slipway_aws::AwsError::Unanswered {
            operation: "execute-api:Invoke",
            source: "the connection was closed".into(),
        };
        for (why, status, words) in [
            (NoDocument::Unproven, 202, "Nothing was done yet"),
            (NoDocument::TooMany, 429, "Nothing was done:"),
            (problem(503), 503, "it is done once"),
            (NoDocument::Unanswered(unanswered), 503, "it is done once"),
        ] {
            let shown = same_form(&target(), &form(), why).expect("the form again");
            assert_eq!(shown.status().as_u16(), status, "{words}");
            for part in
                [words, r#"value="the-key""#, r#"value="the-nonce""#, r#"value="it is &quot;slow&quot;""#]
            {
                assert!(shown.body().contains(part), "{part}: {}", shown.body());
            }
        }
    }

    #[test]
    fn what_was_refused_is_not_offered_again() {
        for why in [problem(409), NoDocument::NoSession, NoDocument::Refused("POST /x".into())] {
            let expected = format!("{why:?}");
            let refused = same_form(&target(), &form(), why).expect_err("no form");
            assert_eq!(format!("{refused:?}"), expected);
        }
    }

    fn words_at(address: &str, secret: &str) -> Option<String> {
        let query = address.split_once('?').expect("a query").1;
        let query: std::collections::HashMap<String, String> =
            serde_urlencoded::from_str(query).expect("a query");
        let request = lambda_http::http::Request::builder().body(Body::Empty).expect("a request");
        words_of(&request.with_query_string_parameters(query), secret, &target())
    }

    #[test]
    fn a_form_leads_to_a_page_that_says_what_was_done_to_this_browser_alone() {
        let done = page_after("secret", &target(), &json!({ "words": "web & shop: \"done\"" }));

        assert!(done.starts_with("/applications/web/rollback?said="), "{done}");
        assert_eq!(words_at(&done, "secret").as_deref(), Some("web & shop: \"done\""));
        assert_eq!(words_at(&done, "of-another"), None);
        assert_eq!(words_at(&done.replace("said=web", "said=all"), "secret"), None);
        assert_eq!(words_at("?said=done", "secret"), None);
        let of_a_form = nonce("secret", "/applications/web/rollback", "done");
        assert_eq!(words_at(&format!("?said=done&seal={of_a_form}"), "secret"), None);
    }

    #[test]
    fn every_action_has_its_pages_and_a_route_of_the_api() {
        for action in ACTIONS {
            let of = if action.of_release {
                "/applications/{application}/releases/{release}"
            } else {
                "/applications/{application}"
            };
            for method in ["GET", "POST"] {
                let route = format!("{method} {of}/{}", action.word);
                assert!(crate::ROUTES.contains(&route.as_str()), "{route}");
            }
            let path = of.replace("{application}", "web").replace("{release}", "web-1");
            let path = format!("{path}/{}", action.word);
            let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
            let target = Target::of(&parts).expect("it is done");
            assert_eq!(target.path(), path);
        }
        assert!(Target::of(&["applications", "web", "abort"]).is_none());
        assert!(Target::of(&["applications", "..", "rollback"]).is_none());
    }
}
