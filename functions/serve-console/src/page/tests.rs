//! The pages as golden files, reviewed as a diff and looked at in a browser: `EXPECTORATE=overwrite` accepts new ones.

use jiff::Timestamp;
use maud::Markup;
use serde_json::{Value, json};
use slipway_core::api::{Application, Audit, Releases};
use slipway_core::audit::{About, NewEntry, Sealed, What};

use super::*;

const ANA: &str = "the IAM user ana";

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it fits")
}

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().expect("a time")
}

fn image_of(digits: &str, tag: &str) -> Value {
    json!({ "repository": "web", "digest": format!("sha256:{}", digits.repeat(16)), "tag": tag })
}

fn runs(digits: &str, tag: &str, since: &str) -> Value {
    json!({ "image": image_of(digits, tag), "since": since, "approved_by": ["ana@example.com"], "services": [] })
}

fn id(digits: &str) -> String {
    format!("web-{}", digits.repeat(8))
}

fn service(problem: Option<&str>) -> Value {
    json!({ "name": "web", "running": 2, "desired": 2, "problem": problem,
        "task_definition": "arn:aws:ecs:eu-central-1:111122223333:task-definition/staging-web:9",
        "messages": [{ "at": "2026-11-20T08:59:30Z", "words": "(service web) has begun draining connections." }] })
}

fn open_release(stage: Option<&str>, state: &str, waits_for: &[&str]) -> Value {
    json!({ "id": id("4f5c"), "image": image_of("4f5c", "v10"), "begun_at": "2026-11-20T08:50:00Z",
        "stage": stage, "state": state, "since": "2026-11-20T08:58:00Z", "waits_for": waits_for })
}

fn application_status(name: &str, releases: &[Value], frozen: Option<&Value>) -> Value {
    let production = runs("1a2b", "v9", "2026-11-18T07:00:00Z");
    json!({ "name": name, "releases": releases, "stages": [
        { "name": "staging", "cluster": "staging", "runs": runs("1a2b", "v9", "2026-11-20T06:00:00Z"), "services": [] },
        { "name": "production", "cluster": "production", "runs": production, "services": [], "frozen": frozen },
    ] })
}

fn all() -> Value {
    let waits = open_release(Some("production"), "Waits for approval", &["ben@example.com"]);
    let frozen = json!({ "until": null, "reasons": ["the sale goes on (the IAM user ben)"] });
    json!({
        "applications": [
            application_status("billing", &[], Some(&frozen)),
            application_status("shop", &[waits], None),
            application_status("web", &[open_release(Some("staging"), "Is deployed", &[])], None),
        ],
        "broken": [{ "parameter": "/slipway/applications/old", "problem": "stages: is missing" }],
        "freezes": [{ "application": "billing", "stage": "production", "reason": "the sale goes on", "by": "the IAM user ben", "since": "2026-11-20T07:00:00Z" }],
    })
}

fn one() -> (Application, Releases) {
    let mut one = application_status("web", &[open_release(None, "Waits for the lock", &["web-1"])], None);
    one["stages"][1]["services"] =
        json!([service(Some("web runs production-web:8, and not production-web:7, which was released"))]);
    one["quarantined"] = json!([{ "digest": format!("sha256:{}", "9e8d".repeat(16)), "tag": "v8", "release": id("9e8d"),
        "outcome": "ROLLED_BACK", "reason": "the alarm web-5xx fired", "since": "2026-11-17T10:00:00Z" }]);
    one["ignored"] = json!([{ "image": image_of("7c6b", "latest"), "at": "2026-11-20T05:00:00Z",
        "reason": "the tag latest is outside the patterns" }]);
    let past = |digits: &str, tag: &str, outcome: &str, reason: &str| {
        json!({ "id": id(digits), "image": image_of(digits, tag), "pushed_at": "2026-11-18T06:00:00Z",
            "begun_at": "2026-11-18T06:00:01Z",
            "end": { "outcome": outcome, "stage": null, "reason": reason, "at": "2026-11-18T07:00:00Z" } })
    };
    let releases = json!({
        "releases": [past("1a2b", "v9", "RELEASED", "every stage runs it"), past("9e8d", "v8", "ROLLED_BACK", "the alarm web-5xx fired")],
        "figures": { "days": 30, "released": 12, "failed": 1, "lead_time_seconds": 2700, "restore_seconds": 240 },
    });
    (read(one), read(releases))
}

