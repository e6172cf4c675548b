//! What the API answers in these tests: the shapes are the API's own, the words are Slipway's and ECS's.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use slipway_core::api::{
    Application, Applications, Approvals, Audit, ConsoleRequests, Diff, OpenedConsole, ReleaseDetail,
    Releases,
};
use slipway_core::audit::{About, NewEntry, Sealed, What};
use slipway_core::image::Digest;
use slipway_core::name::{ApplicationName, ReleaseId};

use crate::api::Answer;

/// An application whose name is as long as one may be, and a tag that is long.
pub(crate) const LONG: &str = "customer-relationship-management";
const LONG_TAG: &str = "release-2026.11.20-feature-checkout-redesign-0a1b2c3d4e5f";
const ANA: &str = "ana@example.com";
const LONG_ADDRESS: &str = "maximiliane.freifrau-von-hohenstein@engineering.example.com";
/// Wide characters, as people write them into a reason.
const WIDE: &str = "決済が遅い: checkout は 2 秒かかる 🐢";

/// A time before now: what is said of it, such as "2 h ago", is the same in every run.
#[expect(clippy::disallowed_methods, reason = "the command compares it with this machine's clock")]
fn ago(seconds: i64) -> String {
    (Timestamp::now() - SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn digest(number: usize) -> String {
    format!("sha256:{:0>12}{}", format!("{:x}", 0xa1b2_c3d4_e5f6_usize ^ (number * 0x9e37)), "0f".repeat(26))
}

fn image(repository: &str, tag: &str, number: usize) -> Value {
    json!({ "repository": repository, "digest": digest(number), "tag": tag })
}

pub(crate) fn release_id(application: &str, number: usize) -> String {
    let digits = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{application}-{digits:0>32x}")
}

fn arn(family: &str, revision: usize) -> String {
    format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{family}:{revision}")
}

fn service(name: &str, stage: &str, tasks: (u32, u32), problem: Option<&str>) -> Value {
    let mut service = json!({ "name": name, "running": tasks.0, "desired": tasks.1, "task_definition": arn(&format!("{stage}-{name}"), 7) });
    if let Some(problem) = problem {
        service["problem"] = json!(problem);
    }
    service
}

fn stage(name: &str, services: &Value, runs: Option<Value>) -> Value {
    let mut stage = json!({ "name": name, "cluster": name, "services": services });
    if let Some(runs) = runs {
        stage["runs"] = runs;
    }
    stage
}

fn runs(image: &Value, release: &str, seconds: i64, approved_by: &[&str]) -> Value {
    let mut runs = json!({ "image": image, "release": release, "since": ago(seconds), "services": [] });
    if !approved_by.is_empty() {
        runs["approved_by"] = json!(approved_by);
    }
    runs
}

fn open(
    application: &str,
    image: &Value,
    number: usize,
    state: &str,
    stage: Option<&str>,
    of: &[&str],
) -> Value {
    let mut open = json!({ "id": release_id(application, number), "image": image, "begun_at": ago(400), "state": state, "since": ago(300) });
    if let Some(stage) = stage {
        open["stage"] = json!(stage);
    }
    if !of.is_empty() {
        open["waits_for"] = json!(of);
    }
    open
}

/// Two stages of one service that run the same image.
fn plain(name: &str, number: usize, seconds: i64) -> Value {
    let image = image(name, &format!("v{}", number % 90 + 1), number);
    let id = release_id(name, number);
    let services = |stage: &str| json!([service(name, stage, (2, 2), None)]);
    json!({ "name": name, "releases": [], "stages": [
        stage("staging", &services("staging"), Some(runs(&image, &id, seconds + 600, &[]))),
        stage("production", &services("production"), Some(runs(&image, &id, seconds, &[ANA]))),
    ] })
}

/// What waits for two people, in production.
fn waiting() -> Value {
    let mut application = plain("checkout", 11, 9_000);
    let next = image("checkout", "v13", 13);
    application["stages"][0]["runs"] = runs(&next, &release_id("checkout", 13), 400, &[]);
    application["releases"] = json!([open(
        "checkout",
        &next,
        13,
        "Waits for approval",
        Some("production"),
        &[ANA, "bo@example.com"]
    )]);
    application
}

/// One with a task too few and something that somebody else deployed.
fn drifted() -> Value {
    let mut application = plain("catalogue", 21, 200_000);
    let problem = "catalogue runs production-catalogue:8, and not production-catalogue:7, which was released";
    application["stages"][1]["services"] = json!([service("catalogue", "production", (1, 2), Some(problem))]);
    application
}

/// One with long names, three stages and two services, in which a release is rolled back.
fn long() -> Value {
    let image = image("platform/customer-relationship-management", LONG_TAG, 31);
    let services = |stage: &str| {
        json!([
            service("customer-relationship-management-web", stage, (12, 12), None),
            service("customer-relationship-management-worker", stage, (3, 4), None),
        ])
    };
    let mut restored = runs(&image, &release_id(LONG, 30), 90_000, &[ANA, LONG_ADDRESS]);
    restored["restored_from"] = json!(release_id(LONG, 31));
    json!({ "name": LONG, "releases": [
        open(LONG, &image, 32, "Is rolled back", Some("customer-acceptance-environment"), &[]),
        open(LONG, &image, 33, "Waits for the lock", None, &[&release_id(LONG, 32)]),
    ], "stages": [
        stage("development", &services("development"), Some(runs(&image, &release_id(LONG, 31), 80_000, &[]))),
        stage("customer-acceptance-environment", &services("acceptance"), Some(restored)),
        stage("production", &services("production"), None),
    ] })
}

const BROKEN: &str =
    "stages[1].approval.approvers: it is empty; write at least one e-mail address, or leave approval out";

fn all(applications: &[Value], broken: &Value) -> Answer {
    all_with(applications, broken, &json!([]))
}

fn all_with(applications: &[Value], broken: &Value, freezes: &Value) -> Answer {
    Answer::of::<Applications>(json!({ "applications": applications, "broken": broken, "freezes": freezes }))
}

pub(crate) fn one_application() -> Answer {
    all(&[plain("web", 3, 7_500)], &json!([]))
}

pub(crate) fn no_application() -> Answer {
    all(&[], &json!([]))
}

pub(crate) fn five_applications() -> Answer {
    let mut first = plain("web", 3, 7_500);
    first["stages"][1].as_object_mut().expect("a stage").remove("runs");
    let broken = json!([{ "parameter": "/slipway/applications/shop", "problem": BROKEN }]);
    let freeze = json!({ "stage": "production", "until": "2026-11-28T08:00:00Z", "reason": "the sale goes on until Saturday morning, so nothing goes live", "by": "the IAM user ana", "since": "2026-11-26T08:00:00Z" });
    let applications = [drifted(), waiting(), long(), plain("search", 5, 700_000), first];
    all_with(&applications, &broken, &json!([freeze]))
}

/// As many as a large house has: most are quiet.
pub(crate) fn three_hundred_applications() -> Answer {
    let areas = [
        "account",
        "billing",
        "cart",
        "catalogue",
        "checkout",
        "delivery",
        "fraud",
        "identity",
        "inventory",
        "mail",
        "orders",
        "payment",
        "pricing",
        "returns",
        "search",
        "shipping",
        "stock",
        "support",
        "tax",
        "warehouse",
    ];
    let parts = [
        "admin", "api", "batch", "cache", "events", "export", "feed", "gateway", "import", "jobs", "mobile",
        "proxy", "reports", "web", "worker",
    ];
    let names = areas.iter().flat_map(|area| parts.iter().map(move |part| format!("{area}-{part}")));
    let mut applications: Vec<_> = names
        .enumerate()
        .map(|(number, name)| {
            let hours = i64::try_from(number * 7 % 2_000).expect("it is small");
            plain(&name, number, hours * 3_600 + 1_800)
        })
        .collect();
    for (position, (state, stage, of)) in [
        ("Is deployed", "staging", vec![]),
        ("Waits for approval", "production", vec![ANA]),
        ("Serves", "production", vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let application = &mut applications[40 + 90 * position];
        let name = application["name"].as_str().expect("a name").to_owned();
        let next = image(&name, "v91", 900 + position);
        application["releases"] = json!([open(&name, &next, 900 + position, state, Some(stage), &of)]);
    }
    let name = applications[77]["name"].as_str().expect("a name").to_owned();
    let problem = format!("the cluster production has no active service {name}");
    applications[77]["stages"][1]["services"] =
        json!([{ "name": name, "running": 0, "desired": 0, "problem": problem }]);
    all(&applications, &json!([]))
}

/// One with everything that is said of one.
pub(crate) fn application() -> Answer {
    let mut application = long();
    application["lock"] = json!(release_id(LONG, 32));
    application["quarantined"] = json!([
        { "digest": digest(30), "tag": "v30", "release": release_id(LONG, 30), "outcome": "ROLLED_BACK", "since": ago(90_000),
          "reason": "DeployServices: its tasks stopped: Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/crm-acceptance/6d0ecf831eec9f09)" },
        { "digest": digest(29), "release": release_id(LONG, 29), "outcome": "REJECTED", "since": ago(1_000_000),
          "reason": format!("RequestApproval: rejected through the link issued to {ANA}: {WIDE}") },
    ]);
    application["ignored"] = json!([
        { "image": image("platform/customer-relationship-management", "latest", 35), "at": ago(240), "reason": "the tag latest matches none of v*" },
        { "image": image("platform/customer-relationship-management", "v30", 30), "at": ago(7_500),
          "reason": "the image is quarantined since its release ended ROLLED_BACK; a person clears that with slipway clear" },
    ]);
    Answer::of::<Application>(application)
}

pub(crate) fn quiet_application() -> Answer {
    let mut application = plain("web", 3, 7_500);
    application["quarantined"] = json!([]);
    application["ignored"] = json!([]);
    Answer::of::<Application>(application)
}

pub(crate) fn history() -> Answer {
    let past = |number: usize, pushed: &str, end: Option<(&str, Option<&str>, &str)>, asked: Option<&str>| {
        let mut past = json!({ "id": release_id("checkout", number), "image": image("checkout", &format!("v{number}"), number),
            "pushed_at": pushed, "begun_at": pushed, "quarantined": false });
        if let Some((outcome, stage, reason)) = end {
            past["end"] = json!({ "outcome": outcome, "reason": reason, "at": pushed });
            if let Some(stage) = stage {
                past["end"]["stage"] = json!(stage);
            }
            past["quarantined"] = json!(matches!(outcome, "ROLLED_BACK" | "REJECTED" | "STUCK"));
        }
        if let Some(asked) = asked {
            past["asked"] = json!(asked);
        }
        past
    };
    let released = Some(("RELEASED", None, "every stage runs the image and was verified"));
    let releases = [
        past(13, "2026-11-20T08:00:00Z", None, None),
        past(
            11,
            "2026-11-19T16:42:10Z",
            released,
            Some(&format!("Asked for by the role ops (nina@example.com): {WIDE}")),
        ),
        past(
            12,
            "2026-11-19T15:30:00Z",
            Some((
                "ROLLED_BACK",
                Some("production"),
                "VerifyServices: web does not serve: /health answered 500, 500, 500\nand more",
            )),
            None,
        ),
        past(11, "2026-11-18T09:12:00Z", released, None),
        past(
            10,
            "2026-11-17T11:00:00Z",
            Some(("SUPERSEDED", None, "superseded by the newer push of v11")),
            None,
        ),
        past(
            9,
            "2026-11-16T18:20:00Z",
            Some((
                "REJECTED",
                Some("production"),
                "RequestApproval: rejected through the link issued to ana@example.com: not on a Friday",
            )),
            None,
        ),
        past(
            8,
            "2026-11-13T10:05:00Z",
            Some(("EXPIRED", Some("production"), "RequestApproval: nobody decided within 24 h")),
            None,
        ),
        past(
            7,
            "2026-11-12T10:05:00Z",
            Some((
                "STUCK",
                Some("production"),
                "DeployServices: its tasks stopped. The rollback failed as well: ecs:UpdateService was refused",
            )),
            None,
        ),
        past(
            6,
            "2026-11-11T10:05:00Z",
            Some(("FAILED", Some("staging"), "CheckImage: 2 findings above MEDIUM")),
            None,
        ),
    ];
    Answer::of::<Releases>(json!({
        "releases": releases,
        "figures": { "days": 30, "released": 41, "failed": 3, "lead_time_seconds": 723, "restore_seconds": 500 },
    }))
}

/// The history a moment earlier: its newest release has not begun.
pub(crate) fn ended_history() -> Answer {
    let mut releases = history().document;
    let all = releases["releases"].as_array_mut().expect("a list");
    all.remove(0);
    Answer::of::<Releases>(releases)
}

pub(crate) fn no_history() -> Answer {
    Answer::of::<Releases>(json!({ "releases": [], "figures": { "days": 30, "released": 0, "failed": 0 } }))
}

/// A push that started a release, and all that came of it, with how far it had come after each number of events.
const EVENTS: [(&str, Option<&str>, &str, &str); 14] = [
    ("07:51:14", None, "BEGAN", "checkout v12 goes to staging, then to production. Its push started it."),
    ("07:51:15", None, "ACQUIRED_LOCK", "v12 holds the lock of checkout (generation 41)"),
    (
        "07:51:16",
        Some("staging"),
        "CAPTURED",
        "checkout runs checkout@sha256:a1b2c3d4e5f6…; quiet: checkout-staging-5xx, checkout-staging-latency",
    ),
    ("07:51:17", Some("staging"), "DEPLOYING", "Changing to staging-checkout:87"),
    ("07:53:40", Some("staging"), "DEPLOYED", "ECS runs it, and nothing else"),
    (
        "07:53:42",
        Some("staging"),
        "VERIFIED",
        "checkout: 2 of 2 tasks serve, 2 healthy, answers 200 200 200, slowest 7 ms",
    ),
    ("07:58:42", Some("staging"), "BAKED", "No alarm fired"),
    (
        "07:58:44",
        Some("production"),
        "CAPTURED",
        "checkout runs checkout@sha256:a1b2c3d4e5f6…; quiet: checkout-production-5xx",
    ),
    (
        "07:58:45",
        Some("production"),
        "ASKED",
        "Asked ana@example.com, maximiliane.freifrau-von-hohenstein@engineering.example.com (1 must approve) until 2026-11-21T07:58:45Z",
    ),
    ("11:02:05", Some("production"), "DECIDED", "Approved through the links issued to ana@example.com"),
    ("11:02:07", Some("production"), "DEPLOYING", "Changing to production-checkout:10"),
    ("11:04:30", Some("production"), "DEPLOYED", "ECS runs it, and nothing else"),
    (
        "11:04:33",
        Some("production"),
        "VERIFIED",
        "checkout: 4 of 4 tasks serve, 4 healthy, answers 200 200 200, slowest 9 ms",
    ),
    ("11:19:33", Some("production"), "BAKED", "No alarm fired"),
];

/// What is the end of it where production does not come up, in ECS's words ("Amazon ECS service unhealthy event messages"
/// and "Amazon ECS service event messages", Amazon ECS Developer Guide).
const FAILED: [(&str, Option<&str>, &str, &str); 4] = [
    (
        "11:04:30",
        Some("production"),
        "DEPLOYED",
        "its tasks stopped: Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/checkout-production/6d0ecf831eec9f09)",
    ),
    ("11:04:33", Some("production"), "ROLLING_BACK", "checkout is restored to production-checkout:9"),
    ("11:06:40", Some("production"), "RESTORED", "ECS runs it, and nothing else"),
    (
        "11:06:42",
        Some("production"),
        "VERIFIED",
        "checkout: 4 of 4 tasks serve, 4 healthy, answers 200 200 200, slowest 8 ms",
    ),
];
const UNHEALTHY: &str = "(service checkout) (task 0c1e8a7f5b6d4e3f9a2b1c0d9e8f7a6b) (port 8080) is unhealthy in (target-group arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/checkout-production/6d0ecf831eec9f09) due to (reason Health checks failed with these codes: [500]).";
const STARTED: &str = "(service checkout) has started 2 tasks: (task 0c1e8a7f5b6d4e3f9a2b1c0d9e8f7a6b) (task 5b6d4e3f9a2b1c0d9e8f7a6b0c1e8a7f).";
const STEADY: &str = "(service checkout) has reached a steady state.";
const WHY: &str = "DeployServices: its tasks stopped: Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/checkout-production/6d0ecf831eec9f09)";

fn at(time: &str) -> String {
    format!("2026-11-20T{time}Z")
}

fn events(events: &[(&str, Option<&str>, &str, &str)]) -> Vec<Value> {
    let events = events.iter().map(|(time, stage, step, words)| {
        let mut event = json!({ "at": at(time), "step": step, "words": words });
        if let Some(stage) = stage {
            event["stage"] = json!(stage);
        }
        event
    });
    events.collect()
}

fn of_stage(name: &str, state: (&str, &str), active: bool, seconds: Option<i64>) -> Value {
    let mut stage = json!({ "name": name, "state": state.0, "words": state.1, "active": active });
    if let Some(seconds) = seconds {
        stage["ran"] = json!("v11");
        stage["seconds"] = json!(seconds);
    }
    stage
}

fn detail(now: &str, stages: &[Value], events: &[Value]) -> Value {
    json!({ "id": release_id("checkout", 12), "application": "checkout", "image": image("checkout", "v12", 12),
        "pushed_at": at("07:51:12"), "begun_at": at("07:51:14"), "now": at(now), "approvals": [], "services": [],
        "stages": stages, "events": events })
}

fn changing(tasks: (u32, u32), message: (&str, &str)) -> Value {
    let mut service = service("checkout", "production", tasks, None);
    service["messages"] = json!([{ "at": at(message.0), "words": message.1 }]);
    json!([service])
}

fn later(name: &str) -> Value {
    of_stage(name, ("LATER", "Later"), false, None)
}

/// How it goes until production is deployed.
fn until_it_is_deployed() -> Vec<Value> {
    let staged = || of_stage("staging", ("RELEASED", "Released"), false, Some(446));
    let mut waits_for_lock =
        detail("07:51:14", &[later("staging"), later("production")], &events(&EVENTS[..1]));
    waits_for_lock["waits_for_lock_of"] = json!(release_id("checkout", 11));
    let staging = of_stage("staging", ("DEPLOYING", "Is deployed"), true, Some(62));
    let mut deploys = detail("07:52:18", &[staging, later("production")], &events(&EVENTS[..4]));
    deploys["services"] = changing((1, 2), ("07:52:01", STARTED));
    let asks = of_stage("production", ("ASKED", "Waits for approval"), true, Some(3_901));
    let mut waits = detail("09:03:45", &[staged(), asks], &events(&EVENTS[..9]));
    waits["approvals"] = json!([{ "release": release_id("checkout", 12), "application": "checkout", "stage": "production",
        "image": image("checkout", "v12", 12), "asked_at": at("07:58:45"), "expires_at": "2026-11-21T07:58:45Z", "quorum": 1,
        "approvers": [{ "address": ANA, "reachable": true }, { "address": LONG_ADDRESS, "reachable": true }] }]);
    waits["services"] = changing((4, 4), ("08:58:45", STEADY));
    let production = of_stage("production", ("DEPLOYING", "Is deployed"), true, Some(11_076));
    let mut changes = detail("11:03:20", &[staged(), production], &events(&EVENTS[..11]));
    changes["services"] = changing((6, 4), ("11:03:15", UNHEALTHY));
    vec![waits_for_lock, deploys, waits, changes]
}

fn ended(now: &str, state: (&str, &str), all: &[Value], end: Value) -> Value {
    let stages = [
        of_stage("staging", ("RELEASED", "Released"), false, Some(446)),
        of_stage("production", state, false, Some(12_050)),
    ];
    let mut detail = detail(now, &stages, all);
    let words = format!(
        "The release ended {}: {}",
        end["outcome"].as_str().expect("it has"),
        end["reason"].as_str().expect("it has")
    );
    let mut last = json!({ "at": end["at"], "step": "ENDED", "words": words });
    if let Some(stage) = end.get("stage") {
        last["stage"] = stage.clone();
    }
    detail["events"].as_array_mut().expect("events").push(last);
    detail["end"] = end;
    detail
}

fn all_details(details: Vec<Value>) -> Vec<Answer> {
    details.into_iter().map(Answer::of::<ReleaseDetail>).collect()
}

pub(crate) fn goes_well() -> Vec<Answer> {
    let mut details = until_it_is_deployed();
    let baked = of_stage("production", ("VERIFIED", "Serves"), true, Some(11_165));
    let staged = of_stage("staging", ("RELEASED", "Released"), false, Some(446));
    let mut bakes = detail("11:04:50", &[staged, baked], &events(&EVENTS[..13]));
    bakes["services"] = changing((4, 4), ("11:04:31", STEADY));
    details.push(bakes);
    let end = json!({ "outcome": "RELEASED", "reason": "every stage runs the image and was verified", "at": at("11:19:34") });
    details.push(ended("11:19:35", ("RELEASED", "Released"), &events(&EVENTS), end));
    all_details(details)
}

pub(crate) fn goes_wrong() -> Vec<Answer> {
    let mut details = until_it_is_deployed();
    let staged = of_stage("staging", ("RELEASED", "Released"), false, Some(446));
    let back = of_stage("production", ("ROLLING_BACK", "Is rolled back"), true, Some(11_150));
    let all: Vec<_> = [&EVENTS[..11], &FAILED].concat();
    let mut goes_back = detail("11:04:40", &[staged, back], &events(&all[..13]));
    goes_back["services"] = changing((2, 4), ("11:04:29", UNHEALTHY));
    details.push(goes_back);
    let end = json!({ "outcome": "ROLLED_BACK", "stage": "production", "reason": WHY, "at": at("11:06:43") });
    details.push(ended("11:06:44", ("ROLLED_BACK", "Rolled back"), &events(&all), end));
    all_details(details)
}

/// The last document of each of the two.
pub(crate) fn went_well() -> Answer {
    goes_well().pop().expect("there is one")
}

pub(crate) fn went_wrong() -> Answer {
    goes_wrong().pop().expect("there is one")
}

/// A release of the application with long names, that somebody asked for.
pub(crate) fn long_release() -> Answer {
    let began = json!({ "at": at("07:51:14"), "step": "BEGAN", "words": format!("{LONG} {LONG_TAG} goes to customer-acceptance-environment alone. Asked for by the role ops (nina@example.com): {WIDE}") });
    let captured = json!({ "at": at("07:51:16"), "step": "CAPTURED", "stage": "customer-acceptance-environment",
        "words": "customer-relationship-management-web runs platform/customer-relationship-management@sha256:a1b2c3d4e5f6…; customer-relationship-management-worker runs nothing yet" });
    Answer::of::<ReleaseDetail>(json!({ "id": release_id(LONG, 32), "application": LONG,
        "image": image("platform/customer-relationship-management", LONG_TAG, 31),
        "pushed_at": at("07:51:12"), "begun_at": at("07:51:14"), "now": at("07:52:00"), "approvals": [], "services": [],
        "asked": format!("Asked for by the role ops (nina@example.com): {WIDE}"),
        "stages": [of_stage("customer-acceptance-environment", ("CHECKED", "Is checked"), true, Some(44))],
        "events": [began, captured] }))
}

pub(crate) fn same() -> Answer {
    let stage = |name: &str| json!({ "name": name, "quorum": 0, "services": [{ "name": "web", "runs": "a1b2c3d4e5f6", "same": true }] });
    Answer::of::<Diff>(
        json!({ "image": image("web", "v4", 3), "stages": [stage("staging"), stage("production")] }),
    )
}

pub(crate) fn diff() -> Answer {
    Answer::of::<Diff>(json!({
        "image": image("platform/customer-relationship-management", LONG_TAG, 31),
        "stops": "the image is quarantined since its release ended ROLLED_BACK: web answered 500; a person clears that with slipway clear",
        "stages": [
            { "name": "development", "quorum": 0, "services": [
                { "name": "customer-relationship-management-web", "runs": "a1b2c3d4e5f6", "same": true },
                { "name": "customer-relationship-management-worker", "same": false, "stops": "there is no task definition development-customer-relationship-management-worker-template: Terraform registers one" } ] },
            { "name": "production", "quorum": 1, "asks": [ANA, "bo@example.com", LONG_ADDRESS],
              "stops": "the alarm customer-relationship-management-production-5xx is in ALARM: Threshold Crossed: 1 datapoint [12.0] was greater than the threshold (5.0).",
              "services": [{ "name": "customer-relationship-management-web", "runs": "b2c3d4e5f6a1", "same": false, "changes": [
                "cpu: 256 → 512",
                "memory: 512 → 1024",
                "containerDefinitions[web].environment.GREETING: \"hello\" → \"grüß Gott 你好\"",
                "containerDefinitions[web].secrets.DATABASE_URL: arn:aws:secretsmanager:eu-central-1:111122223333:secret:crm/production/database-AbCdEf → arn:aws:secretsmanager:eu-central-1:111122223333:secret:crm/production/database-replica-GhIjKl",
              ] }] },
        ],
    }))
}

/// Approvals, and until when people may answer them as it is shown: that is another time in every run.
pub(crate) fn approvals() -> (Answer, [(String, &'static str); 2]) {
    let expires = ago(-(23 * 3_600 + 15 * 60 + 30));
    let (day, time) = (expires[..10].to_owned(), expires[11..16].to_owned());
    let approval = |application: &str, tag: &str, number: usize, expires: &str, approvers: Value| {
        json!({ "release": release_id(application, number), "application": application, "stage": "production",
            "image": image(application, tag, number), "asked_at": ago(2_700 + 20), "expires_at": expires, "quorum": approvers.as_array().map_or(1, Vec::len).min(2), "approvers": approvers })
    };
    let first = approval(
        "checkout",
        "v13",
        13,
        &expires,
        json!([
            { "address": ANA, "reachable": true },
            { "address": "bo@example.com", "reachable": true, "answer": "APPROVED", "answered_at": ago(150) },
            { "address": "cy@example.com", "reachable": true, "answer": "REJECTED", "answered_at": ago(90) },
            { "address": LONG_ADDRESS, "reachable": false },
        ]),
    );
    let second =
        approval(LONG, LONG_TAG, 32, &expires, json!([{ "address": LONG_ADDRESS, "reachable": true }]));
    (
        Answer::of::<Approvals>(json!({ "approvals": [first, second] })),
        [(day, "2026-11-21"), (format!(" {time}"), " 08:00")],
    )
}

/// A session that is opened, pages that wait for something, and its end.
pub(crate) fn console() -> [Answer; 3] {
    let (session, secret) = ("s".repeat(43), "t".repeat(43));
    let waits = |path: &str| json!({ "method": "GET", "path": path, "at": ago(1) });
    [
        Answer::of::<OpenedConsole>(json!({ "session": session, "expires_at": "2026-11-20T16:00:00Z",
            "address": format!("https://a1b2c3d4.execute-api.eu-central-1.amazonaws.com/enter/{session}.{secret}"),
            "address_expires_at": "2026-11-20T08:02:00Z" })),
        Answer::of::<ConsoleRequests>(json!({ "entered": true, "ended": false,
            "requests": [waits("/applications/web"), waits("/applications/shop")] })),
        Answer::of::<ConsoleRequests>(json!({ "entered": true, "ended": true, "requests": [] })),
    ]
}

pub(crate) fn no_approvals() -> Answer {
    Answer::of::<Approvals>(json!({ "approvals": [] }))
}

/// A chain of entries, each sealed as Slipway seals it; the entry at `spoilt` says afterwards what it did not say.
pub(crate) fn audit(spoilt: Option<usize>) -> Answer {
    let application = ApplicationName::new("checkout").expect("a name");
    let release = ReleaseId::new(release_id("checkout", 12)).expect("an id");
    let about = About::release(&application, &release, &Digest::new(digest(12)).expect("a digest"));
    let caller =
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_operators_0a1b2c3d4e5f6a7b/nina@example.com";
    let entry = |time: &str, what, person: Option<&str>, caller: Option<&str>, words: &str| {
        let person = person.map(|person| serde_json::from_value(json!(person)).expect("an address"));
        NewEntry {
            at: at(time).parse().expect("a time"),
            what,
            person,
            caller: caller.map(ToOwned::to_owned),
            words: words.to_owned(),
        }
    };
    let asked = format!("Asked for by the role operators (nina@example.com): {WIDE}");
    let entries = [
        entry("07:51:14", What::ReleaseRequested, None, Some(caller), &asked),
        entry(
            "07:58:45",
            What::Requested,
            None,
            None,
            &format!("Asked {ANA}, {LONG_ADDRESS} (1 must approve)"),
        ),
        entry("08:01:00", What::Opened, Some(ANA), None, ""),
        entry("08:01:30", What::Approved, Some(ANA), None, "seen on staging"),
        entry(
            "08:01:33",
            What::Used,
            None,
            None,
            "arn:aws:ecs:eu-central-1:111122223333:task-definition/production-checkout:10",
        ),
        entry(
            "09:00:00",
            What::AbortRequested,
            None,
            Some("arn:aws:iam::111122223333:user/nina"),
            "the wrong image",
        ),
    ];
    let mut chain: Vec<(u64, Sealed)> = Vec::new();
    for entry in &entries {
        let last = chain.last().map(|(sequence, sealed)| (*sequence, sealed));
        chain.push(Sealed::after(last, &about, entry));
    }
    let mut chain: Vec<_> = chain.into_iter().map(|(_, sealed)| sealed).collect();
    if let Some(spoilt) = spoilt {
        chain[spoilt].entry = chain[spoilt].entry.replace("seen on staging", "seen in production");
    }
    Answer::of::<Audit>(json!({ "entries": chain }))
}
