//! What all pages share: their style, their frame, the headers that each answer has, how forms are read, and how times and digests
//! are shown.
//! Everything shown is escaped by the template library.

mod answer;
mod form;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

pub use answer::Answers;
pub use form::{NoForm, form_of};

/// The style of all pages.
pub const STYLE: &str = include_str!("style.css");

/// A page: its title, what stands in its head besides, its header, and its content.
#[must_use]
pub fn layout(title: &str, head: &Markup, header: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Slipway" }
                link rel="stylesheet" href="/style.css";
                (head)
            }
            body {
                header { (header) }
                main { (content) }
            }
        }
    }
}

/// The beginning of a digest, with all of it for who asks.
#[must_use]
pub fn short(digest: &str) -> Markup {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    html! { code title=(digest) { (digits.get(..12).unwrap_or(digits)) } }
}

/// A time to the second, in UTC.
#[must_use]
pub fn time(at: Timestamp) -> Markup {
    html! { time datetime=(format!("{at:.0}")) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}
