//! Alarms: during a bake, after a release, many at once; and what people are notified of and shown.

use std::time::{Duration, Instant};

use serde_json::json;
use slipway_local::Answer;
use slipway_local::PushOptions;
use slipway_local::wire::{EventFault, EventRule};

use crate::browser;
use crate::world::{PATIENCE, Push, World};

const ALARM: &str = "e2e-production-5xx";
const CHANGE: &str = "CloudWatch Alarm State Change";

/// A release that reached production, which bakes there now.
async fn baking(world: &World, bake: &serde_json::Value) -> Push {
    world.has_a_good_release().await;
    world.alarm(ALARM, "OK").await;
    world.configure(|application| application["stages"][1]["bake"] = bake.clone()).await;
    let release = world.push(&PushOptions::good(&world.version())).await;
    world.approve(&release).await;
    release
}

#[tokio::test]
async fn an_alarm_that_is_deleted_or_stops_knowing_fails_the_bake() {
    let world = World::enter().await;
    for (state, reason) in [
        (
            "INSUFFICIENT_DATA",
            "BakeStage: the alarm e2e-production-5xx has too little data to be called quiet",
        ),
        ("deleted", "BakeStage: the alarm e2e-production-5xx does not exist"),
    ] {
        let release = baking(&world, &json!({ "for": "4s", "alarms": [ALARM] })).await;
        world.until("production bakes", async || world.is_in(&release, "BakeStage").await).await;
        if state == "deleted" {
            world.delete_alarm(ALARM).await;
        } else {
            world.alarm(ALARM, state).await;
        }
        let ended = world.ended(&release).await;
        world.configure(|_| {}).await;

        assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("production")), "{ended:?}");
        assert_eq!(ended.reason().as_deref(), Some(reason));
    }
}

#[tokio::test]
async fn a_bad_version_is_rolled_back_in_ten_seconds_and_people_are_notified() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("production").await;
    let release = baking(&world, &json!({ "for": "10m", "alarms": [ALARM] })).await;
    world.until_it_bakes(&release).await;
    assert_eq!(world.digest_in("production").await, release.digest);

    let fired = Instant::now();
    world.alarm(ALARM, "ALARM").await;
    let ended = world.ended(&release).await;
    let took = fired.elapsed();
    world.alarm(ALARM, "OK").await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("production")), "{ended:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(world.digest_in("production").await, before);
    let mail = world
        .mails_since(&release)
        .into_iter()
        .find(|mail| mail.subject.contains("ROLLED_BACK"))
        .expect("people are notified");
    for words in [ended.name.as_str(), ALARM, &release.digest, &before] {
        assert!(mail.body.contains(words), "{words}: {}", mail.body);
    }
}

#[tokio::test]
async fn an_alarm_whose_event_was_lost_is_found_in_its_history() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("production").await;
    let release = baking(&world, &json!({ "for": "10m", "alarms": [ALARM] })).await;
    world.until_it_bakes(&release).await;
    world.quiet().await;

    world.break_events(EventRule::new(CHANGE, EventFault::Drop).times(2)).await;
    world.alarm(ALARM, "ALARM").await;
    world.alarm(ALARM, "OK").await;
    // Nothing looked between the two: the reconciler wakes the bake.
    world.reconcile().await;
    let ended = world.ended(&release).await;
    world.mend().await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("ROLLED_BACK"), Some("production")), "{ended:?}");
    assert!(
        ended.reason().is_some_and(|reason| reason.contains(ALARM) && reason.contains("was in ALARM at")),
        "{ended:?}"
    );
    assert_eq!(world.digest_in("production").await, before);
}

#[tokio::test]
async fn an_alarm_that_fires_while_people_are_asked_stops_the_stage() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;
    world.alarm(ALARM, "OK").await;
    world
        .configure(|application| {
            application["stages"][1]["bake"] = json!({ "for": "10m", "alarms": [ALARM] });
        })
        .await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;
    world.alarm(ALARM, "ALARM").await;
    world.cloud.decide(&link, Answer::Approve, None).await.expect("the page takes the answer");
    let ended = world.ended(&release).await;
    world.alarm(ALARM, "OK").await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), ended.stage()), (Some("FAILED"), Some("production")), "{ended:?}");
    assert!(
        ended.reason().is_some_and(|reason| reason.contains(ALARM) && reason.contains("is in ALARM")),
        "{ended:?}"
    );
    assert_eq!(world.service("production").await, production);
}

