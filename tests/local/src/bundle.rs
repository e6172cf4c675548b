//! The bundle of a release: what people apply who have neither a clone nor Rust.
//!
//! `slipway-VERSION-ARCHITECTURE.tar.gz` has one folder of that name, with `infra/` and `statemachine/` as they are in the
//! repository and the functions' packages beside them, where Terraform finds them by itself. Made twice from the same
//! files, it is the same byte for byte.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use flate2::{Compression, GzBuilder, read::GzDecoder};
use sha2::{Digest as _, Sha256};

use crate::{Settings, functions};

/// The version that everything in the workspace has.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folders of the repository that are in a bundle: what Terraform reads, and what it and its README point to.
const FOLDERS: [&str; 3] = ["docs", "infra", "statemachine"];
/// The files of the repository that are in a bundle, and where.
const FILES: [(&str, &str); 3] =
    [("infra/BUNDLE.md", "README.md"), ("CHANGELOG.md", "CHANGELOG.md"), ("LICENSE", "LICENSE")];
/// What is left out: how a bundle begins is its README, and the tests need the repository.
const LEFT_OUT: [&str; 2] = ["infra/BUNDLE.md", "infra/tests"];
/// The one file with a dot at the beginning that is meant for people.
const LOCK: &str = ".terraform.lock.hcl";
/// The file that lists the checksum of each other one.
const SUMS: &str = "SHA256SUMS";
/// When every file was changed last: 1980, because programs wonder at 1970.
const CHANGED: u64 = 315_532_800;

/// A processor, as Lambda and the variable `architecture` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Architecture {
    /// AWS Graviton.
    #[value(name = "arm64")]
    Arm64,
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86_64,
}

impl Architecture {
    /// This machine's.
    #[must_use]
    pub const fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 }
    }

    /// The one that a program is for; none where it is no program of Linux for one of these.
    fn of_program(program: &[u8]) -> Option<Self> {
        let is_elf = program.starts_with(b"\x7fELF");
        // `e_machine` of ELF, of which both are little-endian.
        match program.get(18..20) {
            Some([0xb7, 0]) if is_elf => Some(Self::Arm64),
            Some([0x3e, 0]) if is_elf => Some(Self::X86_64),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        })
    }
}

/// A file of a bundle.
struct Entry {
    content: Content,
    is_executable: bool,
}

enum Content {
    Of(PathBuf),
    Text(String),
}

impl Content {
    /// What is read, and how much that is.
    fn open(&self) -> anyhow::Result<(Box<dyn io::Read + '_>, u64)> {
        Ok(match self {
            Self::Of(file) => {
                let opened =
                    fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
                let length = opened.metadata()?.len();
                (Box::new(opened), length)
            }
            Self::Text(text) => (Box::new(text.as_bytes()), u64::try_from(text.len())?),
        })
    }
}

/// What a bundle holds, by the path in its folder, in the order of the paths.
struct Contents(BTreeMap<String, Entry>);

impl Contents {
    fn put(&mut self, path: &str, content: Content, is_executable: bool) {
        self.0.insert(path.to_owned(), Entry { content, is_executable });
    }

    fn put_file(&mut self, path: &str, file: PathBuf) -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = file
            .metadata()
            .with_context(|| format!("{} is not there: it belongs in a bundle", file.display()))?;
        self.put(path, Content::Of(file), metadata.permissions().mode() & 0o111 != 0);
        Ok(())
    }

    /// Puts a folder of the repository, without what Terraform or a person left there.
    fn put_folder(&mut self, repository: &Path, path: &str) -> anyhow::Result<()> {
        let folder = repository.join(path);
        let entries =
            fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().with_context(|| format!("{} is no text", entry.path().display()))?;
            let path = format!("{path}/{name}");
            if is_somebodys(name) || LEFT_OUT.contains(&path.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.put_folder(repository, &path)?;
            } else {
                self.put_file(&path, entry.path())?;
            }
        }
        Ok(())
    }

    /// The checksum of each file, as `sha256sum` writes it.
    fn sums(&self) -> anyhow::Result<String> {
        let mut sums = String::new();
        for (path, entry) in &self.0 {
            let mut hash = Sha256::new();
            let mut read = entry.content.open()?.0;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let length = read.read(&mut buffer)?;
                if length == 0 {
                    break;
                }
                hash.update(&buffer[..length]);
            }
            sums.push_str(&format!("{}  {path}\n", hex::encode(hash.finalize())));
        }
        Ok(sums)
    }

    fn write(&self, name: &str, archive: fs::File) -> anyhow::Result<()> {
        // Nearly all of it are packages, which are compressed.
        let mut archive = tar::Builder::new(GzBuilder::new().write(archive, Compression::fast()));
        for (path, entry) in &self.0 {
            let (read, length) = entry.content.open()?;
            let mut header = tar::Header::new_gnu();
            header.set_size(length);
            header.set_mode(if entry.is_executable { 0o755 } else { 0o644 });
            header.set_mtime(CHANGED);
            header.set_uid(0);
            header.set_gid(0);
            archive.append_data(&mut header, format!("{name}/{path}"), read)?;
        }
        archive.into_inner()?.finish()?.sync_all()?;
        Ok(())
    }
}

