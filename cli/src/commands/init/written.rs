//! Writes files into a folder: all of them or none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// Refuses a folder in which one of these files is there already.
pub(super) fn refuse_what_is_there(folder: &Path, names: &[&str]) -> Result<(), Error> {
    match names.iter().find(|name| folder.join(name).symlink_metadata().is_ok()) {
        Some(name) => Err(Error::Refused(format!(
            "{} is there already: write another --out, or --force to write over it",
            folder.join(name).display()
        ))),
        None => Ok(()),
    }
}

/// The way from a folder, which need not be there yet, to another place: `../..` or `../infra`.
pub(super) fn way(folder: &Path, to: &Path) -> Result<String, Error> {
    let wrong = |option: &str, path: &Path, error: io::Error| {
        Error::Refused(format!("--{option}: {} cannot be found ({error})", path.display()))
    };
    let to = to.canonicalize().map_err(|error| wrong("from", to, error))?;
    let whole = std::path::absolute(folder).map_err(|error| wrong("out", folder, error))?;
    let there = whole.ancestors().find(|path| path.exists()).unwrap_or(&whole);
    let rest = whole.strip_prefix(there).unwrap_or(Path::new(""));
    let folder = there.canonicalize().map_err(|error| wrong("out", there, error))?.join(rest);

    let shared = folder.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(shared).map(|_| "..".into());
    let down = to.components().skip(shared).map(|component| component.as_os_str().to_owned());
    let way: PathBuf = up.chain(down).collect();
    match way.to_str() {
        Some("") => Ok(".".to_owned()),
        Some(way) => Ok(way.to_owned()),
        None => Err(Error::Refused(format!("--from: {} is no text: name it otherwise", way.display()))),
    }
}

/// Writes files, and over those that are there where `force` says so. Where one cannot be written, all are as they were.
pub(super) fn write(folder: &Path, files: &[(&str, String)], force: bool) -> Result<(), Error> {
    if !force {
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        refuse_what_is_there(folder, &names)?;
    }
    let was_there = folder.exists();
    let mut done = Done::default();
    // Of this run alone: another one may write the same.
    let beside = |name: &str| folder.join(format!(".{name}.{}.new", std::process::id()));
    let written = fs::create_dir_all(folder).map_err(|error| (folder.to_owned(), error)).and_then(|()| {
        // Beside their places first: a full disk is noticed before anything is replaced.
        for (name, text) in files {
            let new = beside(name);
            done.new.push(new.clone());
            fs::write(&new, text).map_err(|error| (new, error))?;
        }
        for (name, _) in files {
            let place = folder.join(name);
            let before = read(&place).map_err(|error| (place.clone(), error))?;
            fs::rename(beside(name), &place).map_err(|error| (place.clone(), error))?;
            done.replaced.push((place, before));
        }
        Ok(())
    });
    written.map_err(|(path, error)| {
        let restored = done.undo();
        if !was_there {
            // Only where nothing else came into it.
            let _gone = fs::remove_dir(folder);
        }
        let after = match restored {
            Ok(()) => "nothing was written".to_owned(),
            Err(error) => format!("and what was written cannot be taken back ({error}): look at the folder"),
        };
        Error::Refused(format!(
            "{} cannot be written ({error}); {after}: write another --out",
            path.display()
        ))
    })
}

/// What has been done so far.
#[derive(Debug, Default)]
struct Done {
    /// Files beside their places.
    new: Vec<PathBuf>,
    /// Files in their places, and what was there before.
    replaced: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Done {
    /// Takes it back.
    fn undo(&self) -> io::Result<()> {
        for (place, before) in &self.replaced {
            match before {
                Some(before) => fs::write(place, before)?,
                None => fs::remove_file(place)?,
            }
        }
        for new in self.new.iter().filter(|new| new.exists()) {
            fs::remove_file(new)?;
        }
        Ok(())
    }
}

/// What a file holds; nothing where there is none.
fn read(place: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(place) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(&'static str, String)> {
        vec![("a.tf", "new a".to_owned()), ("b.tf", "new b".to_owned())]
    }

    fn text(folder: &Path, name: &str) -> Option<String> {
        fs::read_to_string(folder.join(name)).ok()
    }

    #[test]
    fn the_way_to_a_clone_is_written_from_the_folder() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("clone/infra")).expect("a folder");
        let from =
            |folder: &str| way(&root.path().join(folder), &root.path().join("clone")).expect("it is there");
        assert_eq!(from("clone/slipway"), "..");
        assert_eq!(from("clone/infra/mine/slipway"), "../../..");
        assert_eq!(from("other"), "../clone");
        assert_eq!(from("clone"), ".");
        let error = way(root.path(), &root.path().join("gone")).expect_err("it is not there").to_string();
        assert!(error.starts_with("--from: "), "{error}");
    }

    #[test]
    fn files_are_written_into_a_new_folder_and_over_others_only_by_force() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("x/slipway");
        write(&folder, &files(), false).expect("it is written");
        assert_eq!(text(&folder, "b.tf").as_deref(), Some("new b"));

        fs::write(folder.join("a.tf"), "mine").expect("it is written");
        fs::remove_file(folder.join("b.tf")).expect("it is removed");
        let error = write(&folder, &files(), false).expect_err("it is there").to_string();
        assert!(error.contains("a.tf is there already") && error.contains("--force"), "{error}");
        assert_eq!((text(&folder, "a.tf").as_deref(), text(&folder, "b.tf")), (Some("mine"), None));

        write(&folder, &files(), true).expect("it is written over");
        assert_eq!(text(&folder, "a.tf").as_deref(), Some("new a"));
        let names = fs::read_dir(&folder).expect("a folder").count();
        assert_eq!(names, 2, "nothing is left beside the files");
    }

    #[test]
    fn where_one_file_cannot_be_written_all_are_as_they_were() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("slipway");
        fs::create_dir_all(folder.join("b.tf")).expect("a folder in the place of a file");
        fs::write(folder.join("a.tf"), "mine").expect("it is written");

        let error = write(&folder, &files(), true).expect_err("a folder is no file").to_string();

        assert!(error.contains("nothing was written"), "{error}");
        assert_eq!(text(&folder, "a.tf").as_deref(), Some("mine"));
        let names = fs::read_dir(&folder).expect("a folder").count();
        assert_eq!(names, 2, "nothing is left beside the files");
    }
}