#[tokio::test]
async fn a_stage_whose_alarm_fires_changes_only_when_an_approver_overrides_it() {
    let (world, browser) = browser::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;
    // The release before is watched no longer, so the alarm asks nobody about it.
    world.quiet().await;
    world
        .configure(|application| {
            application["stages"][1]["bake"] = json!({ "for": "2s", "alarms": [ALARM], "watch_for": "1s" });
            application["stages"][1]["approval"]["override_alarms"] = json!(true);
        })
        .await;
    world.alarm(ALARM, "ALARM").await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    let link = world.link(&release).await;
    let page = browser::look(&browser, &link, "not-quiet").await;
    let nonce = world.nonce(link.rsplit('/').next().expect("a token"));
    let form = Some("application/x-www-form-urlencoded");
    let silent = world.request("POST", &link, form, &format!("nonce={nonce}&decision=approve")).await;
    let unchanged = world.service("production").await;
    let aloud = world
        .request(
            "POST",
            &link,
            form,
            &format!("nonce={nonce}&decision=approve&override=alarms&reason=it+is+the+fix"),
        )
        .await;
    let ended = world.ended(&release).await;
    world.alarm(ALARM, "OK").await;
    world.configure(|_| {}).await;

    assert!(page.words.contains("Not quiet") && page.words.contains("a test says so"), "{}", page.words);
    assert!(
        page.tree.contains(&format!("checkbox \"To approve: let production change in spite of {ALARM}\"")),
        "{}",
        page.tree
    );
    assert_eq!((silent.status, unchanged), (422, production), "nothing is decided without the tick");
    assert_eq!(aloud.status, 200);
    assert_eq!(
        ended.outcome(),
        Some("RELEASED"),
        "the alarm that was overridden does not undo it: {ended:?}"
    );
    assert_eq!(world.digest_in("production").await, release.digest);
}

#[tokio::test]
async fn an_alarm_after_a_release_asks_people_and_a_click_rolls_production_back() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("production").await;
    let release = baking(&world, &json!({ "for": "1s", "alarms": [ALARM], "watch_for": "1h" })).await;
    assert_eq!(world.ended(&release).await.outcome(), Some("RELEASED"));

    let mails = world.cloud.inbox().expect("the inbox").len();
    world.alarm(ALARM, "ALARM").await;
    let fires = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.subject.contains("is in ALARM"))
        .await
        .expect("a notification");
    let asked = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.approval_link().is_some())
        .await
        .expect("ana is asked");
    let page = world.cloud.open(asked.approval_link().expect("a link")).await.expect("a page");
    let staging = world.service("staging").await;
    world
        .cloud
        .decide(asked.approval_link().expect("a link"), Answer::Approve, Some("undo it"))
        .await
        .expect("the page takes the answer");
    world
        .until("production runs what it ran before", async || world.is_steady("production", &before).await)
        .await;
    let ended = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.subject.contains("RELEASED"))
        .await
        .expect("a notification");
    // Each of the next changes has a mail of its own.
    world.forget("FLOOD#web", "FLOOD").await;
    world.alarm(ALARM, "OK").await;
    world.alarm(ALARM, "ALARM").await;
    world.alarm(ALARM, "OK").await;
    world.quiet().await;
    world.configure(|_| {}).await;

    for words in [
        release.digest.as_str(),
        &before,
        "was sent a link",
        "a test says so",
        "dashboards",
        "log-group",
        "/releases/",
    ] {
        assert!(fires.body.contains(words), "{words}: {}", fires.body);
    }
    assert!(fires.approval_link().is_none(), "each link is for one person: {}", fires.body);
    for words in [ALARM, "a test says so", before.as_str()] {
        assert!(
            asked.body.contains(words) && page.text.contains(words),
            "{words}: {}\n{}",
            asked.body,
            page.text
        );
    }
    assert_eq!(world.service("staging").await, staging, "the stage alone");
    assert!(ended.body.contains(&before), "{}", ended.body);
    let asked_again = world
        .cloud
        .inbox()
        .expect("the inbox")
        .into_iter()
        .skip(mails)
        .filter(|mail| mail.approval_link().is_some());
    assert_eq!(asked_again.count(), 1, "an alarm that flaps asks once");
    let again = world.cloud.inbox().expect("the inbox").into_iter().skip(mails);
    assert!(
        again.into_iter().any(|mail| mail.body.contains("was released again in the place of a newer image")),
        "nobody is asked to restore the image that was just left"
    );
}

