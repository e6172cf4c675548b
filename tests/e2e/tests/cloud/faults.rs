//! What can go wrong, one thing at a time. `tests/README.md` says which test shows which fault.

use std::time::Duration;

use serde_json::json;
use slipway_local::image::Behaviour;
use slipway_local::wire::{CallRule, Entry, EventFault, EventRule, Fault};
use slipway_local::{Answer, PushOptions};

use crate::world::World;

#[tokio::test]
async fn an_older_push_whose_event_comes_last_is_superseded_and_never_deployed_over_the_newer_one() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let older = world.push_unheard(&PushOptions::good(&world.version())).await;
    let newer = world.push(&PushOptions::good(&world.version())).await;
    world.approve(&newer).await;
    let released = world.ended(&newer).await;
    let mut event = world.event("image-push.json");
    event["detail"]["image-digest"] = json!(older.digest);
    event["detail"]["image-tag"] = json!(older.tag);
    event["time"] = json!(world.time());
    world.deliver(&event).await;
    let superseded = world.ended(&older).await;

    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    assert_eq!((superseded.outcome(), superseded.stage()), (Some("SUPERSEDED"), None), "{superseded:?}");
    for stage in ["staging", "production"] {
        assert_eq!(world.digest_in(stage).await, newer.digest, "{stage}");
    }
}

#[tokio::test]
async fn a_push_whose_event_is_lost_is_found_by_the_reconciler_and_is_one_release() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let lost = world.push_unheard(&PushOptions::good(&world.version())).await;
    let before = world.cloud.executions_of(&lost.digest).await.expect("executions").len();
    let reconciled = world.reconcile().await;
    let again = world.reconcile().await;
    world.decide(&lost, Answer::Reject, "that it was asked is enough").await;
    let ended = world.ended(&lost).await;

    assert_eq!(before, 0, "nothing had begun");
    assert_eq!(reconciled["begun"], json!([ended.name]), "{reconciled}");
    assert_eq!(again["begun"], json!([]), "{again}");
    assert_eq!(ended.outcome(), Some("REJECTED"), "{ended:?}");
    assert_eq!(world.cloud.executions_of(&lost.digest).await.expect("executions").len(), 1);
}

#[tokio::test]
async fn a_lost_push_that_was_rolled_back_as_a_request_is_not_released_again() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let bad = PushOptions::good(&world.version()).behaving(Behaviour::Answer500);
    let lost = world.push_unheard(&bad).await;
    // It was never released: the registry knows it by its tag.
    world.release_again(&lost.tag, None, "").await.expect("it begins");
    let ended = world.ended(&lost).await;
    let reconciled = world.reconcile().await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
    assert_eq!(reconciled["begun"], json!([]), "{reconciled}");
    assert_eq!(world.cloud.executions_of(&lost.digest).await.expect("executions").len(), 1);
}

#[tokio::test]
async fn an_event_of_ecs_that_is_lost_is_made_up_for_by_the_reconciler() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    world.break_events(EventRule::new("*", EventFault::Drop).times(1_000)).await;
    world
        .until("staging is deployed unheard", async || world.is_steady("staging", &release.digest).await)
        .await;
    world.quiet().await;
    let waits = world.waits_for(&release, "DeployServices").await;
    world.reconcile().await;
    world.mend().await;
    world.decide(&release, Answer::Reject, "that it was asked is enough").await;

    assert!(waits, "no event woke the step");
    assert_eq!(world.ended(&release).await.outcome(), Some("REJECTED"));
}

#[tokio::test]
async fn answers_that_are_lost_leave_one_revision_one_deployment_and_one_approval() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    for (function, operation) in [
        ("deploy-services", "ecs:RegisterTaskDefinition"),
        ("deploy-services", "ecs:UpdateService"),
        ("request-approval", "sns:Publish"),
        ("request-approval", "states:SendTaskSuccess"),
        ("receive-push", "states:StartExecution"),
        ("finish-release", "sns:Publish"),
    ] {
        let revisions = world.revisions("staging").await;
        world.break_calls(CallRule::new(operation, Fault::KillAfter).of(function)).await;
        let release = world.push(&PushOptions::light(&world.version())).await;
        world.approve(&release).await;
        let ended = world.ended(&release).await;
        world.mend().await;
        world.end_rest("web").await;

        assert_eq!(ended.outcome(), Some("RELEASED"), "after losing {operation}: {ended:?}");
        assert_eq!(world.revisions("staging").await, revisions + 1, "after losing {operation}");
        assert_eq!(
            world.cloud.executions_of(&release.digest).await.expect("executions").len(),
            1,
            "after losing {operation}"
        );
        assert_eq!(world.digest_in("production").await, release.digest, "after losing {operation}");
    }
}

