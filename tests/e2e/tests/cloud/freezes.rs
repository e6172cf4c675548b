//! Freezes: a stage does not begin to change while somebody has frozen it, or a window of its configuration is open.

use serde_json::{Value, json};
use slipway_core::api::{Applications, Done};
use slipway_local::{Answer, PushOptions};

use crate::operators::{refused, words};
use crate::world::World;

/// What the notifications of a kind say.
fn mails_about(mails: &[slipway_local::Mail], subject: &str) -> Vec<String> {
    let about = mails.iter().filter(|mail| mail.subject.contains(subject));
    about.map(|mail| mail.body.clone()).collect()
}

#[tokio::test]
async fn a_stage_that_somebody_froze_is_waited_for_and_goes_on_once_that_is_lifted() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;
    let ana = world
        .operator("freezer", &["POST/applications/web/freeze", "POST/applications/web/unfreeze", "GET/*"])
        .await;
    let request = json!({ "stage": "production", "reason": "the sale goes on" });
    let frozen: Done = ana.client.post("applications/web/freeze", &request).await.expect("it is frozen");
    let again: Done = ana.client.post("applications/web/freeze", &request).await.expect("it is the same");

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.until("it waits at production", async || world.waits_for(&release, "CaptureBaseline").await).await;
    let id = world.id_of(&release).await;
    for _ in 0..2 {
        assert_eq!(world.reconcile().await["problems"], json!([]));
    }
    let status = world.run_slipway(&ana, &["status", "web"]).await;
    let all: Applications = world.operators().get("applications").await.expect("it answers");
    let stage = world.stage_of("production").await;
    let asked = world.mails_since(&release).iter().any(|mail| mail.approval_link().is_some());
    let unchanged = world.service("production").await;
    let lifted: Done = ana
        .client
        .post("applications/web/unfreeze", &json!({ "stage": "production" }))
        .await
        .expect("lifted");
    world.approve(&release).await;
    let ended = world.ended(&release).await;

    assert!(frozen.words.contains("production of web is frozen until somebody lifts it"), "{frozen:?}");
    assert_eq!(frozen, again);
    assert!(!asked && unchanged == production, "nobody is asked for a stage that may not change");
    assert_eq!(stage.frozen.expect("it is frozen").reasons, ["the sale goes on (the IAM user freezer)"]);
    assert_eq!(all.freezes.len(), 1, "it was frozen once: {:?}", all.freezes);
    let status = words(&status);
    assert!(
        status.contains("waits for the end of a freeze in production")
            && status.contains("❄ web production is frozen until somebody lifts it: the sale goes on"),
        "{status}"
    );
    assert!(lifted.words.contains("releases that waited go on"), "{lifted:?}");
    assert_eq!(ended.outcome(), Some("RELEASED"));
    world.quiet().await;
    let told = mails_about(&world.mails_since(&release), "waits: production is frozen");
    assert_eq!(told.len(), 1, "people are notified, and once: {told:?}");
    assert!(told[0].contains(&format!("slipway override {id}")), "{}", told[0]);
    let timeline = world.timeline(&id).await.join("\n");
    assert!(timeline.contains("production is frozen until somebody lifts it"), "{timeline}");
    let audit = world.run_slipway(&ana, &["audit", "web"]).await;
    let audit = words(&audit);
    for what in ["FROZEN", "UNFROZEN"] {
        let line = audit.lines().rfind(|line| line.contains(&format!("  {what} "))).unwrap_or_default();
        assert!(line.contains(":user/freezer"), "{what}: {audit}");
    }
    world.nothing_was_lost().await;
}

