//! How releases end.

use crate::record::Record;

pub(super) fn every_release_has_one_outcome(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for release in &record.releases {
        let id = &release.id;
        let outcome = release.outcome();
        if release.started.is_none() {
            broken.push(format!("{id} has no record that it began"));
        }
        match release.execution.as_deref() {
            None => broken.push(format!("{id} has no execution")),
            Some("RUNNING") => broken.push(format!("{id} still runs")),
            Some(_) => {}
        }
        if release.ended.is_none() {
            broken.push(format!("{id} has no recorded outcome"));
        }
        if let Some(other) = release.execution_outcome.as_deref().filter(|other| *other != outcome) {
            broken.push(format!("{id} is recorded as {outcome}, and its execution says {other}"));
        }
        if release.is_open {
            broken.push(format!("{id} is still open"));
        }
    }
    broken
}

pub(super) fn people_are_notified(record: &Record) -> Vec<String> {
    let mut broken = Vec::new();
    for release in &record.releases {
        let line = format!("Release  {}\n", release.id);
        let mails: Vec<_> = record
            .mails
            .iter()
            .filter(|mail| mail.body.contains(" ended ") && mail.body.contains(&line))
            .collect();
        let outcome = release.outcome();
        if mails.is_empty() {
            broken.push(format!("nobody was notified that {} ended {outcome}", release.id));
        }
        for mail in mails {
            if !mail.subject.contains(outcome) {
                broken.push(format!("{} ended {outcome}, and the mail says `{}`", release.id, mail.subject));
            }
        }
    }
    broken
}

pub(super) fn what_is_released_was_verified(record: &Record) -> Vec<String> {
    let released = record.releases.iter().filter(|release| release.outcome() == "RELEASED");
    released
        .flat_map(|release| {
            let services = record.stages.iter().flat_map(|stage| &stage.services);
            services
                .filter(|service| !release.verified.contains(*service))
                .map(|service| format!("{} ended RELEASED, and {service} was not verified", release.id))
        })
        .collect()
}

pub(super) fn no_callback_is_left(record: &Record) -> Vec<String> {
    let ended = record.releases.iter().filter(|release| release.ended.is_some());
    ended
        .flat_map(|release| {
            release.callbacks.iter().map(|callback| format!("{} still has {callback}", release.id))
        })
        .collect()
}
