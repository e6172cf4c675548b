//! The pages. Everything shown is escaped by the template library; no script and no style stands in a page.

mod acting;
mod application;
mod board;
mod lists;
mod release;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use maud::{Markup, html};
use slipway_core::api::{ConsoleEntrance, OpenRelease, Problem, Running, StageStatus};
use slipway_core::image::Image;
use slipway_core::name::ApplicationName;
use slipway_core::timeline::in_words;
use slipway_core::words;

pub(crate) use acting::{Asking, asking, done};
pub(crate) use application::{Parts, application};
pub(crate) use board::board;
pub(crate) use lists::{approvals, audit_page, health};
pub(crate) use release::release;

/// How often a page of what goes on is loaded again, in seconds. API Gateway's HTTP APIs answer as a whole within 30 seconds
/// ("Quotas for HTTP APIs", API Gateway developer guide), so nothing can be sent to a page as it happens.
const FRESH_AFTER: u32 = 10;

/// What a page is beside its title: which of the pages of the header it is, and who sees it.
#[derive(Clone, Copy)]
struct Frame<'a> {
    page: &'static str,
    by: &'a str,
    /// Whether it shows what goes on.
    is_fresh: bool,
}

const PAGES: [(&str, &str); 3] = [("/", "Board"), ("/approvals", "Approvals"), ("/health", "Health")];

impl Frame<'_> {
    fn page(self, title: &str, content: &Markup) -> Markup {
        let head = html! {
            script src="/script.js" defer {}
            @if self.is_fresh { noscript { meta http-equiv="refresh" content=(FRESH_AFTER); } }
        };
        let header = html! {
            div.console {
                strong { "Slipway" }
                nav aria-label="Pages" {
                    @for (path, name) in PAGES { a href=(path) aria-current=[(path == self.page).then_some("page")] { (name) } " " }
                }
                span.by { (words::line(self.by, words::LONGEST)) }
                form.leave method="post" action="/leave" { button.plain type="submit" value="leave" { "Leave" } }
            }
        };
        let content = html! {
            @if self.is_fresh {
                p.small data-stale hidden role="status" { "The operators' API does not answer just now: this is what it said last." }
            }
            (content)
        };
        slipway_pages::layout(title, &head, &header, &content)
    }
}

/// A page that says one thing.
fn message(title: &str, content: &Markup) -> Markup {
    let header = html! { div { strong { "Slipway" } } };
    let content = html! { div.message { h1 { (title) } (content) } };
    slipway_pages::layout(title, &html! {}, &header, &content)
}

pub(crate) fn no_session() -> Markup {
    message(
        "You are not in a session",
        &html! {
            p { "The console is opened by whoever IAM knows: run this where you have your AWS credentials." }
            p { code { "slipway console" } }
            p.small { "A session lasts eight hours at the most, and ends with the command that opened it." }
        },
    )
}

pub(crate) fn unproven() -> Markup {
    message(
        "IAM is asked whether you may see this",
        &html! {
            p { "The command " code { "slipway console" } " asks for you, and this page is loaded again by itself." }
            p.small { "If it stays, the command has ended: run it again." }
        },
    )
}

/// What somebody needs who does not see this.
fn needed(path: &str) -> Markup {
    html! {
        p { "You would need " code { "execute-api:Invoke" } " on this path of the operators' API:" }
        p { code { (words::exact(path)) } }
    }
}

pub(crate) fn refused(path: &str) -> Markup {
    message(
        "IAM does not allow this",
        &html! {
            (needed(path))
            p { a href="/" { "To the board" } }
        },
    )
}

pub(crate) fn too_many() -> Markup {
    message(
        "Too many requests",
        &html! { p { "This session asked for too much in this minute. Load the page again in the next one." } },
    )
}

pub(crate) fn unknown() -> Markup {
    message("There is no such page", &html! { p { a href="/" { "To the board" } } })
}

pub(crate) fn problem(problem: &Problem) -> Markup {
    message(
        "This cannot be shown",
        &html! { p { (words::capitalized(&words::sentence(&problem.detail))) "." } p { a href="/" { "To the board" } } },
    )
}

pub(crate) fn try_again() -> Markup {
    message(
        "Please try again",
        &html! { p { "The operators' API did not answer just now. Load this page again in some seconds." } },
    )
}

pub(crate) fn foreign_form() -> Markup {
    message(
        "This form is of another page",
        &html! { p { "Nothing was done: a form of this page's own was expected, from a browser that says so (of 2023 or newer)." } },
    )
}

pub(crate) fn moved() -> Markup {
    message("Done", &html! { p { a href="/" { "To the board" } } })
}

/// The page of a one-time address.
pub(crate) fn entrance() -> Markup {
    message(
        "Open the console in this browser?",
        &html! {
            p { "Whoever ran " code { "slipway console" } " lets one browser in by this address, once." }
            p { "If that was not you, close this page." }
            form method="post" { div.buttons { button.approve type="submit" value="enter" { "Open the console" } } }
        },
    )
}

