//! Gates: the image check, the database snapshot and the migration, each passed and failed in every way; and three
//! stages with two services each.

use serde_json::{Value, json};
use slipway_local::cloud::SHOP;
use slipway_local::gates::DatabaseState;
use slipway_local::image::{Behaviour, Make};
use slipway_local::wire::{CallRule, Entry, Fault};
use slipway_local::{Answer, PushOptions, ScanResult};

use crate::browser;
use crate::world::{PATIENCE, Push, Runs, World};

const PRODUCTION: &str = "shop-production";

/// The shop, with production alone and the gates that a test is about.
struct Shop {
    world: World,
    /// The number of the trace's last entry before the release.
    entry: u64,
    before: Vec<Runs>,
}

impl Shop {
    async fn with(gates: Value) -> Self {
        let world = World::enter().await;
        world.cloud.set_gates(|gates| gates.database = DatabaseState::default()).expect("the gates are set");
        world
            .configure_application(SHOP, |application| {
                let mut production = application["stages"][2].take();
                for gate in ["image_check", "approval", "snapshot", "migration"] {
                    production.as_object_mut().expect("a stage").remove(gate);
                }
                for (gate, policy) in gates.as_object().expect("gates") {
                    production[gate] = policy.clone();
                }
                production["services"][1]["steady"] = json!({ "for": "1s" });
                application["stages"] = json!([production]);
            })
            .await;
        let entry = world.entry().await;
        let before = vec![world.runs(PRODUCTION, "web").await, world.runs(PRODUCTION, "worker").await];
        Self { world, entry, before }
    }

    /// Pushes an image whose migration is of a kind, or that has no label for it.
    async fn push(&self, migration: Option<&str>, behaviour: Behaviour) -> Push {
        let options = PushOptions {
            make: Make::Light,
            migration: migration.map(ToOwned::to_owned),
            ..PushOptions::good(&self.world.version())
        };
        self.world.push_to(SHOP, &options.behaving(behaviour)).await
    }

    fn scan(&self, push: &Push, result: ScanResult) {
        self.world
            .cloud
            .set_gates(|gates| _ = gates.scans.insert(push.digest.clone(), result))
            .expect("the gates are set");
    }

    fn database(&self, state: DatabaseState) {
        self.world.cloud.set_gates(|gates| gates.database = state).expect("the gates are set");
    }

    /// The calls since the release began, as operation and subject.
    async fn calls(&self) -> Vec<String> {
        let trace = self.world.cloud.wire().trace(self.entry).await.expect("the wire answers");
        trace
            .iter()
            .filter_map(Entry::call)
            .map(|call| format!("{} {} {}", call.caller, call.operation, call.subject))
            .collect()
    }

    /// How the release ended, where production must not have been touched.
    async fn stopped(self, push: &Push) -> (String, String) {
        let ended = self.world.ended(push).await;
        let changed: Vec<_> = self
            .calls()
            .await
            .into_iter()
            .filter(|call| call.contains("ecs:UpdateService") || call.contains("ecs:RunTask"))
            .collect();
        assert!(changed.is_empty(), "production was touched: {changed:?}");
        assert_eq!(self.now().await, self.before, "production was touched");
        self.tidy().await;
        (ended.outcome().expect("an outcome").to_owned(), ended.reason().unwrap_or_default())
    }

    async fn now(&self) -> Vec<Runs> {
        vec![self.world.runs(PRODUCTION, "web").await, self.world.runs(PRODUCTION, "worker").await]
    }

    /// Restores what the services ran, as people do after a release that is STUCK.
    async fn restore(&self) {
        let ecs = aws_sdk_ecs::Client::new(self.world.cloud.sdk());
        for (service, before) in ["web", "worker"].into_iter().zip(&self.before) {
            let request = ecs.update_service().cluster(PRODUCTION).service(service);
            let request =
                request.task_definition(&before.task_definition).desired_count(before.desired_count);
            request.send().await.expect("ECS takes it");
        }
        self.world
            .until("the services run what they ran", async || {
                let request = ecs.describe_services().cluster(PRODUCTION).services("web").services("worker");
                let answer = request.send().await.expect("ECS answers");
                answer.services().iter().all(|service| {
                    let others = service.deployments().iter().filter(|one| one.status() != Some("PRIMARY"));
                    service.running_count() == service.desired_count()
                        && others.map(|other| other.running_count()).sum::<i32>() == 0
                })
            })
            .await;
    }

