//! The process at the other end of a connection.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Kills the process that speaks from this address.
///
/// # Errors
///
/// When there is none, or the system does not tell (Linux does, in `/proc`).
pub(super) fn kill_process(of: SocketAddr) -> anyhow::Result<i32> {
    let inode = socket_of(of)?;
    let process = owner_of(inode)?.with_context(|| format!("no process has the socket of {of}"))?;
    if process == i32::try_from(std::process::id())? {
        bail!("the caller at {of} is the wire's own process");
    }
    kill(Pid::from_raw(process), Signal::SIGKILL)?;
    Ok(process)
}

/// The number of the socket whose own end is this address.
fn socket_of(address: SocketAddr) -> anyhow::Result<u64> {
    let SocketAddr::V4(address) = address else {
        bail!("the wire listens on IPv4 only");
    };
    // Written as the bytes lie in memory: 127.0.0.1:4566 is 0100007F:11D6 on the machines that we know.
    let wanted = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    let table = fs::read_to_string("/proc/net/tcp").context("connections are listed on Linux only")?;
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.get(1).is_some_and(|own| *own == wanted))
        .and_then(|fields| fields.get(9)?.parse().ok())
        .with_context(|| format!("no connection from {address}"))
}

/// The process that has a socket open.
fn owner_of(inode: u64) -> anyhow::Result<Option<i32>> {
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if has_open(&entry.path(), &wanted) {
            return Ok(Some(process));
        }
    }
    Ok(None)
}

/// Whether a process has it open; not, when it has just ended or belongs to somebody else.
fn has_open(process: &Path, wanted: &str) -> bool {
    fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == wanted))
}
