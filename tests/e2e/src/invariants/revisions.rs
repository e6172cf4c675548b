//! What services run.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Record, ReleaseRecord};

/// The stage at which a release failed runs what it ran before: seen in what runs now or, where a later release changed
/// it, in what that one found.
pub(super) fn a_failure_leaves_the_baseline(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for release in
        record.releases.iter().filter(|release| !matches!(release.outcome(), "NONE" | "RELEASED" | "STUCK"))
    {
        let failed_at =
            release.ended.as_ref().and_then(|ended| ended.ending.stage.as_ref()).map(|stage| stage.as_str());
        for service in record
            .stages
            .iter()
            .filter(|stage| Some(stage.name.as_str()) == failed_at)
            .flat_map(|stage| &stage.services)
        {
            // What was not captured was not changed.
            if release.baselines_of(service).next().is_none() {
                continue;
            }
            let found = next_that_changed(record, release, service).map_or_else(
                || record.services.get(service).map(String::as_str),
                |next| next.baselines_of(service).next(),
            );
            if !release.baselines_of(service).any(|baseline| Some(baseline) == found) {
                broken.push(format!(
                    "{} ended {}, and {service} ran {} then",
                    release.id,
                    release.outcome(),
                    found.unwrap_or("nothing")
                ));
            }
        }
    }
    broken
}

/// The release that changed a service first after another one had ended.
fn next_that_changed<'a>(
    record: &'a Record,
    release: &ReleaseRecord,
    service: &str,
) -> Option<&'a ReleaseRecord> {
    let ended = release.ended.as_ref()?.at;
    let mut changes = record
        .changes()
        .filter(|change| change.service == service && change.at > ended && change.by == "deploy-services");
    changes.find_map(|change| record.owner(change.revision))
}

/// More may be registered when an answer was lost or two runs met, but a service never gets more than one.
pub(super) fn one_revision_is_used(record: &Record) -> Vec<String> {
    let mut used: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for change in record.changes().filter(|change| change.by == "deploy-services") {
        if let Some(owner) = record.owner(change.revision) {
            used.entry((&owner.id, change.service)).or_default().insert(change.revision);
        }
    }
    let mut broken = Vec::new();
    for ((id, service), revisions) in used {
        let recorded =
            record.release(id).and_then(|release| release.deployed.get(service)).map(String::as_str);
        if revisions.len() > 1 || revisions.first().copied() != recorded {
            let revisions: Vec<_> = revisions.into_iter().collect();
            broken.push(format!(
                "{id} set {service} to {}, and recorded {}",
                revisions.join(" and "),
                recorded.unwrap_or("nothing")
            ));
        }
    }
    broken
}
