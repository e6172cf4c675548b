//! The page of an application: its stages, its releases, and what holds images up.

use jiff::Timestamp;
use maud::{Markup, html};
use slipway_core::api::{Application, IgnoredPush, PastRelease, Quarantined, Releases};
use slipway_core::history::Figures;
use slipway_core::name::ApplicationName;
use slipway_core::release::Outcome;
use slipway_core::words;
use slipway_pages::time;

use super::acting::links;
use super::{FRESH_AFTER, Frame, image, needed, on_its_way, stage, took};

/// How many releases are shown.
const RELEASES: usize = 30;

/// What an application's page is made of; in the place of a part, the path that IAM refuses.
pub(crate) struct Parts<'a> {
    pub(crate) status: Result<&'a Application, &'a String>,
    pub(crate) releases: Result<&'a Releases, &'a String>,
}

pub(crate) fn application(name: &ApplicationName, parts: &Parts<'_>, by: &str, now: Timestamp) -> Markup {
    let content = html! {
        h1 { (name) }
        div data-fresh=(FRESH_AFTER) {
            @match parts.status {
                Ok(one) => (stages(name, one, now)),
                Err(path) => section { h2 { "Stages" } (needed(path)) },
            }
            @match parts.releases {
                Ok(releases) => (history(name, releases)),
                Err(path) => section { h2 { "Releases" } (needed(path)) },
            }
            @if let Ok(one) = parts.status { (quarantined(&one.quarantined)) (ignored(&one.ignored)) }
            p { a href=(format!("/applications/{name}/audit")) { "The audit of " (name) } }
        }
        section {
            h2 { "What you can do" }
            (links(&format!("/applications/{name}"), false))
        }
    };
    Frame { page: "/applications", by, is_fresh: true }.page(name.as_str(), &content)
}

fn stages(name: &ApplicationName, one: &Application, now: Timestamp) -> Markup {
    let status = &one.status;
    html! {
        @for release in status.releases.iter().filter(|release| release.stage.is_none()) {
            p.notice.busy { (on_its_way(name, release, now)) }
        }
        ol.stages.cells {
            @for each in &status.stages {
                @let open = status.releases.iter().find(|release| release.stage.as_ref() == Some(&each.name));
                (stage(name, each, open, now))
            }
        }
        @if let Some(lock) = one.lock.as_ref().filter(|_| status.releases.len() > 1) {
            p.small { (lock) " has the lock." }
        }
    }
}

fn history(name: &ApplicationName, releases: &Releases) -> Markup {
    html! {
        section { h2 { "Figures of the last " (releases.figures.days) " days" } (figures(&releases.figures)) }
        section {
            h2 { "Releases" }
            @if releases.releases.is_empty() { p { "There was none yet: push an image." } }
            ol.timeline { @for release in releases.releases.iter().take(RELEASES) { (past(name, release)) } }
        }
    }
}

/// DORA's four.
fn figures(figures: &Figures) -> Markup {
    let or_none = |seconds: Option<i64>| seconds.map_or_else(|| "–".to_owned(), took);
    html! {
        dl {
            dt { "Released" } dd { (figures.released) }
            dt { "Failed" } dd { (figures.failed) }
            dt { "Lead time" } dd { (or_none(figures.lead_time_seconds)) }
            dt { "Restored after" } dd { (or_none(figures.restore_seconds)) }
        }
    }
}

fn past(name: &ApplicationName, release: &PastRelease) -> Markup {
    html! {
        li {
            span.dot {}
            (time(release.pushed_at)) " "
            a href=(format!("/applications/{name}/releases/{}", release.id)) { (image(&release.image)) } " "
            @match &release.end {
                Some(end) => {
                    strong.state.{(tone(end.outcome))} { (end.outcome) } " "
                    @if let Some(stage) = &end.stage { "in " (stage) ": " }
                    (words::sentence(&end.reason))
                },
                None => strong { "under way" },
            }
            @if release.quarantined { ", quarantined" }
            @if let Some(asked) = &release.asked { span.small { " (" (words::sentence(asked)) ")" } }
        }
    }
}

/// What an outcome looks like.
pub(super) const fn tone(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Released => "good",
        Outcome::RolledBack | Outcome::Rejected | Outcome::Failed | Outcome::Stuck => "bad",
        Outcome::Expired | Outcome::Superseded => "later",
    }
}

fn quarantined(images: &[Quarantined]) -> Markup {
    html! {
        @if !images.is_empty() {
            section {
                h2 { "Quarantined, until somebody clears them" }
                ul.timeline {
                    @for one in images {
                        li {
                            span.dot {}
                            (time(one.since)) " "
                            @if let Some(tag) = &one.tag { (words::line(tag, words::LONGEST)) " " }
                            (slipway_pages::short(one.digest.as_str())) " "
                            strong.state.bad { (one.outcome) } ": " (words::sentence(&one.reason))
                        }
                    }
                }
            }
        }
    }
}

fn ignored(pushes: &[IgnoredPush]) -> Markup {
    html! {
        @if !pushes.is_empty() {
            section {
                h2 { "Pushed, and not released" }
                ul.timeline {
                    @for push in pushes {
                        li { span.dot {} (time(push.at)) " " (image(&push.image)) ": " (words::sentence(&push.reason)) }
                    }
                }
            }
        }
    }
}
