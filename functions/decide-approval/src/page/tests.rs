//! The pages as golden files, reviewed as a diff and looked at in a browser: `EXPECTORATE=overwrite` accepts new ones.

use jiff::Timestamp;
use maud::Markup;
use proptest::prelude::*;
use serde_json::{Value, json};
use slipway_core::approval::{Approval, Verdict};
use slipway_core::name::EmailAddress;
use slipway_core::pusher::Pushers;
use slipway_core::release::{Asked, Outcome, Release};
use slipway_core::timeline::{Step, TimelineEvent};

use super::{Loading, Visit, approval, release, unknown};

#[path = "../../../shared/core/src/hostile.rs"]
mod hostile;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it fits")
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-20T{time}Z").parse().expect("a time")
}

fn ana() -> EmailAddress {
    EmailAddress::new("ana@example.com").expect("an address")
}

fn image(digits: &str, tag: &str) -> Value {
    json!({ "repository": "web", "digest": format!("sha256:{}", digits.repeat(16)), "tag": tag })
}

fn released(tag: &str) -> Value {
    json!({ "id": "web-4f5c4f5c4f5c4f5c4f5c4f5c4f5c4f5c", "application": "web", "image": image("4f5c", tag) })
}

fn service(name: &str) -> Value {
    json!({
        "service": name,
        "arn": format!("arn:aws:ecs:eu-central-1:111122223333:service/production/{name}"),
        "task_definition": format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/production-{name}:9"),
        "template": {
            "arn": format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/production-{name}-template:4"),
            "registration": "3c4d".repeat(16),
        },
        "image": format!("111122223333.dkr.ecr.eu-central-1.amazonaws.com/web@sha256:{}", "1a2b".repeat(16)),
        "desired_count": 2,
    })
}

/// An approval as it was written when people were asked: one service, and nothing beside it.
fn plain(tag: &str) -> Value {
    json!({
        "id": "web-4f5c4f5c4f5c4f5c4f5c4f5c4f5c4f5c/production",
        "release": released(tag),
        "stage": "production",
        "baseline": { "services": [service("web")], "alarms": [] },
        "verified": [],
        "approvers": ["ana@example.com"],
        "quorum": 1,
        "requested_at": "2026-11-20T08:00:00Z",
        "expires_at": "2026-11-21T08:00:00Z",
        "decisions": [],
        "status": "PENDING",
    })
}

/// One with all that can be shown.
fn full() -> Value {
    let mut full = plain("v10");
    let running = |service: &str| {
        json!({
            "service": service,
            "release": { "id": "web-1a2b1a2b1a2b1a2b1a2b1a2b1a2b1a2b", "application": "web", "image": image("1a2b", "v9") },
            "since": "2026-11-14T06:12:30Z",
            "approved_by": ["ana@example.com", "bo@example.com"],
            "revision": "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432",
        })
    };
    let verified = |service: &str, url: Option<&str>| {
        json!({
            "stage": "staging",
            "verification": {
                "service": service, "result": "HEALTHY", "tasks_running": 2, "tasks_desired": 2, "targets_healthy": 2,
                "answers": ["200", "200", "200"], "slowest_ms": 7,
            },
            "url": url,
        })
    };
    let mut changes = vec![
        "web: taskRoleArn: arn:aws:iam::111122223333:role/web → arn:aws:iam::111122223333:role/web-admin".to_owned(),
        "web: containerDefinitions.log-router.image: public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.0 → docker.io/somebody/fluent-bit:latest".to_owned(),
        "web: cpu: 256 → 512".to_owned(),
    ];
    changes.extend((1..=21).map(|number| {
        format!("worker: containerDefinitions.worker.environment.FLAG_{number}: another value")
    }));
    full["baseline"] = json!({
        "services": [service("web"), service("worker")],
        "alarms": [
            { "name": "web-production-5xx", "state": "OK", "reason": "" },
            { "name": "web-production-latency", "state": "OK", "reason": "" },
        ],
    });
    full["running"] = json!([running("web"), running("worker")]);
    full["verified"] =
        json!([verified("web", Some("https://staging.example.com")), verified("worker", None)]);
    full["changes"] = json!(changes);
    full["evidence"] = json!([
        { "gate": "Image check", "words": "2 MEDIUM, 11 LOW; stops above MEDIUM. It is checked again before the change." },
        { "gate": "Database snapshot", "words": "One of orders is taken before the change. It is not a rollback of the schema: a rollback restores images only." },
    ]);
    full["revision"] = json!("1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d");
    full["source"] = json!("https://github.com/acme/web");
    full["authors"] = json!("Ana Example");
    full["pushed_at"] = json!("2026-11-20T07:51:12Z");
    full
}