    /// Leaves the shop as Terraform made it.
    async fn tidy(self) {
        self.world
            .cloud
            .set_gates(|gates| gates.database = DatabaseState::default())
            .expect("the gates are set");
        self.world.configure_application(SHOP, |_| {}).await;
    }

    fn mails(&self, push: &Push) -> Vec<String> {
        self.world
            .mails_since(push)
            .into_iter()
            .map(|mail| format!("{}\n{}", mail.subject, mail.body))
            .collect()
    }
}

fn python(code: &str) -> Value {
    json!(["python", "-I", "-S", "-c", code])
}

fn approval() -> Value {
    json!({ "approvers": ["ana@example.com"], "expires_after": "1h" })
}

fn check() -> Value {
    json!({ "stop_above": "MEDIUM", "wait": "30s" })
}

fn snapshot() -> Value {
    json!({ "database": PRODUCTION, "keep": 2, "wait": "30s" })
}

fn migration(code: &str) -> Value {
    json!({ "service": "web", "command": python(code), "timeout": "30s" })
}

#[tokio::test]
async fn three_stages_with_two_services_each_pass_every_gate_in_its_order() {
    let (world, browser) = browser::enter().await;
    world.configure_application(SHOP, |_| {}).await;
    let entry = world.entry().await;
    let options = PushOptions {
        make: Make::Light,
        migration: Some("expand".into()),
        ..PushOptions::good(&world.version())
    };
    let push = world.push_to(SHOP, &options).await;
    world.until("the scan is waited for", async || world.waits_for(&push, "CheckImage").await).await;
    world
        .cloud
        .set_gates(|gates| {
            _ = gates.scans.insert(push.digest.clone(), ScanResult::complete(&[("CVE-2026-1", "LOW")]));
        })
        .expect("set");
    let link = world.link(&push).await;
    let page = browser::look(&browser, &link, "gates").await;
    world.cloud.decide(&link, Answer::Approve, None).await.expect("the page takes the answer");
    let ended = world.ended(&push).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    for stage in ["shop-dev", "shop-staging", PRODUCTION] {
        for service in ["web", "worker"] {
            assert_eq!(world.digest_of_service(stage, service).await, push.digest, "{stage}/{service}");
        }
    }
    for words in [
        "1 LOW; stops above MEDIUM",
        "One of shop-production is taken before the change",
        "not a rollback of the schema",
        "expand: python",
    ] {
        assert!(page.words.contains(words), "{words}: {}", page.words);
    }
    let trace = world.cloud.wire().trace(entry).await.expect("the wire answers");
    let calls: Vec<_> = trace
        .iter()
        .filter_map(Entry::call)
        .map(|call| format!("{} {} {}", call.caller, call.operation, call.subject))
        .collect();
    let position = |what: &str, from: usize| {
        from + calls[from..]
            .iter()
            .position(|call| call.contains(what))
            .unwrap_or_else(|| panic!("{what} after {from}: {calls:#?}"))
    };
    let asked = position("request-approval sns:Publish", 0);
    assert!(position("check-image ecr:DescribeImageScanFindings", 0) < asked, "{calls:#?}");
    let again = position("check-image ecr:DescribeImageScanFindings", asked);
    let taken = position("snapshot-database rds:CreateDBSnapshot", again);
    let there = position("snapshot-database rds:DescribeDBSnapshots", taken);
    let migrated = position("run-migration ecs:RunTask", there);
    position("deploy-services ecs:UpdateService", migrated);
    let history = world.timeline(&ended.name).await;
    for words in [
        "Image check: 1 LOW",
        "Snapshot slipway-",
        "Migration (expand): exit code 0; its log ends: a table more",
        "worker: 1 of 1 tasks ran on for 2 s, its command: exit code 0",
    ] {
        assert!(history.iter().any(|event| event.contains(words)), "{words}: {history:#?}");
    }
}

