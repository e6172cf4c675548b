//! The pages of what can be done: what will happen, with the form that does it, and what was done.

use maud::{Markup, html};
use serde_json::{Map, Value};
use slipway_core::words;

use super::Frame;
use crate::act::{ACTIONS, Field, Target};

/// A page that asks.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) target: &'a Target,
    pub(crate) key: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) by: &'a str,
    /// What was typed before, by the fields' names.
    pub(crate) typed: &'a Map<String, Value>,
    /// Why it is asked again.
    pub(crate) notice: Option<&'a str>,
}

/// What will happen, and the form that has it happen.
pub(crate) fn asking(asking: &Asking<'_>) -> Markup {
    let Asking { target, key, nonce, by, typed, notice } = asking;
    let action = target.action;
    let title = format!("{} {}?", action.button, target.whose);
    let content = html! {
        h1 { (title) }
        @if let Some(notice) = notice { p.notice.bad role="alert" { (notice) } }
        p { (action.words) }
        p.small { "It is done in the name of " (words::line(by, words::LONGEST)) ", which the audit keeps." }
        form.act method="post" {
            input type="hidden" name="key" value=(key);
            input type="hidden" name="nonce" value=(nonce);
            @for field in action.fields { (input(field, typed.get(field.name).and_then(Value::as_str))) }
            div.buttons {
                button.approve type="submit" value="act" { (action.button) }
            }
        }
        p { a href=(target.back) { "Back, and change nothing" } }
    };
    Frame { page: "/act", by, is_fresh: false }.page(&title, &content)
}

fn input(field: &Field, typed: Option<&str>) -> Markup {
    html! {
        label for=(field.name) { (field.label) " " span.small { "(" (field.hint) ")" } }
        input id=(field.name) name=(field.name) type="text" value=[typed] maxlength="200" required[field.is_needed] autocomplete="off" autocapitalize="none" spellcheck="false";
    }
}

/// What was done.
pub(crate) fn done(target: &Target, said: &str, by: &str) -> Markup {
    let content = html! {
        h1 { "Done" }
        p.notice.good { (words::capitalized(&words::sentence(said))) "." }
        p { a href=(target.back) { "To " (target.whose) } }
    };
    Frame { page: "/act", by, is_fresh: false }.page("Done", &content)
}

/// Links to what can be done, below a page. Whether IAM allows it is asked when one is opened.
pub(super) fn links(below: &str, of_release: bool) -> Markup {
    html! {
        ul.actions {
            @for action in ACTIONS.iter().filter(|action| action.of_release == of_release) {
                li { a href=(format!("{below}/{}", action.word)) { (action.button) "…" } }
            }
        }
    }
}