fn shown(document: Value, progress: &[TimelineEvent], now: &str) -> Markup {
    let approval_: Approval = read(document);
    let pushers = Pushers::default().and("arn:aws:sts::111122223333:assumed-role/ci/GitHubActions");
    let visit = Visit {
        approval: &approval_,
        progress,
        pushers: approval_.pushed_at.is_some().then_some(&pushers),
        approver: &ana(),
        nonce: "NONCE",
        now: at(now),
    };
    approval(visit)
}

fn decided(mut document: Value, verdict: Verdict, reason: &str) -> Value {
    let asked: Approval = read(document.take());
    let decided = asked.decide(&ana(), verdict, reason, None, at("08:47:03")).expect("it counts");
    serde_json::to_value(decided).expect("plain values")
}

fn event(time: &str, stage: Option<&str>, step: Step, words: &str) -> TimelineEvent {
    let stage = stage.map(|stage| read(json!(stage)));
    TimelineEvent::new(at(time), stage, step, words)
}

/// What happened to a release until it waits for people in production.
fn until_it_waits() -> Vec<TimelineEvent> {
    let (staging, production) = (Some("staging"), Some("production"));
    let runs = |event: TimelineEvent| TimelineEvent { runs: Some("v9".into()), ..event };
    let began = event(
        "07:51:14",
        None,
        Step::Began,
        "web v10 goes to staging, then to production. Its push started it.",
    );
    vec![
        TimelineEvent { stages: read(json!(["staging", "production"])), ..began },
        event("07:51:15", None, Step::AcquiredLock, "v10 holds the lock of web (generation 41)"),
        runs(event("07:51:16", staging, Step::Captured, "web runs web@sha256:1a2b…; quiet: web-staging-5xx")),
        event("07:51:17", staging, Step::Deploying, "Changing to staging-web:87"),
        event("07:53:40", staging, Step::Deployed, "ECS runs it, and nothing else"),
        event(
            "07:53:42",
            staging,
            Step::Verified,
            "web: 2 of 2 tasks serve, 2 healthy, answers 200 200 200, slowest 7 ms",
        ),
        event("07:58:42", staging, Step::Baked, "No alarm fired"),
        runs(event(
            "07:58:44",
            production,
            Step::Captured,
            "web runs web@sha256:1a2b…; quiet: web-production-5xx",
        )),
        event(
            "08:00:00",
            production,
            Step::Asked,
            "Asked ana@example.com, bo@example.com (1 must approve) until 2026-11-21T08:00:00Z",
        ),
    ]
}

fn of_release(more: Vec<TimelineEvent>, now: &str) -> Markup {
    let mut events = until_it_waits();
    events.extend(more);
    release(&read::<Release>(released("v10")), &events, Loading::of(None, &events), at(now))
}

fn ended(time: &str, stage: Option<&str>, outcome: Outcome, reason: &str) -> TimelineEvent {
    let words = format!("The release ended {outcome}: {reason}");
    TimelineEvent { outcome: Some(outcome), ..event(time, stage, Step::Ended, &words) }
}

fn deployed() -> Vec<TimelineEvent> {
    let production = Some("production");
    vec![
        event("08:47:05", production, Step::Decided, "Approved through the links issued to ana@example.com"),
        event("08:47:07", production, Step::Deploying, "Changing to production-web:10"),
    ]
}

