//! The pages that are lists: open approvals, an application's audit, and what the doctor says.

use jiff::Timestamp;
use maud::{Markup, html};
use slipway_core::api::{Approvals, Audit};
use slipway_core::audit::{self, Entry};
use slipway_core::doctor::{Checkup, Finding, Severity};
use slipway_core::name::ApplicationName;
use slipway_core::words;
use slipway_pages::time;

use super::release::asked;
use super::{FRESH_AFTER, Frame, ago, image};

/// Who is asked for what.
pub(crate) fn approvals(open: &Approvals, by: &str, now: Timestamp) -> Markup {
    let content = html! {
        h1 { "Approvals" }
        div data-fresh=(FRESH_AFTER) {
            @if open.approvals.is_empty() { p { "Nobody is asked for anything." } }
            @for approval in &open.approvals {
                p.notice.busy {
                    a href=(format!("/applications/{}/releases/{}", approval.application, approval.release)) {
                        (approval.application) " " (image(&approval.image))
                    }
                    " asks since " (ago(approval.asked_at, now))
                }
                (asked(approval))
            }
            p.small { "An approval is given by the link in one's own mail." }
        }
    };
    Frame { page: "/approvals", by, is_fresh: true }.page("Approvals", &content)
}

/// An application's audit, whose chain is checked while it is shown.
pub(crate) fn audit_page(name: &ApplicationName, audit: &Audit, by: &str) -> Markup {
    let content = html! {
        h1 { "The audit of " a href=(format!("/applications/{name}")) { (name) } }
        @match audit::read(&audit.entries) {
            Ok(entries) => {
                p.notice.good {
                    "The chain holds: " (entries.len()) " entries, each with the hash of the one before."
                    @if let Some(last) = audit.entries.last() { " The last one's hash is " code { (last.hash) } }
                }
                ol.timeline { @for entry in entries.iter().rev() { (of_entry(entry)) } }
            },
            Err(broken) => {
                p.notice.bad { (words::sentence(&broken.to_string())) }
                p { "Somebody changed the table: CloudTrail's data events say who, where a trail records them." }
            },
        }
        p.small { "To keep it elsewhere: " code { "slipway audit " (name) " --output json" } }
    };
    Frame { page: "/audit", by, is_fresh: false }.page(&format!("The audit of {name}"), &content)
}

fn of_entry(entry: &Entry) -> Markup {
    let approval = entry.approval.as_ref().map(|approval| approval.as_str());
    let about = approval.or(entry.release.as_ref().map(|release| release.as_str()));
    html! {
        li {
            span.dot {}
            (time(entry.at)) " "
            strong { (entry.sequence) " " (entry.what.as_str()) } " "
            @if let Some(about) = about { code { (about) } " " }
            @if let Some(person) = &entry.person { "link issued to " (person) " " }
            @if let Some(caller) = &entry.caller { code { (words::line(caller, words::LONGEST_MESSAGE)) } " " }
            (words::sentence(&entry.words))
        }
    }
}

/// What the doctor says of the deployer.
pub(crate) fn health(checkup: &Checkup, by: &str) -> Markup {
    let content = html! {
        h1 { "Health of Slipway" }
        @if checkup.findings.is_empty() { p.notice.good { "Everything that was looked at is as it should be." } }
        @for finding in &checkup.findings { (found(finding)) }
        @if !checkup.healthy.is_empty() {
            section {
                h2 { "As it should be" }
                ul.timeline { @for line in &checkup.healthy { li { span.dot {} (words::sentence(line)) } } }
            }
        }
        p.small { "Of one application: " code { "slipway doctor APPLICATION" } }
    };
    Frame { page: "/health", by, is_fresh: false }.page("Health of Slipway", &content)
}

fn found(finding: &Finding) -> Markup {
    let tone = match finding.severity {
        Severity::Stops => "bad",
        Severity::Warns => "wait",
    };
    html! {
        p.notice.{(tone)} {
            strong { (words::capitalized(finding.subject.in_words())) }
            ": " (words::sentence(&finding.what)) ". "
            em { (words::capitalized(&words::sentence(&finding.remedy))) "." }
        }
    }
}
