//! The pages. Everything shown is escaped by the template library; there is no script.

use jiff::Timestamp;
use lambda_http::http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use slipway_core::approval::{Approval, SHOWN_CHANGES, Status, Verdict, Verified};
use slipway_core::migration::Kind;
use slipway_core::name::EmailAddress;
use slipway_core::release::Release;
use slipway_core::rollback::ServiceBaseline;
use slipway_core::timeline::{Step, TimelineEvent};

use crate::form::FormProblem;

/// The approval as this person sees it now: with the form while they may answer, with what was decided afterwards.
pub(crate) fn approval(
    approval: &Approval,
    progress: &[TimelineEvent],
    approver: &EmailAddress,
    nonce: &str,
    now: Timestamp,
) -> Markup {
    let status = approval.status_at(now);
    let answered = approval.decisions.iter().any(|decision| decision.by == *approver);
    let name = &approval.release.application;
    let tag = &approval.release.image.tag;
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
    layout(
        &title,
        &html! {
            @if let Some(asked) = &approval.asked { p.notice { (asked.in_words()) "." } }
            (decisions(approval, status))
            (steps(progress))
            (facts(approval, status == Status::Pending))
            @if status == Status::Pending && !answered { (question(approval, nonce)) }
            p.small { "This link was issued to " (approver) ". It shows that a person had the mail, not who they are: do not pass it on." }
        },
    )
}

fn decisions(approval: &Approval, status: Status) -> Markup {
    html! {
        @if status == Status::Expired {
            p.notice { "Nobody may decide any more since " (time(approval.expires_at)) ". Nothing was changed by this link." }
        }
        @if status == Status::Voided {
            p.notice {
                "This approval does not count"
                @if let Some(because) = &approval.closed_because { ": " (because) }
                ". Your newest mail has the link to the one that does."
            }
        }
        @if matches!(status, Status::Superseded | Status::Withdrawn) {
            p.notice {
                "The release does not go on"
                @if let Some(because) = &approval.closed_because { ": " (because) }
                ". Nothing was changed by this link."
            }
        }
        @if !approval.decisions.is_empty() {
            ul.decisions {
                @for decision in &approval.decisions {
                    li {
                        strong { @match decision.verdict { Verdict::Approved => { "Approved" } Verdict::Rejected => { "Rejected" } } }
                        " through the link issued to " (decision.by) ", " (time(decision.at))
                        @if !decision.reason.is_empty() { ": " q { (decision.reason) } }
                    }
                }
            }
        }
        @if status == Status::Pending && approval.quorum > 1 {
            p { (approval.quorum) " of " (approval.approvers.len()) " people have to approve." }
        }
        @if status == Status::Pending && approval.other_than_pusher {
            p { "One of those who approve must be someone who did not push the image." }
        }
    }
}

fn facts(approval: &Approval, asking: bool) -> Markup {
    let image = &approval.release.image;
    html! {
        dl {
            dt { "Application" } dd { (approval.release.application) }
            dt { "Tag" } dd { (image.tag) }
            dt { "Image" } dd.digest { (image.repository) "@" (image.digest) }
            @if let Some(revision) = &approval.revision { dt { "Commit" } dd.digest { (revision) } }
            @if let Some(pushed_at) = approval.pushed_at { dt { "Pushed" } dd { (time(pushed_at)) } }
            dt { "Stage" } dd { (approval.stage) }
            @for service in &approval.baseline.services {
                dt { (service.service) @if asking { " runs now" } @else { " ran when people were asked" } } dd.digest { (runs_now(service)) }
            }
            @for verified in &approval.verified {
                dt { "Seen in " (verified.stage) } dd { (figures(verified)) }
            }
            @for alarm in &approval.baseline.alarms {
                dt { "Alarm " (alarm.name) } dd { (alarm.state.as_str()) }
            }
            @if !approval.changes.is_empty() {
                dt { "Changes with it" }
                dd {
                    ul.changes { @for change in approval.changes.iter().take(SHOWN_CHANGES) { li { (change) } } }
                    @if approval.changes.len() > SHOWN_CHANGES {
                        details {
                            summary { (approval.changes.len() - SHOWN_CHANGES) " more" }
                            ul.changes { @for change in approval.changes.iter().skip(SHOWN_CHANGES) { li { (change) } } }
                        }
                    }
                }
            }
            @for evidence in &approval.evidence {
                dt { (evidence.gate) } dd { (evidence.words) }
            }
            dt { "Rollback" }
            dd {
                @if let Some(why) = not_restorable(approval) {
                    "Not possible: " (why) "."
                } @else if approval.migration == Some(Kind::Contract) {
                    "Not by itself: " (Kind::Contract.in_words()) "."
                } @else {
                    "What runs now is restored when the deployment or its verification fails."
                }
            }
            dt { "Asked" } dd { (time(approval.requested_at)) }
            dt { "Expires" } dd { (time(approval.expires_at)) }
        }
    }
}

