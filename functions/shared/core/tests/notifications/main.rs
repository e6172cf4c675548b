//! Every notification as people and programs get it, in golden files: accepted with `EXPECTORATE=overwrite`, reviewed
//! as a diff.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use slipway_core::alarm::AlarmChange;
use slipway_core::api::{ReleaseRequest, Running};
use slipway_core::application::Application;
use slipway_core::approval::Approval;
use slipway_core::caller::Caller;
use slipway_core::name::StageName;
use slipway_core::notification::Notification;
use slipway_core::release::{Asked, Ended, Ending, Outcome, Release, Started};
use slipway_core::rollback::Baseline;

#[path = "../../src/hostile.rs"]
mod hostile;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it fits")
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn release() -> Release {
    read(json!({
        "id": "web-4f5c4f5c4f5c4f5c4f5c4f5c4f5c4f5c",
        "application": "web",
        "image": { "repository": "web", "digest": format!("sha256:{}", "4f5c".repeat(16)), "tag": "v2" },
    }))
}

fn baseline() -> Baseline {
    read(json!({
        "services": [{
            "service": "web",
            "arn": "arn:aws:ecs:eu-central-1:111122223333:service/production/web",
            "task_definition": "arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web:6",
            "template": {
                "arn": "arn:aws:ecs:eu-central-1:111122223333:task-definition/production-web-template:3",
                "registration": "3c4d".repeat(16),
            },
            "image": format!("111122223333.dkr.ecr.eu-central-1.amazonaws.com/web@sha256:{}", "1a2b".repeat(16)),
            "desired_count": 2,
        }],
        "alarms": [],
    }))
}

fn application() -> Application {
    Application::parse(
        &json!({
            "name": "web", "repository": "web", "tags": ["v*"],
            "stages": [
                { "name": "staging", "services": [{ "service": "web", "health": { "path": "/health" } }] },
                {
                    "name": "production", "services": [{ "service": "web", "health": { "path": "/health" } }],
                    "approval": { "approvers": ["ana@example.com", "bo@example.com"], "quorum": 1, "expires_after": "24h" },
                },
            ],
        })
        .to_string(),
    )
    .expect("it fits")
}

fn change(value: &str, reason: &str, data: &Value) -> AlarmChange {
    read(json!({
        "alarmName": "web-production-5xx",
        "configuration": {
            "description": "The share of answers with 5xx",
            "metrics": [{
                "id": "m1", "returnData": true,
                "metricStat": {
                    "metric": { "namespace": "AWS/ApplicationELB", "name": "HTTPCode_Target_5XX_Count", "dimensions": {} },
                    "period": 60, "stat": "Sum",
                },
            }],
        },
        "previousState": { "value": "OK", "reason": "", "timestamp": "2026-11-20T08:00:00.000+0000" },
        "state": { "value": value, "reason": reason, "reasonData": data.to_string(), "timestamp": "2026-11-20T08:15:30.123+0000" },
    }))
}

/// The same with the fields of every object in the alphabet's order, whatever the map of this build keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: std::collections::BTreeMap<_, _> =
                fields.iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The mail, the message for a chat and the event, in one text.
fn shown(notification: &Notification) -> String {
    let pretty = |value: &Value| serde_json::to_string_pretty(&sorted(value)).expect("plain values");
    format!(
        "Subject: {}\n\n{}\n──────── chat\n{}\n\n──────── event\n{}\n",
        notification.title,
        notification.text(),
        pretty(&notification.chat()),
        pretty(&notification.event())
    )
}

fn ended(outcome: Outcome, stage: Option<&str>, reason: &str, notes: &[String]) -> Notification {
    let stage = stage.map(|stage| StageName::new(stage).expect("a name"));
    let ended = Ended {
        ending: Ending { outcome, stage, reason: reason.to_owned(), unjudged: false },
        at: at("2026-11-20T08:16:02Z"),
    };
    Notification::ended(&release(), &ended, notes, Some(&baseline()))
}