fn with(mut document: Value, field: &str, value: Value) -> Value {
    document[field] = value;
    document
}

fn all() -> Vec<(&'static str, Markup)> {
    let production = Some("production");
    let disquiet = {
        let mut document = full();
        document["baseline"]["alarms"][0] = json!({ "name": "web-production-5xx", "state": "ALARM", "reason": "Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (5.0)." });
        document["baseline"]["not_quiet"] = json!(["web-production-5xx"]);
        document["migration"] = json!("contract");
        document["confirm_digest"] = json!(true);
        document["other_than_pusher"] = json!(true);
        document["quorum"] = json!(2);
        document["approvers"] = json!(["ana@example.com", "bo@example.com", "cy@example.com"]);
        document["asked"] =
            json!({ "by": "the alarm web-production-5xx", "reason": "it has fired since v11 went live" });
        document
    };
    let restored = vec![
        event(
            "08:49:30",
            production,
            Step::Deployed,
            "its tasks stopped: Task failed ELB health checks in (target-group web)",
        ),
        event("08:49:33", production, Step::RollingBack, "web is restored to production-web:9"),
    ];
    let rolled_back = ended(
        "08:52:10",
        production,
        Outcome::RolledBack,
        "DeployServices: its tasks stopped: Task failed ELB health checks in (target-group web)",
    );
    vec![
        ("asking-first", shown(plain("v10"), &[], "08:12:00")),
        ("asking", shown(full(), &[], "08:12:00")),
        ("asking-with-warnings", shown(disquiet, &[], "08:12:00")),
        ("approved", shown(decided(full(), Verdict::Approved, "seen on staging"), &deployed(), "08:48:00")),
        ("rejected", shown(decided(full(), Verdict::Rejected, "not before the weekend"), &[], "08:48:00")),
        ("expired", shown(with(plain("v10"), "status", json!("EXPIRED")), &[], "08:48:00")),
        (
            "superseded",
            shown(
                with(
                    with(plain("v10"), "status", json!("SUPERSEDED")),
                    "closed_because",
                    json!("superseded by the newer push of v11"),
                ),
                &[],
                "08:48:00",
            ),
        ),
        ("unknown", unknown()),
        ("release-waits", of_release(vec![], "08:12:00")),
        ("release-deploys", of_release(deployed(), "08:48:00")),
        ("release-rolls-back", of_release([deployed(), restored.clone()].concat(), "08:50:00")),
        ("release-rolled-back", of_release([deployed(), restored, vec![rolled_back]].concat(), "09:50:00")),
        (
            "release-released",
            of_release(
                [
                    deployed(),
                    vec![
                        event("08:49:30", production, Step::Deployed, "ECS runs it, and nothing else"),
                        event(
                            "08:49:32",
                            production,
                            Step::Verified,
                            "web: 2 of 2 tasks serve, 2 healthy, answers 200 200 200, slowest 9 ms",
                        ),
                        event("09:04:32", production, Step::Baked, "No alarm fired"),
                        ended(
                            "09:04:33",
                            None,
                            Outcome::Released,
                            "every stage runs the image and was verified",
                        ),
                    ],
                ]
                .concat(),
                "09:50:00",
            ),
        ),
    ]
}

#[test]
fn every_page_is_what_its_golden_file_says() {
    for (name, page) in all() {
        let file = format!("{}/tests/pages/{name}.html", env!("CARGO_MANIFEST_DIR"));
        // An element a line, so that a diff can be read.
        expectorate::assert_contents(file, &(page.0.replace("><", ">\n<") + "\n"));
    }
}

