//! The functions' packages: built for this machine, in the profile that builds fast.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tokio::process::Command;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{Settings, process};

/// The functions' names: the folders of `functions/` that hold a program.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn names(settings: &Settings) -> anyhow::Result<Vec<String>> {
    let folder = settings.repository.join("functions");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?
        .flatten()
        .filter(|entry| entry.path().join("src/main.rs").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Builds the functions; cargo shows its own progress.
///
/// # Errors
///
/// When one does not build.
pub async fn build(settings: &Settings) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    // The whole workspace: with fewer packages cargo chooses other features of the dependencies, and builds them again.
    cargo.args(["build", "--workspace", "--bins"]).current_dir(&settings.repository);
    process::run_shown(&mut cargo).await.context("the functions do not build")
}

/// Packs the built functions, each as `<packages>/<function>/bootstrap.zip`, as `cargo lambda build` does.
///
/// # Errors
///
/// When a program is missing or a package cannot be written.
pub fn pack(settings: &Settings, packages: &Path) -> anyhow::Result<()> {
    for name in names(settings)? {
        let program = settings.target.join("debug").join(&name);
        if !program.is_file() {
            bail!("{} was not built", program.display());
        }
        let folder: PathBuf = packages.join(&name);
        fs::create_dir_all(&folder)?;
        let mut archive = ZipWriter::new(fs::File::create(folder.join("bootstrap.zip"))?);
        archive.start_file(
            "bootstrap",
            SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(1))
                .unix_permissions(0o755)
                .last_modified_time(zip::DateTime::default()),
        )?;
        archive.write_all(&fs::read(&program)?)?;
        archive.finish()?;
    }
    Ok(())
}