#[tokio::test]
async fn a_scan_with_findings_above_the_threshold_stops_before_people_are_asked() {
    let shop = Shop::with(json!({ "image_check": check(), "approval": approval() })).await;
    let push = shop.push(None, Behaviour::Good).await;
    shop.scan(&push, ScanResult::complete(&[("CVE-2026-7", "CRITICAL"), ("CVE-2026-1", "LOW")]));
    shop.world.ended(&push).await;
    shop.world.quiet().await;
    let mails = shop.mails(&push);
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("1 finding above MEDIUM: CVE-2026-7 (CRITICAL, openssl)"), "{reason}");
    assert!(mails.iter().all(|mail| !mail.contains("/approvals/")), "{mails:?}");
    assert!(mails.iter().any(|mail| mail.contains("FAILED") && mail.contains("CVE-2026-7")), "{mails:?}");
}

#[tokio::test]
async fn an_allowed_finding_passes() {
    let allow = json!([{ "finding": "CVE-2026-7", "until": "2099-12-31", "reason": "not reachable" }]);
    let shop =
        Shop::with(json!({ "image_check": { "stop_above": "MEDIUM", "allow": allow, "wait": "30s" } })).await;
    let push = shop.push(None, Behaviour::Good).await;
    shop.scan(&push, ScanResult::complete(&[("CVE-2026-7", "CRITICAL")]));
    let ended = shop.world.ended(&push).await;
    let history = shop.world.timeline(&ended.name).await;
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert!(
        history.iter().any(|event| event.contains("allowed: CVE-2026-7 until 2099-12-31, not reachable")),
        "{history:#?}"
    );
}

#[tokio::test]
async fn a_scan_that_never_comes_stops() {
    let shop = Shop::with(json!({ "image_check": { "stop_above": "MEDIUM", "wait": "2s" } })).await;
    let push = shop.push(None, Behaviour::Good).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(
        reason.contains("no result of a scan after 2 s") && reason.contains("turn on scanning"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_image_that_cannot_be_scanned_stops() {
    let shop = Shop::with(json!({ "image_check": check() })).await;
    let push = shop.push(None, Behaviour::Good).await;
    shop.scan(&push, ScanResult::with_status("UNSUPPORTED_IMAGE"));
    shop.world.wakes_every_step(&push).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("UNSUPPORTED_IMAGE"), "{reason}");
}

#[tokio::test]
async fn a_finding_that_is_new_after_the_approval_stops_above_the_threshold_and_is_asked_about_below_it() {
    let shop =
        Shop::with(json!({ "image_check": { "stop_above": "HIGH", "wait": "30s" }, "approval": approval() }))
            .await;
    let push = shop.push(None, Behaviour::Good).await;
    shop.scan(&push, ScanResult::complete(&[]));
    let link = shop.world.link(&push).await;
    let mails = shop.world.cloud.inbox().expect("the inbox").len();
    shop.scan(&push, ScanResult::complete(&[("CVE-2026-8", "HIGH")]));
    shop.world.cloud.decide(&link, Answer::Approve, None).await.expect("the page takes the answer");
    let again = shop
        .world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.approval_link().is_some())
        .await
        .expect("ana is asked again");
    shop.scan(&push, ScanResult::complete(&[("CVE-2026-9", "CRITICAL")]));
    shop.world
        .cloud
        .decide(again.approval_link().expect("a link"), Answer::Approve, None)
        .await
        .expect("the page takes the answer");
    let (outcome, reason) = shop.stopped(&push).await;

    assert!(again.body.contains("1 HIGH"), "{}", again.body);
    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("CVE-2026-9"), "{reason}");
}