#[tokio::test]
async fn an_outcome_is_counted_though_the_function_was_killed_once_it_had_recorded_it() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let recorded = CallRule::new("dynamodb:PutItem", Fault::KillAfter).of("finish-release").about(" ENDING");
    world.break_calls(recorded).await;

    let release = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Answer500)).await;
    let ended = world.ended(&release).await;
    world.mend().await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
    world
        .until("the outcome is counted", async || {
            let logs = world.function_logs().await;
            logs.iter().any(|line| line.contains("ReleaseEnded") && line.contains("ROLLED_BACK"))
        })
        .await;
}

#[tokio::test]
async fn throttling_is_tried_again_and_never_counts_against_the_image() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    world.break_calls(CallRule::new("*", Fault::Throttle).of("verify-services").times(4)).await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    world.mend().await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
}

#[tokio::test]
async fn a_tag_that_moves_does_not_change_what_is_deployed_and_is_reported() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    world.link(&release).await;
    let other = PushOptions { tag: Some(release.tag.clone()), ..PushOptions::good(&world.version()) };
    world.tags_may_move(true).await;
    let other = world.push_unheard(&other).await;
    world.tags_may_move(false).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    let mail = world
        .mails_since(&release)
        .into_iter()
        .find(|mail| mail.subject.contains("RELEASED"))
        .expect("people are notified");
    let production = world.digest_in("production").await;
    // A lost push, which the reconciler would find in the middle of another test.
    world.reconcile().await;
    world.decide(&other, Answer::Reject, "it was pushed for its tag").await;
    world.ended(&other).await;

    assert_ne!(other.digest, release.digest);
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(production, release.digest, "the digest that was approved");
    assert!(mail.body.contains("does not point to this image any more"), "{}", mail.body);
}

#[tokio::test]
async fn an_alarm_that_does_not_exist_or_knows_too_little_stops_a_stage_before_it_changes() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let staging = world.service("staging").await;
    world.alarm("e2e-unsure", "INSUFFICIENT_DATA").await;

    for (alarm, word) in [("e2e-not-there", "does not exist"), ("e2e-unsure", "too little data")] {
        world
            .configure(|application| {
                application["stages"][0]["bake"] = json!({ "for": "10m", "alarms": [alarm] });
            })
            .await;
        let release = world.push(&PushOptions::light(&world.version())).await;
        let ended = world.ended(&release).await;
        world.configure(|_| {}).await;

        assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("staging")), "{ended:?}");
        assert!(ended.reason().expect("a reason").contains(word), "{ended:?}");
        assert_eq!(world.service("staging").await, staging);
    }
}

#[tokio::test]
async fn an_alarm_that_fires_and_recovers_at_once_still_undoes_the_release() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;
    world.staging_bakes_for("10m").await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until_it_bakes(&release).await;
    // The alarm is quiet again before anybody can look.
    world.alarm("e2e-staging-5xx", "ALARM").await;
    world.alarm("e2e-staging-5xx", "OK").await;
    let ended = world.ended(&release).await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
}

#[tokio::test]
async fn alarms_that_cannot_be_read_during_a_bake_are_not_taken_as_quiet() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;
    world.staging_bakes_for("2s").await;

    let kept = world.take_permission_away("bake-stage", "cloudwatch:DescribeAlarms").await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&release).await;
    world.give_permissions_back("bake-stage", kept).await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("cloudwatch:DescribeAlarms was refused"), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
}

#[tokio::test]
async fn a_rollback_by_ecs_own_circuit_breaker_is_noticed_and_not_repeated() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;
    let entry = world.cloud.wire().last().await.expect("the wire answers");

    let release = world.push(&PushOptions::good(&world.version()).behaving(Behaviour::Crash)).await;
    let ended = world.ended(&release).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("circuit breaker"), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
    assert_eq!(world.calls_since(entry, "deploy-services", "ecs:UpdateService").await, 1);
    assert_eq!(world.calls_since(entry, "roll-back", "ecs:UpdateService").await, 0, "ECS was first");
}

