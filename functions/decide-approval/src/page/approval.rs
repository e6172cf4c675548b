//! The page of an approval: what changes and what is known of it, and the form that decides.

use jiff::Timestamp;
use maud::{Markup, html};
use slipway_core::alarm::AlarmState;
use slipway_core::approval::{Approval, Decision, SHOWN_CHANGES, Status, Verdict};
use slipway_core::image::digest_of;
use slipway_core::migration::Kind;
use slipway_core::name::EmailAddress;
use slipway_core::origin::SourceRepository;
use slipway_core::pusher::Pushers;
use slipway_core::rollback::ServiceBaseline;
use slipway_core::timeline::{TimelineEvent, in_words};
use slipway_core::words;

use super::{layout, short, time, timeline};

/// The longest name of an image that is shown, in characters: a repository's, and a digest.
const LONGEST_IMAGE: usize = 330;
/// The longest list of those who pushed an image that is shown, in characters.
const LONGEST_PUSHERS: usize = 300;

/// An approval that a person looks at by their link.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) approval: &'a Approval,
    /// What happened to the release since people were asked.
    pub(crate) progress: &'a [TimelineEvent],
    /// Who pushed the image, where CloudTrail has recorded it.
    pub(crate) pushers: Option<&'a Pushers>,
    pub(crate) approver: &'a EmailAddress,
    pub(crate) nonce: &'a str,
    pub(crate) now: Timestamp,
}

/// The approval as this person sees it now: with the form while they may answer, with what was decided afterwards.
pub(crate) fn approval(visit: Visit<'_>) -> Markup {
    let Visit { approval, progress, approver, .. } = visit;
    let status = approval.status_at(visit.now);
    let answered = approval.decisions.iter().any(|decision| decision.by == *approver);
    let asks = status == Status::Pending && !answered;
    let name = &approval.release.application;
    let tag = approval.release.image.tag_in_words();
    let title = match status {
        Status::Pending if answered => format!("{name} {tag}: your answer is kept"),
        Status::Pending => format!("Let {name} {tag} go to {}?", approval.stage),
        Status::Approved => format!("{name} {tag} was approved"),
        Status::Rejected => format!("{name} {tag} was rejected"),
        Status::Expired => format!("The approval of {name} {tag} has expired"),
        Status::Superseded => format!("{name} {tag} was superseded by a newer push"),
        Status::Withdrawn => format!("{name} {tag} does not wait any more"),
        Status::Voided => format!("{name} {tag}: {} has changed, and you were asked again", approval.stage),
    };
    let of = format!("{name} / {}", approval.stage);
    layout(
        &title,
        Some(&of),
        &html! {
            div.columns[asks] {
                div.lead {
                    h1 { (title) }
                    (outcome(approval, status))
                    (versions(approval))
                    (warnings(approval, status == Status::Pending))
                    @if asks { p.jump { a href="#decide" { "Approve or reject" } } }
                    (known(visit, status == Status::Pending))
                }
                div.facts {
                    @if !progress.is_empty() { section { h2 { "What happened then" } (timeline(progress)) } }
                    (changes(approval))
                    (checks(approval))
                    (details(approval, status == Status::Pending))
                }
                @if asks { (question(visit)) }
                p.small { "This link was issued to " (approver) ". It shows that a person had the mail, not who they are: do not pass it on." }
            }
        },
    )
}

/// What was decided, or why nobody may decide any more.
fn outcome(approval: &Approval, status: Status) -> Markup {
    let because = approval.closed_because.as_deref().map(words::sentence);
    html! {
        @if let Some(asked) = &approval.asked { p.notice { (words::sentence(&asked.in_words())) "." } }
        @if status == Status::Expired {
            p.notice { "Nobody may decide any more since " (time(approval.expires_at)) ". Nothing was changed by this link." }
        }
        @if status == Status::Voided {
            p.notice {
                "This approval does not count"
                @if let Some(because) = &because { ": " (because) }
                ". Your newest mail has the link to the one that does."
            }
        }
        @if matches!(status, Status::Superseded | Status::Withdrawn) {
            p.notice {
                "The release does not go on"
                @if let Some(because) = &because { ": " (because) }
                ". Nothing was changed by this link."
            }
        }
        @if !approval.decisions.is_empty() {
            ul.decisions { @for one in &approval.decisions { (decision(one)) } }
        }
    }
}

