//! The registry protocol, towards the registry of the local cloud.

use anyhow::{Context as _, ensure};
use oci_client::{
    Client, Reference,
    client::{ClientConfig, ClientProtocol},
    manifest::ImageIndexEntry,
};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{BuiltImage, Document, Platform};

/// The digest that OCI and ECR know these bytes by.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A client for the local cloud's registry and the `host:port` that it answers on.
///
/// MiniStack's registry takes no credentials, with IAM enforcement too: what ECR's authorization tokens allow is not
/// tested locally.
pub(crate) fn client(registry: &Url) -> anyhow::Result<(Client, String)> {
    ensure!(registry.scheme() == "http", "the local registry speaks plain HTTP, not {registry}");
    let host = registry.host_str().with_context(|| format!("{registry} names no host"))?;
    let authority = format!("{host}:{}", registry.port_or_known_default().unwrap_or(80));
    let client = Client::try_from(ClientConfig {
        protocol: ClientProtocol::Http,
        use_monolithic_push: true,
        platform_resolver: Some(Box::new(of_this_machine)),
        // An explicit proxy that is used for nothing: one from the environment must not be asked for loopback.
        http_proxy: Some(registry.to_string()),
        no_proxy: Some("127.0.0.0/8,::1,*".to_owned()),
        ..ClientConfig::default()
    })?;
    Ok((client, authority))
}

/// The image of an index that runs on this machine.
fn of_this_machine(entries: &[ImageIndexEntry]) -> Option<String> {
    let architecture = Platform::host().architecture();
    entries
        .iter()
        .find(|entry| {
            entry.platform.as_ref().is_some_and(|platform| {
                platform.os.to_string() == "linux" && platform.architecture.to_string() == architecture
            })
        })
        .map(|entry| entry.digest.clone())
}

/// Pushes the image under the tag and returns the digest that the tag now points to.
///
/// As `docker push` does it: blobs first (those that the registry has are not sent again), then the images of an
/// index by digest, and what the tag points to at the very end, so that the tag never names half an image.
///
/// # Errors
///
/// When the registry cannot be reached, does not know the repository, or refuses the tag (an immutable one that
/// points to another image).
pub async fn push(image: &BuiltImage, registry: &Url, repository: &str, tag: &str) -> anyhow::Result<String> {
    let (client, authority) = client(registry)?;
    let tagged = Reference::with_tag(authority, repository.to_owned(), tag.to_owned());
    for blob in &image.blobs {
        // A registry that cannot say whether it has the blob gets it.
        if client.blob_exists(&tagged, &blob.digest).await.unwrap_or(false) {
            continue;
        }
        client
            .push_blob(&tagged, blob.bytes.clone(), &blob.digest)
            .await
            .with_context(|| format!("a part of the image cannot be pushed to `{repository}`"))?;
    }
    for child in &image.children {
        let by_digest = tagged.clone_with_digest(child.digest.clone());
        push_manifest(&client, &by_digest, child).await?;
    }
    push_manifest(&client, &tagged, &image.top).await?;
    Ok(image.top.digest.clone())
}

async fn push_manifest(client: &Client, reference: &Reference, manifest: &Document) -> anyhow::Result<()> {
    client
        .push_manifest_raw(reference, manifest.bytes.clone(), manifest.media_type.parse()?)
        .await
        .with_context(|| format!("the manifest cannot be pushed to `{}`", reference.whole()))?;
    Ok(())
}
