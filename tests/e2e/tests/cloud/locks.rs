//! Releases that meet each other, a person's request, or an end that nobody planned.

use serde_json::json;
use slipway_local::image::Behaviour;
use slipway_local::wire::{CallRule, Fault};
use slipway_local::{Answer, PushOptions};

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn a_change_in_progress_is_never_interrupted_and_of_those_that_wait_the_newest_wins() {
    let world = World::enter().await;
    world.has_a_good_release().await;

    let first = world.push(&PushOptions::good(&world.version()).behaving(Behaviour::Hang)).await;
    world
        .until("the first release changes staging", async || world.waits_for(&first, "DeployServices").await)
        .await;
    let second = world.push(&PushOptions::light(&world.version())).await;
    world
        .until("the second release waits for the lock", async || {
            world.waits_for(&second, "AcquireLock").await
        })
        .await;
    let third = world.push(&PushOptions::light(&world.version())).await;
    let superseded = world.ended(&second).await;
    let first_runs_still = world.digest_in("staging").await == first.digest;
    let failed = world.ended(&first).await;
    world.approve(&third).await;
    let released = world.ended(&third).await;

    assert!(first_runs_still, "the first release was not interrupted");
    assert_eq!((superseded.outcome(), superseded.stage()), (Some("SUPERSEDED"), None), "{superseded:?}");
    assert!(superseded.reason().expect("a reason").contains(&third.tag), "{superseded:?}");
    assert_eq!((failed.outcome(), failed.stage()), (Some("ROLLED_BACK"), Some("staging")), "{failed:?}");
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    assert_eq!(world.digest_in("production").await, third.digest);
    assert_eq!(world.lock().await["holder"], json!(null), "the lock is free");
}

#[tokio::test]
async fn an_image_that_was_rolled_back_is_quarantined_until_a_person_lifts_that() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let options = PushOptions::good(&world.version()).behaving(Behaviour::Answer500);

    let bad = world.push(&options).await;
    world.ended(&bad).await;
    world
        .cloud
        .push(&PushOptions { tag: Some(format!("{}-again", bad.tag)), ..options })
        .await
        .expect("it is pushed");
    let asked = world.release_again(&bad.digest, None, "").await;
    world.quiet().await;
    let before = world.cloud.executions_of(&bad.digest).await.expect("executions").len();
    let cleared = world.clear(&bad.digest).await;
    let again = world.release_again(&bad.digest, None, "").await.expect("it begins");
    let ended = world.ended(&bad).await;

    let refused = asked.expect_err("it is quarantined");
    assert!(refused.contains("quarantined") && refused.contains("slipway clear web"), "{refused}");
    assert_eq!(before, 1, "neither another tag nor a request starts it");
    assert!(cleared.contains("may be released again"), "{cleared}");
    assert_eq!(again.release.as_str(), ended.name, "the newest execution is the one that was asked for");
    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "it is still bad: {ended:?}");
}

#[tokio::test]
async fn an_earlier_image_is_released_again_through_every_stage_when_a_person_asks_for_it() {
    let world = World::enter().await;
    let earlier = world.push(&PushOptions::good(&world.version())).await;
    world.approve(&earlier).await;
    world.ended(&earlier).await;
    let later = world.push(&PushOptions::good(&world.version())).await;
    world.approve(&later).await;
    world.ended(&later).await;

    let mails = world.cloud.inbox().expect("the inbox").len();
    let answer = world.release_again(&earlier.tag, None, "the later one is slow").await.expect("it begins");
    world.decide_after(mails, Answer::Approve).await;
    let released = world.ended(&earlier).await;

    assert_eq!(answer.release.as_str(), released.name);
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?}");
    for stage in ["staging", "production"] {
        assert_eq!(world.digest_in(stage).await, earlier.digest, "{stage}");
    }
}

#[tokio::test]
async fn a_release_that_is_aborted_while_people_are_asked_ends_and_its_link_says_why() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;
    let id = world.id_of(&release).await;
    let answer = world.abort(&id, "the wrong image").await;
    let ended = world.ended(&release).await;
    let late = world.cloud.decide(&link, Answer::Approve, None).await.expect_err("there is no form any more");

    assert!(answer.contains("what it has begun to change is rolled back"), "{answer}");
    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("production")), "{ended:?}");
    assert!(
        ended.reason().expect("a reason").contains("aborted by the account's root user: the wrong image"),
        "{ended:?}"
    );
    assert!(late.to_string().contains("aborted by the account's root user"), "{late}");
    assert_eq!(world.service("production").await, production);
}

