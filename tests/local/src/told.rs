//! Files of the state folder by which the cloud is told how to behave. It reads them at every call.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads such a file; the default where there is none.
///
/// # Errors
///
/// When it cannot be read.
pub fn read<T: DeserializeOwned + Default>(file: &Path) -> anyhow::Result<T> {
    match fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error.into()),
    }
}

/// Writes such a file, so that a reader sees all of it or what was there before.
///
/// # Errors
///
/// When it cannot be written.
pub fn write<T: Serialize>(file: &Path, told: &T) -> anyhow::Result<()> {
    let draft = file.with_extension("draft");
    fs::write(&draft, serde_json::to_vec_pretty(told)?)?;
    fs::rename(draft, file)?;
    Ok(())
}
