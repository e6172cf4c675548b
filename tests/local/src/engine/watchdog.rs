//! Nothing is left running, even if the engine is killed.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
};

use anyhow::Context as _;
use nix::unistd::Pid;

use super::locked;

/// Reads `+ GROUP` and `- GROUP` lines and kills the groups that are left when its input ends, which the kernel sees to
/// however the engine ends.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
groups=
while read -r what group; do
  case $what in
    +) groups="$groups $group" ;;
    -) left=
       for other in $groups; do [ "$other" = "$group" ] || left="$left $other"; done
       groups=$left ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// A small process beside the engine that knows the process group of every container and outlives the engine by just
/// the time that killing them takes.
#[derive(Debug)]
pub(super) struct Watchdog(Mutex<Option<(Child, ChildStdin)>>);

impl Watchdog {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "slipway-container-watchdog"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C in the terminal is for the engine.
            .process_group(0)
            .spawn()
            .context("the watchdog of the container engine cannot be started")?;
        let input = child.stdin.take().context("the watchdog of the container engine has no input")?;
        Ok(Self(Mutex::new(Some((child, input)))))
    }

    pub(super) fn add(&self, group: Pid) {
        self.tell('+', group);
    }

    pub(super) fn remove(&self, group: Pid) {
        self.tell('-', group);
    }

    fn tell(&self, what: char, group: Pid) {
        if let Some((_, input)) = locked(&self.0).as_mut()
            && let Err(error) = writeln!(input, "{what} {group}")
        {
            tracing::warn!(%error, "the watchdog of the container engine is gone");
        }
    }

    /// Kills the groups that are left and ends.
    pub(super) fn end(&self) {
        if let Some((mut child, input)) = locked(&self.0).take() {
            drop(input);
            if let Err(error) = child.wait() {
                tracing::warn!(%error, "the watchdog of the container engine cannot be waited for");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").process_group(0).spawn().expect("sleep runs")
    }

    fn group(child: &Child) -> Pid {
        Pid::from_raw(child.id().try_into().expect("a process id"))
    }

    #[test]
    fn the_groups_that_are_left_are_killed_when_the_engine_ends() {
        let watchdog = Watchdog::start().expect("it starts");
        let (mut left, mut gone) = (sleeper(), sleeper());
        watchdog.add(group(&left));
        watchdog.add(group(&gone));
        watchdog.remove(group(&gone));

        watchdog.end();

        assert_eq!(left.wait().expect("it ended").signal(), Some(9));
        assert!(gone.try_wait().expect("it can be asked").is_none());
        gone.kill().expect("it runs");
        gone.wait().expect("it ended");
    }
}