#[tokio::test]
async fn a_rollback_that_fails_is_stuck_and_people_are_notified() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let baseline = world.service("staging").await;
    world.staging_bakes_for("10m").await;

    let kept = world.take_permission_away("roll-back", "ecs:UpdateService").await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until_it_bakes(&release).await;
    world.alarm("e2e-staging-5xx", "ALARM").await;
    let ended = world.ended(&release).await;
    world.alarm("e2e-staging-5xx", "OK").await;
    world.give_permissions_back("roll-back", kept).await;
    world.configure(|_| {}).await;
    world.run(&baseline, "staging").await;

    let reason = ended.reason().expect("a reason").clone();
    assert_eq!((ended.outcome(), ended.stage()), (Some("STUCK"), Some("staging")), "{ended:?}");
    assert!(
        reason.contains("e2e-staging-5xx") && reason.contains("ecs:UpdateService was refused"),
        "{reason}"
    );
    let mail = world
        .mails_since(&release)
        .into_iter()
        .find(|mail| mail.subject.contains("STUCK"))
        .expect("people are notified");
    assert!(mail.body.contains("A PERSON IS NEEDED"), "{}", mail.body);
    assert_eq!(world.lock().await["holder"], json!(null), "the lock is free");
}

#[tokio::test]
async fn a_service_of_aws_that_is_down_before_the_change_stops_the_release_untouched() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let (staging, production) = (world.service("staging").await, world.service("production").await);

    world
        .break_calls(
            CallRule::new("ecr:DescribeImages", Fault::RefuseBefore).of("capture-baseline").times(1_000),
        )
        .await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let callback = (format!("CALLBACK#{}", world.id_of(&release).await), "staging#CaptureBaseline");
    world
        .until("the step cannot find out", async || world.item(&callback.0, callback.1).await.is_some())
        .await;
    // Its patience is ten minutes.
    world.move_back(&callback.0, callback.1, "failing_since", jiff::SignedDuration::from_mins(11)).await;
    let ended = world.ended(&release).await;
    world.mend().await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("ecr:DescribeImages"), "{ended:?}");
    assert_eq!((world.service("staging").await, world.service("production").await), (staging, production));
}

#[tokio::test]
async fn a_baseline_that_cannot_be_looked_at_is_tried_for_as_long_as_a_deployment_may_take() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let baseline = world.service("staging").await;
    world.staging_bakes_for("10m").await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until_it_bakes(&release).await;
    let down = CallRule::new("ecs:DescribeServices", Fault::RefuseBefore).of("verify-services");
    world.break_calls(down.times(1_000)).await;
    let entry = world.entry().await;
    world.alarm("e2e-staging-5xx", "ALARM").await;
    let callback = (format!("CALLBACK#{}", world.id_of(&release).await), "staging#VerifyBaseline");
    let tries = async || world.calls_since(entry, "verify-services", "ecs:DescribeServices").await;
    world
        .until("the step cannot find out", async || world.item(&callback.0, callback.1).await.is_some())
        .await;
    world.move_back(&callback.0, callback.1, "failing_since", jiff::SignedDuration::from_mins(11)).await;
    let before = tries().await;
    world.until("it tries on", async || tries().await > before + 3).await;
    let goes_on = world.is_in(&release, "VerifyBaseline").await;
    // A deployment may take half an hour.
    world.move_back(&callback.0, callback.1, "failing_since", jiff::SignedDuration::from_mins(20)).await;
    let ended = world.ended(&release).await;
    world.mend().await;
    world.alarm("e2e-staging-5xx", "OK").await;
    world.configure(|_| {}).await;
    world.run(&baseline, "staging").await;

    assert!(goes_on, "it was not given up after ten minutes");
    assert_eq!((ended.outcome(), ended.stage()), (Some("STUCK"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("AWS could not be asked for 31 minutes"), "{ended:?}");
}

#[tokio::test]
async fn what_aws_does_late_for_a_function_that_gave_up_is_undone_as_well() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;

    // Each of the SDK's tries is cut off, and has its effect ten seconds later.
    let late = CallRule::new("ecs:UpdateService", Fault::Late).of("deploy-services").times(3);
    world.break_calls(late).await;
    let entry = world.entry().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world
        .until("ECS was asked", async || {
            world.calls_since(entry, "deploy-services", "ecs:UpdateService").await > 0
        })
        .await;
    let id = world.id_of(&release).await;
    world.abort(&id, "the wrong image").await;
    world
        .until("ECS does what it was asked for", async || world.digest_in("staging").await == release.digest)
        .await;
    let waits = world.is_in(&release, "RollBack").await;
    // The SDK's last try was some seconds after its first, and so is its effect: then the time is over.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.end_lease("web").await;
    let ended = world.ended(&release).await;
    world.mend().await;

    assert!(waits, "nothing is restored while a function may be writing");
    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
}