fn detail(end: Option<&Value>) -> Value {
    let approver = |address: &str, answer: Option<&str>| json!({ "address": address, "answer": answer, "answered_at": answer.map(|_| "2026-11-20T08:55:00Z"), "reachable": answer.is_some() });
    let approval = json!({ "release": id("4f5c"), "application": "web", "stage": "production", "image": image_of("4f5c", "v10"),
        "asked_at": "2026-11-20T08:54:00Z", "expires_at": "2026-11-21T08:54:00Z", "quorum": 2,
        "approvers": [approver("ana@example.com", Some("APPROVED")), approver("ben@example.com", None)] });
    json!({
        "id": id("4f5c"), "application": "web", "image": image_of("4f5c", "v10"),
        "pushed_at": "2026-11-20T08:50:00Z", "begun_at": "2026-11-20T08:50:01Z",
        "asked": "asked for by the IAM user ana: the fix for checkout",
        "stages": [
            { "name": "staging", "state": "RELEASED", "words": "Released", "active": false, "ran": "v9", "seconds": 180 },
            { "name": "production", "state": "ASKED", "words": "Waits for approval", "active": true, "seconds": 360 },
        ],
        "approvals": if end.is_none() { json!([approval]) } else { json!([]) },
        "services": if end.is_none() { json!([service(None)]) } else { json!([]) },
        "end": end,
        "events": [
            { "at": "2026-11-20T08:50:01Z", "step": "BEGAN", "words": "the release began" },
            { "at": "2026-11-20T08:53:01Z", "stage": "staging", "step": "VERIFIED", "words": "2 of 2 targets of web serve" },
        ],
        "now": "2026-11-20T09:00:00Z",
    })
}

fn audit_of(words: &str) -> Audit {
    let name = ApplicationName::new("web").expect("a name");
    let entry = NewEntry {
        at: now(),
        what: What::ReleaseRequested,
        person: None,
        caller: Some("arn:aws:iam::111122223333:user/ana".into()),
        words: words.into(),
    };
    let about = About::application(&name);
    let (_, first) = Sealed::after(None, &about, &entry);
    let (_, second) = Sealed::after(Some((1, &first)), &about, &entry);
    Audit { entries: vec![first, second] }
}

fn checkup() -> Value {
    json!({ "applications": ["web"], "healthy": ["every dead-letter queue is empty"], "findings": [
        { "subject": "DeadLetters", "severity": "Warns", "what": "slipway-receive-push-dead-letters holds 2 messages", "remedy": "slipway redrive" },
    ] })
}

fn asked_for(parts: &[&str]) -> Markup {
    let target = crate::act::Target::of(parts).expect("it can be done");
    let typed = serde_json::Map::new();
    asking(&Asking { target: &target, key: "k", nonce: "n", by: ANA, typed: &typed, notice: None })
}

fn freeze_again() -> Markup {
    let target = crate::act::Target::of(&["applications", "web", "freeze"]).expect("it can be done");
    let typed = json!({ "stage": "production", "reason": "the sale" });
    let typed = typed.as_object().expect("an object");
    let notice = Some("It may have been done.");
    asking(&Asking { target: &target, key: "k", nonce: "n", by: ANA, typed, notice })
}

fn frozen_now() -> Markup {
    let target = crate::act::Target::of(&["applications", "web", "freeze"]).expect("it can be done");
    done(&target, "web is frozen until somebody lifts it", ANA)
}

