//! One release at a time, good and bad; links, alarms, permissions.

use std::time::Duration;

use serde_json::json;
use slipway_local::events::Delivery;
use slipway_local::events::deliver::Outcome;
use slipway_local::image::Behaviour;
use slipway_local::{Answer, PushOptions};

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn a_good_image_is_released_and_the_digest_that_was_approved_runs_in_production() {
    let world = World::enter().await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    let approval = world.approve(&release).await;
    let ended = world.ended(&release).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert!(approval.text.contains("was approved"), "{}", approval.text);
    for stage in ["staging", "production"] {
        assert_eq!(world.digest_in(stage).await, release.digest, "{stage}");
        assert!(world.answer_of(stage, "/version").await.contains(&release.tag), "{stage}");
    }
    let mails = world.mails_since(&release);
    assert_eq!(
        mails.iter().filter(|mail| mail.approval_link().is_some()).count(),
        1,
        "one approver gets one mail"
    );
    assert!(mails.iter().any(|mail| mail.subject.contains("RELEASED")), "people are notified");
    world.nothing_was_lost().await;
}

#[tokio::test]
async fn an_image_that_answers_500_stops_in_staging_and_production_is_never_touched() {
    stops_in_staging(Behaviour::Answer500, "500").await;
}

#[tokio::test]
async fn an_image_that_crashes_at_start_stops_in_staging_with_ecs_own_reason() {
    stops_in_staging(Behaviour::Crash, "exited").await;
}

#[tokio::test]
async fn an_image_that_never_answers_stops_in_staging() {
    stops_in_staging(Behaviour::Hang, "").await;
}

async fn stops_in_staging(behaviour: Behaviour, word: &str) {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let (before, production) = (world.digest_in("staging").await, world.service("production").await);

    let release = world.push(&PushOptions::good(&world.version()).behaving(behaviour)).await;
    let ended = world.ended(&release).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    let reason = ended.reason().expect("a reason");
    assert!(reason.contains(word), "{reason}");
    assert_eq!(world.digest_in("staging").await, before, "staging runs its baseline again");
    assert_eq!(world.service("production").await, production, "production's service is as it was");
    assert!(
        world.mails_since(&release).iter().all(|mail| mail.approval_link().is_none()),
        "nobody was asked"
    );
}

#[tokio::test]
async fn a_rejection_ends_the_release_with_the_persons_reason() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    let page = world.decide(&release, Answer::Reject, "not before the weekend").await;
    let ended = world.ended(&release).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("REJECTED"), Some("production")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("not before the weekend"));
    assert!(page.text.contains("was rejected"), "{}", page.text);
    assert_eq!(world.service("production").await, production);
}

#[tokio::test]
async fn no_decision_in_time_ends_the_release_and_a_late_click_does_nothing() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;
    world.configure(|application| application["stages"][1]["approval"]["expires_after"] = json!("3s")).await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;
    let ended = world.ended(&release).await;
    let late = world.cloud.decide(&link, Answer::Approve, None).await.expect_err("there is no form any more");
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("EXPIRED"), Some("production")), "{ended:?}");
    assert!(late.to_string().contains("has expired"), "{late}");
    assert_eq!(world.service("production").await, production);
}

#[tokio::test]
async fn an_approval_that_waits_dies_with_a_newer_push() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;

    let older = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&older).await;
    let newer = world.push(&PushOptions::good(&world.version())).await;
    let superseded = world.ended(&older).await;
    let late = world.cloud.decide(&link, Answer::Approve, None).await.expect_err("there is no form any more");
    let untouched = world.service("production").await;
    world.decide(&newer, Answer::Approve, "the newest wins").await;
    let released = world.ended(&newer).await;

    assert_eq!(
        (superseded.outcome(), superseded.stage()),
        (Some("SUPERSEDED"), Some("production")),
        "{superseded:?}"
    );
    assert!(superseded.reason().expect("a reason").contains(&newer.tag), "{superseded:?}");
    assert!(late.to_string().contains("was superseded"), "{late}");
    assert_eq!(untouched, production);
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    assert_eq!(world.digest_in("production").await, newer.digest);
}

