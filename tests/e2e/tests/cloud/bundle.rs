//! The bundle of a release, from which `cargo local test` applies the second cloud. So every test that has that cloud shows
//! that a bundle alone is enough; this one has no other, and shows what it was made of.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use slipway_local::terraform::Terraform;
use slipway_local::{PushOptions, Settings, bundle, functions};

use crate::world::World;

/// The function whose package is damaged on the way.
const DAMAGED: &str = "reconcile";

/// A copy of a bundle in which one package is damaged.
fn damaged_copy(bundle: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let copied = Command::new("cp")
        .arg("-R")
        .args(["infra", "statemachine", "SHA256SUMS", "ARCHITECTURE"].map(|name| bundle.join(name)))
        .arg(copy.path())
        .status();
    assert!(copied.expect("cp runs").success());
    // A state would be looked at first.
    fs::remove_file(copy.path().join("infra/terraform.tfstate")).expect("the state of the cloud");
    let packages = copy.path().join("packages");
    fs::create_dir(&packages).expect("it can be made");
    for package in fs::read_dir(bundle.join("packages")).expect("the packages").flatten() {
        symlink(package.path(), packages.join(package.file_name())).expect("it can be linked");
    }
    let damaged = packages.join(DAMAGED);
    fs::remove_file(&damaged).expect("a link");
    fs::create_dir(&damaged).expect("it can be made");
    let sound = fs::read(bundle.join("packages").join(DAMAGED).join("bootstrap.zip")).expect("the package");
    fs::write(damaged.join("bootstrap.zip"), &sound[..sound.len() / 2]).expect("it can be written");
    copy
}

#[tokio::test]
async fn the_bundle_alone_releases_an_image_and_a_damaged_one_is_refused() {
    let Some(world) = World::enter_the_one_from_a_bundle().await else {
        eprintln!("there is one cloud alone, which was applied from the repository");
        return;
    };
    let settings = Settings::discover(Some(world.cloud.state().path().to_owned())).expect("the repository");
    let terraform = Terraform::prepare(&settings, world.cloud.endpoint()).await.expect("it made the cloud");
    let unpacked: PathBuf = terraform.root().parent().expect("infra is in it").to_owned();
    let sums = bundle::sums(&unpacked).expect("the bundle lists its files");

    let release = world.push(&PushOptions::light(&world.version())).await;
    world.approve(&release).await;
    let ended = world.ended(&release).await;
    let damaged = damaged_copy(&unpacked);
    let refused = terraform.refusal_of(&damaged.path().join("infra")).await.expect("terraform runs");

    assert_eq!(ended.outcome(), Some("RELEASED"), "{ended:?}");
    let lambda = aws_sdk_lambda::Client::new(world.cloud.sdk());
    for function in functions::names(&settings).expect("the functions") {
        let deployed = lambda.get_function_configuration().function_name(format!("slipway-{function}"));
        let deployed = deployed.send().await.expect("it is deployed");
        let code = BASE64_STANDARD.decode(deployed.code_sha256().expect("a checksum")).expect("base64");
        let listed = sums.get(&format!("packages/{function}/bootstrap.zip"));
        assert_eq!(Some(&hex::encode(code)), listed, "{function} runs what the bundle lists");
    }
    // Terraform breaks its lines where it likes.
    let refused = refused.expect("it is refused").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        refused.contains(&format!("/packages/{DAMAGED}/bootstrap.zip is not the one that SHA256SUMS")),
        "{refused}"
    );
    assert!(refused.contains("download the bundle again"), "{refused}");
    assert_eq!(refused.matches("is not the one that SHA256SUMS").count(), 1, "{refused}");
}
