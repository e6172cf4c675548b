//! What people decided, and what came of it.

use std::collections::BTreeSet;

use slipway_core::approval::{Approval, Status, Verdict};
use slipway_core::audit::{self, Entry, What};

use crate::record::{Record, ReleaseRecord, Stage};

/// Judged by every `UpdateService` in the trace, not only by what runs in the end.
pub(super) fn only_what_was_approved_runs(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for stage in record.stages.iter().filter(|stage| stage.asks) {
        for change in
            record.changes().filter(|change| stage.services.iter().any(|service| service == change.service))
        {
            let is_fine = match change.by {
                "deploy-services" => is_approved(record, stage, change.revision),
                "roll-back" => is_a_baseline(record, change.service, change.revision),
                _ => false,
            };
            if !is_fine {
                broken.push(format!("{} set {} to {}", change.by, change.service, change.revision));
            }
        }
        for service in &stage.services {
            let Some(runs) = record.services.get(service) else {
                broken.push(format!("{service} is gone"));
                continue;
            };
            let unchanged = record.before.get(service) == Some(runs);
            if !unchanged && !is_approved(record, stage, runs) && !is_a_baseline(record, service, runs) {
                broken.push(format!("{service} runs {runs}"));
            }
        }
    }
    broken
}

fn is_approved(record: &Record, stage: &Stage, revision: &str) -> bool {
    let approval = record.owner(revision).and_then(|release| release.approvals.get(&stage.name));
    let image = record.revisions.get(revision).map(|revision| revision.image.as_str()).unwrap_or_default();
    approval.is_some_and(|approval| {
        approval.status == Status::Approved
            && image.ends_with(&format!("@{}", approval.release.image.digest))
            && counted(approval) == approval.status
    })
}

fn is_a_baseline(record: &Record, service: &str, revision: &str) -> bool {
    record.releases.iter().any(|release| release.baselines_of(service).any(|baseline| baseline == revision))
}

/// The audit is one whole chain: no entry was changed, taken out or put in.
pub(super) fn the_audit_is_whole(record: &Record) -> Vec<String> {
    audit::read(&record.audit).err().map(|broken| broken.to_string()).into_iter().collect()
}

/// Nobody is counted twice, every question and every decision is in the audit once, and the outcome is what was
/// decided.
pub(super) fn a_decision_counts_once(record: &Record) -> Vec<String> {
    let entries: Vec<Entry> =
        record.audit.iter().filter_map(|sealed| serde_json::from_str(&sealed.entry).ok()).collect();
    record
        .releases
        .iter()
        .flat_map(|release| {
            release
                .approvals
                .iter()
                .filter_map(|(stage, approval)| decided(release, stage, approval, &entries))
        })
        .collect()
}

fn decided(release: &ReleaseRecord, stage: &str, approval: &Approval, audit: &[Entry]) -> Option<String> {
    let id = &release.id;
    let people: BTreeSet<_> = approval.decisions.iter().map(|decision| decision.by.as_str()).collect();
    let count = |kinds: &[What]| {
        audit
            .iter()
            .filter(|entry| entry.approval.as_ref() == Some(&approval.id) && kinds.contains(&entry.what))
            .count()
    };
    let (asked, audited) = (count(&[What::Requested]), count(&[What::Approved, What::Rejected]));
    let outcome = release.outcome();
    let changed = release.deployed.keys().any(|service| service.starts_with(&format!("{stage}/")));
    if people.len() != approval.decisions.len() {
        Some(format!("{id} counts a person twice"))
    } else if asked != 1 {
        Some(format!("{id} asked for {stage}, and the audit says {asked} times"))
    } else if audited != approval.decisions.len() {
        Some(format!("{id} has {} decisions and {audited} in the audit", approval.decisions.len()))
    } else if matches!(approval.status, Status::Approved | Status::Rejected)
        && counted(approval) != approval.status
    {
        Some(format!("{id} is {:?} by {:?}", approval.status, approval.decisions))
    } else if approval.status == Status::Rejected && outcome != "REJECTED" {
        Some(format!("{id} was rejected and ended {outcome}"))
    } else if outcome == "REJECTED" && approval.status != Status::Rejected {
        Some(format!("{id} ended REJECTED and is {:?}", approval.status))
    } else if approval.status != Status::Approved && (changed || outcome == "RELEASED") {
        Some(format!("{id} is {:?}, ended {outcome}, and registered for {stage}", approval.status))
    } else {
        None
    }
}

/// What the decisions come to.
fn counted(approval: &Approval) -> Status {
    let approvers =
        approval.decisions.iter().filter(|decision| decision.verdict == Verdict::Approved).count();
    if approvers < approval.decisions.len() {
        Status::Rejected
    } else if approvers >= usize::from(approval.quorum) {
        Status::Approved
    } else {
        Status::Pending
    }
}
