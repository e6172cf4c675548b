//! Where things are: read from the environment once, when the program starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// Where the repository, the build and the cloud's state are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The root of the repository.
    pub repository: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// What belongs to one cloud: its processes' logs, its Terraform state, its inbox. Removed by `down`.
    pub state: PathBuf,
    /// The person's environment.
    pub environment: BTreeMap<OsString, OsString>,
}

impl Settings {
    /// Finds the repository around the working directory, and Cargo's target folder.
    ///
    /// The state's folder is `state`, else `SLIPWAY_LOCAL`, else `<target>/local/cloud`.
    ///
    /// # Errors
    ///
    /// When the working directory is outside of the repository or Cargo does not answer.
    pub fn discover(state: Option<PathBuf>) -> anyhow::Result<Self> {
        let environment: BTreeMap<_, _> = env::vars_os().collect();
        let working = env::current_dir().context("the working directory is gone")?;
        let repository = working
            .ancestors()
            .find(|folder| folder.join("tests/local/ministack/__main__.py").is_file())
            .map(Path::to_owned)
            .with_context(|| {
                format!("{} is not inside Slipway's repository: run this in a clone of it", working.display())
            })?;
        let target = match environment.get(&OsString::from("CARGO_TARGET_DIR")) {
            Some(folder) if !folder.is_empty() => working.join(folder),
            _ => target_of(&repository)?,
        };
        let state = state
            .or_else(|| {
                let folder = environment.get(&OsString::from("SLIPWAY_LOCAL"))?;
                (!folder.is_empty()).then(|| PathBuf::from(folder))
            })
            .map_or_else(|| target.join("local/cloud"), |folder| working.join(folder));
        Ok(Self { repository, target, state, environment })
    }

    /// The same, for a cloud whose state is elsewhere.
    #[must_use]
    pub fn with_state(&self, state: PathBuf) -> Self {
        Self { state, ..self.clone() }
    }

    /// The same, for a cloud that lives as long as this program: of this name, beside those of others.
    #[must_use]
    pub fn of_this_run(&self, name: &str) -> Self {
        self.with_state(self.shared().join(format!("{name}-{}", std::process::id())))
    }

    /// A variable of the person's environment, unless it is empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.get(&OsString::from(name)).filter(|value| !value.is_empty())
    }

    /// The first executable file of that name on the person's PATH.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        env::split_paths(self.variable("PATH")?)
            .map(|folder| folder.join(name))
            .find(|file| is_executable(file))
    }

    /// The names of the workspace's integration tests, each once.
    ///
    /// # Errors
    ///
    /// When Cargo does not answer.
    pub fn integration_tests(&self) -> anyhow::Result<BTreeSet<String>> {
        let targets =
            Metadata::read(&self.repository)?.packages.into_iter().flat_map(|package| package.targets);
        Ok(targets
            .filter(|target| target.kind.iter().any(|kind| kind == "test"))
            .map(|target| target.name)
            .collect())
    }

    /// What is shared by all clouds of this clone: the Python environment, a downloaded Terraform.
    #[must_use]
    pub fn shared(&self) -> PathBuf {
        self.target.join("local")
    }
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn target_of(repository: &Path) -> anyhow::Result<PathBuf> {
    Ok(Metadata::read(repository)?.target_directory)
}

/// What Cargo says of the workspace.
#[derive(Deserialize)]
struct Metadata {
    target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Metadata {
    fn read(repository: &Path) -> anyhow::Result<Self> {
        let answer = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version=1"])
            .current_dir(repository)
            .output()
            .context("`cargo` is not on the PATH: install Rust from https://rustup.rs")?;
        if !answer.status.success() {
            bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&answer.stderr).trim());
        }
        serde_json::from_slice(&answer.stdout).context("`cargo metadata` answered something unexpected")
    }
}
