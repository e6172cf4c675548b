//! The process at the other end of a connection.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// So often a connection is looked for. While others come and go the system's list may leave one out.
const LOOKS: u32 = 20;

/// Kills the process that speaks from one address to another.
///
/// # Errors
///
/// When there is none, or the system does not show it (Linux does, in `/proc`).
pub(super) fn kill_process(of: SocketAddr, to: SocketAddr) -> anyhow::Result<i32> {
    let process = (0..LOOKS)
        .find_map(|_| find(of, to).transpose())
        .unwrap_or_else(|| bail!("no process has a connection from {of} to {to}"))?;
    if process == i32::try_from(std::process::id())? {
        bail!("the caller at {of} is the wire's own process");
    }
    kill(Pid::from_raw(process), Signal::SIGKILL)?;
    Ok(process)
}

fn find(of: SocketAddr, to: SocketAddr) -> anyhow::Result<Option<i32>> {
    match socket_of(of, to)? {
        Some(inode) => owner_of(inode),
        None => Ok(None),
    }
}

/// The number of the socket whose own end is this address. The same port may speak to somebody else, too.
fn socket_of(own: SocketAddr, other: SocketAddr) -> anyhow::Result<Option<u64>> {
    let (own, other) = (as_listed(own)?, as_listed(other)?);
    let table = fs::read_to_string("/proc/net/tcp").context("connections are listed on Linux only")?;
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // A connection that is closed already is listed without a socket.
    let sockets = rows.filter(|row| {
        row.get(1).is_some_and(|one| *one == own) && row.get(2).is_some_and(|one| *one == other)
    });
    Ok(sockets.filter_map(|row| row.get(9)?.parse().ok()).find(|inode| *inode != 0))
}

/// An address as the system's list has it, as the bytes lie in memory: 127.0.0.1:4566 is 0100007F:11D6 on the machines
/// that we know.
fn as_listed(address: SocketAddr) -> anyhow::Result<String> {
    let SocketAddr::V4(address) = address else {
        bail!("the wire listens on IPv4 only");
    };
    Ok(format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port()))
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