#[tokio::test]
async fn a_database_that_is_not_available_is_waited_for() {
    let shop = Shop::with(json!({ "snapshot": snapshot() })).await;
    shop.database(DatabaseState { status: Some("modifying".into()), ..DatabaseState::default() });
    let push = shop.push(None, Behaviour::Good).await;
    shop.world
        .until("the database is waited for", async || shop.world.waits_for(&push, "SnapshotDatabase").await)
        .await;
    shop.database(DatabaseState::default());
    let ended = shop.world.ended(&push).await;
    let mails = shop.mails(&push);
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert!(mails.iter().any(|mail| mail.contains("RELEASED")), "{mails:?}");
}

#[tokio::test]
async fn a_database_that_stays_unavailable_stops() {
    let shop = Shop::with(json!({ "snapshot": { "database": PRODUCTION, "wait": "2s" } })).await;
    shop.database(DatabaseState { status: Some("modifying".into()), ..DatabaseState::default() });
    let push = shop.push(None, Behaviour::Good).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("modifying") && reason.contains("after 2 s"), "{reason}");
}

#[tokio::test]
async fn a_snapshot_that_fails_stops() {
    let mut policy = snapshot();
    policy["wait"] = json!("10m");
    let shop = Shop::with(json!({ "snapshot": policy })).await;
    shop.database(DatabaseState { snapshots: Some("fail".into()), ..DatabaseState::default() });
    let push = shop.push(None, Behaviour::Good).await;
    shop.world
        .until("the snapshot is waited for", async || shop.world.waits_for(&push, "SnapshotDatabase").await)
        .await;
    // RDS sends no event for it: only the reconciler notices.
    shop.world.quiet().await;
    shop.world.wakes_every_step(&push).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("is failed"), "{reason}");
}

#[tokio::test]
async fn a_snapshot_that_takes_too_long_stops() {
    let shop = Shop::with(json!({ "snapshot": { "database": PRODUCTION, "wait": "3s" } })).await;
    shop.database(DatabaseState { snapshots: Some("slow".into()), ..DatabaseState::default() });
    let push = shop.push(None, Behaviour::Good).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("is not there after 3 s"), "{reason}");
}

#[tokio::test]
async fn the_newest_snapshots_of_its_own_are_kept_and_those_of_others_stay() {
    let shop = Shop::with(json!({ "snapshot": { "database": PRODUCTION, "keep": 1, "wait": "30s" } })).await;
    shop.world.snapshot_by_hand("by-hand").await;
    let mut last = String::new();
    for _ in 0..2 {
        let push = shop.push(None, Behaviour::Good).await;
        let ended = shop.world.ended(&push).await;
        assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
        last = format!("slipway-{}-production", ended.name).to_lowercase();
    }
    let mut snapshots = shop.world.snapshots().await;
    snapshots.sort();
    shop.world.remove_snapshot("by-hand").await;
    shop.tidy().await;

    assert_eq!(snapshots, ["by-hand".to_owned(), last]);
}

#[tokio::test]
async fn a_reached_quota_stops_where_nothing_of_its_own_is_beyond_what_is_kept() {
    let shop = Shop::with(json!({ "snapshot": snapshot() })).await;
    shop.database(DatabaseState { quota: Some(0), ..DatabaseState::default() });
    let push = shop.push(None, Behaviour::Good).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("quota is reached"), "{reason}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_stops() {
    let shop = Shop::with(json!({ "snapshot": { "database": "nowhere" } })).await;
    let push = shop.push(None, Behaviour::Good).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("RDS has no database nowhere"), "{reason}");
}

#[tokio::test]
async fn an_image_without_the_label_stops_before_its_migration() {
    let shop = Shop::with(json!({ "migration": migration("print('never')") })).await;
    let push = shop.push(None, Behaviour::Good).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(reason.contains("no label slipway.migration"), "{reason}");
}

#[tokio::test]
async fn an_image_that_brings_no_migration_runs_none() {
    let shop = Shop::with(json!({ "migration": migration("raise SystemExit(1)") })).await;
    let push = shop.push(Some("none"), Behaviour::Good).await;
    let ended = shop.world.ended(&push).await;
    let calls = shop.calls().await;
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert!(calls.iter().all(|call| !call.contains("ecs:RunTask")), "{calls:?}");
}

