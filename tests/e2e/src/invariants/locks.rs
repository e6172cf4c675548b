//! One release at a time.

use jiff::Timestamp;

use crate::record::{Record, ReleaseRecord};

/// From a release's first change to its recorded end nobody else changes anything, and it changes nothing after that.
pub(super) fn one_release_changes_at_a_time(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    let spans: Vec<Span<'_>> =
        record.releases.iter().filter_map(|release| Span::of(record, release)).collect();
    for (position, one) in spans.iter().enumerate() {
        for other in &spans[position + 1..] {
            if one.from <= other.to && other.from <= one.to {
                broken.push(format!(
                    "{} and {} change services at the same time",
                    one.release.id, other.release.id
                ));
            }
        }
    }
    for change in record.changes() {
        let holder = spans.iter().find(|span| span.holds(change.at));
        let is_the_holders = holder.is_some_and(|span| match change.by {
            "deploy-services" => {
                record.owner(change.revision).is_some_and(|owner| owner.id == span.release.id)
            }
            _ => span.release.baselines_of(change.service).any(|baseline| baseline == change.revision),
        });
        if !is_the_holders {
            let holder = holder.map_or("nobody", |span| &span.release.id);
            broken.push(format!(
                "{} set {} to {} while {holder} changes services",
                change.by, change.service, change.revision
            ));
        }
    }
    broken
}

/// The time in which a release changes services.
struct Span<'a> {
    release: &'a ReleaseRecord,
    from: Timestamp,
    to: Timestamp,
}

impl<'a> Span<'a> {
    fn of(record: &Record, release: &'a ReleaseRecord) -> Option<Self> {
        let ours = |revision: &str| record.owner(revision).is_some_and(|owner| owner.id == release.id);
        let first =
            record.changes().find(|change| change.by == "deploy-services" && ours(change.revision))?;
        Some(Self {
            release,
            from: first.at,
            to: release.ended.as_ref().map_or(Timestamp::MAX, |ended| ended.at),
        })
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }
}

pub(super) fn the_lock_is_free(record: &Record) -> Vec<String> {
    record
        .lock
        .holder
        .iter()
        .map(|holder| format!("{} has it until {}", holder.release, holder.lease_until))
        .collect()
}

pub(super) fn nothing_is_left_to_find(record: &Record) -> Vec<String> {
    record.found.clone()
}
