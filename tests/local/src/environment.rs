//! The private Python environment: MiniStack, cargo-lambda and what the sample application needs, pinned by hash.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command as Blocking,
};

use anyhow::{Context as _, bail};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::{Settings, process};

/// What is installed for the local cloud and its tests, relative to the repository.
const REQUIREMENTS: &[&str] = &["tests/local/requirements.txt", "tests/app/requirements-test.txt"];
/// What the twins of functions have, and nothing else: what lies beside it would slow their start.
const OF_THE_BENCH: &[&str] = &["tests/bench/requirements.txt"];
/// The oldest Python that the pinned packages are for.
const OLDEST: (u32, u32) = (3, 10);

/// A Python environment that holds exactly what is pinned.
#[derive(Clone, Debug)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Makes the environment, or finds the one that an earlier run made from the same pins.
    ///
    /// An installation that was interrupted has no stamp, and is made anew.
    ///
    /// # Errors
    ///
    /// When there is no fitting Python, or a package cannot be installed.
    pub async fn prepare(settings: &Settings) -> anyhow::Result<Self> {
        Self::of(settings, "python", REQUIREMENTS).await
    }

    /// The same for the functions in Python that ours are compared with.
    ///
    /// # Errors
    ///
    /// When there is no fitting Python, or a package cannot be installed.
    pub async fn of_the_bench(settings: &Settings) -> anyhow::Result<Self> {
        Self::of(settings, "bench-python", OF_THE_BENCH).await
    }

    async fn of(settings: &Settings, name: &str, requirements: &[&str]) -> anyhow::Result<Self> {
        let folder = settings.shared().join(name);
        fs::create_dir_all(settings.shared())
            .with_context(|| format!("{} cannot be made", settings.shared().display()))?;
        // Two clouds of one clone may start at the same time.
        let lock = fs::File::create(settings.shared().join(format!("{name}.lock")))?;
        let _lock = tokio::task::spawn_blocking(move || Flock::lock(lock, FlockArg::LockExclusive))
            .await?
            .map_err(|(_, error)| error)?;

        let environment = Self { folder };
        let pins = environment.pins(settings, requirements)?;
        let stamp = environment.folder.join("installed");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pins)
            && environment.program("python").exists()
        {
            return Ok(environment);
        }

        let python = python(settings)?;
        let _ = fs::remove_dir_all(&environment.folder);
        let log = settings.shared().join(format!("{name}.log"));
        let _ = fs::remove_file(&log);
        process::run(Command::new(python).args(["-m", "venv"]).arg(&environment.folder), &log).await?;
        let mut install = Command::new(environment.program("python"));
        install
            .args(["-m", "pip", "--disable-pip-version-check", "install"])
            .args(["--quiet", "--no-input", "--require-hashes"])
            .current_dir(&settings.repository);
        for file in requirements {
            install.args(["--requirement", file]);
        }
        process::run(&mut install, &log).await?;
        fs::write(stamp, pins)?;
        Ok(environment)
    }

    /// A program of the environment, such as `python` or `cargo-lambda`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    /// The folder of the environment's programs.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// The environment that an earlier `prepare` made.
    #[must_use]
    pub fn made(settings: &Settings) -> Self {
        Self { folder: settings.shared().join("python") }
    }

    fn pins(&self, settings: &Settings, requirements: &[&str]) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        // The environment's programs name its folder, so it cannot be moved.
        hash.update(self.folder.to_string_lossy().as_bytes());
        for file in requirements {
            let file = settings.repository.join(file);
            hash.update(fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?);
        }
        Ok(hex::encode(hash.finalize()))
    }
}

/// A Python that can make environments: `python3` of the person's PATH.
fn python(settings: &Settings) -> anyhow::Result<PathBuf> {
    let advice = format!("install Python {}.{} or newer", OLDEST.0, OLDEST.1);
    let Some(python) = settings.program("python3") else {
        bail!("`python3` is not on the PATH: {advice}");
    };
    let version = answer(&python, "import sys; print(sys.version_info[0], sys.version_info[1])")
        .with_context(|| format!("{} does not start: {advice}", python.display()))?;
    let mut numbers = version.split_whitespace().filter_map(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if found < OLDEST {
        bail!("{} is Python {}.{}: {advice}", python.display(), found.0, found.1);
    }
    if answer(&python, "import venv, ensurepip").is_err() {
        bail!(
            "{} cannot make environments: install its venv module (Debian and Ubuntu: `apt install python3-venv`)",
            python.display()
        );
    }
    Ok(python)
}

fn answer(python: &Path, program: &str) -> anyhow::Result<String> {
    let output = Blocking::new(python).args(["-c", program]).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