fn pages() -> Vec<(&'static str, Markup)> {
    let web = ApplicationName::new("web").expect("a name");
    let (application_of, releases) = one();
    let whole = Parts { status: Ok(&application_of), releases: Ok(&releases) };
    let refused_path = "GET /applications/web/releases".to_owned();
    let without = Parts { status: Ok(&application_of), releases: Err(&refused_path) };
    let released = json!({ "outcome": "RELEASED", "stage": null, "reason": "every stage runs it", "at": "2026-11-20T09:10:00Z" });
    let open = read::<slipway_core::api::ReleaseDetail>(detail(None));
    let open_approvals = slipway_core::api::Approvals { approvals: open.approvals.clone() };
    let mut touched = audit_of("asked for a release");
    touched.entries[0].entry = touched.entries[0].entry.replace("asked", "begged");
    vec![
        ("board", board(&read(all()), "", ANA, now())),
        ("board-filtered", board(&read(all()), "sho", ANA, now())),
        ("application", application(&web, &whole, ANA, now())),
        ("application-without-releases", application(&web, &without, ANA, now())),
        ("release-waits", release(&open, ANA)),
        ("release-released", release(&read(detail(Some(&released))), ANA)),
        ("approvals", approvals(&open_approvals, ANA, now())),
        ("audit", audit_page(&web, &audit_of("asked for a release"), ANA)),
        ("audit-broken", audit_page(&web, &touched, ANA)),
        ("health", health(&read(checkup()), ANA)),
        ("rollback", asked_for(&["applications", "web", "rollback"])),
        ("abort", asked_for(&["applications", "web", "releases", &id("4f5c"), "abort"])),
        ("freeze-again", freeze_again()),
        ("freeze-done", frozen_now()),
        ("entrance", entrance()),
        ("entered", entered(ANA)),
        ("entered-before", entered_before()),
        ("no-session", no_session()),
        ("unproven", unproven()),
        ("refused", refused("GET /applications/web")),
    ]
}

#[test]
fn every_page_is_what_its_golden_file_says() {
    for (name, page) in pages() {
        let file = format!("{}/tests/pages/{name}.html", env!("CARGO_MANIFEST_DIR"));
        // One tag to a line, so that a diff says what changed.
        expectorate::assert_contents(file, &format!("{}\n", page.0.replace("><", ">\n<")));
    }
}

#[test]
fn no_page_has_a_script_or_a_style_in_itself() {
    for (name, page) in pages() {
        let html = page.0;
        let scripts = html.matches("<script").count();
        assert_eq!(scripts, html.matches(r#"<script src="/script.js" defer></script>"#).count(), "{name}");
        for inline in ["<style", " style=", "javascript:", " onclick=", " onload=", "https://", "http://"] {
            assert!(!html.contains(inline), "{name} has {inline}");
        }
    }
}

#[test]
fn a_part_that_iam_refuses_hides_no_other() {
    let web = ApplicationName::new("web").expect("a name");
    let (status, releases) = one();
    let (of_status, of_releases) =
        ("GET /applications/web".to_owned(), "GET /applications/web/releases".to_owned());

    let parts = Parts { status: Ok(&status), releases: Err(&of_releases) };
    let without_releases = application(&web, &parts, ANA, now()).0;
    let parts = Parts { status: Err(&of_status), releases: Ok(&releases) };
    let without_stages = application(&web, &parts, ANA, now()).0;

    assert!(without_releases.contains("production") && without_releases.contains(&of_releases));
    assert!(without_stages.contains("ROLLED_BACK") && without_stages.contains(&of_status));
    assert!(!without_stages.contains("quarantined, until"), "{without_stages}");
}

#[test]
fn a_page_shows_the_filter_that_was_asked_for() {
    let shown = board(&read(all()), "SHO", ANA, now()).0;
    assert!(shown.contains(r#"data-name="shop""#) && !shown.contains(r#"data-name="web""#), "{shown}");
}

#[test]
fn words_of_others_add_nothing_but_words_to_a_page() {
    let hostile = r#"<img src=x onerror=alert(1)>"><script>alert(2)</script>"#;
    let mut status = all();
    status["freezes"][0]["reason"] = json!(hostile);
    status["broken"][0]["problem"] = json!(hostile);
    status["applications"][2]["releases"][0]["state"] = json!(hostile);
    let mut of_release = detail(None);
    of_release["events"][0]["words"] = json!(hostile);
    of_release["asked"] = json!(hostile);
    let shown = [
        board(&read(status), hostile, hostile, now()),
        release(&read(of_release), hostile),
        audit_page(&ApplicationName::new("web").expect("a name"), &audit_of(hostile), hostile),
        refused(hostile),
        entered(hostile),
    ];
    for page in shown {
        assert!(!page.0.contains("<img") && !page.0.contains("<script>"), "{}", page.0);
    }
}
