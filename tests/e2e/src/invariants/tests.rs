//! Each invariant is seen to fail.

use jiff::Timestamp;
use serde_json::json;
use slipway_core::audit::{About, NewEntry, Sealed, What as Kind};
use slipway_core::lock::{Holder, Lock};
use slipway_local::Mail;
use slipway_local::wire::{Call, Entry, Fault, What};

use super::{INVARIANTS, broken};
use crate::record::{Item, Record, ReleaseRecord, Revision, Stage};

const SECOND: i64 = 1_795_000_000;

fn digest(of: &str) -> String {
    format!("sha256:{}", of.repeat(64))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(SECOND + second).expect("in range")
}

fn release(id: &str, letter: &str) -> serde_json::Value {
    json!({ "id": id, "application": "web", "image": { "repository": "web", "digest": digest(letter), "tag": letter } })
}

fn baseline(stage: &str, revision: u32) -> serde_json::Value {
    json!({ "services": [{
        "service": "web",
        "arn": format!("arn:aws:ecs:us-east-1:000000000000:service/{stage}/web"),
        "task_definition": arn(stage, revision),
        "template": { "arn": arn(stage, 1), "registration": "" },
        "image": format!("web@{}", digest("0")),
        "desired_count": 1,
    }], "alarms": [] })
}

fn arn(stage: &str, revision: u32) -> String {
    format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{stage}-web:{revision}")
}

/// A release that ends at a second, approved by ana.
fn items(id: &str, letter: &str, ends: i64, outcome: &str, stage: Option<&str>) -> Vec<Item> {
    let item = |pk: &str, sk: &str, document: &serde_json::Value| Item {
        pk: pk.to_owned(),
        sk: sk.to_owned(),
        document: document.to_string(),
    };
    let own = format!("RELEASE#{id}");
    let decision =
        json!({ "by": "ana@example.com", "verdict": "APPROVED", "reason": "", "at": at(ends - 5) });
    let approval = json!({
        "id": format!("{id}/production"), "release": release(id, letter), "stage": "production", "baseline": baseline("production", 1),
        "verified": [], "approvers": ["ana@example.com", "bo@example.com"], "quorum": 1, "requested_at": at(ends - 6), "expires_at": at(ends + 100),
        "decisions": [decision], "status": "APPROVED",
    });
    let mut items = vec![
        item(
            &own,
            "RELEASE",
            &json!({ "release": release(id, letter), "at": at(ends - 20), "pushed_at": at(ends - 20) }),
        ),
        item(
            &own,
            "ENDING",
            &json!({ "ending": { "outcome": outcome, "stage": stage, "reason": "so it is" }, "at": at(ends) }),
        ),
        item(&format!("APPROVAL#{id}/production"), "APPROVAL", &approval),
        item(&format!("APPROVAL#{id}/production"), "MAILED#ana@example.com", &json!(at(0))),
    ];
    for stage in ["staging", "production"] {
        items.push(item(&own, &format!("BASELINE#{stage}#1"), &baseline(stage, 1)));
        items.push(item(&own, &format!("DEPLOYED#{stage}#web#"), &json!(arn(stage, 2))));
        items.push(item(&own, &format!("VERIFIED#{stage}#web#"), &json!({})));
    }
    items
}

fn update(by: &str, service: &str, revision: &str, second: i64) -> Entry {
    let call = Call {
        caller: by.to_owned(),
        operation: "ecs:UpdateService".to_owned(),
        attempt: Some(1),
        subject: format!("{service} {revision}"),
    };
    Entry {
        number: 1,
        at: at(second),
        what: What::Call { call, status: Some(200), fault: None, connection: 0 },
    }
}

fn mail(id: &str, outcome: &str) -> Mail {
    let body = format!("web ended {outcome}.\n\nRelease  {id}\nEnded    now\n");
    Mail {
        to: "team@example.com".to_owned(),
        subject: format!("web a {outcome}"),
        body,
        topic: String::new(),
        at: 0,
    }
}

/// The audit of a release that was approved.
fn audit(release: &ReleaseRecord) -> Vec<Sealed> {
    let mut chain = Vec::new();
    append(&mut chain, release);
    chain
}

fn append(chain: &mut Vec<Sealed>, release: &ReleaseRecord) {
    for (number, what) in (chain.len() as u64..).zip([Kind::Requested, Kind::Opened, Kind::Approved]) {
        let entry = NewEntry { at: at(0), what, person: None, caller: None, words: String::new() };
        chain.push(
            Sealed::after(
                chain.last().map(|last| (number, last)),
                &About::from(&release.approvals["production"]),
                &entry,
            )
            .1,
        );
    }
}