#[tokio::test]
async fn of_two_pushes_that_race_the_newest_wins_and_nobody_is_stuck() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let older = world.push(&PushOptions::good(&world.version())).await;
    let newer = world.push(&PushOptions::good(&world.version())).await;
    let superseded = world.ended(&older).await;
    world.decide(&newer, Answer::Approve, "the newest wins").await;
    let released = world.ended(&newer).await;

    assert_eq!(superseded.outcome(), Some("SUPERSEDED"), "{superseded:?}");
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    for stage in ["staging", "production"] {
        assert_eq!(world.digest_in(stage).await, newer.digest, "{stage}");
    }
}

#[tokio::test]
async fn the_same_push_twice_is_one_release_and_one_mail() {
    let world = World::enter().await;
    let release = world.push(&PushOptions::good(&world.version())).await;

    let mut event = world.event("image-push.json");
    event["detail"]["image-digest"] = json!(release.digest);
    event["detail"]["image-tag"] = json!(release.tag);
    for id in [
        "a3f1c0de-0001-4000-8000-00000000000a",
        "a3f1c0de-0001-4000-8000-00000000000a",
        "a3f1c0de-0001-4000-8000-00000000000b",
    ] {
        event["id"] = json!(id);
        world.deliver(&event).await;
    }
    world.approve(&release).await;
    world.ended(&release).await;
    world.deliver(&event).await;
    world.quiet().await;

    assert_eq!(world.cloud.executions_of(&release.digest).await.expect("executions").len(), 1);
    assert_eq!(world.mails_since(&release).iter().filter(|mail| mail.approval_link().is_some()).count(), 1);
}

#[tokio::test]
async fn a_multi_architecture_push_is_one_release_of_the_index() {
    let world = World::enter().await;
    let options = PushOptions { multi_architecture: true, ..PushOptions::good(&world.version()) };

    let release = world.push(&options).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(world.digest_in("production").await, release.digest);
    assert_eq!(world.executions_since(&release).await, 1, "its parts start nothing");
}

#[tokio::test]
async fn pushes_that_no_application_wants_start_nothing_and_are_no_error() {
    let world = World::enter().await;
    let before = world.cloud.executions().await.expect("executions").len();
    let dead_letters = world.messages("slipway-receive-push-dead-letters").await;

    for file in [
        "image-push-without-tag.json",
        "image-push-empty-tag.json",
        "image-push-signature.json",
        "image-push-sbom.json",
        "image-push-attestation.json",
        "image-push-unknown-repository.json",
        "image-push-unwanted-tag.json",
        "image-push-other-account.json",
        "image-push-failed.json",
        "image-delete.json",
    ] {
        let answer = world
            .invoke("receive-push", &world.event(file))
            .await
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(answer["result"], "IGNORED", "{file}: {answer}");
        world.deliver(&world.event(file)).await;
    }
    world.quiet().await;

    assert_eq!(world.cloud.executions().await.expect("executions").len(), before);
    assert_eq!(world.messages("slipway-receive-push-dead-letters").await, dead_letters);
}

#[tokio::test]
async fn an_event_that_does_not_parse_names_the_field_and_goes_to_the_dead_letters() {
    let world = World::enter().await;
    let event = world.event("image-push-broken.json");
    let dead_letters = world.messages("slipway-receive-push-dead-letters").await;

    let error = world.invoke("receive-push", &event).await.expect_err("it does not parse");
    world.deliver(&event).await;

    assert!(error.to_string().contains("image-digest"), "{error}");
    world
        .until("the event is in the dead-letter queue", async || {
            world.messages("slipway-receive-push-dead-letters").await > dead_letters
        })
        .await;
}