#[tokio::test]
async fn a_configuration_and_an_item_that_do_not_fit_hold_up_no_other_application() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let ssm = aws_sdk_ssm::Client::new(world.cloud.sdk());
    let broken = ssm.put_parameter().name("/slipway/applications/shop").value("{\"name\": \"shop\"}");
    broken.overwrite(true).send().await.expect("SSM takes it");
    world.put("OPEN", "shop#broken", &json!({ "started": 1 })).await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    let lost = world.push_unheard(&PushOptions::light(&world.version())).await;
    let reconciled = world.try_to_reconcile().await;
    world.configure_application("shop", |_| {}).await;
    world.forget("OPEN", "shop#broken").await;
    world.approve(&lost).await;
    let found = world.ended(&lost).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    let reported = reconciled.expect_err("it reports what does not fit").to_string();
    assert!(reported.contains("OPEN shop#broken"), "{reported}");
    assert_eq!(found.outcome(), Some("RELEASED"), "and has found the lost push of another one: {found:?}");
}

#[tokio::test]
async fn an_item_that_does_not_parse_holds_up_no_step() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let older = world.push(&PushOptions::light(&world.version())).await;
    let link = world.link(&older).await;
    // They are found where the step of the older release is, which waits for a newer push.
    let id = world.id_of(&older).await;
    world.put("WAKE#PUSH#web", "broken", &json!({ "release": 1 })).await;
    world.put("WAKE#PUSH#web", "broken#production#RequestApproval", &json!("broken")).await;
    world.put("CALLBACK#broken", "production#RequestApproval", &json!("broken")).await;
    // It would be the newest of all.
    world.put("APPLICATION#web", "broken", &json!("broken")).await;

    let newer = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&older).await;
    for (pk, sk) in [
        ("WAKE#PUSH#web", "broken"),
        ("WAKE#PUSH#web", "broken#production#RequestApproval"),
        ("CALLBACK#broken", "production#RequestApproval"),
        ("APPLICATION#web", "broken"),
    ] {
        world.forget(pk, sk).await;
    }
    world.approve(&newer).await;
    let released = world.ended(&newer).await;

    assert_eq!(ended.outcome(), Some("SUPERSEDED"), "{id} {link}: {ended:?}");
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
}

#[tokio::test]
async fn a_failed_notification_leaves_the_outcome_and_the_reconciler_sends_it() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let kept = world.take_permission_away("finish-release", "sns:Publish").await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world.decide(&release, Answer::Reject, "not today").await;
    let failed = world.ended(&release).await;
    world.give_permissions_back("finish-release", kept).await;
    let id = world.id_of(&release).await;
    let recorded = world.item(&format!("RELEASE#{id}"), "ENDING").await.expect("it is recorded");
    let lock = world.lock().await;
    world.reconcile().await;

    assert_eq!(failed.outcome(), None, "the execution failed: {failed:?}");
    assert_eq!(recorded["ending"]["outcome"], "REJECTED", "{recorded}");
    assert_eq!(lock["holder"], json!(null), "the lock was given back all the same");
    let mails =
        world.mails_since(&release).into_iter().filter(|mail| mail.subject.contains("REJECTED")).count();
    assert!(mails >= 1, "people are notified");
    let again = world.reconcile().await;
    assert_eq!(again["ended"], json!([]), "and once is enough: {again}");
}

#[tokio::test]
async fn the_holder_of_the_lock_that_died_is_followed_by_the_release_that_waits() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    // A function that was killed may, for all that anybody knows, still be writing.
    world
        .break_calls(CallRule::new("ecs:UpdateService", Fault::KillAfter).of("deploy-services").times(1))
        .await;
    let dead = world.push(&PushOptions::good(&world.version()).behaving(Behaviour::Hang)).await;
    world.until("staging changes", async || world.waits_for(&dead, "DeployServices").await).await;
    world.mend().await;
    let generation = world.lock().await["generation"].as_u64().expect("a number");
    world.stop(&dead).await;
    let next = world.push(&PushOptions::light(&world.version())).await;
    // It looks again and again: nobody says when a killed function cannot be writing any more.
    world.quiet().await;
    assert_eq!(world.lock().await["generation"].as_u64(), Some(generation), "nobody has taken the lock");
    world.end_lease("web").await;
    world.reconcile().await;
    world.approve(&next).await;
    let released = world.ended(&next).await;
    let entry = world.cloud.wire().last().await.expect("the wire answers");
    world.invoke("deploy-services", &world.deploy_input(&dead, 0, generation).await).await.expect("it ends");
    let trace = world.cloud.wire().trace(entry).await.expect("the wire answers");

    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    assert!(
        world.lock().await["generation"].as_u64() > Some(generation),
        "the next one raised the generation"
    );
    let late = trace.iter().filter_map(Entry::call).any(|call| call.operation == "ecs:UpdateService");
    assert!(!late, "the dead release's writer comes too late");
    assert_eq!(world.digest_in("staging").await, next.digest);
}