/// The page of a one-time address in a browser that has been let in before.
pub(crate) fn entered_before() -> Markup {
    message(
        "This browser has a session already",
        &html! {
            p { "The address is of a session that may be somebody else's: what you do in it is done in the name of whoever opened it." }
            p { "If you did not run " code { "slipway console" } " just now, close this page." }
            form method="post" { div.buttons { button.approve type="submit" name="instead" value="yes" { "Enter the other session" } } }
            p { a href="/" { "Stay, and go to the board" } }
        },
    )
}

/// The page of a browser that was let in: whose session it is.
pub(crate) fn entered(by: &str) -> Markup {
    message(
        "This browser is in a session",
        &html! {
            p { "It was opened by " strong { (words::line(by, words::LONGEST)) } ", in whose name everything here is done." }
            p { "If that is not you, leave." }
            form action="/" { div.buttons { button.approve type="submit" value="board" { "To the board" } } }
            form.leave method="post" action="/leave" { button.plain type="submit" value="leave" { "Leave" } }
        },
    )
}

/// The page of a one-time address that lets nobody in.
pub(crate) fn not_entered(why: &ConsoleEntrance) -> Markup {
    let why = match why {
        ConsoleEntrance::Expired => "It was to be used within two minutes.",
        ConsoleEntrance::Ended => "Its session has ended.",
        ConsoleEntrance::Unknown | ConsoleEntrance::Entered { .. } => {
            "It is not known, or was used before. If it was not you who used it, end the session with Ctrl-C."
        }
    };
    message(
        "This address lets nobody in",
        &html! { p { (why) } p { "Run " code { "slipway console" } " again." } },
    )
}

/// How long ago something was.
fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let words = match now.duration_since(at).as_secs() {
        ..60 => "just now".to_owned(),
        seconds => format!("{} ago", rough(seconds)),
    };
    html! { time datetime=(format!("{at:.0}")) title=(at.strftime("%Y-%m-%d %H:%M:%S UTC")) { (words) } }
}

/// A time in its largest unit.
fn rough(seconds: i64) -> String {
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An image as people know it.
fn image(image: &Image) -> Markup {
    let (tag, digest) = (image.tag_in_words(), image.digest.short());
    html! { @if tag != digest { (tag) " " } (slipway_pages::short(image.digest.as_str())) }
}

/// A stage of an application: what it runs, what is on its way, what holds it.
fn stage(name: &ApplicationName, stage: &StageStatus, open: Option<&OpenRelease>, now: Timestamp) -> Markup {
    let problems: Vec<_> = stage.services.iter().filter_map(|service| service.problem.as_deref()).collect();
    let tone = match open {
        Some(open) if open.waits_for.is_empty() => "busy",
        Some(_) => "wait",
        None if !problems.is_empty() => "bad",
        None if stage.frozen.is_some() => "wait",
        None if stage.runs.is_some() => "good",
        None => "later",
    };
    html! {
        li.{(tone)}.moves[open.is_some()] {
            span.bar {}
            strong.name { (stage.name) }
            @match &stage.runs {
                Some(runs) => (running(runs, now)),
                None => span.version { "nothing yet" },
            }
            @if let Some(open) = open { (on_its_way(name, open, now)) }
            @if let Some(frozen) = &stage.frozen { span.note { (words::capitalized(&words::sentence(&frozen.in_words(&stage.name)))) } }
            @for problem in problems { span.note.state { (words::sentence(problem)) } }
        }
    }
}

fn running(runs: &Running, now: Timestamp) -> Markup {
    html! {
        span.version { (image(&runs.image)) }
        span.took {
            (ago(runs.since, now))
            @if runs.restored_from.is_some() { ", restored" }
            @if !runs.approved_by.is_empty() { ", approved by " (people(runs.approved_by.iter())) }
        }
    }
}

fn on_its_way(name: &ApplicationName, open: &OpenRelease, now: Timestamp) -> Markup {
    html! {
        span.note {
            a href=(format!("/applications/{name}/releases/{}", open.id)) { "→ " (open.image.tag_in_words()) }
            " " span.state { (words::sentence(&open.state)) } " "
            @if !open.waits_for.is_empty() { "(" (people(open.waits_for.iter())) ") " }
            span.small { (ago(open.since, now)) }
        }
    }
}

/// Several names, with commas between them.
fn people<T: ToString>(names: impl Iterator<Item = T>) -> String {
    let names: Vec<_> = names.map(|name| words::line(&name.to_string(), words::LONGEST)).collect();
    names.join(", ")
}

/// How long something took, of whole seconds.
fn took(seconds: i64) -> String {
    in_words(jiff::SignedDuration::from_secs(seconds))
}
