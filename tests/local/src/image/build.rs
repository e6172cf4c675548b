//! From the application's folder to the documents and blobs of an OCI image.

use std::{fmt, fs, io::Write as _, path::Path};

use anyhow::{Context as _, ensure};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use super::{Behaviour, digest_of};

/// What of the application's folder goes into the image, as its Dockerfile copies it.
const COPIED: [&str; 2] = ["gunicorn.conf.py", "web"];
/// Where it is in the image.
const WORKING_DIRECTORY: &str = "app";
/// Where the application listens.
const PORT: u16 = 8080;
/// The command that starts it: gunicorn reads `gunicorn.conf.py` in its working directory.
const COMMAND: [&str; 1] = ["gunicorn"];
/// The application without its framework, and the command that starts it, with nothing but Python's own modules.
const LIGHT: &[u8] = include_bytes!("light.py");
const LIGHT_COMMAND: [&str; 4] = ["python", "-I", "-S", "light.py"];
/// The time of everything in the image: a real one would give each build its own digest.
const CREATED: &str = "1970-01-01T00:00:00Z";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What distinguishes one image of the application from another.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// The version that the application shows, such as `v2`.
    pub version: String,
    /// What the application does once it runs.
    pub behaviour: Behaviour,
    /// What it is made of.
    pub make: Make,
    /// What its label `slipway.migration` says; none where it has no such label.
    pub migration: Option<String>,
    /// The platforms to build for. One gives a plain image, several give an index with an image for each.
    pub platforms: Vec<Platform>,
}

/// What an image is made of; all answer `/health` and `/version` alike and behave as they are asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Make {
    /// The sample application, as its Dockerfile makes it.
    #[default]
    Sample,
    /// Python alone, without a framework: it starts in a tenth of the time.
    Light,
}

/// A platform that an image is for; always Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Platform {
    /// Both platforms that ECS runs.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// The platform of this machine.
    #[must_use]
    pub fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::Amd64 }
    }

    /// Its name in OCI documents (`GOARCH`).
    #[must_use]
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "linux/{}", self.architecture())
    }
}

/// Bytes with the digest and the media type that a registry knows them by.
#[derive(Clone, Debug)]
pub struct Document {
    /// `sha256:` and the hash of the bytes.
    pub digest: String,
    /// What the bytes are, as OCI names it.
    pub media_type: &'static str,
    /// The bytes themselves.
    pub bytes: Vec<u8>,
}

impl Document {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { digest: digest_of(&bytes), media_type, bytes }
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// An image that is ready to be pushed.
#[derive(Clone, Debug)]
pub struct BuiltImage {
    /// The layer and the configurations, in the order in which they are pushed.
    pub blobs: Vec<Document>,
    /// The images of an index, which are pushed by digest and have no tag. None for a single platform.
    pub children: Vec<Document>,
    /// What the tag points to: the image's manifest, or the index.
    pub top: Document,
}

impl BuiltImage {
    /// The digest that the tag will point to and that is deployed.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.top.digest
    }
}

/// Builds the image of the application in `folder`.
///
/// Its one layer holds the application's own files. Flask and gunicorn are not in it: the container engine's search
/// path provides them (see `tests/local/README.md`), and the Dockerfile installs them for people with Docker.
///
/// # Errors
///
/// When a file that belongs into the image cannot be read, the version is empty, or no platform is asked for.
pub fn build(folder: &Path, options: &ImageOptions) -> anyhow::Result<BuiltImage> {
    ensure!(!options.version.is_empty(), "an image needs a version");
    ensure!(!options.platforms.is_empty(), "an image needs a platform");

    let tar = match options.make {
        Make::Sample => archive(folder)?,
        Make::Light => light()?,
    };
    let diff_id = digest_of(&tar);
    let layer = Document::new(LAYER, compress(&tar)?);

    let mut blobs = vec![layer.clone()];
    let mut manifests = Vec::new();
    for platform in &options.platforms {
        let config = Document::new(CONFIG, configuration(*platform, options, &diff_id)?);
        let manifest = Document::new(
            MANIFEST,
            serde_json::to_vec(&json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
            }))?,
        );
        blobs.push(config);
        manifests.push((*platform, manifest));
    }

    if let [(_, only)] = manifests.as_slice() {
        return Ok(BuiltImage { blobs, children: Vec::new(), top: only.clone() });
    }
    let entries: Vec<Value> = manifests
        .iter()
        .map(|(platform, manifest)| {
            let mut entry = manifest.descriptor();
            entry["platform"] = json!({ "os": "linux", "architecture": platform.architecture() });
            entry
        })
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    Ok(BuiltImage {
        blobs,
        children: manifests.into_iter().map(|(_, manifest)| manifest).collect(),
        top: Document::new(INDEX, serde_json::to_vec(&index)?),
    })
}

