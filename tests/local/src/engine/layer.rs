//! Unpacks an image's layers over each other.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufReader, Read, Seek as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

/// A file named so marks that what has the rest of the name below is gone.
const WHITEOUT: &[u8] = b".wh.";
/// A file named so marks that everything below in its folder is gone.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Unpacks one layer, a tar that may be compressed with gzip, over what is in `root`.
///
/// # Errors
///
/// When the layer cannot be read, is compressed otherwise, or names or links to something outside of `root`: an image
/// must not be able to change the machine that merely unpacks it.
pub(super) fn unpack(layer: &Path, root: &Path) -> anyhow::Result<()> {
    // Whiteouts hide what the layers below hold and never what this one does, wherever in it they are: so they go
    // first.
    for entry in open(layer)?.entries()? {
        let entry = entry?;
        apply_whiteout(root, &inside(&entry.path()?)?)?;
    }

    // Folders get their permissions at the end: one that may not be written to is filled first.
    let mut folders = HashMap::new();
    let mut archive = open(layer)?;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inside(&entry.path()?)?;
        let name = path.file_name().unwrap_or_default().as_bytes();
        if path.as_os_str().is_empty() || name.starts_with(WHITEOUT) {
            continue;
        }
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::Block | EntryType::Char | EntryType::Fifo | EntryType::XGlobalHeader) {
            // Devices are the machine's.
            continue;
        }
        if kind == EntryType::Link {
            let target = entry.link_name()?.context("a hard link without a target")?;
            inside(&target)?;
        }
        make_room(root, &path, kind == EntryType::Directory)?;
        if kind == EntryType::Directory {
            folders.insert(path, entry.header().mode()?);
            continue;
        }
        let unpacked = entry
            .unpack_in(root)
            .with_context(|| format!("`{}` of a layer cannot be unpacked", path.display()))?;
        ensure!(unpacked, "`{}` of a layer is outside of the image", path.display());
    }
    for (path, mode) in folders {
        // The layer may have put a link in its place.
        if let Some(folder) = existing_folder(root, &path)? {
            // The owner stays able to remove what is in it.
            let mode = fs::Permissions::from_mode((mode & 0o777) | 0o700);
            fs::set_permissions(folder, mode)?;
        }
    }
    Ok(())
}

fn open(layer: &Path) -> anyhow::Result<Archive<Box<dyn Read>>> {
    let mut file = File::open(layer)?;
    let mut magic = [0; 4];
    let read = file.read(&mut magic)?;
    file.rewind()?;
    let reader: Box<dyn Read> = match &magic[..read] {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            bail!("a layer is compressed with zstd, which this engine does not read")
        }
        _ => Box::new(BufReader::new(file)),
    };
    let mut archive = Archive::new(reader);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    Ok(archive)
}

/// The path below the image's root. Docker reads `/app` and `./app` as `app`; what climbs is refused.
fn inside(path: &Path) -> anyhow::Result<PathBuf> {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                bail!("`{}` of a layer is outside of the image", path.display())
            }
        }
    }
    Ok(inside)
}

fn apply_whiteout(root: &Path, path: &Path) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let Some(hidden) = name.strip_prefix(WHITEOUT) else {
        return Ok(());
    };
    let Some(folder) = existing_folder(root, path.parent().unwrap_or(Path::new("")))? else {
        return Ok(());
    };
    if name == OPAQUE {
        for child in fs::read_dir(folder)? {
            remove(&child?.path())?;
        }
        return Ok(());
    }
    ensure!(
        !matches!(hidden, b"" | b"." | b".."),
        "`{}` of a layer hides what is outside of the image",
        path.display()
    );
    remove(&folder.join(OsStr::from_bytes(hidden)))
}