#[tokio::test]
async fn a_release_that_is_aborted_while_a_stage_changes_restores_the_baseline() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("staging").await;

    let release = world.push(&PushOptions::good(&world.version()).behaving(Behaviour::Hang)).await;
    world.until("staging changes", async || world.waits_for(&release, "DeployServices").await).await;
    let id = world.id_of(&release).await;
    world.abort(&id, "too slow").await;
    let ended = world.ended(&release).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("staging")), "{ended:?}");
    assert!(
        ended.reason().expect("a reason").contains("aborted by the account's root user: too slow"),
        "{ended:?}"
    );
    assert_eq!(world.digest_in("staging").await, before);
}

#[tokio::test]
async fn what_an_operator_says_stays_words_in_the_mail_that_asks() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let digest = world.digest_in("production").await;
    let mails = world.cloud.inbox().expect("the inbox").len();

    let reason = "operator\n\nLook at it, and approve or reject:\nhttps://example.net/x";
    let reason = format!("{reason} {}", "x".repeat(250_000));
    world.release_again(&digest, Some("production"), &reason).await.expect("it begins");
    let mail = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.approval_link().is_some())
        .await
        .expect("a mail");
    let page = world.cloud.open(mail.approval_link().expect("a link")).await.expect("a page");
    let rejected = world.cloud.decide(mail.approval_link().expect("a link"), Answer::Reject, None).await;
    rejected.expect("it counts");
    world.quiet().await;

    let addresses: Vec<_> = mail.body.split_whitespace().filter(|word| word.contains("://")).collect();
    assert_eq!(addresses.len(), 1, "the genuine one alone: {}", mail.body);
    let asked = mail.body.lines().find(|line| line.contains("operator")).expect("who asks");
    assert!(asked.contains("operator Look at it") && asked.contains("https[:]//example[.]net/x"), "{asked}");
    assert!(asked.len() < 600, "{}", asked.len());
    assert!(page.text.contains("https[:]//example[.]net/x"), "{}", page.text);
}

#[tokio::test]
async fn an_execution_that_is_stopped_while_a_stage_bakes_is_stuck() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world.staging_bakes_for("10m").await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    world.until_it_bakes(&release).await;
    world.stop(&release).await;
    world.lease_is_over().await;
    let reconciled = world.reconcile().await;
    world.configure(|_| {}).await;

    let id = world.id_of(&release).await;
    let mail = world
        .mails_since(&release)
        .into_iter()
        .find(|mail| mail.subject.contains("STUCK"))
        .expect("people are notified");
    assert_eq!(world.lock().await["holder"], json!(null), "the lock is free");
    assert!(mail.body.contains("staging/web runs") && mail.body.contains(&release.digest), "{}", mail.body);
    // The end of the execution wakes the reconciler as well, so either of the two may have been first.
    let ended = reconciled["ended"].as_array().expect("a list");
    assert!(
        ended.is_empty() || ended.iter().any(|one| one["release"] == json!(id) && one["outcome"] == "STUCK"),
        "{reconciled}"
    );
}

#[tokio::test]
async fn a_baseline_whose_revision_is_gone_is_registered_again_from_its_record() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let (before, revision) = (world.digest_in("staging").await, world.service("staging").await);

    let release = world.push(&PushOptions::good(&world.version()).behaving(Behaviour::Hang)).await;
    world.until("staging changes", async || world.waits_for(&release, "DeployServices").await).await;
    world.deregister(&revision).await;
    let id = world.id_of(&release).await;
    world.abort(&id, "").await;
    let ended = world.ended(&release).await;

    assert_eq!(ended.outcome(), Some("ROLLED_BACK"), "{ended:?}");
    assert_eq!(world.digest_in("staging").await, before);
    assert_ne!(world.service("staging").await, revision, "it is a copy");
    assert_eq!(world.cloud.get("staging", "/health").await.expect("it answers").status, 200);
}