fn configuration(platform: Platform, options: &ImageOptions, diff_id: &str) -> anyhow::Result<Vec<u8>> {
    let mut environment = vec![
        "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        "PYTHONUNBUFFERED=1".to_owned(),
        format!("VERSION={}", options.version),
    ];
    environment.extend(options.behaviour.environment());
    let mut labels = json!({
        "org.opencontainers.image.title": "Slipway's sample application",
        "org.opencontainers.image.version": options.version,
        // There is no commit to name: the content of the files is what was built.
        "org.opencontainers.image.revision": diff_id,
        "org.opencontainers.image.created": CREATED,
    });
    if let Some(migration) = &options.migration {
        labels[slipway_core::migration::LABEL] = json!(migration);
    }
    let configuration = json!({
        "created": CREATED,
        "architecture": platform.architecture(),
        "os": "linux",
        "config": {
            "User": "65532:65532",
            "ExposedPorts": { format!("{PORT}/tcp"): {} },
            "Env": environment,
            "Cmd": match options.make {
                Make::Sample => COMMAND.as_slice(),
                Make::Light => LIGHT_COMMAND.as_slice(),
            },
            "WorkingDir": format!("/{WORKING_DIRECTORY}"),
            "Labels": labels,
        },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": CREATED, "created_by": "cargo local push" }],
    });
    Ok(serde_json::to_vec(&configuration)?)
}

/// A tar of the application's files that depends on their names and their content only.
fn archive(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    append_folder(&mut archive, WORKING_DIRECTORY)?;
    for name in COPIED {
        append(&mut archive, &folder.join(name), &format!("{WORKING_DIRECTORY}/{name}"))?;
    }
    Ok(archive.into_inner()?)
}

/// A tar of the light application.
fn light() -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    append_folder(&mut archive, WORKING_DIRECTORY)?;
    append_file(&mut archive, LIGHT, &format!("{WORKING_DIRECTORY}/light.py"))?;
    Ok(archive.into_inner()?)
}