/// A good release from the first to the last second of ten.
fn good() -> Record {
    let mut web =
        ReleaseRecord::read("web-a", &items("web-a", "a", 10, "RELEASED", None)).expect("the items parse");
    web.execution = Some("SUCCEEDED".to_owned());
    web.execution_outcome = Some("RELEASED".to_owned());
    let audit = audit(&web);
    let revision = |letter: &str, release: Option<&str>| Revision {
        image: format!("web@{}", digest(letter)),
        release: release.map(ToOwned::to_owned),
    };
    Record {
        trace: vec![
            update("deploy-services", "staging/web", "staging-web:2", 1),
            update("deploy-services", "production/web", "production-web:2", 8),
        ],
        stages: ["staging", "production"]
            .map(|name| Stage {
                name: name.to_owned(),
                cluster: name.to_owned(),
                services: vec![format!("{name}/web")],
                asks: name == "production",
            })
            .to_vec(),
        releases: vec![web],
        before: [("staging/web", "staging-web:1"), ("production/web", "production-web:1")].map(owned).into(),
        services: [("staging/web", "staging-web:2"), ("production/web", "production-web:2")]
            .map(owned)
            .into(),
        revisions: ["staging", "production"]
            .into_iter()
            .flat_map(|stage| {
                [
                    (format!("{stage}-web:1"), revision("0", None)),
                    (format!("{stage}-web:2"), revision("a", Some("web-a"))),
                    (format!("{stage}-web:3"), revision("b", Some("web-b"))),
                ]
            })
            .collect(),
        mails: vec![mail("web-a", "RELEASED")],
        audit,
        ..Record::default()
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A release that failed in staging at second ten, and was rolled back.
fn rolled_back() -> Record {
    let mut record = good();
    let web = ReleaseRecord::read("web-a", &items("web-a", "a", 10, "ROLLED_BACK", Some("staging")))
        .expect("the items parse");
    record.releases =
        vec![ReleaseRecord { execution: Some("SUCCEEDED".to_owned()), approvals: [].into(), ..web }];
    record.trace = vec![
        update("deploy-services", "staging/web", "staging-web:2", 1),
        update("roll-back", "staging/web", "staging-web:1", 5),
    ];
    record.services.clone_from(&record.before);
    record.mails = vec![mail("web-a", "ROLLED_BACK")];
    record
}

/// Whether a record breaks the invariant whose sentence holds these words, and no other one.
fn breaks_only(record: &Record, words: &str) {
    let broken = broken(record);
    assert!(!broken.is_empty(), "nothing is broken");
    assert!(broken.iter().all(|violation| violation.contains(words)), "{words}: {broken:#?}");
}

#[test]
fn a_good_release_and_a_rollback_break_nothing() {
    assert_eq!(broken(&good()), [""; 0]);
    assert_eq!(broken(&rolled_back()), [""; 0]);
    assert_eq!(INVARIANTS.len(), 12, "each has a test below");
}

#[test]
fn production_that_changes_without_a_yes_is_noticed_even_when_restored() {
    let approved = "runs only what they approved";
    let mut of_another_image = good();
    of_another_image.revisions.entry("production-web:2".to_owned()).or_default().image =
        format!("web@{}", digest("f"));
    breaks_only(&of_another_image, approved);

    let mut by_nobody = good();
    by_nobody.services.insert("production/web".to_owned(), "external:1".to_owned());
    breaks_only(&by_nobody, approved);

    let mut restored = good();
    restored.releases[0].approvals.clear();
    restored.services.clone_from(&restored.before);
    breaks_only(&restored, approved);
}

#[test]
fn a_lost_answer_counts_as_a_change_and_a_refused_call_does_not() {
    let mut record = good();
    record.releases[0].approvals.clear();
    record.services.clone_from(&record.before);
    let broken_by = |record: &mut Record, wanted: Fault| {
        if let What::Call { status, fault, .. } = &mut record.trace[1].what {
            (*status, *fault) = (None, Some(wanted));
        }
        !broken(record).is_empty()
    };

    assert!(broken_by(&mut record, Fault::LoseAnswer));
    assert!(!broken_by(&mut record, Fault::KillBefore));
}

#[test]
fn two_releases_that_change_services_at_the_same_time_are_noticed() {
    let mut record = good();
    let mut other =
        ReleaseRecord::read("web-b", &items("web-b", "b", 15, "RELEASED", None)).expect("the items parse");
    other.execution = Some("SUCCEEDED".to_owned());
    other.deployed =
        [("staging/web", "staging-web:3"), ("production/web", "production-web:3")].map(owned).into();
    append(&mut record.audit, &other);
    record.releases.push(other);
    record.mails.push(mail("web-b", "RELEASED"));
    record.trace.push(update("deploy-services", "staging/web", "staging-web:3", 9));

    breaks_only(&record, "at most one release changes the application");
}

#[test]
fn a_change_after_the_end_is_noticed() {
    let mut record = good();
    record.trace.push(update("deploy-services", "staging/web", "staging-web:2", 11));

    breaks_only(&record, "at most one release changes the application");
}

#[test]
fn a_release_without_one_outcome_is_noticed() {
    let one_outcome = "has one outcome";
    let mut open = good();
    open.releases[0].is_open = true;
    breaks_only(&open, one_outcome);

    let mut running = good();
    running.releases[0].execution = Some("RUNNING".to_owned());
    breaks_only(&running, one_outcome);

    let mut two = good();
    two.releases[0].execution_outcome = Some("FAILED".to_owned());
    breaks_only(&two, one_outcome);

    let mut unrecorded = good();
    unrecorded.releases[0].ended = None;
    assert!(broken(&unrecorded).iter().any(|violation| violation.contains("web-a has no recorded outcome")));
}

#[test]
fn an_outcome_with_no_notification_or_a_wrong_one_is_noticed() {
    let mut record = good();
    record.mails = vec![mail("web-a", "FAILED")];
    breaks_only(&record, "people are notified of every outcome");

    record.mails.clear();
    breaks_only(&record, "people are notified of every outcome");
}

#[test]
fn a_lock_that_is_held_is_noticed() {
    let mut record = good();
    let holder = Holder {
        release: slipway_core::name::ReleaseId::new("web-a").expect("an id"),
        writers: 0,
        lease_until: at(60),
        fence: None,
    };
    record.lock = Lock { generation: 7, holder: Some(holder), rests_until: None };

    breaks_only(&record, "the lock is free");
}

#[test]
fn a_service_that_was_not_verified_is_noticed() {
    let mut record = good();
    record.releases[0].verified.remove("production/web");

    breaks_only(&record, "what is released was verified");
}

#[test]
fn a_decision_that_counts_twice_is_noticed() {
    let once = "a decision counts once";
    let mut twice = good();
    let approval = twice.releases[0].approvals.get_mut("production").expect("it was asked");
    approval.decisions.push(approval.decisions[0].clone());
    breaks_only(&twice, once);

    let mut unaudited = good();
    unaudited.audit.pop();
    breaks_only(&unaudited, once);

    let mut unasked = good();
    unasked.audit.clear();
    breaks_only(&unasked, once);

    let mut other = good();
    other.releases[0].approvals.get_mut("production").expect("it was asked").status =
        slipway_core::approval::Status::Rejected;
    assert!(broken(&other).iter().any(|violation| violation.starts_with(once)));
}

#[test]
fn an_entry_that_is_gone_from_the_audit_is_noticed() {
    let mut record = good();
    record.audit.remove(1);

    breaks_only(&record, "the audit is one whole chain");
}

#[test]
fn a_failure_that_leaves_its_image_is_noticed_unless_a_person_is_asked_for() {
    let mut record = rolled_back();
    record.trace.pop();
    record.services.insert("staging/web".to_owned(), "staging-web:2".to_owned());
    breaks_only(&record, "after a failure");

    record.releases[0].ended.as_mut().expect("it ended").ending.outcome =
        slipway_core::release::Outcome::Stuck;
    record.mails = vec![mail("web-a", "STUCK")];
    assert_eq!(broken(&record), [""; 0]);
}

#[test]
fn a_callback_that_stays_parked_is_noticed() {
    let mut record = good();
    record.releases[0].callbacks.push("staging#DeployServices".to_owned());

    breaks_only(&record, "no callback of an ended release");
}

#[test]
fn a_second_revision_of_a_release_is_noticed_when_it_is_used() {
    let mut record = good();
    record.revisions.insert("staging-web:4".to_owned(), record.revisions["staging-web:2"].clone());
    assert_eq!(broken(&record), [""; 0], "registered and not used");

    record.trace.push(update("deploy-services", "staging/web", "staging-web:4", 2));
    breaks_only(&record, "a release uses one revision");
}

#[test]
fn what_the_last_reconciliation_finds_is_noticed() {
    let mut record = good();
    record.found.push("begun: web-c".to_owned());

    breaks_only(&record, "the last reconciliation finds nothing");
}