fn all() -> Vec<(&'static str, Notification)> {
    let started = |asked: Value| -> Started {
        read(
            json!({ "release": release(), "at": "2026-11-20T08:00:00Z", "pushed_at": "2026-11-20T07:59:58Z", "asked": asked }),
        )
    };
    let application = application();
    let (staging, production) = (&application.stages[0], &application.stages[1]);
    let policy = production.approval.as_ref().expect("production asks");
    let approval = Approval::open(
        release(),
        production.name.clone(),
        policy,
        baseline(),
        vec![],
        at("2026-11-20T08:01:00Z"),
    );
    let fires = change(
        "ALARM",
        "Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (5.0).",
        &json!({ "recentDatapoints": [12.0], "threshold": 5.0 }),
    );
    let quiet = change(
        "OK",
        "Threshold Crossed: 1 datapoint [0.0] was not greater than the threshold (5.0).",
        &json!({}),
    );
    let blind = change("INSUFFICIENT_DATA", "Insufficient Data: 1 datapoint was unknown.", &json!({}));
    let live = release();
    let live = Some((&live, at("2026-11-20T07:40:00Z")));
    let alarm =
        |change: &AlarmChange, live| Notification::alarm(&application.name, &production.name, change, live);
    let mut all = vec![
        ("started", page(Notification::started(&started(Value::Null), &[&staging.name, &production.name]))),
        (
            "started-asked",
            page(Notification::started(
                &started(json!({ "by": "ana", "reason": "v3 is slow" })),
                &[&production.name],
            )),
        ),
        ("waiting", page(Notification::waiting(&approval))),
        ("alarm-fires", page(alarm(&fires, live))),
        ("alarm-fires-before-any-release", alarm(&fires, None)),
        ("alarm-quiet", page(alarm(&quiet, live))),
        ("alarm-blind", page(alarm(&blind, live))),
        (
            "alarm-flood",
            Notification::flood(
                &application.name,
                &[
                    "08:16:01 web-production-5xx is OK again".to_owned(),
                    "08:16:09 web-production-5xx is in ALARM".to_owned(),
                ],
            ),
        ),
    ];
    let runs: Running = read(json!({
        "image": release().image, "release": release().id, "since": "2026-11-20T08:00:00Z", "services": [],
    }));
    let drifts = ["web runs production-web:8, and not production-web:7, which was released".to_owned()];
    all.push(("drift", Notification::drift(&application.name, &production.name, &runs, &drifts)));
    all.extend(endings());
    all
}

fn page(notification: Notification) -> Notification {
    notification.and_link("The release", "https://deploy.example.com/releases/TOKEN".to_owned())
}

fn endings() -> Vec<(&'static str, Notification)> {
    vec![
        (
            "released",
            page(ended(Outcome::Released, None, "every stage runs the image and was verified", &[])),
        ),
        (
            "rolled-back",
            page(ended(
                Outcome::RolledBack,
                Some("production"),
                "BakeStage: the alarm web-production-5xx is in ALARM: Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (5.0).",
                &["The tag v2 does not point to this image any more.".to_owned()],
            )),
        ),
        (
            "rejected",
            page(ended(
                Outcome::Rejected,
                Some("production"),
                "rejected through the link issued to ana@example.com: not today",
                &[],
            )),
        ),
        (
            "expired",
            page(ended(
                Outcome::Expired,
                Some("production"),
                "nobody decided before 2026-11-21T08:01:00Z",
                &[],
            )),
        ),
        (
            "superseded",
            page(ended(Outcome::Superseded, Some("production"), "superseded by the newer push of v3", &[])),
        ),
        (
            "failed",
            page(ended(Outcome::Failed, Some("staging"), "the alarm web-staging-5xx does not exist", &[])),
        ),
        (
            "frozen",
            page(Notification::frozen(
                &release(),
                &application().stages[1].name,
                "production is frozen until 2026-11-21 08:00 UTC: the sale goes on (the IAM user ana)",
            )),
        ),
        (
            "freeze-overridden",
            page(Notification::freeze_overridden(
                &release(),
                "the freeze is overridden by the IAM user bo: it mends the checkout",
                &["production is frozen until 2026-11-21 08:00 UTC: the sale goes on (the IAM user ana)"
                    .to_owned()],
            )),
        ),
        (
            "stuck",
            page(ended(
                Outcome::Stuck,
                Some("production"),
                "VerifyServices: web answered 500, 500, 500. The rollback: ecs:UpdateService was refused: AccessDeniedException",
                &[],
            )),
        ),
    ]
}