fn decision(decision: &Decision) -> Markup {
    let (class, word) = match decision.verdict {
        Verdict::Approved => ("good", "Approved"),
        Verdict::Rejected => ("bad", "Rejected"),
    };
    html! {
        li.{(class)} {
            strong { (word) } " through the link issued to " (decision.by) ", " (time(decision.at))
            @if !decision.reason.is_empty() { ": " q { (words::sentence(&decision.reason)) } }
        }
    }
}

/// From what to what, for each service.
fn versions(approval: &Approval) -> Markup {
    let image = &approval.release.image;
    html! {
        ul.versions {
            @for service in &approval.baseline.services {
                li {
                    span.service { (service.service) }
                    @let version = approval.version_of(service);
                    @let digest = digest_of(&service.image).filter(|digest| version != digest.short());
                    " " span.from { (version) @if let Some(digest) = digest { " " (short(digest.as_str())) } }
                    " " strong.to { "→ " (image.tag_in_words()) " " (short(image.digest.as_str())) }
                }
            }
        }
    }
}

/// What is known of both versions: since when the one runs and who approved it, and where the other one comes from.
fn known(visit: Visit<'_>, is_pending: bool) -> Markup {
    let Visit { approval, pushers, now, .. } = visit;
    let mut runs: Vec<_> = approval.running.iter().collect();
    runs.dedup_by(|one, other| one.release == other.release);
    let olds: Vec<_> = runs.iter().filter_map(|running| running.revision.as_deref()).collect();
    let beginning = |revision: &str| revision.get(..12).unwrap_or(revision).to_owned();
    let people =
        |approved: &[EmailAddress]| approved.iter().map(EmailAddress::as_str).collect::<Vec<_>>().join(", ");
    html! {
        dl.known {
            @for running in runs {
                dt { (running.release.image.tag_in_words()) @if is_pending { " runs" } @else { " ran" } }
                dd {
                    @if is_pending { "for " (in_words(now.duration_since(running.since))) ", " }
                    "since " (time(running.since))
                    @if !running.approved_by.is_empty() { ", approved by " (people(&running.approved_by)) }
                }
            }
            @if let Some(revision) = &approval.revision {
                dt { "Commit" }
                dd {
                    code { @for old in olds { (beginning(old)) " → " } (beginning(revision)) }
                    @for (what, link) in approval.source_links() {
                        " " a href=(link) rel="noreferrer" { (what) " on " (approval.source.as_ref().map_or("", SourceRepository::host)) }
                    }
                }
            }
            @if let Some(authors) = &approval.authors { dt { "Built by" } dd { (words::line(authors, words::LONGEST)) } }
            @if approval.pushed_at.is_some() || pushers.is_some() {
                dt { "Pushed" }
                dd {
                    @if let Some(pushed_at) = approval.pushed_at { (time(pushed_at)) }
                    @if let Some(pushers) = pushers { " by " (words::line(&pushers.in_words(), LONGEST_PUSHERS)) }
                }
            }
            @if !approval.changes.is_empty() {
                dt { "Changes with it" }
                dd { a href="#changes" { (approval.changes.len()) " in the task definition" } }
            }
            @if is_pending {
                dt { "Time left" }
                dd { (in_words(approval.expires_at.duration_since(now))) ", until " (time(approval.expires_at)) }
            }
        }
    }
}

/// What nobody should overlook.
fn warnings(approval: &Approval, is_pending: bool) -> Markup {
    let is_one_way = approval.not_restorable().is_some() || approval.migration == Some(Kind::Contract);
    html! {
        @if is_pending {
            @if let Some(disquiet) = approval.baseline.in_spite_of() { p.notice.bad { "Not quiet: " (words::sentence(&disquiet)) "." } }
            @if is_one_way { p.notice.bad { strong { "Rollback: " } (approval.rollback_in_words()) } }
        }
    }
}

