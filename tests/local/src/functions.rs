//! The functions' packages: built for this machine, in the profile that builds fast.

use std::{
    fs,
    io::{Seek, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
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
/// A package that is newer than its program is left as it is.
///
/// # Errors
///
/// When a program is missing or a package cannot be written.
pub fn pack(settings: &Settings) -> anyhow::Result<()> {
    for name in names(settings)? {
        let program = settings.target.join("debug").join(&name);
        if !program.is_file() {
            bail!("{} was not built", program.display());
        }
        let package = packages(settings).join(&name).join("bootstrap.zip");
        if is_newer(&package, &program) {
            continue;
        }
        fs::create_dir_all(package.parent().context("a package in no folder")?)?;
        // Two clouds of one clone may start at the same time.
        let draft = package.with_extension(format!("{}.draft", draft_number()));
        let stripped = draft.with_extension("stripped");
        let stripped = strip(settings, &program, &stripped)?;
        write_package(fs::File::create(&draft)?, stripped.as_deref().unwrap_or(&program), Some(1))?;
        if let Some(stripped) = stripped {
            fs::remove_file(stripped)?;
        }
        fs::rename(draft, package)?;
    }
    Ok(())
}

/// One of this process's own.
fn draft_number() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Writes the program without its symbols, as a release has it: half of what Terraform sends and the local cloud keeps.
/// None where there is no `strip`, which comes with what links programs.
fn strip(settings: &Settings, program: &Path, to: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(strip) = settings.program("strip") else { return Ok(None) };
    let status =
        std::process::Command::new(&strip).arg("--strip-all").arg("-o").args([to, program]).status()?;
    if !status.success() {
        bail!("`{} --strip-all {}` failed ({status})", strip.display(), program.display());
    }
    Ok(Some(to.to_owned()))
}

/// Writes a program's package, as `cargo lambda build` does; without a level it is compressed as usual.
///
/// # Errors
///
/// When the program cannot be read, or the package not written.
pub fn write_package<W: Write + Seek>(to: W, program: &Path, level: Option<i64>) -> anyhow::Result<W> {
    let mut archive = ZipWriter::new(to);
    archive.start_file(
        "bootstrap",
        SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(level)
            .unix_permissions(0o755)
            .last_modified_time(zip::DateTime::default()),
    )?;
    archive
        .write_all(&fs::read(program).with_context(|| format!("{} cannot be read", program.display()))?)?;
    Ok(archive.finish()?)
}

/// Where the packages are.
#[must_use]
pub fn packages(settings: &Settings) -> PathBuf {
    settings.shared().join("packages")
}

fn is_newer(file: &Path, than: &Path) -> bool {
    let changed = |file: &Path| file.metadata().and_then(|metadata| metadata.modified());
    matches!((changed(file), changed(than)), (Ok(file), Ok(than)) if file > than)
}