#[tokio::test]
async fn a_migration_that_fails_stops_with_its_exit_code_and_the_end_of_its_log() {
    let shop = Shop::with(json!({ "snapshot": snapshot(), "migration": migration("print('no such column'); raise SystemExit(3)") })).await;
    let push = shop.push(Some("expand"), Behaviour::Good).await;
    let ended = shop.world.ended(&push).await;
    let (now, before) = (shop.now().await, shop.before.clone());
    let updates: Vec<_> =
        shop.calls().await.into_iter().filter(|call| call.contains("ecs:UpdateService")).collect();
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "a migration has run: {ended:?}");
    let reason = ended.reason().expect("a reason");
    for words in ["exit code 3", "no such column", "services were not changed", "slipway-"] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    assert_eq!((now, updates), (before, vec![]));
}

#[tokio::test]
async fn a_rollback_crosses_a_migration_that_expands() {
    let shop = Shop::with(json!({ "migration": migration("print('a table more')") })).await;
    let good = shop.push(Some("none"), Behaviour::Good).await;
    assert_eq!(shop.world.ended(&good).await.outcome(), Some("RELEASED"));
    let push = shop.push(Some("expand"), Behaviour::Answer500).await;
    let ended = shop.world.ended(&push).await;
    let runs = [
        shop.world.digest_of_service(PRODUCTION, "web").await,
        shop.world.digest_of_service(PRODUCTION, "worker").await,
    ];
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
    assert_eq!(runs, [good.digest.clone(), good.digest], "both services together");
}

#[tokio::test]
async fn a_migration_that_cannot_be_crossed_is_stuck_with_the_snapshot_and_the_way_to_restore_it() {
    let shop =
        Shop::with(json!({ "snapshot": snapshot(), "migration": migration("print('a column less')") })).await;
    let push = shop.push(Some("contract"), Behaviour::Answer500).await;
    let ended = shop.world.ended(&push).await;
    let mails = shop.mails(&push);
    let rolled_back: Vec<_> =
        shop.calls().await.into_iter().filter(|call| call.contains("roll-back ecs:UpdateService")).collect();
    shop.restore().await;
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("STUCK"), "{ended:?}");
    assert!(rolled_back.is_empty(), "{rolled_back:?}");
    let mail = mails.iter().find(|mail| mail.contains("STUCK")).expect("people are notified");
    for words in ["slipway.migration=contract", "slipway-shop-", "restore-db-instance-from-db-snapshot"] {
        assert!(mail.contains(words), "{words}: {mail}");
    }
}

#[tokio::test]
async fn one_killed_between_two_services_restores_the_first_though_the_second_was_changed_by_somebody_else() {
    let shop = Shop::with(json!({})).await;
    let good = shop.push(None, Behaviour::Good).await;
    assert_eq!(shop.world.ended(&good).await.outcome(), Some("RELEASED"));
    let before = shop.now().await;

    let killed = CallRule::new("ecs:UpdateService", Fault::KillAfter).of("deploy-services");
    // Until somebody has changed the other service.
    let blind = CallRule::new("ecs:DescribeServices", Fault::RefuseBefore).of("deploy-services").from(2);
    shop.world.break_all_calls(vec![killed, blind.times(1_000)]).await;
    let push = shop.push(None, Behaviour::Good).await;
    shop.world
        .until("the first service is changed", async || {
            shop.now().await[0].task_definition != before[0].task_definition
        })
        .await;
    let foreign = shop.world.deploy_service_from_outside(PRODUCTION, "worker", &before[1]).await;
    shop.world.mend().await;
    shop.world.end_lease(SHOP).await;
    let ended = shop.world.ended(&push).await;
    let after = shop.now().await;
    shop.restore().await;
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("STUCK"), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("external change: worker"), "{ended:?}");
    assert_eq!(after[0].task_definition, before[0].task_definition, "the first one is restored");
    assert_eq!(after[1].task_definition, foreign, "and the other one is somebody else's");
}

