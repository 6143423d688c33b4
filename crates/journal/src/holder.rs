//! Who holds a lease, and whether that process still lives.

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};
use switchback_model::RunId;
use switchback_model::calendar::Moment;

/// One process on one boot of one machine: no other has, had or will have all of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Name of the machine.
    pub host: String,
    /// Changes with every boot.
    pub boot: String,
    /// Identity of the pid namespace: a container counts its processes for itself.
    pub namespace: String,
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot, so that a reused pid is another process.
    pub started: String,
}

/// The holder of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub process: ProcessIdentity,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: u64,
    /// The run it works on.
    pub run: RunId,
    /// Who started it: `user@host`.
    pub by: String,
}

/// Whether a holder still lives, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Certainly dead.
    Dead(String),
    /// Certainly alive.
    Alive(String),
    /// Nothing here can look: counts as alive.
    CannotTell(String),
}

impl ProcessIdentity {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        let trimmed = |path: &str| {
            fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        Self {
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            boot: trimmed("/proc/sys/kernel/random/boot_id"),
            namespace: fs::read_link("/proc/self/ns/pid")
                .map(|link| link.to_string_lossy().into_owned())
                .unwrap_or_default(),
            pid,
            started: start_time(pid).unwrap_or_default(),
        }
    }

    /// Whether this process still lives, as `observer` can tell.
    pub fn life(&self, observer: &Self) -> Life {
        if self.host != observer.host {
            return Life::CannotTell(format!(
                "runs on `{}`, which cannot be seen from `{}`",
                self.host, observer.host
            ));
        }
        if self.boot.is_empty() || self.started.is_empty() || observer.started.is_empty() {
            return Life::CannotTell("`/proc` cannot be read".to_owned());
        }
        if self.boot != observer.boot {
            return Life::Dead(format!("`{}` was restarted since", self.host));
        }
        if self.namespace != observer.namespace {
            return Life::CannotTell(
                "runs in another container of this machine, whose processes cannot be seen"
                    .to_owned(),
            );
        }
        match start_time(self.pid) {
            None => Life::Dead(format!("process {} has ended", self.pid)),
            Some(started) if started != self.started => {
                Life::Dead(format!("process {} is another one now", self.pid))
            }
            Some(_) => Life::Alive(format!("process {} runs", self.pid)),
        }
    }
}

impl Holder {
    /// What an operator types to name it: `PID@HOST`.
    pub fn name(&self) -> String {
        format!("{}@{}", self.process.pid, self.process.host)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "process {} of `{}` on `{}` since {} UTC for run `{}`",
            self.process.pid,
            self.by,
            self.process.host,
            Moment(self.since),
            self.run
        )
    }
}

/// Field 22 of `/proc/PID/stat`; `None` where the process has ended, also while nobody has reaped it yet.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in parentheses and may hold spaces and parentheses itself.
    let mut after_name = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = after_name.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    after_name.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_to_itself() {
        let me = ProcessIdentity::current();
        assert!(matches!(me.life(&me), Life::Alive(_)));
    }

    #[test]
    fn another_boot_an_ended_pid_and_a_reused_pid_are_dead() {
        let me = ProcessIdentity::current();
        let before_boot = ProcessIdentity {
            boot: "another".to_owned(),
            ..me.clone()
        };
        let ended = ProcessIdentity {
            pid: u32::MAX / 4,
            ..me.clone()
        };
        let reused = ProcessIdentity {
            started: "1".to_owned(),
            ..me.clone()
        };
        for dead in [before_boot, ended, reused] {
            assert!(matches!(dead.life(&me), Life::Dead(_)), "{dead:?}");
        }
    }

    #[test]
    fn an_unreaped_child_is_dead() {
        let me = ProcessIdentity::current();
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("true starts");
        let holder = ProcessIdentity {
            pid: child.id(),
            started: start_time(child.id()).unwrap_or_else(|| "1".to_owned()),
            ..me.clone()
        };
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(matches!(holder.life(&me), Life::Dead(_)));
        child.wait().expect("true ends");
    }

    #[test]
    fn another_machine_or_container_cannot_be_told_dead() {
        let me = ProcessIdentity::current();
        let elsewhere = ProcessIdentity {
            host: "elsewhere.example".to_owned(),
            boot: "another".to_owned(),
            ..me.clone()
        };
        let contained = ProcessIdentity {
            namespace: "pid:[1]".to_owned(),
            pid: u32::MAX / 4,
            ..me.clone()
        };
        assert!(matches!(elsewhere.life(&me), Life::CannotTell(_)));
        assert!(matches!(contained.life(&me), Life::CannotTell(_)));
    }
}