#[tokio::test]
async fn a_scan_of_something_else_than_an_image_wakes_no_function() {
    let world = World::enter().await;
    let delivered =
        async |file: &str| world.cloud.deliver(&world.event(file)).await.expect("the rules are read");

    assert_eq!(delivered("inspector-scan-instance.json").await, []);
    let of_image = delivered("inspector-scan.json").await;
    assert!(
        matches!(of_image.as_slice(), [Delivery { rule, outcome: Outcome::Invoked, .. }] if rule == "slipway-image-scan"),
        "{of_image:?}"
    );
}

#[tokio::test]
async fn a_digest_that_ecr_does_not_know_fails_before_anything_changed() {
    let world = World::enter().await;
    let (staging, production) = (world.service("staging").await, world.service("production").await);
    let mut event = world.event("image-push.json");
    let digest = world.new_digest();
    event["detail"]["image-digest"] = json!(digest);
    event["time"] = json!(world.time());

    world.deliver(&event).await;
    let ended = world.cloud.wait_for_outcome(&digest, Duration::from_secs(60)).await.expect("it ends");

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("the registry has no image"), "{ended:?}");
    assert_eq!((world.service("staging").await, world.service("production").await), (staging, production));
}

#[tokio::test]
async fn a_stage_is_not_looked_at_before_the_one_before_it_was_verified() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let release = world.push(&PushOptions::good(&world.version()).behaving(Behaviour::Hang)).await;
    world.until("staging changes", async || world.waits_for(&release, "DeployServices").await).await;
    let execution = world.cloud.wait_for_release(&release.digest, PATIENCE).await.expect("it began");
    let mut event = world.event("capture-baseline.json");
    event["attempt"]["entered_at"] = json!(slipway_local::clock::now());
    event["input"] = json!({
        "release": execution.input["release"],
        "generation": world.lock().await["generation"],
        "application": execution.input["application"],
        "position": 1,
    });

    world.invoke("capture-baseline", &event).await.expect("it ends");

    let captured = world.item(&format!("RELEASE#{}", execution.name), "BASELINE#production#1").await;
    world.abort(&execution.name, "that is enough").await;
    let ended = world.ended(&release).await;

    assert_eq!(captured, None);
    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
}

#[tokio::test]
async fn the_outcome_that_was_recorded_first_stands() {
    let world = World::enter().await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    world.decide(&release, Answer::Reject, "not today").await;
    let ended = world.ended(&release).await;
    let recorded = world.item(&format!("RELEASE#{}", ended.name), "ENDING").await;
    let mails = world.cloud.inbox().expect("the inbox").len();

    // As if the execution had failed otherwise, and its last step came again.
    let mut event = world.event("finish-release.json");
    event["attempt"]["entered_at"] = json!(slipway_local::clock::now());
    event["input"]["release"] = ended.input["release"].clone();
    world.invoke("finish-release", &event).await.expect("it ends");
    world.quiet().await;

    assert_eq!(ended.outcome(), Some("REJECTED"));
    assert_eq!(world.item(&format!("RELEASE#{}", ended.name), "ENDING").await, recorded);
    assert_eq!(world.cloud.inbox().expect("the inbox").len(), mails, "nobody is notified once more");
}

#[tokio::test]
async fn a_function_that_lost_a_permission_ends_the_release_with_the_action_named() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let staging = world.service("staging").await;

    let kept = world.take_permission_away("deploy-services", "ecs:UpdateService").await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    let ended = world.ended(&release).await;
    world.give_permissions_back("deploy-services", kept).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("ecs:UpdateService was refused"), "{ended:?}");
    assert_eq!(world.service("staging").await, staging);
}