#[tokio::test]
async fn a_migration_that_fails_and_cannot_be_crossed_is_stuck() {
    let shop = Shop::with(json!({ "migration": migration("raise SystemExit(1)") })).await;
    let push = shop.push(Some("contract"), Behaviour::Good).await;
    let ended = shop.world.ended(&push).await;
    let (now, before) = (shop.now().await, shop.before.clone());
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("STUCK"), "{ended:?}");
    assert!(
        ended.reason().is_some_and(
            |reason| reason.contains("services were not changed") && reason.contains("own backups")
        ),
        "{ended:?}"
    );
    assert_eq!(now, before);
}

#[tokio::test]
async fn a_workers_command_that_fails_rolls_both_services_back() {
    let shop = Shop::with(json!({})).await;
    let good = shop.push(None, Behaviour::Good).await;
    assert_eq!(shop.world.ended(&good).await.outcome(), Some("RELEASED"));
    let command =
        json!({ "for": "1s", "command": python("print('the queue is not read'); raise SystemExit(2)") });
    shop.world
        .configure_application(SHOP, |application| {
            let mut production = application["stages"][2].take();
            for gate in ["image_check", "approval", "snapshot", "migration"] {
                production.as_object_mut().expect("a stage").remove(gate);
            }
            production["services"][1]["steady"] = command;
            application["stages"] = json!([production]);
        })
        .await;
    let push = shop.push(None, Behaviour::Good).await;
    let ended = shop.world.ended(&push).await;
    let runs = [
        shop.world.digest_of_service(PRODUCTION, "web").await,
        shop.world.digest_of_service(PRODUCTION, "worker").await,
    ];
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
    assert!(
        ended
            .reason()
            .is_some_and(|reason| reason.contains("exit code 2") && reason.contains("the queue is not read")),
        "{ended:?}"
    );
    assert_eq!(runs, [good.digest.clone(), good.digest]);
}

#[tokio::test]
async fn functions_that_are_killed_after_their_effect_leave_one_snapshot_and_one_task() {
    let shop =
        Shop::with(json!({ "snapshot": snapshot(), "migration": migration("print('a table more')") })).await;
    let tasks = shop.world.tasks_started_by(PRODUCTION, "slipway-migration-").await;
    let mut releases = Vec::new();
    for (function, operation) in
        [("snapshot-database", "rds:CreateDBSnapshot"), ("run-migration", "ecs:RunTask")]
    {
        shop.world.break_calls(CallRule::new(operation, Fault::KillAfter).of(function)).await;
        let push = shop.push(Some("expand"), Behaviour::Good).await;
        releases.push((operation, shop.world.ended(&push).await));
        shop.world.mend().await;
    }
    let snapshots = shop.world.snapshots().await;
    let more = shop.world.tasks_started_by(PRODUCTION, "slipway-migration-").await - tasks;
    shop.tidy().await;

    for (operation, ended) in &releases {
        assert_eq!(ended.outcome(), Some("RELEASED"), "{operation}: {ended:?}");
        let taken = snapshots.iter().filter(|snapshot| snapshot.contains(&ended.name)).count();
        assert_eq!(taken, 1, "{operation}: {snapshots:?}");
    }
    assert_eq!(more, 2, "one for each release");
}

#[tokio::test]
async fn gates_that_run_twice_each_time_leave_one_of_everything() {
    let gates = json!({ "image_check": check(), "approval": approval(), "snapshot": snapshot(), "migration": migration("print('a table more')") });
    let shop = Shop::with(gates).await;
    let tasks = shop.world.tasks_started_by(PRODUCTION, "slipway-migration-").await;
    shop.world
        .cloud
        .run_twice(&["check-image", "snapshot-database", "run-migration", "verify-services"])
        .expect("it is written down");
    let push = shop.push(Some("expand"), Behaviour::Good).await;
    shop.scan(&push, ScanResult::complete(&[]));
    shop.world.approve(&push).await;
    let ended = shop.world.ended(&push).await;
    shop.world.cloud.run_twice(&[]).expect("it is written down");
    let taken =
        shop.world.snapshots().await.into_iter().filter(|snapshot| snapshot.contains(&ended.name)).count();
    let more = shop.world.tasks_started_by(PRODUCTION, "slipway-migration-").await - tasks;
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!((taken, more), (1, 1));
}