#[test]
fn every_notification_is_what_its_golden_file_says() {
    for (name, notification) in all() {
        let file = format!("{}/tests/notifications/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        expectorate::assert_contents(file, &shown(&notification));
    }
}

#[test]
fn every_kind_has_a_golden_file_and_stuck_is_the_loudest() {
    let kinds: std::collections::HashSet<&str> =
        all().iter().map(|(_, notification)| notification.kind.as_str()).collect();
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    for (_, notification) in all() {
        let loud = notification.title.contains("A PERSON IS NEEDED");
        assert_eq!(loud, notification.kind.as_str() == "STUCK", "{}", notification.title);
    }
}

#[test]
fn a_subject_fits_and_a_chat_message_has_what_is_required() {
    for (name, notification) in all() {
        assert!(notification.title.len() <= 100, "SNS cuts the subject of {name}");
        let chat = notification.chat();
        assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")), "{name}");
        assert!(chat["content"]["description"].as_str().is_some_and(|words| !words.is_empty()), "{name}");
    }
}

/// Notifications with a text of others in every place that has some, as it comes in.
fn of_others(text: &str) -> Vec<Notification> {
    let mut alarm = change("ALARM", text, &json!({}));
    alarm.alarm_name = text.into();
    let mut event = serde_json::to_value(&alarm).expect("plain values");
    event["configuration"]["description"] = json!(text);
    let alarm: AlarmChange = read(event);
    let request: ReleaseRequest = read(json!({ "image": "v1", "reason": text }));
    let by = Caller::of(&format!("arn:aws:iam::111122223333:user/{text}"), &[]).name;
    let started = Started {
        release: release(),
        at: at("2026-11-20T08:00:00Z"),
        pushed_at: at("2026-11-20T08:00:00Z"),
        asked: Some(Asked { by, reason: request.reason, arn: None }),
    };
    let production = &application().stages[1].name;
    let mut before = baseline();
    before.services[0].image = text.into();
    let ended = Ended {
        ending: Ending {
            outcome: Outcome::Stuck,
            stage: Some(production.clone()),
            reason: text.to_owned(),
            unjudged: false,
        },
        at: at("2026-11-20T08:16:02Z"),
    };
    vec![
        Notification::alarm(&application().name, production, &alarm, None),
        Notification::started(&started, &[production]),
        Notification::ended(&release(), &ended, &[text.to_owned()], Some(&before)),
        Notification::flood(&application().name, &[text.to_owned()]),
        Notification::frozen(&release(), production, text),
        Notification::freeze_overridden(&release(), text, &[text.to_owned()]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn words_of_others_stay_words_in_mails_chats_and_events(text in hostile::text()) {
        let harmless = of_others("x");
        for (shown, harmless) in of_others(&format!("x {text}")).iter().zip(&harmless) {
            let (mail, chat) = (shown.text(), shown.chat());
            prop_assert_eq!(mail.lines().count(), harmless.text().lines().count(), "{}", mail);
            let description = chat["content"]["description"].as_str().expect("words");
            for words in [&shown.title, &mail, description, &shown.event()["text"].to_string()] {
                prop_assert!(hostile::is_one_plain_line(&words.replace('\n', " ")), "{words}");
                prop_assert!(words.len() < 40_000, "{}", words.len());
            }
            for markup in ["*bold*", "`code`", "~gone~", ":rotating_light:", " @here"] {
                prop_assert!(!description.contains(markup), "{markup}: {description}");
            }
        }
    }
}