fn not_restorable(approval: &Approval) -> Option<String> {
    let problems: Vec<_> =
        approval.baseline.services.iter().filter_map(ServiceBaseline::not_restorable).collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

fn runs_now(service: &ServiceBaseline) -> String {
    if service.ran_nothing() {
        "nothing yet".to_owned()
    } else {
        service.image.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

fn figures(Verified { verification, .. }: &Verified) -> String {
    format!("{}: {}", verification.service, verification.in_words())
}

fn steps(progress: &[TimelineEvent]) -> Markup {
    html! {
        @if !progress.is_empty() {
            h2 { "What happened then" }
            (timeline(progress))
        }
    }
}

fn timeline(events: &[TimelineEvent]) -> Markup {
    html! {
        ol.steps {
            @for event in events {
                li {
                    (time(event.at)) " "
                    @if let Some(stage) = &event.stage { strong { (stage) } ": " }
                    (event.words)
                }
            }
        }
    }
}

/// A release, for everybody who has the link: nothing can be decided there.
pub(crate) fn release(release: &Release, events: &[TimelineEvent]) -> Markup {
    let image = &release.image;
    let ended = events.iter().find(|event| event.step == Step::Ended);
    let began = events.iter().find(|event| event.step == Step::Began);
    layout(
        &format!("{} {}", release.application, image.tag),
        &html! {
            p.notice {
                @match (ended, events.last()) {
                    (Some(ended), _) => { (ended.words) }
                    (None, Some(last)) => { "Under way: " (last.words) }
                    (None, None) => { "Nothing is known of this release yet." }
                }
            }
            dl {
                dt { "Application" } dd { (release.application) }
                dt { "Tag" } dd { (image.tag) }
                dt { "Image" } dd.digest { (image.repository) "@" (image.digest) }
                dt { "Release" } dd.digest { (release.id) }
                @if let Some(began) = began { dt { "Began" } dd { (time(began.at)) } }
                @if let Some(ended) = ended { dt { "Ended" } dd { (time(ended.at)) } }
            }
            @if !events.is_empty() {
                h2 { "What happened" }
                (timeline(events))
            }
            p.small { "This page can be read by everybody who has its link. Nothing can be done from here." }
        },
    )
}

fn question(approval: &Approval, nonce: &str) -> Markup {
    html! {
        form method="post" {
            input type="hidden" name="nonce" value=(nonce);
            @if approval.confirm_digest {
                label for="digest" { "To approve, type the last six characters of the digest above" }
                input id="digest" name="digest" type="text" maxlength="6" autocomplete="off" autocapitalize="none" spellcheck="false";
            }
            @if let Some(disquiet) = approval.baseline.in_spite_of() {
                p.notice { "Not quiet: " (disquiet) "." }
                label.choice for="override" {
                    input id="override" name="override" type="checkbox" value="alarms";
                    " To approve: let " (approval.stage) " change in spite of " (approval.baseline.not_quiet.join(", "))
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

/// The page of every link that leads nowhere.
pub(crate) fn unknown() -> Markup {
    layout(
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
    layout(
        title,
        &html! { p { "Nothing was changed: " (problem) "." } p { "Open the link in your mail again, and use its form." } },
    )
}

/// The page while nobody knows who pushed the image, where that must be known.
pub(crate) fn pusher_unknown() -> Markup {
    layout(
        "It is not known who pushed the image",
        &html! {
            p { "Nothing was decided: somebody who did not push the image has to approve, and CloudTrail has not recorded who did." }
            p { "Its record may come some minutes after the push: open the link in your mail again then. Rejecting is possible at once." }
        },
    )
}

/// The page for an approval that does not say that it overrides the alarms.
pub(crate) fn not_overridden() -> Markup {
    layout(
        "The alarms were not overridden",
        &html! {
            p { "Nothing was decided: alarms of the stage are not quiet, and the box that lets it change in spite of them was not ticked." }
            p { "Open the link in your mail again to answer." }
        },
    )
}

/// The page for characters that are not the digest's.
pub(crate) fn wrong_digest() -> Markup {
    layout(
        "Those are not the digest's characters",
        &html! {
            p { "Nothing was decided. Compare the digest with the one that you expect: if it is another one, do not approve." }
            p { "Open the link in your mail again to answer." }
        },
    )
}

/// The page for when AWS could not be asked.
pub(crate) fn try_again() -> Markup {
    layout(
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

fn time(at: Timestamp) -> Markup {
    html! { time datetime=(format!("{at:.0}")) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

fn layout(title: &str, content: &Markup) -> Markup {
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
            }
            body { main { h1 { (title) } (content) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use slipway_core::application::ApprovalPolicy;
    use slipway_core::image::{Digest, Image};
    use slipway_core::name::{ApplicationName, ReleaseId, RepositoryName, StageName};
    use slipway_core::release::Release;
    use slipway_core::rollback::Baseline;

    use super::*;

    fn ana() -> EmailAddress {
        EmailAddress::new("ana@example.com").expect("an address")
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("in range")
    }

    fn open(tag: &str) -> Approval {
        let release = Release {
            id: ReleaseId::new("web-a1").expect("an id"),
            application: ApplicationName::new("web").expect("a name"),
            image: Image {
                repository: RepositoryName::new("web").expect("a name"),
                digest: Digest::new(format!("sha256:{}", "a".repeat(64))).expect("a digest"),
                tag: tag.into(),
            },
        };
        let policy = ApprovalPolicy {
            approvers: vec![ana()],
            quorum: 1,
            expires_after: "1h".parse().expect("a span"),
            remind_before: None,
            confirm_digest: false,
            other_than_pusher: false,
            override_alarms: false,
        };
        Approval::open(
            release,
            StageName::new("production").expect("a name"),
            &policy,
            Baseline::default(),
            vec![],
            second(0),
        )
    }

    #[test]
    fn the_form_is_there_only_while_the_person_may_answer() {
        let before = approval(&open("v2"), &[], &ana(), "nonce", second(1)).0;
        assert!(before.contains(r#"value="approve""#) && before.contains(r#"value="nonce""#), "{before}");

        let decided = open("v2").decide(&ana(), Verdict::Rejected, "no", None, second(1)).expect("it counts");
        for after in [
            approval(&decided, &[], &ana(), "nonce", second(2)).0,
            approval(&open("v2"), &[], &ana(), "nonce", second(3600)).0,
        ] {
            assert!(!after.contains("<form") && !after.contains("nonce"), "{after}");
        }
    }

    #[test]
    fn whatever_is_shown_is_escaped() {
        let reason = r#"<script>alert("1")</script>"#;
        let decided =
            open("<b>v2</b>").decide(&ana(), Verdict::Rejected, reason, None, second(1)).expect("it counts");
        let shown = approval(&decided, &[], &ana(), "nonce", second(2)).0;
        assert!(!shown.contains("<script>") && !shown.contains("<b>"), "{shown}");
        assert!(shown.contains("‹script›"), "{shown}");
    }
}