#[tokio::test]
async fn an_image_that_is_deleted_while_people_are_asked_stops_before_production_changes() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    world.link(&release).await;
    world.delete_image(&release.digest).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("production")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("has no image"), "{ended:?}");
    assert_eq!(world.service("production").await, production);
    // Staging runs an image that the registry does not have any more: the next release goes on, and says so.
    let next = world.push(&PushOptions::good(&world.version())).await;
    let page = world.approve(&next).await;
    let released = world.ended(&next).await;
    assert_eq!(released.outcome(), Some("RELEASED"), "{released:?} {}", page.text);
    let mail = world
        .mails_since(&next)
        .into_iter()
        .find(|mail| mail.subject.contains("RELEASED"))
        .expect("people are notified");
    assert!(mail.body.contains("staging could not have been rolled back"), "{}", mail.body);
}

#[tokio::test]
async fn an_external_change_is_not_touched_by_a_rollback() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let baseline = world.service("staging").await;

    let release = world.push(&PushOptions::good(&world.version()).behaving(Behaviour::Hang)).await;
    world.until("staging changes", async || world.waits_for(&release, "DeployServices").await).await;
    let external = world.deploy_from_outside("staging", &baseline).await;
    let ended = world.ended(&release).await;
    let runs = world.service("staging").await;
    world.run(&baseline, "staging").await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("STUCK"), Some("staging")), "{ended:?}");
    assert!(ended.reason().expect("a reason").contains("external change"), "{ended:?}");
    assert_eq!(runs.task_definition, external, "what was deployed from outside still runs");
    assert_eq!(world.lock().await["holder"], json!(null), "the lock is free");
}

#[tokio::test]
async fn what_a_later_attempt_has_fenced_off_changes_no_service() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.service("staging").await;

    // ECS takes no update, so the release comes back to it until it is fenced off.
    let refused = CallRule::new("ecs:UpdateService", Fault::RefuseBefore).of("deploy-services").times(1_000);
    world.break_calls(refused).await;
    let entry = world.entry().await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    world
        .until("ECS was asked", async || {
            world.calls_since(entry, "deploy-services", "ecs:UpdateService").await > 0
        })
        .await;
    world.fence_off("web").await;
    let ended = world.ended(&release).await;
    world.mend().await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("STUCK"), Some("staging")), "{ended:?}");
    let reason = ended.reason().expect("a reason");
    assert!(reason.contains("DeployServices: ") && reason.contains("has lost the lock"), "{reason}");
    assert!(reason.contains("The rollback failed as well: "), "it is fenced off, too: {reason}");
    assert_eq!(world.service("staging").await, before);
}

#[tokio::test]
async fn one_stage_alone_is_released_only_of_an_image_that_was_released() {
    let world = World::enter().await;
    let rejected = world.push(&PushOptions::light(&world.version())).await;
    world.decide(&rejected, Answer::Reject, "").await;
    world.ended(&rejected).await;
    world.clear(&rejected.digest).await;

    let error = world.release_again(&rejected.digest, Some("staging"), "").await.expect_err("it is refused");

    assert!(error.contains("was never released"), "{error}");
}

#[tokio::test]
async fn the_lock_of_an_ended_release_is_not_taken_while_it_may_be_writing() {
    let world = World::enter().await;
    let ended = world.push(&PushOptions::light(&world.version())).await;
    world.decide(&ended, Answer::Reject, "").await;
    world.ended(&ended).await;
    let generation = world.lends_the_lock_to(&world.id_of(&ended).await).await;
    world.a_function_writes("web").await;

    let next = world.push(&PushOptions::light(&world.version())).await;
    world.until("it asks for the lock", async || world.is_in(&next, "AcquireLock").await).await;
    world.quiet().await;
    let meanwhile = world.lock().await["generation"].as_u64();
    // Whether its holder still has it, or the reconciler has given it back.
    world.end_lease("web").await;
    world.end_rest("web").await;
    world.decide(&next, Answer::Reject, "").await;
    world.ended(&next).await;

    assert_eq!(meanwhile, Some(generation), "nobody has taken it");
    assert!(world.lock().await["generation"].as_u64() > Some(generation), "then it is taken");
}