#[test]
fn the_form_is_there_only_while_the_person_may_answer() {
    let before = shown(full(), &[], "08:12:00").0;
    assert!(before.contains(r#"value="approve""#) && before.contains(r#"value="NONCE""#), "{before}");

    let decided = decided(full(), Verdict::Rejected, "no");
    let expired = with(full(), "expires_at", json!("2026-11-20T08:11:59Z"));
    for after in [shown(decided, &[], "08:48:00").0, shown(expired, &[], "08:12:00").0] {
        assert!(!after.contains("<form") && !after.contains("NONCE"), "{after}");
    }
}

#[test]
fn the_page_of_a_release_is_loaded_again_until_it_ends_or_a_reader_has_it_stop() {
    let goes_on = until_it_waits();
    let over = [until_it_waits(), vec![ended("09:04:33", None, Outcome::Released, "it serves")]].concat();

    assert_eq!(Loading::of(None, &goes_on), Loading::Again);
    assert_eq!(Loading::of(Some("once"), &goes_on), Loading::Once);
    assert_eq!(Loading::of(None, &over), Loading::Once);
}

#[test]
fn a_link_is_made_of_a_repository_that_is_known_and_of_nothing_else() {
    let page = shown(full(), &[], "08:12:00").0;
    for link in [
        "https://github.com/acme/web/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432...1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
        "https://staging.example.com",
    ] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{link}: {page}");
    }
    let mut strange = full();
    strange["source"] = Value::Null;
    strange["verified"][0]["url"] = json!("https://example.net/phish");
    assert!(!shown(strange, &[], "08:12:00").0.contains("://"), "no other one");
}

#[test]
fn an_approval_of_the_last_release_is_shown() {
    let page = shown(plain("v10"), &[], "08:12:00").0;
    assert!(page.contains("Let web v10 go to production?") && page.contains("1a2b1a2b1a2b"), "{page}");
}

/// Texts of others, as they may be in the table: in every place that has some.
fn hostile_page(text: &str) -> String {
    let mut document = full();
    (document["source"], document["verified"][0]["url"]) = (Value::Null, Value::Null);
    document["changes"] = json!([]);
    for place in [
        "/baseline/services/0/image",
        "/baseline/alarms/0/name",
        "/baseline/alarms/0/reason",
        "/verified/0/verification/answers/0",
        "/evidence/0/gate",
        "/evidence/0/words",
        "/authors",
    ] {
        *document.pointer_mut(place).expect("it is there") = json!(text);
    }
    document["baseline"]["alarms"][0]["state"] = json!("ALARM");
    document["baseline"]["not_quiet"] = json!([text]);
    document["running"][0]["release"]["image"]["tag"] = json!("v9.example.net");
    document["approvers"] = json!(["ana@example.com", "bo@example.com"]);
    document["quorum"] = json!(2);
    let asked: Approval = read(document);
    let bo = EmailAddress::new("bo@example.com").expect("an address");
    let decided = asked.decide(&bo, Verdict::Approved, text, None, at("08:12:00")).expect("it counts");
    let approval_ = Approval {
        asked: Some(Asked { by: text.into(), reason: text.into(), arn: None }),
        closed_because: Some(text.into()),
        ..decided
    };
    let pushers = Pushers::default().and(text);
    let visit = Visit {
        approval: &approval_,
        progress: &[event("08:12:00", None, Step::Decided, text)],
        pushers: Some(&pushers),
        approver: &ana(),
        nonce: "NONCE",
        now: at("08:12:00"),
    };
    let events = [TimelineEvent { runs: Some(text.into()), ..event("08:12:00", None, Step::Captured, text) }];
    approval(visit).0 + &release(&read::<Release>(released("v10")), &events, Loading::Again, at("08:12:00")).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn words_of_others_add_nothing_but_words_to_a_page(text in hostile::text()) {
        let page = hostile_page(&format!("x {text}"));
        let elements = |page: &str| page.matches('<').count();

        prop_assert_eq!(elements(&page), elements(&hostile_page("x")), "{}", page);
        prop_assert!(hostile::is_one_plain_line(&page.replace('<', "")), "{}", page);
        prop_assert!(page.len() < 200_000, "{}", page.len());
    }
}
