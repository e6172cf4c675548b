//! The main stories as plain text, kept in `traces` and reviewed as diffs. `EXPECTORATE=overwrite` accepts new ones.

use std::path::PathBuf;

use slipway_e2e::story::{self, Part};
use slipway_local::image::Behaviour;
use slipway_local::{Answer, PushOptions};

use crate::world::{Push, World};

/// Compares what these releases did since then with the story that is kept. However a release ends, no function fails:
/// the alarms on their errors are for faults.
async fn is_as_kept(world: &World, entry: u64, pushes: &[&Push], name: &str) {
    let mut parts = Vec::new();
    for push in pushes {
        parts.push(Part { id: world.id_of(push).await, tag: push.tag.clone() });
    }
    world.quiet().await;
    let text = story::write(&world.cloud, entry, &parts).await.expect("the cloud answers");
    expectorate::assert_contents(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("traces").join(name), &text);
    for push in pushes {
        assert_eq!(world.failures_of_functions(push).await, Vec::<String>::new(), "a function failed");
    }
}

#[tokio::test]
async fn the_story_of_a_good_release() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let entry = world.entry().await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    world.ended(&release).await;

    is_as_kept(&world, entry, &[&release], "good.txt").await;
}

#[tokio::test]
async fn the_story_of_a_bad_image() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let entry = world.entry().await;

    let release = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Answer500)).await;
    world.ended(&release).await;

    is_as_kept(&world, entry, &[&release], "bad-image.txt").await;
}

#[tokio::test]
async fn the_story_of_a_rejection() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let entry = world.entry().await;

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.decide(&release, Answer::Reject, "not today").await;
    world.ended(&release).await;

    is_as_kept(&world, entry, &[&release], "reject.txt").await;
}

#[tokio::test]
async fn the_story_of_a_newer_push_that_comes_while_people_are_asked() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let entry = world.entry().await;

    let older = world.push(&PushOptions::light(&world.version())).await;
    world.until("people are asked", async || world.waits_for(&older, "RequestApproval").await).await;
    let newer = world.push(&PushOptions::light(&world.version())).await;
    world.ended(&older).await;
    world.approve(&newer).await;
    world.ended(&newer).await;

    is_as_kept(&world, entry, &[&older, &newer], "supersede.txt").await;
}

#[tokio::test]
async fn the_story_of_the_circuit_breaker_that_is_first() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let entry = world.entry().await;

    let release = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Crash)).await;
    world.ended(&release).await;

    is_as_kept(&world, entry, &[&release], "circuit-breaker.txt").await;
}

#[tokio::test]
async fn the_story_of_a_rollback_that_is_refused() {
    let world = World::enter_calm().await;
    world.has_a_good_release().await;
    let baseline = world.service("staging").await;
    let kept = world.take_permission_away("roll-back", "ecs:UpdateService").await;
    let entry = world.entry().await;

    // It starts slowly enough to be aborted before ECS gives it up.
    let release = world.push(&PushOptions::light(&world.version()).behaving(Behaviour::Hang)).await;
    world.until("staging changes", async || world.waits_for(&release, "DeployServices").await).await;
    world.abort(&world.id_of(&release).await, "too slow").await;
    world.ended(&release).await;
    world.give_permissions_back("roll-back", kept).await;
    let story = story_of(&world, entry, &release).await;
    world.run(&baseline, "staging").await;

    expectorate::assert_contents(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("traces/stuck.txt"), &story);
}

/// Written at once: it leaves out what ECS does afterwards by itself, and the person who restores the service.
async fn story_of(world: &World, entry: u64, release: &Push) -> String {
    let part = Part { id: world.id_of(release).await, tag: release.tag.clone() };
    story::write(&world.cloud, entry, &[part]).await.expect("the cloud answers")
}
