//! Where the AWS provider comes from: Terraform's registry, or a mirror on this machine when that cannot be reached.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};

use super::install;
use crate::Settings;

/// The provider that the configuration needs, as folders of a mirror name it.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
/// The oldest version of it, and the first that is too new (`>= 5.100, < 7` in `infra/versions.tf`).
const OLDEST: (u32, u32) = (5, 100);
const TOO_NEW: (u32, u32) = (7, 0);
/// Where the registry says how it is used.
const REGISTRY: &str = "https://registry.terraform.io/.well-known/terraform.json";
/// The usual prefixes under which machines without a network keep mirrors.
const PREFIXES: [&str; 6] =
    ["/opt", "/usr/local/share", "/usr/local/lib", "/usr/share", "/usr/lib", "/var/lib"];
/// How deep below a prefix a mirror may be.
const DEPTH: usize = 3;

/// The configuration file that Terraform needs on this machine, when it needs one.
///
/// One that the person set is respected; a variable that points to no file is not.
pub(super) async fn configuration(settings: &Settings, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    if let Some(own) = settings.variable("TF_CLI_CONFIG_FILE") {
        let own = PathBuf::from(own);
        if own.is_file() {
            return Ok(Some(own));
        }
    }
    if registry_answers().await {
        return Ok(None);
    }
    let Some(mirror) = places(settings).iter().find_map(|place| find(place)) else {
        bail!(
            "Terraform's registry cannot be reached and no mirror of {PROVIDER} {}.{} or newer is on this machine \
             (below {}.{}): make one with `terraform providers mirror` and put it under /opt or ~/.terraform.d/plugins",
            OLDEST.0,
            OLDEST.1,
            TOO_NEW.0,
            TOO_NEW.1
        );
    };
    let file = folder.join("terraform.rc");
    fs::create_dir_all(folder)?;
    fs::write(
        &file,
        format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n",
            mirror.display().to_string()
        ),
    )
    .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(Some(file))
}

async fn registry_answers() -> bool {
    let Ok(client) = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(4))
        .build()
    else {
        return false;
    };
    match client.get(REGISTRY).send().await {
        Ok(answer) => answer.status().is_success(),
        Err(_) => false,
    }
}

/// Where mirrors may be, the person's own first.
fn places(settings: &Settings) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(folder) = settings.variable("TF_PLUGIN_CACHE_DIR") {
        places.push(PathBuf::from(folder));
    }
    if let Some(home) = settings.variable("HOME").map(PathBuf::from) {
        places.push(home.join(".terraform.d/plugins"));
        places.push(home.join(".terraform.d/plugin-cache"));
        places.push(home.join(".local/share/terraform"));
        places.push(home.join("Library/Application Support/io.terraform"));
    }
    places.extend(PREFIXES.map(PathBuf::from));
    places
}

/// The nearest folder below the place that is a mirror with the provider for this machine.
fn find(place: &Path) -> Option<PathBuf> {
    let mut folders = VecDeque::from([(place.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop_front() {
        if has_provider(&folder) {
            return Some(folder);
        }
        if depth == DEPTH {
            continue;
        }
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let mut below: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| (entry.path(), depth + 1))
            .collect();
        below.sort();
        folders.extend(below);
    }
    None
}

fn has_provider(folder: &Path) -> bool {
    let Some(platform) = install::platform() else {
        return false;
    };
    let provider = folder.join(PROVIDER);
    let Ok(entries) = fs::read_dir(&provider) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Unpacked: `5.100.0/linux_amd64/`; packed: `terraform-provider-aws_5.100.0_linux_amd64.zip`.
        let (version, present) = match name.strip_prefix("terraform-provider-aws_") {
            Some(rest) => (rest, rest.ends_with(&format!("_{platform}.zip"))),
            None => (name.as_str(), entry.path().join(platform).exists()),
        };
        present && fits(version)
    })
}

fn fits(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (OLDEST..TOO_NEW).contains(&(major, minor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_found_below_a_prefix_in_both_layouts() {
        let Some(platform) = install::platform() else {
            return;
        };
        for provider in [
            format!("{PROVIDER}/5.100.0/{platform}/terraform-provider-aws"),
            format!("{PROVIDER}/terraform-provider-aws_6.2.0_{platform}.zip"),
        ] {
            let place = tempfile::tempdir().expect("a temporary folder");
            let mirror = place.path().join("some/plugins");
            let file = mirror.join(provider);
            fs::create_dir_all(file.parent().expect("a folder")).expect("it can be made");
            fs::write(&file, "").expect("it can be written");

            assert_eq!(find(place.path()), Some(mirror));
        }
    }

    #[test]
    fn a_provider_that_is_too_old_or_too_new_or_for_another_machine_is_passed_over() {
        let platform = install::platform().unwrap_or("linux_amd64");
        for provider in
            [format!("5.99.0/{platform}"), format!("7.0.0/{platform}"), "5.100.0/plan9_amd64".to_owned()]
        {
            let place = tempfile::tempdir().expect("a temporary folder");
            fs::create_dir_all(place.path().join(PROVIDER).join(&provider)).expect("it can be made");

            assert_eq!(find(place.path()), None, "{provider}");
        }
    }
}
