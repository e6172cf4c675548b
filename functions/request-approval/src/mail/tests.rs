//! The mails as golden files, reviewed as a diff: `EXPECTORATE=overwrite` accepts new ones.

use proptest::prelude::*;
use serde_json::{Value, json};
use slipway_core::approval::{Approval, Verdict};
use slipway_core::name::EmailAddress;
use slipway_core::release::Asked;

use super::*;

#[path = "../../../shared/core/src/hostile.rs"]
mod hostile;

const URL: &str = "https://deploy.example.com/approvals/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it fits")
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-20T{time}Z").parse().expect("a time")
}

fn person(name: &str) -> EmailAddress {
    EmailAddress::new(format!("{name}@example.com")).expect("an address")
}

fn release(id: &str, digits: &str, tag: &str) -> Value {
    let digest = format!("sha256:{}", digits.repeat(16));
    json!({ "id": id, "application": "web", "image": { "repository": "web", "digest": digest, "tag": tag } })
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

/// An approval of which little is known.
fn plain() -> Value {
    json!({
        "id": "web-4f5c4f5c4f5c4f5c4f5c4f5c4f5c4f5c/production",
        "release": release("web-4f5c4f5c4f5c4f5c4f5c4f5c4f5c4f5c", "4f5c", "v10"),
        "stage": "production",
        "baseline": { "services": [service("web")], "alarms": [] },
        "verified": [],
        "approvers": ["ana@example.com", "bo@example.com"],
        "quorum": 2,
        "requested_at": "2026-11-20T08:00:00Z",
        "expires_at": "2026-11-21T08:00:00Z",
        "decisions": [],
        "status": "PENDING",
    })
}

/// One with all that can be shown.
fn full() -> Value {
    let mut full = plain();
    let running = |service: &str| {
        json!({
            "service": service,
            "release": release("web-1a2b1a2b1a2b1a2b1a2b1a2b1a2b1a2b", "1a2b", "v9"),
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
        "web: containerDefinitions.log-router.image: public.ecr.aws/fluent-bit:2.32.0 → docker.io/somebody/fluent-bit:latest".to_owned(),
        "web: cpu: 256 → 512".to_owned(),
    ];
    changes.extend((1..=21).map(|number| {
        format!("worker: containerDefinitions.worker.environment.FLAG_{number}: another value")
    }));
    full["baseline"] = json!({
        "services": [service("web"), service("worker")],
        "alarms": [{ "name": "web-production-5xx", "state": "OK", "reason": "" }],
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

/// One whose stage is not well, which has changed since people were asked, and which nobody can undo.
fn worst() -> Value {
    let mut worst = full();
    worst["baseline"]["alarms"][0] = json!({ "name": "web-production-5xx", "state": "ALARM", "reason": "Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (5.0)." });
    worst["baseline"]["not_quiet"] = json!(["web-production-5xx"]);
    worst["baseline"]["round"] = json!(2);
    worst["migration"] = json!("contract");
    worst["confirm_digest"] = json!(true);
    worst["other_than_pusher"] = json!(true);
    worst["asked"] =
        json!({ "by": "the alarm web-production-5xx", "reason": "it has fired since v11 went live" });
    worst
}

fn resend(reason: &str) -> Resend {
    let (by, arn) = ("the IAM user nina".to_owned(), "arn:aws:iam::111122223333:user/nina".to_owned());
    Resend { by, arn, reason: reason.to_owned(), at: at("10:00:00"), approver: None }
}

fn asked(document: Value) -> Mail {
    request(&read(document), &person("ana"), URL)
}

#[test]
fn every_mail_is_what_its_golden_file_says() {
    let approval: Approval = read(full());
    let approved =
        approval.decide(&person("ana"), Verdict::Approved, "seen on staging", None, at("08:40:00"));
    let rejected =
        approval.decide(&person("bo"), Verdict::Rejected, "not before the weekend", None, at("08:47:03"));
    for (name, mail) in [
        ("asked-first", asked(plain())),
        ("asked", asked(full())),
        ("asked-with-warnings", asked(worst())),
        ("asked-again", again(&approval, &person("ana"), URL)),
        ("sent-again", sent_again(&approval, &person("bo"), URL, &resend("no mail came"))),
        ("reminder", reminder(&approved.expect("it counts"), &person("bo"), URL)),
        ("rejected", receipt(&rejected.expect("it counts"), &person("ana"), at("08:47:04"))),
    ] {
        let file = format!("{}/tests/mails/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let to = mail.approver.expect("each mail is one person's");
        expectorate::assert_contents(file, &format!("To: {to}\nSubject: {}\n\n{}", mail.subject, mail.text));
    }
}

#[test]
fn the_link_that_decides_is_the_first_one_and_near_the_top() {
    let mail = asked(full());
    let links: Vec<_> = mail.text.lines().filter(|line| line.contains("://")).collect();
    assert_eq!(
        links,
        [
            URL,
            "          https://github.com/acme/web/compare/9f8e7d6c5b4a39281706f5e4d3c2b1a098765432...1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
            "    https://staging.example.com",
        ]
    );
}

/// The mail with texts of others in every place that has some.
fn hostile_mail(text: &str) -> Mail {
    let mut document = worst();
    document["verified"][0]["url"] = json!(text);
    document["source"] = Value::Null;
    for place in [
        "/baseline/services/0/image",
        "/baseline/alarms/0/name",
        "/baseline/alarms/0/reason",
        "/verified/0/verification/answers/0",
        "/evidence/0/gate",
        "/evidence/0/words",
        "/changes/0",
        "/authors",
    ] {
        *document.pointer_mut(place).expect("it is there") = json!(text);
    }
    document["baseline"]["not_quiet"] = json!([text]);
    document["running"] = json!([]);
    let approval: Approval = read(document);
    let asked = Some(Asked { by: text.into(), reason: text.into(), arn: None });
    request(&Approval { asked, ..approval }, &person("ana"), URL)
}

/// The lines that say whose words follow them.
fn own_lines(mail: &Mail) -> usize {
    mail.text.lines().filter(|line| !line.starts_with(' ')).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn words_of_others_begin_no_line_of_a_mail_and_make_no_link(text in hostile::text()) {
        let mail = hostile_mail(&format!("x {text}"));

        prop_assert_eq!(own_lines(&mail), own_lines(&hostile_mail("x")), "{}", mail.text);
        prop_assert!(hostile::is_one_plain_line(&mail.text.replace(URL, "").replace('\n', " ")), "{}", mail.text);
        prop_assert!(mail.text.len() < 100_000, "SNS takes 256 KiB: {}", mail.text.len());

        let approval: Approval = read(worst());
        let again = sent_again(&read(plain()), &person("ana"), URL, &resend(&text));
        prop_assert!(hostile::is_one_plain_line(&again.text.replace(URL, "").replace('\n', " ")), "{}", again.text);
        let decided = approval.decide(&person("bo"), Verdict::Rejected, &text, None, at("08:12:00")).expect("it counts");
        let told = receipt(&Approval { closed_because: Some(text.clone()), ..decided }, &person("ana"), at("08:12:01"));
        prop_assert!(hostile::is_one_plain_line(&told.text.replace('\n', " ")), "{}", told.text);
    }
}
