//! Locks that restic's own processes hold on a repository: who holds them, and
//! whether they are dead. A dead one's lock is removed by `restic unlock`, which
//! judges once more by itself; a living one's never.

use std::path::Path;

use serde::Deserialize;
use switchback_engine::clock::{Clock as _, SystemClock};
use switchback_engine::ports::Failure;
use switchback_model::calendar::Moment;

use crate::failure::Trouble;
use crate::restic::Restic;

/// restic refreshes a lock every five minutes, and calls one stale that was not for half an hour.
const STALE: u64 = 30 * 60 * 1_000;

/// A lock as `restic cat lock` tells it.
#[derive(Clone, Debug, Deserialize)]
struct Lock {
    time: String,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    pid: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Life {
    Dead(String),
    Alive(String),
}

impl Restic {
    /// Calls `attempt`; where a lock is in the way whose holder is dead, removes it and calls once more.
    pub(crate) fn past_dead_locks<T>(
        &self,
        attempt: &mut dyn FnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let locked = match attempt() {
            Err(Trouble::Locked(failure)) => failure,
            other => return other,
        };
        self.remove_dead(locked)?;
        attempt()
    }

    fn remove_dead(&self, locked: Failure) -> Result<(), Failure> {
        let alive = self.living()?;
        if alive.is_empty() {
            self.ask(&["unlock"])?;
            return Ok(());
        }
        let mut failure = locked;
        failure.causes = alive;
        Err(failure
            .hint("wait until that process has ended, and type the same command again")
            .hint("where it is certainly gone, its lock can be removed: `restic unlock`, half an hour after its last sign of life"))
    }

    /// Every lock whose holder may live, in words.
    fn living(&self) -> Result<Vec<String>, Failure> {
        let ids = self.ask(&["list", "locks", "--no-lock"])?;
        let mut living = Vec::new();
        for id in ids.split_whitespace() {
            // One that is gone by now holds nobody up.
            let Ok(text) = self.ask(&["cat", "lock", id, "--no-lock"]) else {
                continue;
            };
            let lock: Lock = serde_json::from_str(&text).map_err(|error| {
                Failure::new(
                    "repository-lock-unreadable",
                    format!("the lock `{id}` of the backup repository cannot be read"),
                )
                .cause(error)
                .state("repository", "unchanged")
                .hint("see who holds it: `restic cat lock`; remove what is stale: `restic unlock`")
            })?;
            let now = Moment(SystemClock::default().now());
            if let Life::Alive(who) = lock.life(&here(), now, &runs) {
                living.push(who);
            }
        }
        Ok(living)
    }
}

impl Lock {
    fn life(&self, here: &str, now: Moment, runs: &dyn Fn(u32) -> bool) -> Life {
        let who = format!(
            "{} lock of process {} of `{}` on `{}`",
            if self.exclusive {
                "exclusive"
            } else {
                "shared"
            },
            self.pid,
            self.username,
            self.hostname
        );
        if self.hostname == here {
            return if runs(self.pid) {
                Life::Alive(format!("{who}, which runs"))
            } else {
                Life::Dead(format!("{who}, which has ended"))
            };
        }
        let Some(refreshed) = Moment::parse(&self.time) else {
            return Life::Alive(format!("{who}, from an unreadable time"));
        };
        let silent = now.0.saturating_sub(refreshed.0);
        if silent > STALE {
            Life::Dead(format!("{who}, silent since {refreshed} UTC"))
        } else {
            Life::Alive(format!("{who}, last seen {} s ago", silent / 1_000))
        }
    }
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Name of this machine, as restic writes it into locks and snapshots.
pub(crate) fn here() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(hostname: &str, time: &str) -> Lock {
        Lock {
            time: time.to_owned(),
            exclusive: true,
            hostname: hostname.to_owned(),
            username: "root".to_owned(),
            pid: 4_711,
        }
    }

    #[test]
    fn on_this_machine_the_process_decides() {
        let now = Moment::parse("2026-11-21T08:00:00Z").expect("a time");
        let fresh = lock("here", "2026-11-21T07:59:59Z");
        assert!(matches!(fresh.life("here", now, &|_| false), Life::Dead(_)));
        assert_eq!(
            fresh.life("here", now, &|pid| pid == 4_711),
            Life::Alive(
                "exclusive lock of process 4711 of `root` on `here`, which runs".to_owned()
            )
        );
        // However long it is silent: somebody may have suspended it.
        let old = lock("here", "2026-11-20T00:00:00Z");
        assert!(matches!(old.life("here", now, &|_| true), Life::Alive(_)));
    }

    #[test]
    fn elsewhere_only_a_long_silence_counts() {
        let now = Moment::parse("2026-11-21T08:00:00Z").expect("a time");
        let gone = |_| false;
        let fresh = lock("there", "2026-11-21T07:40:00Z");
        assert_eq!(
            fresh.life("here", now, &gone),
            Life::Alive(
                "exclusive lock of process 4711 of `root` on `there`, last seen 1200 s ago"
                    .to_owned()
            )
        );
        let silent = lock("there", "2026-11-21T07:20:00Z");
        assert!(matches!(silent.life("here", now, &gone), Life::Dead(_)));
    }
}