fn question(visit: Visit<'_>) -> Markup {
    let Visit { approval, nonce, .. } = visit;
    html! {
        form #decide method="post" {
            h2 { "Your decision" }
            @if approval.quorum > 1 {
                p { (approval.quorum) " of " (approval.approvers.len()) " people have to approve." }
            }
            @if let Some(people) = approval.not_asked() { p { (words::capitalized(&people)) "." } }
            @if approval.other_than_pusher {
                p { "One of those who approve must be someone who did not push the image." }
            }
            input type="hidden" name="nonce" value=(nonce);
            @if approval.confirm_digest {
                label for="digest" { "To approve, type the last six characters of the new image's digest " span.small { "(it is under Details)" } }
                input id="digest" name="digest" type="text" maxlength="6" autocomplete="off" autocapitalize="none" spellcheck="false";
            }
            @if !approval.baseline.not_quiet.is_empty() {
                label.choice for="override" {
                    input id="override" name="override" type="checkbox" value="alarms";
                    span { "To approve: let " (approval.stage) " change in spite of " (words::sentence(&approval.baseline.not_quiet.join(", "))) }
                }
            }
            label for="reason" { "Reason " span.small { "(optional; everybody who was asked can read it)" } }
            textarea id="reason" name="reason" rows="3" maxlength="500" {}
            div.buttons {
                button.approve type="submit" name="decision" value="approve" { "Approve" }
                button.reject type="submit" name="decision" value="reject" { "Reject" }
            }
        }
    }
}

/// What changes with the image, the worst first.
fn changes(approval: &Approval) -> Markup {
    let (shown, folded) = approval.changes.split_at(approval.changes.len().min(SHOWN_CHANGES));
    let line = |change: &str| {
        let change = words::exact(change);
        // Of which service, and where in its task definition.
        let place: usize = change.split_inclusive(": ").take(2).map(str::len).sum();
        let (place, what) = if place < change.len() { change.split_at(place) } else { ("", change.as_str()) };
        html! { li { span.place { (place) } (what) } }
    };
    html! {
        section #changes {
            h2 { "Changes with it" }
            @if shown.is_empty() {
                p { "Nothing but the image." }
            } @else {
                ul.changes { @for change in shown { (line(change)) } }
            }
            @if !folded.is_empty() {
                details {
                    summary { (folded.len()) " more" }
                    ul.changes { @for change in folded { (line(change)) } }
                }
            }
        }
    }
}

/// What the gates found, what the stages before showed, the alarms, and what a rollback would do.
fn checks(approval: &Approval) -> Markup {
    html! {
        section {
            h2 { "Checks" }
            dl {
                @for evidence in &approval.evidence {
                    dt { (words::line(&evidence.gate, words::LONGEST)) } dd { (words::sentence(&evidence.words)) }
                }
                @for verified in &approval.verified {
                    dt { "Seen in " (verified.stage) }
                    dd {
                        (verified.verification.service) ": " (words::sentence(&verified.verification.in_words()))
                        @if let Some(link) = verified.link() { " " a href=(link) rel="noreferrer" { "Open " (verified.stage) } }
                    }
                }
                @for alarm in &approval.baseline.alarms {
                    @let class = match alarm.state { AlarmState::Ok => "good", AlarmState::Alarm => "bad", AlarmState::InsufficientData => "wait" };
                    dt { "Alarm " (words::line(&alarm.name, words::LONGEST_MESSAGE)) } dd { span.state.{(class)} { (alarm.state.as_str()) } }
                }
                dt { "Rollback" } dd { (approval.rollback_in_words()) }
            }
        }
    }
}

/// Every name in full.
fn details(approval: &Approval, is_pending: bool) -> Markup {
    let image = &approval.release.image;
    html! {
        section {
            h2 { "Details" }
            dl {
                dt { "Image" } dd.digest { (image.repository) "@" (image.digest) }
                @for service in &approval.baseline.services {
                    dt { (service.service) @if is_pending { " runs now" } @else { " ran when people were asked" } } dd.digest { (runs(service)) }
                }
                @if let Some(revision) = &approval.revision { dt { "Commit" } dd.digest { (revision) } }
                dt { "Release" } dd.digest { (approval.release.id) }
                dt { "Asked" } dd { (time(approval.requested_at)) }
                dt { "Expires" } dd { (time(approval.expires_at)) }
            }
        }
    }
}

fn runs(service: &ServiceBaseline) -> String {
    if service.ran_nothing() {
        "nothing yet".to_owned()
    } else {
        words::line(service.image.rsplit('/').next().unwrap_or_default(), LONGEST_IMAGE)
    }
}