#[tokio::test]
async fn a_service_that_nobody_let_slipway_change_stops_its_stage_and_says_which_tag_it_lacks() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;

    world.untag("production", "slipway:deployer").await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    let ended = world.ended(&release).await;
    world.tag("production", "slipway:deployer", "slipway").await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("production")), "{ended:?}");
    assert!(
        ended
            .reason()
            .expect("a reason")
            .contains("web in the cluster production has no tag slipway:deployer"),
        "{ended:?}"
    );
    assert_eq!(world.service("production").await, production);
}

#[tokio::test]
async fn links_that_are_altered_unknown_or_used_change_nothing() {
    let world = World::enter().await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;
    let (base, token) = link.rsplit_once('/').expect("a link");
    let altered = format!("{base}/{}{}", &token[..42], if token.ends_with('A') { 'B' } else { 'A' });

    for (wrong, why) in [
        (altered, "altered"),
        (format!("{base}/{}", &token[..20]), "cut off"),
        (format!("{base}/{}", "A".repeat(43)), "unknown"),
    ] {
        let page = world.cloud.open(&wrong).await.expect("a page");
        assert_eq!(page.status, 404, "{why}");
        assert!(page.text.contains("leads nowhere"), "{why}: {}", page.text);
        world.cloud.decide(&wrong, Answer::Reject, None).await.expect_err(why);
    }
    let first = world.cloud.decide(&link, Answer::Approve, None).await.expect("the first click counts");
    let second = world.cloud.decide(&link, Answer::Reject, None).await.expect_err("a used link has no form");
    let ended = world.ended(&release).await;

    assert!(first.text.contains("was approved"), "{}", first.text);
    assert!(second.to_string().contains("was approved"), "{second}");
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
}

#[tokio::test]
async fn looking_at_a_link_decides_nothing_and_every_answer_has_its_headers() {
    let world = World::enter().await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;

    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        let answer = world.request(method, &link, None, "").await;
        assert!(answer.status < 500, "{method}: {}", answer.status);
    }
    let form = "application/x-www-form-urlencoded";
    let token = link.rsplit('/').next().expect("a token");
    for (content_type, body, status) in [
        (form, "decision=approve".to_owned(), 400),
        (form, "nonce=0&decision=approve".to_owned(), 403),
        (form, format!("nonce={}&decision=maybe", world.nonce(token)), 400),
        (
            form,
            format!("nonce={}&decision=approve&reason={}", world.nonce(token), "x".repeat(1_000_000)),
            413,
        ),
        ("application/json", "{}".to_owned(), 415),
    ] {
        let answer = world.request("POST", &link, Some(content_type), &body).await;
        assert_eq!(answer.status, status, "{content_type} {}", &body[..body.len().min(60)]);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'"),
            ("strict-transport-security", "max-age="),
        ] {
            assert!(answer.header(name).contains(value), "{name}: {}", answer.header(name));
        }
    }
    assert!(world.cloud.open(&link).await.expect("a page").text.contains("Let web"), "it still asks");

    world.decide(&release, Answer::Reject, "only looking").await;
    assert_eq!(world.ended(&release).await.outcome(), Some("REJECTED"));
}

#[tokio::test]
async fn an_alarm_that_fires_while_a_stage_bakes_restores_the_baseline() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;
    world.staging_bakes_for("10m").await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    world.until_it_bakes(&release).await;
    world.alarm("e2e-staging-5xx", "ALARM").await;
    let ended = world.ended(&release).await;
    world.alarm("e2e-staging-5xx", "OK").await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("e2e-staging-5xx"), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
}

