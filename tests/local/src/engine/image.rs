//! The images that the engine has: pulled from MiniStack's registry and unpacked.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, bail};
use oci_client::{
    Client, Reference,
    errors::OciDistributionError,
    manifest::{OciDescriptor, OciImageManifest, OciManifest},
    secrets::RegistryAuth,
};
use serde::Deserialize;
use tokio::{fs::File, sync::Mutex as AsyncMutex};
use url::Url;

use super::{layer, locked};
use crate::image::client;

/// An image on this machine.
#[derive(Debug)]
pub(super) struct Image {
    /// The digest of its configuration, which is what Docker calls an image's id.
    pub(super) id: String,
    /// Where its layers are unpacked.
    pub(super) root: PathBuf,
    /// When it was built, as it says itself.
    pub(super) created: String,
    pub(super) architecture: String,
    pub(super) size: i64,
    pub(super) settings: Settings,
}

/// What an image's configuration says about running it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Settings {
    #[serde(deserialize_with = "or_default")]
    pub(super) env: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) entrypoint: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) cmd: Vec<String>,
    pub(super) working_dir: String,
    pub(super) user: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
}

/// Docker and its clients write `null` for an empty list.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    created: String,
    #[serde(default)]
    architecture: String,
    #[serde(default, deserialize_with = "or_default")]
    config: Settings,
}