fn append(archive: &mut tar::Builder<Vec<u8>>, from: &Path, name: &str) -> anyhow::Result<()> {
    let kind =
        fs::symlink_metadata(from).with_context(|| format!("{} is missing", from.display()))?.file_type();
    if kind.is_file() {
        let content = fs::read(from).with_context(|| format!("{} cannot be read", from.display()))?;
        return append_file(archive, &content, name);
    }
    ensure!(kind.is_dir(), "{} is neither a file nor a folder", from.display());

    append_folder(archive, name)?;
    let mut children = fs::read_dir(from)?
        .map(|child| {
            child?
                .file_name()
                .into_string()
                .map_err(|name| anyhow::anyhow!("{} is not UTF-8", name.display()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    children.sort();
    for child in children {
        // What running the tests leaves behind.
        if child == "__pycache__" || child.starts_with('.') {
            continue;
        }
        append(archive, &from.join(&child), &format!("{name}/{child}"))?;
    }
    Ok(())
}

fn append_file(archive: &mut tar::Builder<Vec<u8>>, content: &[u8], name: &str) -> anyhow::Result<()> {
    let mut header = header(tar::EntryType::Regular, 0o644);
    header.set_size(content.len().try_into()?);
    archive.append_data(&mut header, name, content)?;
    Ok(())
}

fn append_folder(archive: &mut tar::Builder<Vec<u8>>, name: &str) -> anyhow::Result<()> {
    let mut header = header(tar::EntryType::Directory, 0o755);
    header.set_size(0);
    archive.append_data(&mut header, format!("{name}/"), std::io::empty())?;
    Ok(())
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn compress(tar: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    encoder.write_all(tar)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("web/templates")).expect("folders");
        fs::write(folder.path().join("gunicorn.conf.py"), "bind = ''").expect("a file");
        fs::write(folder.path().join("web/__init__.py"), "app = None").expect("a file");
        fs::write(folder.path().join("web/templates/a.html"), "<p>").expect("a file");
        folder
    }

    fn options(version: &str) -> ImageOptions {
        ImageOptions {
            version: version.to_owned(),
            behaviour: Behaviour::Good,
            make: Make::Sample,
            migration: None,
            platforms: vec![Platform::Amd64],
        }
    }

    #[test]
    fn the_same_files_give_the_same_digest_whenever_and_wherever_they_were_written() {
        let (here, there) = (application(), application());
        fs::create_dir(there.path().join("web/__pycache__")).expect("a folder");
        fs::write(there.path().join("web/__pycache__/a.pyc"), "x").expect("a file");
        fs::write(there.path().join("README.md"), "not in the image").expect("a file");

        let first = build(here.path(), &options("v1")).expect("it builds");
        let second = build(there.path(), &options("v1")).expect("it builds");

        assert_eq!(first.digest(), second.digest());
    }

    #[test]
    fn every_choice_gives_another_digest() {
        let folder = application();
        let mut all = vec![options("v1"), options("v2")];
        for behaviour in ["answer-500", "hang", "crash", "stumble", "turn-bad:5", "turn-bad:6"] {
            all.push(ImageOptions { behaviour: behaviour.parse().expect("a behaviour"), ..options("v1") });
        }
        all.push(ImageOptions { platforms: vec![Platform::Arm64], ..options("v1") });
        all.push(ImageOptions { make: Make::Light, ..options("v1") });
        all.push(ImageOptions { platforms: Platform::ALL.to_vec(), ..options("v1") });

        let mut digests: Vec<String> =
            all.iter().map(|options| build(folder.path(), options).expect("it builds").top.digest).collect();
        let built = digests.len();
        digests.sort();
        digests.dedup();

        assert_eq!(digests.len(), built);
    }

    #[test]
    fn versions_share_their_layer() {
        let folder = application();

        let first = build(folder.path(), &options("v1")).expect("it builds");
        let second = build(folder.path(), &options("v2")).expect("it builds");

        assert_eq!(first.blobs[0].digest, second.blobs[0].digest);
    }

    #[test]
    fn several_platforms_give_an_index_that_names_the_image_of_each() {
        let folder = application();
        let several = ImageOptions { platforms: Platform::ALL.to_vec(), ..options("v1") };

        let image = build(folder.path(), &several).expect("it builds");

        let index: Value = serde_json::from_slice(&image.top.bytes).expect("JSON");
        let named: Vec<_> = index["manifests"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| {
                (
                    entry["platform"]["architecture"].as_str().expect("text"),
                    entry["digest"].as_str().expect("text"),
                )
            })
            .collect();
        assert_eq!(
            named,
            [("amd64", image.children[0].digest.as_str()), ("arm64", image.children[1].digest.as_str())]
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = application();
        fs::remove_file(folder.path().join("gunicorn.conf.py")).expect("it was there");

        let failure = build(folder.path(), &options("v1")).expect_err("a file is missing");

        assert!(failure.to_string().contains("gunicorn.conf.py"));
    }

    #[test]
    fn the_sample_applications_dockerfile_makes_the_same_image() {
        let application = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app");
        let dockerfile = fs::read_to_string(application.join("Dockerfile")).expect("the sample's Dockerfile");

        for line in [
            format!("WORKDIR /{WORKING_DIRECTORY}"),
            format!("EXPOSE {PORT}"),
            format!("CMD [\"{}\"]", COMMAND[0]),
            format!("COPY {} ./", COPIED[0]),
            format!("COPY {} {}", COPIED[1], COPIED[1]),
        ] {
            assert!(dockerfile.lines().any(|written| written == line), "the Dockerfile has no line `{line}`");
        }
        build(&application, &options("v1")).expect("the sample builds");
    }
}
