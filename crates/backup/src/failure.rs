//! What restic's exit codes and messages mean for an operator.

use serde::Deserialize;
use switchback_engine::ports::Failure;
use switchback_engine::process::CommandError;

/// Exit codes that say all: no repository, locked, wrong password.
const KNOWN: [i32; 3] = [10, 11, 12];
/// How many of restic's last lines are told; all of them are kept with the failure.
const TOLD: usize = 3;

/// Why a call did not succeed: a failure to tell, or something that we can do something about.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Somebody holds a lock that excludes us.
    Locked(Failure),
    /// Some of what was to be stored could not be read: the snapshot is not whole.
    Incomplete(Failure),
    /// Everything else.
    Other(Failure),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Locked(failure) | Trouble::Incomplete(failure) | Trouble::Other(failure) => {
                failure
            }
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

#[derive(Deserialize)]
struct Message {
    message_type: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    item: String,
    #[serde(default)]
    error: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    message: String,
}

impl Trouble {
    /// From a child that did not run to its end.
    pub(crate) fn from_command(error: CommandError, repository: &str) -> Self {
        let stopped = matches!(error, CommandError::Stopped { .. });
        let what = if stopped {
            "stopped by the operator while restic worked".to_owned()
        } else {
            format!("restic cannot be run on `{repository}`")
        };
        let code = if stopped { "stopped" } else { "restic-broken" };
        let failure = error
            .into_failure(code, what)
            .state("repository", "usable; what was sent is not sent again");
        Self::Other(failure.hint("type the same command again"))
    }

    /// From an exit code other than zero.
    pub(crate) fn from_exit(code: i32, said: &str, repository: &str, command: &str) -> Self {
        let cause = Cause::of(code, said);
        let failure = cause.told(repository);
        // What an exit code says needs no more than restic's own first word on it.
        let failure = if KNOWN.contains(&code) {
            said.lines().take(1).fold(failure, Failure::cause)
        } else {
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.iter().skip(lines.len().saturating_sub(TOLD));
            last.fold(
                failure.cause(format!("`restic {command}` exited with {code}")),
                Failure::cause,
            )
        };
        let failure = failure.output(said);
        match cause {
            Cause::Locked => Self::Locked(failure),
            Cause::Unreadable => Self::Incomplete(failure),
            _ => Self::Other(failure),
        }
    }
}

/// What was in restic's way.
#[derive(Clone, Copy)]
enum Cause {
    /// There is no repository.
    Missing,
    /// Somebody else holds a lock on it.
    Locked,
    /// The password does not open it.
    Password,
    /// No space is left in it.
    Full,
    /// It does not answer.
    Unreachable,
    /// It refuses access.
    Permission,
    /// Some of what was to be stored could not be read.
    Unreadable,
    /// Nothing that we know.
    Unknown,
}

impl Cause {
    /// Object stores say so in their own words, after which restic would try again for long.
    const NO_BUCKET: [&str; 2] = ["bucket does not exist", "NoSuchBucket"];
    const NO_SPACE: [&str; 2] = ["no space left on device", "disk quota exceeded"];
    const NO_ANSWER: [&str; 7] = [
        "connection refused",
        "no such host",
        "i/o timeout",
        "network is unreachable",
        "context canceled",
        "no route to host",
        "TLS handshake",
    ];
    const NO_ACCESS: [&str; 4] = [
        "permission denied",
        "Access Denied",
        "AccessDenied",
        "403 Forbidden",
    ];

    fn of(code: i32, said: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        match code {
            10 => Self::Missing,
            _ if has(&Self::NO_BUCKET) => Self::Missing,
            11 => Self::Locked,
            12 => Self::Password,
            _ if has(&Self::NO_SPACE) => Self::Full,
            _ if has(&Self::NO_ANSWER) => Self::Unreachable,
            _ if has(&Self::NO_ACCESS) => Self::Permission,
            3 => Self::Unreadable,
            _ => Self::Unknown,
        }
    }

