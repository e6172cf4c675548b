//! Which pushes are releases that people meant: further tags, promoted tags, variants, replicated images.

use serde_json::json;
use slipway_core::api::IgnoredPush;
use slipway_local::image::Behaviour;
use slipway_local::{Answer, PushOptions, Pushed};

use crate::world::{PATIENCE, World};

/// The same image under a tag.
fn tagged(version: &str, tag: &str) -> PushOptions {
    PushOptions { tag: Some(tag.to_owned()), ..PushOptions::light(version) }
}

impl World {
    /// Pushes without waiting for a release.
    async fn pushes(&self, options: &PushOptions) -> Pushed {
        self.cloud.push(options).await.expect("it is pushed")
    }

    async fn executions(&self, digest: &str) -> usize {
        self.cloud.executions_of(digest).await.expect("executions").len()
    }

    /// Why a push with this tag started nothing, as the application's history keeps it.
    async fn ignored(&self, tag: &str) -> Option<String> {
        let ignored = self.partition("IGNORED#web").await.into_iter();
        let mut ignored =
            ignored.filter_map(|(_, document)| serde_json::from_str::<IgnoredPush>(&document).ok());
        ignored.find(|push| push.image.tag == tag).map(|push| push.reason)
    }
}

#[tokio::test]
async fn the_running_image_under_a_further_tag_takes_new_settings_along() {
    let world = World::enter().await;
    let version = world.version();
    let first = world.push(&tagged(&version, &version)).await;
    world.approve(&first).await;
    assert_eq!(world.ended(&first).await.outcome(), Some("RELEASED"));

    world.settle().await;
    let mails = world.cloud.inbox().expect("the inbox").len();
    let unchanged = format!("{version}-unchanged");
    world.pushes(&tagged(&version, &unchanged)).await;
    let told = world
        .cloud
        .wait_for_mail(mails, PATIENCE, |mail| mail.subject.contains("is not released"))
        .await
        .expect("somebody is notified why");
    let before = world.executions(&first.digest).await;

    let template = world.template("production").await;
    world.change_template("production", "512", "1024", ("LEVEL", "debug")).await;
    world.settle().await;
    let mails = world.cloud.inbox().expect("the inbox").len();
    world.pushes(&tagged(&version, &format!("{version}-again"))).await;
    world.until("it is a release", async || world.executions(&first.digest).await == 2).await;
    let asked = world.decide_after(mails, Answer::Approve).await;
    let ended = world.ended(&first).await;
    let runs = world.task_definition("production").await;
    world.restore_template("production", template).await;

    assert_eq!(before, 1, "where nothing would change, nothing begins");
    assert!(
        told.subject.contains(&unchanged) && told.body.contains("runs this image already"),
        "{}",
        told.body
    );
    assert!(world.ignored(&unchanged).await.expect("it is kept").contains("nothing to release"));
    assert!(asked.text.contains(&format!("{version}-again")), "{}", asked.text);
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(runs.cpu(), Some("512"), "{runs:?}");
}

#[tokio::test]
async fn an_older_image_that_is_promoted_by_its_tag_is_the_newest() {
    let world = World::enter().await;
    let (older, newer) = (world.version(), world.version());
    // Its tag is not one that the application waits for.
    let unwanted = world.pushes(&tagged(&older, &format!("main-{older}"))).await;
    let released = world.push(&tagged(&newer, &newer)).await;
    world.approve(&released).await;
    assert_eq!(world.ended(&released).await.outcome(), Some("RELEASED"));
    let begun = world.executions(&unwanted.digest).await;

    let mails = world.cloud.inbox().expect("the inbox").len();
    world.pushes(&tagged(&older, &older)).await;
    world.cloud.wait_for_release(&unwanted.digest, PATIENCE).await.expect("it begins");
    world.decide_after(mails, Answer::Approve).await;
    let ended = world.cloud.wait_for_outcome(&unwanted.digest, PATIENCE).await.expect("it ends");

    assert_eq!(begun, 0);
    let reason = world.ignored(&format!("main-{older}")).await.expect("why is kept");
    assert!(reason.contains("outside the patterns"), "{reason}");
    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    assert_eq!(world.digest_in("production").await, unwanted.digest);
}

#[tokio::test]
async fn a_newer_push_that_was_rolled_back_supersedes_nothing() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    let older = world.push_unheard(&PushOptions::light(&world.version())).await;
    let bad = PushOptions::light(&world.version()).behaving(Behaviour::Answer500);
    let newer = world.push(&bad).await;
    assert_eq!(world.ended(&newer).await.outcome(), Some("ROLLED_BACK"));

    // The older one's event comes last.
    let mut event = world.event("image-push.json");
    event["detail"]["image-digest"] = json!(older.digest);
    event["detail"]["image-tag"] = json!(older.tag);
    world.deliver(&event).await;
    world.cloud.wait_for_release(&older.digest, PATIENCE).await.expect("it begins");
    world.approve(&older).await;
    let ended = world.ended(&older).await;

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
}

#[tokio::test]
async fn a_pattern_excludes_the_variants_of_a_tag() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    world.configure(|application| application["tags"] = json!(["v*", "!*-arm64", "!*-soci"])).await;
    let version = world.version();

    let arm = world.pushes(&tagged(&version, &format!("{version}-arm64"))).await;
    world.until("why is kept", async || world.ignored(&format!("{version}-arm64")).await.is_some()).await;
    let begun = world.executions(&arm.digest).await;
    let release = world.push(&tagged(&version, &version)).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    world.configure(|_| {}).await;

    assert_eq!((begun, ended.outcome()), (0, Some("RELEASED")), "{ended:?}");
}

#[tokio::test]
async fn replicated_and_pulled_through_images_start_releases_as_pushes_do() {
    let world = World::enter().await;
    world.has_a_good_release().await;
    for file in ["image-replicated.json", "image-pulled-through.json"] {
        // The image is there, and no push of this registry has brought it.
        let image = world.push_unheard(&PushOptions::light(&world.version())).await;
        let mut event = world.event(file);
        event["detail"]["repository-name"] = json!("web");
        event["detail"]["image-digest"] = json!(image.digest);
        event["detail"]["image-tag"] = json!(image.tag);
        world.deliver(&event).await;
        world.cloud.wait_for_release(&image.digest, PATIENCE).await.expect("it begins");
        world.approve(&image).await;
        let ended = world.ended(&image).await;
        world.mend().await;

        assert_eq!(ended.outcome(), Some("RELEASED"), "{file}: {ended:?}");
    }
}