#[tokio::test]
async fn many_changes_at_once_share_one_notification() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let before = world.digest_in("production").await;
    let release = baking(&world, &json!({ "for": "1s", "alarms": [ALARM] })).await;
    assert_eq!(world.ended(&release).await.outcome(), Some("RELEASED"));
    world.quiet().await;
    world.forget("FLOOD#web", "FLOOD").await;
    let mails = world.cloud.inbox().expect("the inbox").len();

    for _ in 0..6 {
        for value in ["ALARM", "OK"] {
            let mut event = world.event("alarm-fires.json");
            event["id"] = json!(release.tag);
            event["detail"]["alarmName"] = json!(ALARM);
            event["detail"]["state"]["value"] = json!(value);
            world.invoke("watch-alarms", &event).await.expect("it is watched");
        }
    }
    let alone = world
        .cloud
        .inbox()
        .expect("the inbox")
        .into_iter()
        .skip(mails)
        .filter(|mail| mail.subject.starts_with(ALARM))
        .count();
    world.move_back("FLOOD#web", "FLOOD", "since", jiff::SignedDuration::from_mins(11)).await;
    world.reconcile().await;
    let together = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.subject.contains("more changes"))
        .await
        .expect("one mail");
    world.decide_after(mails, Answer::Reject).await;
    world.quiet().await;
    world.configure(|_| {}).await;

    let quarantined = world.partition("QUARANTINE#web").await;
    assert!(
        quarantined.iter().all(|(digest, _)| *digest != before),
        "people declined to go back to it, which says nothing about the image: {quarantined:?}"
    );
    assert_eq!(alone, 6);
    assert!(together.subject.starts_with("6 more changes"), "{}", together.subject);
    assert_eq!(together.body.matches("is OK again").count(), 3, "{}", together.body);
}

#[tokio::test]
async fn people_are_notified_when_a_release_begins_waits_and_ends() {
    let (world, browser) = browser::enter().await;
    world.has_a_good_release().await;
    let entry = world.entry().await;

    let release = world.push(&PushOptions::good(&world.version())).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    let mail = world
        .cloud
        .wait_for_mail(release.mails_before, PATIENCE, |mail| mail.subject.ends_with("RELEASED"))
        .await
        .expect("a mail");

    let mails = world.mails_since(&release);
    for subject in ["has begun", "waits for approval to go to production", "RELEASED"] {
        assert_eq!(
            mails
                .iter()
                .filter(|mail| mail.to == "team@example.com" && mail.subject.ends_with(subject))
                .count(),
            1,
            "{subject}"
        );
    }
    let chats = world.calls_since(entry, "finish-release", "events:PutEvents").await;
    assert_eq!(chats, 1, "programs are notified, too");
    let link =
        mail.links().find(|link| link.contains("/releases/")).expect("a link to the release").to_owned();
    let page = browser::look(&browser, &link, "release").await;
    for words in [
        ended.name.as_str(),
        &release.digest,
        "The release ended RELEASED",
        "tasks serve",
        "Approved through the links issued to ana@example.com",
    ] {
        assert!(page.words.contains(words), "{words}: {}", page.words);
    }
    assert!(!page.tree.contains("button"), "nothing can be done there: {}", page.tree);
    let answer =
        world.request("POST", &link, Some("application/x-www-form-urlencoded"), "decision=approve").await;
    assert!(answer.status >= 400, "{}", answer.status);
}