    /// What failed, what state things are in, what to type next.
    fn told(self, repository: &str) -> Failure {
        match self {
            Self::Missing => Failure::new(
                "repository-missing",
                format!("there is no backup repository at `{repository}`"),
            )
            .state("repository", "nothing was made there")
            .hint("if a disk or share belongs there, mount it; else correct `repository` under [backup] in switchback.toml")
            .hint("to begin a new repository there: `switchback backup create --init`"),
            Self::Locked => Failure::new(
                "repository-locked",
                format!("somebody else holds a lock on `{repository}`"),
            )
            .state("repository", "unchanged"),
            Self::Password => Failure::new(
                "repository-password",
                format!("the password does not open the backup repository `{repository}`"),
            )
            .state("repository", "unchanged")
            .hint("correct `password` under [backup] in switchback.toml, or what it names")
            .hint("whoever knows another password of it can add this one: `restic key add`"),
            Self::Full => Failure::new(
                "repository-full",
                format!("no space is left while writing to `{repository}`"),
            )
            .state("repository", "every earlier backup is whole; this one is not in it")
            .state("local backups", "unchanged")
            .hint("free space there, or where restic keeps temporary files (TMPDIR), and type the same command again: what was sent is not sent again")
            .hint("where old backups may go: `switchback backup prune`"),
            Self::Unreachable => Failure::new(
                "repository-unreachable",
                format!("the backup repository `{repository}` cannot be reached"),
            )
            .state("repository", "unknown")
            .hint("see that the network and the server are up, and the name is right; then type the same command again")
            .hint("where nothing was ever stored there: `switchback backup create --init`"),
            Self::Permission => Failure::new(
                "repository-permission",
                format!("the backup repository `{repository}` refuses access"),
            )
            .state("repository", "unchanged")
            .hint("run as the user who owns it, or correct the keys under [backup.environment] in switchback.toml"),
            Self::Unreadable => Failure::new(
                "backup-source-unreadable",
                "not every file of the backup could be read",
            )
            .hint("run as the user who made the backup, usually root"),
            Self::Unknown => Failure::new(
                "repository-failed",
                format!("restic failed on `{repository}`"),
            )
            .state("repository", "unknown")
            .hint(format!(
                "look at it with restic itself: `restic --repo {repository} check`"
            )),
        }
    }
}

/// What restic said of an error, without what is for programs: one message per line.
pub(crate) fn said(stdout: &str, stderr: &str) -> String {
    let mut lines = Vec::new();
    for line in stderr.lines().chain(stdout.lines()) {
        match serde_json::from_str::<Message>(line) {
            Ok(message) => match message.message_type.as_str() {
                "exit_error" => lines.push(message.message),
                "error" => {
                    let why = message.error.map_or(message.message, |inner| inner.message);
                    lines.push(if message.item.is_empty() {
                        why
                    } else {
                        format!("{}: {why}", message.item)
                    });
                }
                _ => {}
            },
            // Standard output that is not a message is an answer, not an error.
            Err(_) if stderr.contains(line) && !line.trim().is_empty() => {
                lines.push(line.to_owned());
            }
            Err(_) => {}
        }
    }
    lines
        .join("\n")
        .lines()
        // What restic says for a terminal, and of having been asked to end.
        .map(|line| line.trim_start_matches("\u{1b}[2K"))
        .filter(|line| !line.starts_with("signal "))
        .map(|line| line.trim_start_matches("Fatal: "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(code: i32, said: &str) -> Trouble {
        Trouble::from_exit(code, said, "/srv/backups", "snapshots")
    }

    #[test]
    fn messages_are_read_and_progress_is_not() {
        let stdout = "{\"message_type\":\"status\",\"percent_done\":1}\n[]\n";
        let stderr = concat!(
            "{\"message_type\":\"error\",\"error\":{\"message\":\"open a: permission denied\"},\"during\":\"archival\",\"item\":\"/x/a\"}\n",
            "{\"message_type\":\"exit_error\",\"code\":12,\"message\":\"Fatal: wrong password or no key found\"}\n",
            "\u{1b}[2Ksignal terminated received, cleaning up\n",
            "setpriv: failed\n",
        );
        assert_eq!(
            said(stdout, stderr),
            "/x/a: open a: permission denied\nwrong password or no key found\nsetpriv: failed"
        );
    }

    #[test]
    fn each_kind_of_trouble_has_its_three_parts() {
        for (code, said, expected) in [
            (10, "", "repository-missing"),
            (
                130,
                "Load(<config/0000000000>, 0, 0) returned error, retrying after 1s: The specified bucket does not exist",
                "repository-missing",
            ),
            (11, "", "repository-locked"),
            (12, "", "repository-password"),
            (
                1,
                "write /srv/x: no space left on device",
                "repository-full",
            ),
            (
                1,
                "dial tcp 192.0.2.1:443: connection refused",
                "repository-unreachable",
            ),
            (
                1,
                "open /srv/config: permission denied",
                "repository-permission",
            ),
            (1, "pack 12ab is damaged", "repository-failed"),
        ] {
            let failure = Failure::from(trouble(code, said));
            assert_eq!(failure.code, expected);
            assert!(!failure.state.is_empty(), "{expected} says no state");
            assert!(
                !failure.hints.is_empty() || expected == "repository-locked",
                "{expected} says nothing to do"
            );
        }
        // What is done about a lock depends on who holds it, which is found out where it is met.
        assert!(matches!(trouble(11, ""), Trouble::Locked(_)));
        assert!(matches!(trouble(3, ""), Trouble::Incomplete(_)));
    }
}
