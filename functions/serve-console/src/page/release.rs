//! The page of a release: its stages as a bar, what happened, what ECS says, and who is asked.

use maud::{Markup, html};
use slipway_core::api::{OpenApproval, ReleaseDetail, ServiceStatus, StageOfRelease};
use slipway_core::approval::Verdict;
use slipway_core::words;
use slipway_pages::time;

use super::acting::links;
use super::application::tone;
use super::{FRESH_AFTER, Frame, took};

pub(crate) fn release(detail: &ReleaseDetail, by: &str) -> Markup {
    let release = &detail.release;
    let (name, tag) = (&release.application, release.image.tag_in_words());
    let title = format!("{name} {tag}");
    let is_fresh = detail.end.is_none();
    let content = html! {
        h1 { a href=(format!("/applications/{name}")) { (name) } " " (tag) }
        div data-fresh=[is_fresh.then_some(FRESH_AFTER)] {
            p.notice.{(detail.end.as_ref().map_or("busy", |end| tone(end.outcome)))} {
                @match &detail.end {
                    Some(end) => { strong { (end.outcome) } " " (time(end.at)) ": " (words::sentence(&end.reason)) },
                    None => "Under way.",
                }
                @if let Some(asked) = &detail.asked { " " (words::capitalized(&words::sentence(asked))) "." }
                @if let Some(holder) = &detail.waits_for_lock_of { " It waits for the lock of " (holder) "." }
            }
            @if !detail.stages.is_empty() { ol.stages { @for stage in &detail.stages { (of_stage(stage)) } } }
            @for approval in &detail.approvals { (asked(approval)) }
            @if !detail.services.is_empty() {
                section { h2 { "What ECS says" } @for service in &detail.services { (messages(service)) } }
            }
            section {
                h2 { "What happened" }
                ol.timeline {
                    @for event in &detail.events {
                        li {
                            span.dot {}
                            (time(event.at)) " "
                            @if let Some(stage) = &event.stage { strong { (stage) } ": " }
                            (words::sentence(&event.words))
                        }
                    }
                }
            }
            section {
                h2 { "Details" }
                dl {
                    dt { "Image" } dd.digest { (release.image.repository) "@" (release.image.digest) }
                    dt { "Release" } dd.digest { (release.id) }
                    dt { "Pushed" } dd { (time(detail.pushed_at)) }
                    dt { "Began" } dd { (time(detail.begun_at)) }
                }
            }
        }
        @if is_fresh { (links(&format!("/applications/{name}/releases/{}", release.id), true)) }
    };
    Frame { page: "/releases", by, is_fresh }.page(&title, &content)
}

/// A part of the bar. Its look goes by the state's word, which is the API's for programs.
fn of_stage(stage: &StageOfRelease) -> Markup {
    let tone = match stage.state.as_str() {
        "RELEASED" => "good",
        "ASKED" | "FROZEN" => "wait",
        "CHECKED" | "DEPLOYING" | "VERIFYING" | "VERIFIED" => "busy",
        "ROLLING_BACK" | "ROLLED_BACK" | "REJECTED" | "FAILED" | "STUCK" => "bad",
        _ => "later",
    };
    html! {
        li.{(tone)}.moves[stage.active] {
            span.bar {}
            strong.name { (stage.name) }
            span.state { (words::sentence(&stage.words)) }
            @if let Some(ran) = &stage.ran { span.version { "ran " (words::line(ran, words::LONGEST)) } }
            @if let Some(seconds) = stage.seconds { span.took { (took(seconds)) } }
        }
    }
}

/// An approval that people are asked for.
pub(super) fn asked(approval: &OpenApproval) -> Markup {
    html! {
        section {
            h2 { (approval.stage) " waits for " (approval.quorum) " of " (approval.approvers.len()) }
            dl {
                @for approver in &approval.approvers {
                    dt { (approver.address) }
                    dd {
                        @match approver.answer {
                            Some(Verdict::Approved) => span.state.good { "approved" },
                            Some(Verdict::Rejected) => span.state.bad { "rejected" },
                            None => "has not answered",
                        }
                        @if let Some(at) = approver.answered_at { " " (time(at)) }
                        @if !approver.reachable { ", has no confirmed subscription: no mail came" }
                    }
                }
                dt { "Until" } dd { (time(approval.expires_at)) }
            }
        }
    }
}

fn messages(service: &ServiceStatus) -> Markup {
    html! {
        p {
            strong { (service.name) } ": " (service.running) " of " (service.desired) " tasks run"
            @if let Some(definition) = &service.task_definition { ", " (definition.name()) }
            @if let Some(problem) = &service.problem { " – " (words::sentence(problem)) }
        }
        ul.timeline {
            @for message in &service.messages { li { span.dot {} (time(message.at)) " " (words::sentence(&message.words)) } }
        }
    }
}
