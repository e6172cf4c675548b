//! The board: applications and their stages.

use jiff::Timestamp;
use maud::{Markup, html};
use slipway_core::api::{ActiveFreeze, ApplicationStatus, Applications};
use slipway_core::freeze::{scope, until_in_words};
use slipway_core::words;

use super::{FRESH_AFTER, Frame, on_its_way, stage};

/// What every stage runs, and what is on its way. Without a script the filter is the address's.
pub(crate) fn board(all: &Applications, filter: &str, by: &str, now: Timestamp) -> Markup {
    let narrowed = filter.trim().to_lowercase();
    let shown: Vec<_> = all.applications.iter().filter(|one| one.name.as_str().contains(&narrowed)).collect();
    let content = html! {
        h1 { "Board" }
        form.filter role="search" {
            label for="filter" { "Filter" }
            input id="filter" name="filter" type="search" value=(filter) autocomplete="off" spellcheck="false";
            button.plain type="submit" { "Filter" }
        }
        div data-fresh=(FRESH_AFTER) {
            p.small { (summary(all)) }
            @for freeze in &all.freezes { p.notice { (frozen(freeze)) } }
            @for broken in &all.broken {
                p.notice.bad { (broken.parameter) ": " (words::sentence(&broken.problem)) }
            }
            @if all.applications.is_empty() && all.broken.is_empty() {
                p { "No application is configured: write one into Terraform's variable " code { "applications" } "." }
            }
            ul.board { @for one in &shown { (row(one, now)) } }
            p data-none hidden[!shown.is_empty() || all.applications.is_empty()] { "No application has this in its name." }
        }
    };
    Frame { page: "/", by, is_fresh: true }.page("Board", &content)
}

fn row(one: &ApplicationStatus, now: Timestamp) -> Markup {
    let is_in = |release: &&slipway_core::api::OpenRelease, name| release.stage.as_ref() == Some(name);
    let elsewhere: Vec<_> = one.releases.iter().filter(|release| release.stage.is_none()).collect();
    html! {
        li data-name=(one.name) {
            h2 { a href=(format!("/applications/{}", one.name)) { (one.name) } }
            @for release in elsewhere { (on_its_way(&one.name, release, now)) }
            ol.stages.cells {
                @for each in &one.stages {
                    (stage(&one.name, each, one.releases.iter().find(|release| is_in(release, &each.name)), now))
                }
            }
        }
    }
}

fn summary(all: &Applications) -> String {
    let open = || all.applications.iter().flat_map(|one| &one.releases);
    let waiting = open().filter(|release| !release.waits_for.is_empty()).count();
    let stages = all.applications.iter().flat_map(|one| &one.stages);
    let frozen = stages.filter(|stage| stage.frozen.is_some()).count();
    let counts = [
        (all.applications.len(), "application", "applications"),
        (open().count(), "release under way", "releases under way"),
        (waiting, "of them waits", "of them wait"),
        (frozen, "stage frozen", "stages frozen"),
    ];
    let words = counts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, several)| format!("{count} {}", if *count == 1 { one } else { several }));
    words.collect::<Vec<_>>().join(", ")
}

fn frozen(freeze: &ActiveFreeze) -> String {
    let what = scope(freeze.application.as_ref(), freeze.stage.as_ref());
    let until = until_in_words(freeze.until);
    let words =
        format!("{} is frozen {until} by {}: {}", words::capitalized(&what), freeze.by, freeze.reason);
    words::sentence(&words)
}
