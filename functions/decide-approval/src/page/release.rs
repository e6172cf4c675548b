//! The page of a release, for everybody who has its link: nothing can be decided there.

use jiff::Timestamp;
use maud::{Markup, html};
use slipway_core::release::{Outcome, Release};
use slipway_core::timeline::{StageProgress, StageState, Step, TimelineEvent, in_words, progress};
use slipway_core::words;

use super::{layout, time, timeline};

/// How often the page of a release that goes on is loaded again, in seconds.
pub(crate) const LOADED_AGAIN_AFTER: u32 = 10;

/// How far a release is, and how it went.
pub(crate) fn release(
    release: &Release,
    events: &[TimelineEvent],
    loading: Loading,
    now: Timestamp,
) -> Markup {
    let image = &release.image;
    let tag = image.tag_in_words();
    let ended = events.iter().find(|event| event.step == Step::Ended);
    let began = events.iter().find(|event| event.step == Step::Began);
    let stages = progress(events, now);
    let tone = ended
        .map_or("busy", |ended| ended.outcome.map_or("later", |outcome| class(StageState::Ended(outcome))));
    layout(
        &format!("{} {tag}", release.application),
        Some(release.application.as_str()),
        &html! {
            div.lead {
                h1 { (release.application) " " (tag) }
                p.notice.{(tone)} {
                    @match (ended, events.last()) {
                        (Some(ended), _) => { (words::sentence(&ended.words)) }
                        (None, Some(last)) => { "Under way: " (words::sentence(&last.words)) }
                        (None, None) => { "Nothing is known of this release yet." }
                    }
                }
                @if !stages.is_empty() { ol.stages { @for stage in &stages { (of_stage(stage, &tag)) } } }
            }
            div.facts {
                @if !events.is_empty() { section { h2 { "What happened" } (timeline(events)) } }
                section {
                    h2 { "Details" }
                    dl {
                        dt { "Image" } dd.digest { (image.repository) "@" (image.digest) }
                        dt { "Release" } dd.digest { (release.id) }
                        @if let Some(began) = began { dt { "Began" } dd { (time(began.at)) } }
                        @if let Some(ended) = ended { dt { "Ended" } dd { (time(ended.at)) } }
                        @if let Some(began) = began {
                            dt { @if ended.is_some() { "Took" } @else { "Takes until now" } }
                            dd { (in_words(ended.map_or(now, |ended| ended.at).duration_since(began.at))) }
                        }
                    }
                }
                p.small { "This page can be read by everybody who has its link. Nothing can be done from here." }
                @match loading {
                    Loading::Again => p.small { "It is loaded again every " (LOADED_AGAIN_AFTER) " seconds until the release ends. " a href="?once" { "Load it once" } }
                    Loading::Once if ended.is_none() => p.small { "The release goes on. " a href="?" { "Load this page again and again" } }
                    Loading::Once => {}
                }
            }
        },
    )
}

/// Whether a browser loads the page again by itself. Who reads it in peace can have it stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loading {
    /// It does, until the release ends.
    Again,
    /// It does not.
    Once,
}

impl Loading {
    /// As the link's query asks for it.
    pub(crate) fn of(query: Option<&str>, events: &[TimelineEvent]) -> Self {
        let has_ended = events.iter().any(|event| event.step == Step::Ended);
        if has_ended || query == Some("once") { Self::Once } else { Self::Again }
    }
}

/// A part of the bar: the stage, what it runs, how far it is, and for how long.
fn of_stage(progress: &StageProgress, tag: &str) -> Markup {
    let StageProgress { stage, state, ran, took } = progress;
    let ran = ran.as_deref().map(|ran| words::line(ran, words::LONGEST));
    html! {
        li.{(class(*state))}.moves[state.is_active()] {
            span.bar {}
            strong.name { (stage) }
            span.state { (state.in_words()) }
            span.version {
                @match (state, ran) {
                    (StageState::Done | StageState::Ended(Outcome::Released), _) => { (tag) }
                    (StageState::Ended(_), Some(ran)) => { (ran) }
                    (StageState::RollingBack, Some(ran)) => { (tag) " → " (ran) }
                    (StageState::Ended(_) | StageState::NotReached, _) => { "–" }
                    (_, Some(ran)) => { (ran) " → " (tag) }
                    (_, None) => { "→ " (tag) }
                }
            }
            @if let Some(took) = took { span.took { (in_words(*took)) } }
        }
    }
}

/// What a state looks like.
const fn class(state: StageState) -> &'static str {
    match state {
        StageState::Done | StageState::Ended(Outcome::Released) => "good",
        StageState::Asked | StageState::Frozen => "wait",
        StageState::Checked | StageState::Deploying | StageState::Verifying | StageState::Verified => "busy",
        StageState::RollingBack
        | StageState::Ended(Outcome::RolledBack | Outcome::Rejected | Outcome::Failed | Outcome::Stuck) => {
            "bad"
        }
        StageState::Later
        | StageState::NotReached
        | StageState::Ended(Outcome::Expired | Outcome::Superseded) => "later",
    }
}