#[tokio::test]
async fn a_quiet_bake_passes_and_an_alarm_that_fires_before_it_stops_the_stage() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world.staging_bakes_for("2s").await;

    let quiet = world.push(&PushOptions::good(&world.version())).await;
    world.decide(&quiet, Answer::Reject, "that it was asked is enough").await;
    let asked = world.ended(&quiet).await;
    world.alarm("e2e-staging-5xx", "ALARM").await;
    let staging = world.service("staging").await;
    let loud = world.push(&PushOptions::good(&world.version())).await;
    let stopped = world.ended(&loud).await;
    world.alarm("e2e-staging-5xx", "OK").await;
    world.configure(|_| {}).await;

    assert_eq!((asked.outcome(), asked.stage()), (Some("REJECTED"), Some("production")), "{asked:?}");
    assert_eq!((stopped.outcome(), stopped.stage()), (Some("FAILED"), Some("staging")), "{stopped:?}");
    assert!(stopped.reason().expect("a reason").contains("is in ALARM"), "{stopped:?}");
    assert_eq!(world.service("staging").await, staging);
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_is_refused_with_the_field() {
    let world = World::enter().await;
    world.configure(|application| application["stages"][1]["services"] = json!([])).await;

    let error =
        world.invoke("receive-push", &world.event("image-push.json")).await.expect_err("it does not fit");
    world.configure(|_| {}).await;

    assert!(error.to_string().contains("stages[1].services"), "{error}");
}

#[tokio::test]
async fn a_change_of_the_template_reaches_the_service_with_the_next_release() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.task_definition("staging").await;

    // What `terraform apply` does when CPU, memory or environment change: a new revision of the template, and no more.
    world.change_template("staging", "1024", "2048", ("GREETING", "changed")).await;
    let unchanged = world.task_definition("staging").await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    world.decide(&release, Answer::Reject, "staging is enough").await;
    world.ended(&release).await;
    let after = world.task_definition("staging").await;

    assert_eq!(
        unchanged.task_definition_arn(),
        before.task_definition_arn(),
        "the template alone changes nothing that runs"
    );
    assert_eq!((after.cpu(), after.memory()), (Some("1024"), Some("2048")));
    let environment = after.container_definitions()[0].environment();
    assert!(
        environment
            .iter()
            .any(|variable| (variable.name(), variable.value()) == (Some("GREETING"), Some("changed"))),
        "{environment:?}"
    );
    assert_eq!(world.digest_in("staging").await, release.digest);
}

#[tokio::test]
async fn every_function_takes_its_example_events() {
    let world = World::enter().await;
    for (function, file) in [
        ("acquire-lock", "acquire-lock.json"),
        ("capture-baseline", "capture-baseline.json"),
        ("check-image", "check-image.json"),
        ("request-approval", "request-approval.json"),
        ("snapshot-database", "snapshot-database.json"),
        ("run-migration", "run-migration.json"),
        ("decide-approval", "approval-page.json"),
        ("decide-approval", "approval-form.json"),
        ("deploy-services", "deploy-services.json"),
        ("verify-services", "verify-services.json"),
        ("roll-back", "roll-back.json"),
        ("finish-release", "finish-release.json"),
        ("bake-stage", "bake-stage.json"),
        ("resume-release", "lock-changed.json"),
        ("resume-release", "callback-due.json"),
        ("resume-release", "deployment-completed.json"),
        ("resume-release", "deployment-failed.json"),
        ("resume-release", "deployment-in-progress.json"),
        ("resume-release", "service-steady-state.json"),
        ("resume-release", "image-scan.json"),
        ("resume-release", "inspector-scan.json"),
        ("resume-release", "snapshot-created.json"),
        ("resume-release", "cluster-snapshot-created.json"),
        ("resume-release", "task-stopped.json"),
        ("resume-release", "approval-decided.json"),
        ("watch-alarms", "alarm-fires.json"),
        ("watch-alarms", "alarm-is-quiet.json"),
        ("operate-releases", "operator-status.json"),
        ("operate-releases", "operator-rollback.json"),
        ("serve-console", "console-page.json"),
        ("reconcile", "reconcile.json"),
    ] {
        world
            .invoke(function, &world.event(file))
            .await
            .unwrap_or_else(|error| panic!("{function} does not take {file}: {error}"));
    }
    // The failed example is quarantined, and other tests start with its image.
    world.forget("QUARANTINE#web", &format!("sha256:{}", "4f5c".repeat(16))).await;
}
