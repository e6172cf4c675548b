//! The pages. Everything shown is escaped by the template library; there is no script.

mod approval;
mod release;
#[cfg(test)]
mod tests;

use lambda_http::http::StatusCode;
use maud::{Markup, html};
use slipway_core::approval::Status;
use slipway_core::timeline::TimelineEvent;
use slipway_core::words;
use slipway_pages::{short, time};

use crate::form::FormProblem;

pub(crate) use approval::{Visit, approval};
pub(crate) use release::{LOADED_AGAIN_AFTER, Loading, release};

/// The page of every link that leads nowhere.
pub(crate) fn unknown() -> Markup {
    message(
        "This link leads nowhere",
        &html! {
            p { "It may be cut off, altered, or of an approval that is long over. Nothing was changed." }
            p { "Open the link in your newest mail from Slipway again, in full." }
        },
    )
}

/// The page of a form that is not taken.
pub(crate) fn bad_form(problem: FormProblem) -> Markup {
    let title = if problem.status() == StatusCode::FORBIDDEN {
        "This form is of another link"
    } else {
        "This form was not taken"
    };
    message(
        title,
        &html! { p { "Nothing was changed: " (problem) "." } p { "Open the link in your mail again, and use its form." } },
    )
}

/// The page while nobody knows who pushed the image, where that must be known.
pub(crate) fn pusher_unknown() -> Markup {
    message(
        "It is not known who pushed the image",
        &html! {
            p { "Nothing was decided: somebody who did not push the image has to approve, and CloudTrail has not recorded who did." }
            p { "Its record may come some minutes after the push: open the link in your mail again then. Rejecting is possible at once." }
        },
    )
}

/// The page while nobody has said whose the identity is that pushed the image.
pub(crate) fn pusher_unmapped() -> Markup {
    message(
        "It is not known whose identity pushed the image",
        &html! {
            p { "Nothing was decided: somebody who did not push the image has to approve, and the stage's configuration does not say whose the identity is that pushed it." }
            p { "Who keeps the configuration adds it to " code { "approval.pushers" } " for the next release. Rejecting is possible at once." }
        },
    )
}

/// The page for who is signed in and has somebody else's link.
pub(crate) fn not_yours() -> Markup {
    message(
        "This link is somebody else's",
        &html! {
            p { "You are signed in, and this link was issued to another person. Nothing was changed, and nothing is shown." }
            p { "If you are an approver yourself, open the link in your own mail. Otherwise ask the person who passed it on to answer." }
        },
    )
}

/// The page for an approval that does not say that it overrides the alarms.
pub(crate) fn not_overridden() -> Markup {
    message(
        "The alarms were not overridden",
        &html! {
            p { "Nothing was decided: alarms of the stage are not quiet, and the box that lets it change in spite of them was not ticked." }
            p { "Open the link in your mail again to answer." }
        },
    )
}

/// The page for characters that are not the digest's.
pub(crate) fn wrong_digest() -> Markup {
    message(
        "Those are not the digest's characters",
        &html! {
            p { "Nothing was decided. Compare the digest with the one that you expect: if it is another one, do not approve." }
            p { "Open the link in your mail again to answer." }
        },
    )
}

/// The page for when AWS could not be asked.
pub(crate) fn try_again() -> Markup {
    message(
        "Please try again",
        &html! { p { "Your answer could not be kept just now. Open the link again in a minute to see what was decided." } },
    )
}

/// The status in one word, for metrics.
pub(crate) const fn word(status: Status) -> &'static str {
    match status {
        Status::Pending => "Pending",
        Status::Approved => "Approved",
        Status::Rejected => "Rejected",
        Status::Expired => "Expired",
        Status::Superseded => "Superseded",
        Status::Withdrawn => "Withdrawn",
        Status::Voided => "Voided",
    }
}

/// What happened, in order.
fn timeline(events: &[TimelineEvent]) -> Markup {
    html! {
        ol.timeline {
            @for event in events {
                li {
                    span.dot {}
                    (time(event.at)) " "
                    @if let Some(stage) = &event.stage { strong { (stage) } ": " }
                    (words::sentence(&event.words))
                }
            }
        }
    }
}

/// A page that says one thing.
fn message(title: &str, content: &Markup) -> Markup {
    layout(title, None, &html! { div.message { h1 { (title) } (content) } })
}

/// `of` is what the page is about, beside Slipway's name.
fn layout(title: &str, of: Option<&str>, content: &Markup) -> Markup {
    let header = html! { div { strong { "Slipway" } @if let Some(of) = of { " / " (of) } } };
    slipway_pages::layout(title, &html! {}, &header, content)
}