/// Whether a file or a folder is not the repository's: Terraform's work, a person's variables, caches.
fn is_somebodys(name: &str) -> bool {
    name.starts_with('.') && name != LOCK
        || name.ends_with(".tfstate")
        || name.contains(".tfstate.")
        || name.starts_with("__")
        || [".tfvars", ".tfvars.json", ".tfplan"].iter().any(|end| name.ends_with(end))
}

/// Makes the bundle for a processor from the packages of a folder, and says where it is.
///
/// # Errors
///
/// When a package is missing or for another processor, or a file cannot be read or written.
pub fn make(
    settings: &Settings,
    architecture: Architecture,
    packages: &Path,
    out: &Path,
) -> anyhow::Result<PathBuf> {
    let mut contents = Contents(BTreeMap::new());
    for folder in FOLDERS {
        contents.put_folder(&settings.repository, folder)?;
    }
    for (from, to) in FILES {
        contents.put_file(to, settings.repository.join(from))?;
    }
    for function in functions::names(settings)? {
        let package = packages.join(&function).join("bootstrap.zip");
        check(&package, architecture)?;
        contents.put(&format!("packages/{function}/bootstrap.zip"), Content::Of(package), false);
    }
    contents.put("ARCHITECTURE", Content::Text(format!("{architecture}\n")), false);
    contents.put("VERSION", Content::Text(format!("{VERSION}\n")), false);
    let sums = contents.sums()?;
    contents.put(SUMS, Content::Text(sums), false);

    let name = format!("slipway-{VERSION}-{architecture}");
    let archive = out.join(format!("{name}.tar.gz"));
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let draft = out.join(format!("{name}.{}.draft", std::process::id()));
    contents.write(&name, fs::File::create(&draft)?)?;
    fs::rename(draft, &archive)?;
    Ok(archive)
}

/// Refuses a package that is not there, or that a function for this processor cannot run.
fn check(package: &Path, architecture: Architecture) -> anyhow::Result<()> {
    let file = fs::File::open(package).with_context(|| {
        format!(
            "{} is not there: make it with `cargo lambda build --release --output-format zip`",
            package.display()
        )
    })?;
    let mut start = [0; 20];
    zip::ZipArchive::new(file)
        .and_then(|mut archive| Ok(archive.by_name("bootstrap")?.read_exact(&mut start)?))
        .with_context(|| format!("{} has no program `bootstrap`: make it again", package.display()))?;
    match Architecture::of_program(&start) {
        Some(found) if found != architecture => {
            bail!(
                "{} is for {found}: build it for {architecture}, or write --architecture {found}",
                package.display()
            )
        }
        // On a Mac the local cloud runs programs of macOS.
        _ => Ok(()),
    }
}

/// Unpacks a bundle as the given folder, in the place of what is there.
///
/// # Errors
///
/// When the archive cannot be read, or holds anything but one folder.
pub fn unpack(archive: &Path, folder: &Path) -> anyhow::Result<()> {
    let draft = folder.with_extension("draft");
    let _ = fs::remove_dir_all(&draft);
    let _ = fs::remove_dir_all(folder);
    let file = fs::File::open(archive).with_context(|| format!("{} cannot be read", archive.display()))?;
    tar::Archive::new(GzDecoder::new(file))
        .unpack(&draft)
        .with_context(|| format!("{} cannot be unpacked", archive.display()))?;
    let unpacked: Vec<_> = fs::read_dir(&draft)?.collect::<Result<_, _>>()?;
    let [one] = unpacked.as_slice() else {
        bail!("{} holds {} folders, and a bundle holds one", archive.display(), unpacked.len());
    };
    fs::rename(one.path(), folder)?;
    fs::remove_dir(draft)?;
    Ok(())
}