#[tokio::test]
async fn what_people_approved_before_a_freeze_counts_after_it_and_an_override_is_named() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let production = world.service("production").await;
    let release = world.push(&PushOptions::light(&world.version())).await;
    let link = world.link(&release).await;
    let bo = world.operator("stopper", &["POST/freeze", "POST/unfreeze"]).await;
    let stop = json!({ "stage": "production", "until": "2099-01-01T00:00:00Z", "reason": "an incident" });
    let _: Done = bo.client.post("freeze", &stop).await.expect("it is frozen");
    world.settle().await;

    world.cloud.decide(&link, Answer::Approve, None).await.expect("it takes the answer");
    world.until("it waits at production", async || world.waits_for(&release, "CaptureBaseline").await).await;
    let unchanged = world.service("production").await;
    let id = world.id_of(&release).await;
    let path = format!("applications/web/releases/{id}/override");
    let may_not = refused::<Done>(&bo.client, &path, &json!({ "reason": "x" })).await;
    let cy = world.operator("overrider", &[&format!("POST/{path}"), "GET/*"]).await;
    let ran = world.run_slipway(&cy, &["override", &id, "--reason", "it mends the incident", "--yes"]).await;
    let ended = world.ended(&release).await;
    let shown: Value =
        world.operators().get(&format!("applications/web/releases/{id}")).await.expect("shown");
    let _: Done = bo.client.post("unfreeze", &json!({ "stage": "production" })).await.expect("it is lifted");
    world.quiet().await;

    assert_eq!(unchanged, production, "it waits with what people approved");
    assert!(may_not.contains("you may not POST"), "{may_not}");
    assert!(ran.status.success(), "{}", words(&ran));
    assert_eq!(ended.outcome(), Some("RELEASED"), "{shown}");
    let links: Vec<_> =
        world.mails_since(&release).into_iter().filter(|mail| mail.approval_link().is_some()).collect();
    assert_eq!(links.len(), 1, "nobody is asked a second time");
    let told = mails_about(&world.mails_since(&release), "goes on in spite of a freeze");
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["the IAM user overrider: it mends the incident", "an incident (the IAM user stopper)"] {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
    let audit = words(&world.run_slipway(&cy, &["audit", "web"]).await);
    let line = audit.lines().rfind(|line| line.contains("FREEZE_OVERRIDDEN")).unwrap_or_default();
    assert!(line.contains(":user/overrider") && line.contains("it mends the incident"), "{audit}");
}

#[tokio::test]
async fn a_window_ends_or_holds_a_release_as_its_stage_has_it() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let staging = world.service("staging").await;
    let always = |when: &'static str| {
        move |application: &mut Value| {
            application["stages"][0]["freeze"] = json!([{ "reason": "closed for the year" }]);
            application["stages"][0]["when_frozen"] = json!(when);
        }
    };
    world.configure(always("END")).await;
    let ends = world.push(&PushOptions::light(&world.version())).await;
    let ended = world.ended(&ends).await;
    let unchanged = world.service("staging").await;

    world.configure(always("WAIT")).await;
    let ana = world.operator("releaser", &["POST/applications/web/*", "GET/*"]).await;
    let diff = words(&world.run_slipway(&ana, &["diff", "web", &ends.tag]).await);
    let release = [
        "release",
        "web",
        &ends.tag,
        "--override-freeze",
        "--reason",
        "the fix",
        "--yes",
        "--output",
        "json",
    ];
    let begun = world.run_slipway(&ana, &release).await;
    world.until("staging runs it", async || world.digest_in("staging").await == ends.digest).await;
    world.approve(&ends).await;
    world.ended(&ends).await;
    world.configure(|_| {}).await;

    assert_eq!((ended.outcome(), unchanged), (Some("FAILED"), staging));
    let why = ended.reason().unwrap_or_default();
    assert!(why.contains("staging is frozen until") && why.contains("closed for the year"), "{why}");
    assert!(diff.contains("closed for the year"), "{diff}");
    assert!(begun.status.success(), "{}", words(&begun));
}

#[tokio::test]
async fn a_freeze_that_does_not_fit_says_what_to_write_and_freezes_nothing() {
    let world = World::enter().await;
    let api = world.operators();
    let reason = json!("x");
    let cases = [
        ("freeze", json!({}), "reason"),
        ("freeze", json!({ "reason": " " }), "the reason is missing: write why"),
        (
            "freeze",
            json!({ "reason": reason, "until": "2020-01-01T00:00:00Z" }),
            "until is not in the future",
        ),
        ("freeze", json!({ "reason": reason, "until": "tomorrow" }), "until"),
        ("freeze", json!({ "reason": reason, "stage": "prod" }), "write one of dev, production, staging"),
        ("freeze", json!({ "reason": reason, "days": 3 }), "days"),
        ("applications/web/freeze", json!({ "reason": reason, "stage": "prod" }), "web has no stage prod"),
        ("applications/wep/freeze", json!({ "reason": reason }), "no application is called wep"),
        ("unfreeze", json!({}), "nobody has frozen every stage of every application"),
        (
            "applications/web/unfreeze",
            json!({ "stage": "production" }),
            "nobody has frozen production of web",
        ),
    ];
    for (path, body, expected) in cases {
        let said = refused::<Done>(&api, path, &body).await;
        assert!(said.contains(expected), "{path} {body}: {said}");
    }
    let all: Applications = api.get("applications").await.expect("it answers");
    assert_eq!(all.freezes, []);
    let history: slipway_core::api::Releases =
        api.get("applications/web/releases").await.expect("it answers");
    if let Some(last) = history.releases.first() {
        let path = format!("applications/web/releases/{}/override", last.id);
        let said = refused::<Done>(&api, &path, &json!({ "reason": "x" })).await;
        assert!(said.contains("has ended") || said.contains("nothing to override"), "{said}");
    }
}
