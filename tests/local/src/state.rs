//! What belongs to one cloud, in one folder.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Pace;

/// The longest path that a socket can have on every system that Slipway develops on (macOS: 104 bytes).
const LONGEST_SOCKET: usize = 100;

/// The file by which a folder of ours is known.
const MARK: &str = ".slipway-local";

/// The folder of one cloud.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

/// A cloud that runs, as it wrote it down itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Running {
    /// The process that supervises the others.
    pub supervisor: i32,
    /// MiniStack's process, the leader of a group of its own.
    pub ministack: i32,
    /// Where AWS's interfaces answer.
    pub endpoint: String,
    /// The port of the endpoint.
    pub port: u16,
    /// The port on which load balancers answer by TLS.
    #[serde(default)]
    pub tls_port: u16,
    /// Where the container engine answers.
    pub engine: PathBuf,
    /// Where the wire between the functions and the AWS endpoint answers.
    pub wire: String,
    /// How fast its own waiting goes.
    #[serde(default)]
    pub pace: Pace,
}

impl StateFolder {
    /// The cloud whose folder this is; it need not exist.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The certificate of the authority that issues those of load balancers.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    /// Keeps what Terraform printed as outputs, for who asks the cloud.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_outputs(&self, outputs: &BTreeMap<String, serde_json::Value>) -> anyhow::Result<()> {
        fs::write(self.outputs(), serde_json::to_vec_pretty(outputs)?)
            .with_context(|| format!("{} cannot be written", self.outputs().display()))
    }

    /// The file of what Terraform printed as outputs.
    #[must_use]
    pub fn outputs(&self) -> PathBuf {
        self.0.join("outputs.json")
    }

    /// Makes the folder and those in it.
    ///
    /// # Errors
    ///
    /// When they cannot be made.
    pub fn create(&self) -> anyhow::Result<()> {
        let empty = fs::read_dir(&self.0).map_or(true, |mut entries| entries.next().is_none());
        if !empty && !self.is_ours() {
            bail!("{} holds other files: name an empty folder for the cloud's state", self.0.display());
        }
        for folder in [self.0.clone(), self.inbox(), self.terraform(), self.temporary(), self.engine()] {
            fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        fs::write(self.0.join(MARK), "made by `cargo local`, removed by it\n")?;
        Ok(())
    }

    /// Whether `cargo local` made the folder: only such a one is ever removed.
    fn is_ours(&self) -> bool {
        self.0.join(MARK).is_file()
    }

    /// Where the mails are.
    #[must_use]
    pub fn inbox(&self) -> PathBuf {
        self.0.join("inbox")
    }

    /// Terraform's working directory.
    #[must_use]
    pub fn terraform(&self) -> PathBuf {
        self.0.join("terraform")
    }

    /// Where the container engine keeps its images and containers.
    #[must_use]
    pub fn engine(&self) -> PathBuf {
        self.0.join("engine")
    }

    /// Temporary files of the cloud's processes.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// A log, such as `ministack` or `terraform`.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.log"))
    }

    /// The container engine's socket: in the folder, or in the system's temporary folder when the path would be
    /// longer than a socket's may be.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let inside = self.0.join("engine.sock");
        if inside.as_os_str().len() <= LONGEST_SOCKET {
            return inside;
        }
        let name = hex::encode(Sha256::digest(self.0.as_os_str().as_bytes()));
        std::env::temp_dir().join(format!("slipway-{}.sock", &name[..12]))
    }

    /// The names of the functions that run twice each time, one a line; `*` is all of them.
    #[must_use]
    pub fn twice(&self) -> PathBuf {
        self.0.join("twice")
    }

    /// What scans found, and how databases are: [`crate::Gates`].
    #[must_use]
    pub fn gates(&self) -> PathBuf {
        self.0.join("gates.json")
    }

    /// How awkward AWS is: [`crate::Awkward`].
    #[must_use]
    pub fn awkward(&self) -> PathBuf {
        self.0.join("awkward.json")
    }

    /// Examples of the functions' calls with their answers, one a line.
    #[must_use]
    pub fn calls(&self) -> PathBuf {
        self.0.join("calls.jsonl")
    }

    /// While this folder exists, every invocation of a function and every call that one makes is recorded in it.
    #[must_use]
    pub fn recording(&self) -> PathBuf {
        self.0.join("recording")
    }

    fn note(&self) -> PathBuf {
        self.0.join("cloud.json")
    }

    /// Writes down that the cloud is up.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_down(&self, running: &Running) -> anyhow::Result<()> {
        let draft = self.0.join("cloud.json.draft");
        fs::write(&draft, serde_json::to_vec_pretty(running)?)?;
        fs::rename(draft, self.note())?;
        Ok(())
    }

    /// What the cloud wrote down, whether it still runs or not.
    #[must_use]
    pub fn written(&self) -> Option<Running> {
        serde_json::from_slice(&fs::read(self.note()).ok()?).ok()
    }

    /// The cloud that runs in this folder now.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn running(&self) -> anyhow::Result<Running> {
        let running = self.written();
        match running {
            Some(running) if self.is_supervised() => Ok(running),
            Some(_) => bail!(
                "the local cloud in {} has died: `cargo local down` cleans up, its log is {}",
                self.0.display(),
                self.log("serve").display()
            ),
            None => bail!("no local cloud is running: start it with `cargo local up`"),
        }
    }

    /// Whether a supervisor holds this folder.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        match fs::File::open(self.0.join("supervisor.lock")) {
            Ok(file) => Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err(),
            Err(_) => false,
        }
    }

    /// The process that holds the folder now.
    #[must_use]
    pub fn supervisor(&self) -> Option<i32> {
        if !self.is_supervised() {
            return None;
        }
        fs::read_to_string(self.0.join("supervisor.lock")).ok()?.trim().parse().ok()
    }

    /// Holds the folder for as long as the answer lives.
    ///
    /// # Errors
    ///
    /// When another supervisor holds it.
    pub fn supervise(&self) -> anyhow::Result<Flock<fs::File>> {
        let file = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.0.join("supervisor.lock"))?;
        let mut held = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| anyhow::anyhow!("a local cloud already runs in {}", self.0.display()))?;
        held.set_len(0)?;
        write!(held, "{}", std::process::id())?;
        Ok(held)
    }

    /// Removes the folder and what belongs to it elsewhere.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        if !self.is_ours() {
            return Ok(());
        }
        let _ = fs::remove_file(self.socket());
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.0.display()))
            }
            _ => Ok(()),
        }
    }
}