/// The checksums that an unpacked bundle lists, by the files' paths in it.
///
/// # Errors
///
/// When its list cannot be read.
pub fn sums(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let file = folder.join(SUMS);
    let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    Ok(lines.map(|(sum, path)| (path.to_owned(), sum.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// The beginning of a program for a processor, as ELF writes it.
    fn program(machine: u8) -> Vec<u8> {
        let mut program = vec![0; 64];
        program[..4].copy_from_slice(b"\x7fELF");
        program[18] = machine;
        program
    }

    fn write(file: &Path, content: &[u8]) {
        fs::create_dir_all(file.parent().expect("in a folder")).expect("it can be made");
        fs::write(file, content).expect("it can be written");
    }

    /// A repository with one function, whose package holds the program, and what people leave lying about.
    fn repository(program: &[u8]) -> (tempfile::TempDir, Settings) {
        let place = tempfile::tempdir().expect("a temporary folder");
        let root = place.path();
        for file in [
            "infra/main.tf",
            "infra/.terraform.lock.hcl",
            "infra/terraform.tfvars.example",
            "infra/examples/complete/main.tf",
            "infra/BUNDLE.md",
            "infra/tests/root.tftest.hcl",
            "infra/terraform.tfvars",
            "infra/terraform.tfstate.backup",
            "infra/.terraform/modules/modules.json",
            "statemachine/release.asl.yaml",
            "docs/runbook.md",
            "functions/reconcile/src/main.rs",
            "CHANGELOG.md",
            "LICENSE",
        ] {
            write(&root.join(file), file.as_bytes());
        }
        let package = root.join("built/reconcile/bootstrap.zip");
        write(&package, b"");
        let mut zip = zip::ZipWriter::new(fs::File::create(package).expect("it can be written"));
        zip.start_file("bootstrap", zip::write::SimpleFileOptions::default()).expect("a program");
        zip.write_all(program).expect("it is written");
        zip.finish().expect("it is written");
        let settings = Settings {
            repository: root.to_owned(),
            target: root.join("target"),
            state: root.join("state"),
            environment: BTreeMap::new(),
        };
        (place, settings)
    }

    fn make_in(settings: &Settings, architecture: Architecture, out: &str) -> anyhow::Result<PathBuf> {
        let root = &settings.repository;
        make(settings, architecture, &root.join("built"), &root.join(out))
    }

    #[test]
    fn it_holds_what_people_apply_and_lists_the_checksum_of_each_file() {
        let (place, settings) = repository(&program(0xb7));
        let archive = make_in(&settings, Architecture::Arm64, "out").expect("it is made");
        let folder = place.path().join("unpacked");

        unpack(&archive, &folder).expect("it is unpacked");

        assert_eq!(archive.file_name(), Some(format!("slipway-{VERSION}-arm64.tar.gz").as_ref()));
        let sums = sums(&folder).expect("the list");
        assert_eq!(
            sums.keys().map(String::as_str).collect::<Vec<_>>(),
            [
                "ARCHITECTURE",
                "CHANGELOG.md",
                "LICENSE",
                "README.md",
                "VERSION",
                "docs/runbook.md",
                "infra/.terraform.lock.hcl",
                "infra/examples/complete/main.tf",
                "infra/main.tf",
                "infra/terraform.tfvars.example",
                "packages/reconcile/bootstrap.zip",
                "statemachine/release.asl.yaml",
            ]
        );
        for (path, sum) in sums {
            let content = fs::read(folder.join(&path)).expect("it is there");
            assert_eq!(hex::encode(Sha256::digest(content)), sum, "{path}");
        }
        assert_eq!(fs::read_to_string(folder.join("README.md")).expect("text"), "infra/BUNDLE.md");
    }

    #[test]
    fn the_same_files_make_the_same_bundle_byte_for_byte() {
        let (_place, settings) = repository(&program(0x3e));
        let first = make_in(&settings, Architecture::X86_64, "first").expect("it is made");
        // Somebody touches a file.
        let touched = settings.repository.join("infra/main.tf");
        fs::write(&touched, fs::read(&touched).expect("it is there")).expect("it can be written");
        let second = make_in(&settings, Architecture::X86_64, "second").expect("it is made");

        assert_eq!(fs::read(first).expect("it is there"), fs::read(second).expect("it is there"));
    }

    #[test]
    fn a_package_for_another_processor_or_without_a_program_is_refused() {
        let (_place, settings) = repository(&program(0x3e));
        let error = make_in(&settings, Architecture::Arm64, "out").expect_err("it is for another one");
        assert!(format!("{error:#}").contains("is for x86_64: build it for arm64"), "{error:#}");

        write(&settings.repository.join("built/reconcile/bootstrap.zip"), b"damaged");
        let error = make_in(&settings, Architecture::X86_64, "out").expect_err("it is damaged");
        assert!(format!("{error:#}").contains("has no program `bootstrap`"), "{error:#}");

        fs::remove_dir_all(settings.repository.join("built")).expect("it is there");
        let error = make_in(&settings, Architecture::X86_64, "out").expect_err("nothing is built");
        assert!(format!("{error:#}").contains("cargo lambda build"), "{error:#}");
    }
}
