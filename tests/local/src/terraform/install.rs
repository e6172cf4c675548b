//! Terraform's program: the person's own, or the pinned release fetched and checked.

use std::{
    fs,
    io::Cursor,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::Settings;

/// The oldest Terraform that the configuration is for.
const OLDEST: (u32, u32) = (1, 11);
/// The release that is fetched where there is none.
const RELEASE: &str = "1.11.4";
/// The release's archives and their SHA-256, as `HashiCorp` publishes them in `terraform_1.11.4_SHA256SUMS`.
const ARCHIVES: [(&str, &str, &str, &str); 4] = [
    ("linux", "x86_64", "linux_amd64", "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc"),
    ("linux", "aarch64", "linux_arm64", "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633"),
    ("macos", "x86_64", "darwin_amd64", "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b"),
    ("macos", "aarch64", "darwin_arm64", "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18"),
];

/// What is said when nothing works.
const ADVICE: &str = "install Terraform 1.11 or newer (https://developer.hashicorp.com/terraform/install)";

/// The name that Terraform gives to this machine, such as `linux_amd64`.
pub(super) fn platform() -> Option<&'static str> {
    ARCHIVES
        .iter()
        .find(|(system, machine, ..)| *system == std::env::consts::OS && *machine == std::env::consts::ARCH)
        .map(|(_, _, platform, _)| *platform)
}

/// Terraform on the person's PATH, or one that an earlier run fetched, or a freshly fetched one.
pub(super) async fn program(settings: &Settings) -> anyhow::Result<PathBuf> {
    // Who comes second finds what the first one fetched.
    static FETCHING: Mutex<()> = Mutex::const_new(());
    let _fetching = FETCHING.lock().await;
    let mut too_old = None;
    if let Some(found) = settings.program("terraform") {
        match version(&found) {
            Some(version) if version >= OLDEST => return Ok(found),
            Some((major, minor)) => {
                too_old = Some(format!("{} is Terraform {major}.{minor}", found.display()));
            }
            None => too_old = Some(format!("{} does not say its version", found.display())),
        }
    }
    let fetched = settings.shared().join(format!("terraform-{RELEASE}/terraform"));
    if fetched.is_file() {
        return Ok(fetched);
    }
    let reason = too_old.unwrap_or_else(|| "`terraform` is not on the PATH".to_owned());
    fetch(&fetched)
        .await
        .with_context(|| format!("{reason} and release {RELEASE} could not be fetched: {ADVICE}"))?;
    Ok(fetched)
}

fn version(program: &Path) -> Option<(u32, u32)> {
    #[derive(Deserialize)]
    struct Version {
        terraform_version: String,
    }

    let answer = Command::new(program)
        .args(["version", "-json"])
        // A configuration file that does not exist makes Terraform warn among its JSON.
        .env_remove("TF_CLI_CONFIG_FILE")
        .env("CHECKPOINT_DISABLE", "1")
        .output()
        .ok()?;
    let version: Version = serde_json::from_slice(&answer.stdout).ok()?;
    let mut numbers = version.terraform_version.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

async fn fetch(to: &Path) -> anyhow::Result<()> {
    let Some((_, _, platform, expected)) =
        ARCHIVES.iter().find(|(_, _, platform, _)| Some(*platform) == self::platform())
    else {
        bail!("it is not made for this kind of machine");
    };
    let address =
        format!("https://releases.hashicorp.com/terraform/{RELEASE}/terraform_{RELEASE}_{platform}.zip");
    let archive = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(300))
        .build()?
        .get(&address)
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
    let found = hex::encode(Sha256::digest(&archive));
    ensure!(found == *expected, "{address} has the SHA-256 {found}, not {expected}");

    let folder = to.parent().context("a file without a folder")?;
    fs::create_dir_all(folder)?;
    let draft = folder.join("terraform.draft");
    let mut archive = zip::ZipArchive::new(Cursor::new(archive))?;
    std::io::copy(&mut archive.by_name("terraform")?, &mut fs::File::create(&draft)?)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))?;
    fs::rename(draft, to)?;
    Ok(())
}