/// Why an image is not there.
#[derive(Debug)]
pub(super) enum PullError {
    /// There is no such image in the local registry, or the name is of another one.
    Unknown(String),
    /// It could not be fetched or unpacked.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for PullError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// All images, by every name that they were pulled or tagged with.
pub(super) struct Images {
    client: Client,
    /// The `host:port` of the registry, which other names stand for.
    registry: String,
    state: PathBuf,
    known: Mutex<HashMap<String, Arc<Image>>>,
    /// One image is unpacked at a time: two tasks of a service start together and want the same one.
    unpacking: AsyncMutex<()>,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Images")
            .field("registry", &self.registry)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Images {
    pub(super) fn open(state: &Path, registry: &Url) -> anyhow::Result<Self> {
        for folder in ["blobs", "images"] {
            let folder = state.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let (client, registry) = client(registry)?;
        Ok(Self {
            client,
            registry,
            state: fs::canonicalize(state)?,
            known: Mutex::default(),
            unpacking: AsyncMutex::default(),
        })
    }

    /// The image that was pulled or tagged with this name, or has this id or the beginning of it.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Image>> {
        let known = locked(&self.known);
        if let Some(image) = known.get(&canonical(name)) {
            return Some(Arc::clone(image));
        }
        let id = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        known.values().find(|image| is_id && image.id["sha256:".len()..].starts_with(id)).cloned()
    }

    /// Every image with its names.
    pub(super) fn all(&self) -> Vec<(Arc<Image>, Vec<String>)> {
        let mut all: BTreeMap<String, (Arc<Image>, Vec<String>)> = BTreeMap::new();
        for (name, image) in locked(&self.known).iter() {
            all.entry(image.id.clone())
                .or_insert_with(|| (Arc::clone(image), Vec::new()))
                .1
                .push(name.clone());
        }
        all.into_values().collect()
    }

    /// The names of an image.
    pub(super) fn names(&self, image: &Image) -> Vec<String> {
        let mut names: Vec<_> = locked(&self.known)
            .iter()
            .filter(|(_, other)| other.id == image.id)
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }

    pub(super) fn tag(&self, image: Arc<Image>, name: &str) {
        locked(&self.known).insert(canonical(name), image);
    }

    /// Fetches the image of this name (`repository:tag` or `repository@sha256:…`) from the registry and unpacks it.
    pub(super) async fn pull(&self, name: &str) -> Result<Arc<Image>, PullError> {
        let name = canonical(name);
        // What a digest names never changes.
        if name.contains('@')
            && let Some(image) = self.get(&name)
        {
            return Ok(image);
        }
        let reference = self.reference(&name)?;
        let (manifest, digest) = self
            .client
            .pull_image_manifest(&reference, &RegistryAuth::Anonymous)
            .await
            .map_err(|error| unknown_or_failed(&name, error))?;
        tracing::debug!(image = name, manifest = digest, "pulled a manifest");
        let image = Arc::new(self.unpack(&reference, &manifest).await?);
        locked(&self.known).insert(name, Arc::clone(&image));
        Ok(image)
    }

    /// The digest and the media type of what the registry has under this name.
    pub(super) async fn describe(&self, name: &str) -> Result<(String, String), PullError> {
        let name = canonical(name);
        let reference = self.reference(&name)?;
        let (manifest, digest) = self
            .client
            .pull_manifest(&reference, &RegistryAuth::Anonymous)
            .await
            .map_err(|error| unknown_or_failed(&name, error))?;
        let media_type = match manifest {
            OciManifest::Image(_) => oci_client::manifest::OCI_IMAGE_MEDIA_TYPE,
            OciManifest::ImageIndex(_) => oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE,
        };
        Ok((digest, media_type.to_owned()))
    }

    /// The name as a reference to the local registry, which answers for every ECR host name.
    fn reference(&self, name: &str) -> Result<Reference, PullError> {
        let unknown = || {
            PullError::Unknown(format!(
                "pull access denied for {name}, repository does not exist: this engine runs images of the local registry only"
            ))
        };
        let mut reference: Reference = name.parse().map_err(|_| unknown())?;
        if reference.registry() == self.registry {
            return Ok(reference);
        }
        if !is_ecr(reference.registry()) {
            return Err(unknown());
        }
        // The registry gets the name too: it holds the account and the Region.
        reference.set_mirror_registry(self.registry.clone());
        Ok(reference)
    }

    async fn unpack(&self, reference: &Reference, manifest: &OciImageManifest) -> anyhow::Result<Image> {
        let _one_at_a_time = self.unpacking.lock().await;
        let configuration = self.blob(reference, &manifest.config).await?;
        let configuration: Configuration = serde_json::from_slice(&fs::read(configuration)?)
            .context("the image's configuration does not parse")?;
        let id = manifest.config.digest.clone();
        let root = self.state.join("images").join(file_name(&id)?);
        if !root.is_dir() {
            let mut layers = Vec::new();
            for layer in &manifest.layers {
                layers.push(self.blob(reference, layer).await?);
            }
            let (images, final_root) = (self.state.join("images"), root.clone());
            tokio::task::spawn_blocking(move || unpack_layers(&layers, &images, &final_root)).await??;
        }
        Ok(Image {
            id,
            root,
            created: configuration.created,
            architecture: configuration.architecture,
            size: manifest.layers.iter().map(|layer| layer.size).sum(),
            settings: configuration.config,
        })
    }

    /// The file of a blob, fetched when it is not there yet. Its content is what its digest says.
    async fn blob(&self, reference: &Reference, blob: &OciDescriptor) -> anyhow::Result<PathBuf> {
        let path = self.state.join("blobs").join(file_name(&blob.digest)?);
        if path.is_file() {
            return Ok(path);
        }
        let partial = path.with_extension("partial");
        let file = File::create(&partial).await?;
        self.client
            .pull_blob(reference, blob, file)
            .await
            .with_context(|| format!("the part {} of the image cannot be pulled", blob.digest))?;
        tokio::fs::rename(&partial, &path).await?;
        Ok(path)
    }
}

/// Unpacks into a folder beside, so that the image's own appears whole or not at all.
fn unpack_layers(layers: &[PathBuf], images: &Path, root: &Path) -> anyhow::Result<()> {
    let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(images)?;
    let whole = unfinished.path().join("root");
    fs::create_dir(&whole)?;
    for layer in layers {
        layer::unpack(layer, &whole)?;
    }
    match fs::rename(&whole, root) {
        // Another engine with the same state folder was faster.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        renamed => Ok(renamed?),
    }
}

fn file_name(digest: &str) -> anyhow::Result<&str> {
    match digest.strip_prefix("sha256:") {
        Some(hash) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(hash),
        _ => bail!("`{digest}` is not a SHA-256 digest"),
    }
}

/// The name with its tag: without one, Docker means `latest`.
fn canonical(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// Whether the host is one of ECR's: `<account>.dkr.ecr.<region>.amazonaws.com`.
fn is_ecr(host: &str) -> bool {
    let mut labels = host.split('.');
    let account = labels.next().unwrap_or_default();
    account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && labels.next() == Some("dkr")
        && labels.next() == Some("ecr")
        && labels.next().is_some_and(|region| !region.is_empty())
        && labels.next() == Some("amazonaws")
}

fn unknown_or_failed(name: &str, error: OciDistributionError) -> PullError {
    let absent = match &error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| {
            use oci_client::errors::OciErrorCode::{ManifestUnknown, NameUnknown, NotFound};
            matches!(error.code, ManifestUnknown | NameUnknown | NotFound)
        }),
        _ => false,
    };
    if absent {
        PullError::Unknown(format!("manifest for {name} not found: manifest unknown"))
    } else {
        PullError::Failed(anyhow::Error::new(error).context(format!("{name} cannot be pulled")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_ecr_stand_for_the_local_registry() {
        for host in [
            "000000000000.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(is_ecr(host), "{host}");
        }
        for host in [
            "docker.io",
            "public.ecr.aws",
            "000000000000.dkr.ecr.us-east-1.example.com",
            "1.dkr.ecr.us-east-1.amazonaws.com",
            "",
        ] {
            assert!(!is_ecr(host), "{host}");
        }
    }

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        assert_eq!(canonical("web"), "web:latest");
        assert_eq!(canonical("host:5000/web"), "host:5000/web:latest");
        assert_eq!(canonical("host/web:v1"), "host/web:v1");
        assert_eq!(canonical("host/web@sha256:ab"), "host/web@sha256:ab");
    }

    #[test]
    fn nulls_in_a_configuration_are_empty() {
        let parsed: Configuration =
            serde_json::from_str(r#"{"config": {"Env": null, "Entrypoint": null, "Cmd": ["a"], "ExposedPorts": null, "Labels": null}}"#)
                .expect("it parses");

        assert_eq!(parsed.config.cmd, ["a"]);
        assert!(parsed.config.env.is_empty());
    }
}