/// The real folder that this path leads to, if there is one, after making sure that links do not lead outside.
fn existing_folder(root: &Path, path: &Path) -> anyhow::Result<Option<PathBuf>> {
    let root = root.canonicalize()?;
    match root.join(path).canonicalize() {
        Ok(folder) => {
            ensure!(folder.starts_with(&root), "`{}` of a layer leads outside of the image", path.display());
            Ok(folder.is_dir().then_some(folder))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes the folders above `path`, and removes what is there but is not the same kind of thing.
fn make_room(root: &Path, path: &Path, folder: bool) -> anyhow::Result<()> {
    let parent = path.parent().unwrap_or(Path::new(""));
    let mut above = PathBuf::new();
    for name in parent {
        above.push(name);
        match fs::symlink_metadata(root.join(&above)) {
            Err(error) if is_absent(&error) => fs::create_dir(root.join(&above))?,
            Err(error) => return Err(error.into()),
            Ok(metadata) if metadata.is_symlink() => {
                ensure!(
                    existing_folder(root, &above)?.is_some(),
                    "`{}` of a layer is behind a link that leads nowhere",
                    path.display()
                );
            }
            Ok(metadata) if !metadata.is_dir() => {
                remove(&root.join(&above))?;
                fs::create_dir(root.join(&above))?;
            }
            Ok(_) => {}
        }
    }
    let whole = root.join(path);
    match fs::symlink_metadata(&whole) {
        Ok(metadata) if metadata.is_dir() && folder => {}
        Ok(_) => {
            remove(&whole)?;
            if folder {
                fs::create_dir(&whole)?;
            }
        }
        Err(_) if folder => fs::create_dir(&whole)?,
        Err(_) => {}
    }
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if !is_absent(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// What a layer is made of: a file, a folder, or a link and its target.
    enum Part<'a> {
        File(&'a str, &'a str),
        Folder(&'a str),
        Symlink(&'a str, &'a str),
        Hardlink(&'a str, &'a str),
    }
    use Part::{File as F, Folder, Hardlink, Symlink};

    struct Image {
        folder: tempfile::TempDir,
    }

    impl Image {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            fs::create_dir(folder.path().join("root")).expect("a folder");
            Self { folder }
        }

        fn root(&self) -> PathBuf {
            self.folder.path().join("root")
        }

        fn add(&self, parts: &[Part<'_>]) -> anyhow::Result<()> {
            let layer = self.folder.path().join("layer");
            fs::write(&layer, layer_of(parts)).expect("it is written");
            unpack(&layer, &self.root())
        }

        fn read(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.root().join(path)).ok()
        }
    }

    /// A compressed layer. Paths are written as they are: the `tar` crate itself refuses to write bad ones.
    fn layer_of(parts: &[Part<'_>]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for part in parts {
            let (path, kind, content, link) = match part {
                F(path, content) => (path, EntryType::Regular, *content, ""),
                Folder(path) => (path, EntryType::Directory, "", ""),
                Symlink(path, target) => (path, EntryType::Symlink, "", *target),
                Hardlink(path, target) => (path, EntryType::Link, "", *target),
            };
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_entry_type(kind);
            header.set_mode(0o755);
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, content.as_bytes()).expect("a part");
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&archive.into_inner().expect("a tar")).expect("it compresses");
        encoder.finish().expect("it compresses")
    }

    #[test]
    fn a_later_layer_replaces_what_an_earlier_one_holds() {
        let image = Image::new();
        image.add(&[F("app/a", "old"), F("app/b", "kept"), F("file", "a file")]).expect("it unpacks");

        image.add(&[F("/app/a", "new"), Folder("file"), F("./file/in", "it")]).expect("it unpacks");

        assert_eq!(image.read("app/a").as_deref(), Some("new"));
        assert_eq!(image.read("app/b").as_deref(), Some("kept"));
        assert_eq!(image.read("file/in").as_deref(), Some("it"));
    }

    #[test]
    fn a_whiteout_removes_what_is_below_and_leaves_no_trace() {
        let image = Image::new();
        image.add(&[F("app/a", "a"), F("app/b", "b"), F("gone/deep/c", "c")]).expect("it unpacks");

        image.add(&[F("app/.wh.a", ""), F(".wh.gone", ""), F(".wh.never", "")]).expect("it unpacks");

        assert_eq!(image.read("app/a"), None);
        assert_eq!(image.read("app/b").as_deref(), Some("b"));
        assert!(!image.root().join("gone").exists());
        assert!(!image.root().join("app/.wh.a").exists());
    }

    #[test]
    fn an_opaque_folder_hides_what_is_below_and_keeps_what_its_own_layer_holds() {
        let image = Image::new();
        image.add(&[F("app/old", "old"), F("app/deep/old", "old")]).expect("it unpacks");

        image.add(&[F("app/new", "new"), F("app/.wh..wh..opq", "")]).expect("it unpacks");

        let left: Vec<_> = fs::read_dir(image.root().join("app"))
            .expect("a folder")
            .map(|child| child.expect("a child").file_name())
            .collect();
        assert_eq!(left, ["new"]);
    }

    #[test]
    fn a_layer_that_leaves_the_image_is_refused_and_changes_nothing_outside() {
        let attacks: [&[Part<'_>]; 9] = [
            &[F("../outside", "x")],
            &[F("app/../../outside", "x")],
            &[Symlink("link", ".."), F("link/outside", "x")],
            &[Symlink("link", "/tmp"), F("link/slipway-outside", "x")],
            &[Symlink("link", ".."), Folder("link/outside")],
            &[Hardlink("hard", "../secret")],
            &[Symlink("link", ".."), F("link/.wh.secret", "")],
            &[F(".wh...", "")],
            &[Folder("folder"), Symlink("folder", "..")],
        ];
        for (number, attack) in attacks.iter().enumerate() {
            let image = Image::new();
            let secret = image.folder.path().join("secret");
            fs::write(&secret, "kept").expect("a file");
            // Links of an earlier layer and of the same one.
            let outcome = match attack {
                [Symlink(link, target), rest @ ..] => {
                    image.add(&[Symlink(link, target)]).expect("a link is harmless");
                    image.add(rest)
                }
                whole => image.add(whole),
            };

            assert!(outcome.is_err(), "attack {number}");
            assert_eq!(fs::read_to_string(&secret).ok().as_deref(), Some("kept"));
            assert!(!image.folder.path().join("outside").exists(), "attack {number}");
            assert!(!Path::new("/tmp/slipway-outside").exists());
        }
    }

    #[test]
    fn a_link_within_the_image_is_followed() {
        let image = Image::new();
        image.add(&[F("usr/lib/a", "a"), Symlink("lib", "usr/lib")]).expect("it unpacks");

        image.add(&[F("lib/b", "b"), Hardlink("c", "usr/lib/a")]).expect("it unpacks");

        assert_eq!(image.read("usr/lib/b").as_deref(), Some("b"));
        assert_eq!(image.read("c").as_deref(), Some("a"));
    }

    #[test]
    fn an_unknown_compression_is_named() {
        let image = Image::new();
        let layer = image.folder.path().join("layer");
        fs::write(&layer, [0x28, 0xb5, 0x2f, 0xfd, 0]).expect("it is written");

        let refusal = unpack(&layer, &image.root()).expect_err("it is zstd");

        assert!(refusal.to_string().contains("zstd"));
    }
}