#[tokio::test]
async fn a_rolling_deployment_is_passed_to_ecs_and_keeps_its_circuit_breaker() {
    let shop = Shop::with(json!({ "strategy": { "type": "ROLLING" } })).await;
    let push = shop.push(None, Behaviour::Good).await;
    let ended = shop.world.ended(&push).await;
    let ecs = aws_sdk_ecs::Client::new(shop.world.cloud.sdk());
    let answer =
        ecs.describe_services().cluster(PRODUCTION).services("web").send().await.expect("ECS answers");
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    let configuration = answer.services()[0].deployment_configuration().expect("a configuration");
    assert_eq!(configuration.strategy().map(aws_sdk_ecs::types::DeploymentStrategy::as_str), Some("ROLLING"));
    assert!(
        configuration
            .deployment_circuit_breaker()
            .is_some_and(|breaker| breaker.enable() && breaker.rollback()),
        "{configuration:?}"
    );
}

#[tokio::test]
async fn a_strategy_that_a_service_is_not_made_for_stops_before_anything_changes() {
    let shop = Shop::with(json!({ "strategy": { "type": "BLUE_GREEN", "bake": "5m" } })).await;
    let push = shop.push(None, Behaviour::Good).await;
    let (outcome, reason) = shop.stopped(&push).await;

    assert_eq!(outcome, "FAILED");
    assert!(
        reason.contains("BLUE_GREEN needs an alternate target group") && reason.contains("traffic_shift"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_release_that_is_aborted_while_its_migration_runs_ends_once_that_has_ended() {
    let shop = Shop::with(json!({ "migration": migration("import time; time.sleep(3)") })).await;
    let tasks = shop.world.tasks_started_by(PRODUCTION, "slipway-migration-").await;
    let push = shop.push(Some("expand"), Behaviour::Good).await;
    shop.world
        .until("the migration runs", async || {
            shop.world.tasks_started_by(PRODUCTION, "slipway-migration-").await > tasks
        })
        .await;
    let release = shop.world.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began").name;
    shop.world.abort(&release, "wrong").await;
    let ended = shop.world.ended(&push).await;
    let (now, before) = (shop.now().await, shop.before.clone());
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "its migration has run: {ended:?}");
    assert!(
        ended
            .reason()
            .is_some_and(|reason| reason.contains("wrong") && reason.contains("its migration has run")),
        "{ended:?}"
    );
    assert_eq!(now, before);
}

#[tokio::test]
async fn a_migration_that_cannot_be_looked_at_is_stopped_before_its_stage_is_rolled_back() {
    let shop = Shop::with(json!({ "migration": migration("import time; time.sleep(120)") })).await;
    let blind = CallRule::new("ecs:DescribeTasks", Fault::RefuseBefore).of("run-migration").times(1_000);
    shop.world.break_calls(blind).await;
    let push = shop.push(Some("expand"), Behaviour::Good).await;
    let release = shop.world.cloud.wait_for_release(&push.digest, PATIENCE).await.expect("it began").name;
    let callback = (format!("CALLBACK#{release}"), "production#RunMigration");
    shop.world
        .until("the step cannot find out", async || {
            let item = shop.world.item(&callback.0, callback.1).await;
            item.is_some_and(|item| !item["failing_since"].is_null())
        })
        .await;
    // Its patience is ten minutes.
    shop.world.move_back(&callback.0, callback.1, "failing_since", jiff::SignedDuration::from_mins(11)).await;
    let ended = shop.world.ended(&push).await;
    let calls = shop.calls().await;
    let (now, before) = (shop.now().await, shop.before.clone());
    shop.world.mend().await;
    shop.tidy().await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
    assert!(calls.iter().any(|call| call.starts_with("roll-back ecs:StopTask")), "{calls:?}");
    assert_eq!(now, before);
}
