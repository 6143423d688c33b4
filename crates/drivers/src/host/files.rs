//! Files and processes of another machine, each act by one small script.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use switchback_engine::process::Argv;
use switchback_model::Digest;
use switchback_model::observed::Filesystem;

use super::far::Far;
use super::problems;
use super::process::{self, Process};
use super::seen::{self, Seen};
use crate::filesystem::Use;

/// Nothing is put in the place of a file before all of it is there and on disk.
const WRITE: &str = r#"mkdir -p -- "$(dirname -- "$1")" && cat > "$1.switchback-new" || exit 1
test "$(wc -c < "$1.switchback-new")" -eq "$2" || { echo 'it was cut off' >&2; exit 1; }
sync -- "$1.switchback-new" && mv -fT -- "$1.switchback-new" "$1" && sync -- "$(dirname -- "$1")""#;

/// Puts a file where there is none, in one act; nothing where there is one.
const CREATE: &str = r#"mkdir -p -- "$(dirname -- "$1")" && cat > "$1.$$" || exit 1
ln -T -- "$1.$$" "$1" 2> /dev/null; rm -f -- "$1.$$"; test -e "$1""#;

/// Space and identity of the filesystem of the nearest directory that is there.
const SPACE: &str = r#"path=$1; while [ ! -e "$path" ]; do path=$(dirname -- "$path"); done
stat --file-system --format='%a %S %b' -- "$path" && stat --dereference --format=%D -- "$path" || exit 1
[ -d "$path" ] || path=$(dirname -- "$path")
if [ "$2" = ours ]; then probe=$(mktemp -- "$path/.switchback-probe-XXXXXX" 2> /dev/null) && rm -f -- "$probe" && echo yes; else [ -w "$path" ] && echo yes; fi
true"#;

/// Files below a directory, and their bytes.
const SIZE: &str = r#"find "$1" -type f -printf '%s\n' | awk '{ size += $1 } END { printf "%d %.0f\n", NR, size }'"#;

/// Signals processes that still are who they were; those that lead a group, with it.
const SIGNAL: &str = r#"signal=$1; shift
while [ $# -gt 1 ]; do
  stat=$(cat "/proc/$1/stat"); fields=${stat##*) }
  if [ "$(echo "$fields" | cut -d' ' -f20)" = "$2" ]; then
    if [ "$(echo "$fields" | cut -d' ' -f3)" = "$1" ]; then kill -s "$signal" -- "-$1"; else kill -s "$signal" "$1"; fi
  fi
  shift 2
done 2> /dev/null
true"#;

/// Every process: what it is, what it runs, where systemd keeps it.
const PROCESSES: &str =
    "for file in stat cmdline cgroup; do grep -aszH '' /proc/[0-9]*/$file; done; true";

fn shell(script: &str, words: &[&str]) -> Argv {
    Argv::new("env", ["LC_ALL=C", "sh", "-c", script, "switchback"]).args(words.iter().copied())
}

fn program(words: &[&str], path: &Path) -> Argv {
    Argv::new("env", ["LC_ALL=C"])
        .args(words.iter().copied())
        .arg("--")
        .arg(path.to_string_lossy())
}

impl Far {
    pub(super) fn read(&self, path: &Path, from: u64) -> io::Result<Vec<u8>> {
        if from == 0 {
            return self.ask(&program(&["cat"], path), b"");
        }
        let from = format!("+{}", from + 1);
        self.ask(&program(&["tail", "-c", &from], path), b"")
    }

    pub(super) fn digest(&self, path: &Path) -> io::Result<Digest> {
        let answer = self.ask(&program(&["sha256sum"], path), b"")?;
        let answer = String::from_utf8_lossy(&answer);
        // A line begins with a backslash where the name had to be escaped.
        let sum = answer.trim_start_matches('\\').split_whitespace().next();
        sum.filter(|sum| sum.len() == 64)
            .map(Digest::from_hex)
            .ok_or_else(|| problems::of_file(&answer))
    }

    /// `what` is `-e` or `-f`, as `test` has it.
    pub(super) fn test(&self, what: &str, path: &Path) -> io::Result<bool> {
        let script = format!("test {what} \"$1\" && echo yes; true");
        let answer = self.ask(&shell(&script, &[&path.to_string_lossy()]), b"")?;
        Ok(!answer.is_empty())
    }

    pub(super) fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let words = ["-mindepth", "1", "-maxdepth", "1", "-printf", "%f\\0"];
        let argv = Argv::new("env", ["LC_ALL=C", "find"])
            .arg(directory.to_string_lossy())
            .args(words);
        let answer = self.ask(&argv, b"")?;
        let names = answer.split(|byte| *byte == 0);
        Ok(names
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    }

    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len().to_string();
        let argv = shell(WRITE, &[&path.to_string_lossy(), &length]);
        self.ask(&argv, bytes).map(drop)
    }

    pub(super) fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let argv = shell(CREATE, &[&path.to_string_lossy()]);
        self.ask(&argv, bytes).map(drop)
    }

    /// Acts on paths, where acting twice is acting once: `rm -f`, `mkdir -p`, `sync`, `cp`.
    pub(super) fn act(&self, words: &[&str], paths: &[&Path]) -> io::Result<()> {
        let argv = Argv::new("env", ["LC_ALL=C"])
            .args(words.iter().copied())
            .arg("--")
            .args(paths.iter().map(|path| path.to_string_lossy()));
        self.ask(&argv, b"").map(drop)
    }

    /// A lost answer does not make it a second act that fails.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let script = r#"test ! -e "$1" -a -e "$2" || mv -fT -- "$1" "$2""#;
        let words = [from.to_string_lossy(), to.to_string_lossy()];
        self.ask(&shell(script, &[&words[0], &words[1]]), b"")
            .map(drop)
    }

    pub(super) fn remove_empty(&self, directory: &Path) -> io::Result<()> {
        let words = ["rmdir", "--ignore-fail-on-non-empty"];
        self.act(&words, &[directory])
    }

    pub(super) fn scratch(&self) -> io::Result<PathBuf> {
        let answer = self.ask(&Argv::new("mktemp", ["-d"]), b"")?;
        Ok(PathBuf::from(String::from_utf8_lossy(&answer).trim_end()))
    }

    pub(super) fn filesystem(&self, used: &Use) -> io::Result<Filesystem> {
        let path = used.path.to_string_lossy();
        let ours = if used.ours { "ours" } else { "theirs" };
        let answer = self.ask(&shell(SPACE, &[&path, ours]), b"")?;
        let answer = String::from_utf8_lossy(&answer);
        let words: Vec<&str> = answer.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
        match (number(0), number(1), number(2), words.get(3)) {
            (Some(free), Some(size), Some(blocks), Some(device)) => Ok(Filesystem {
                path: format!("{}:{path}", self.target()),
                uses: vec![used.what.clone()],
                device: format!("{}:{device}", self.target()),
                free: free.saturating_mul(size),
                total: blocks.saturating_mul(size),
                writable: words.get(4) == Some(&"yes"),
            }),
            _ => Err(problems::of_file(&answer)),
        }
    }

    pub(super) fn tree_size(&self, directory: &Path) -> io::Result<(u64, u64)> {
        let answer = self.ask(&shell(SIZE, &[&directory.to_string_lossy()]), b"")?;
        let answer = String::from_utf8_lossy(&answer);
        let mut numbers = answer.split_whitespace().map(str::parse::<u64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(count)), Some(Ok(size))) => Ok((count, size)),
            _ => Err(problems::of_file(&answer)),
        }
    }

    pub(super) fn processes(&self) -> io::Result<Vec<Seen>> {
        Ok(seen::read(&self.ask(&shell(PROCESSES, &[]), b"")?))
    }

    fn stat(&self, pid: i32) -> io::Result<Option<String>> {
        match self.read(&process::stat_of(pid), 0) {
            Ok(stat) => Ok(Some(String::from_utf8_lossy(&stat).into_owned())),
            Err(error) if problems::failure_of(&error).is_some() => Err(error),
            // It ended, before or while it was read.
            Err(_) => Ok(None),
        }
    }

    pub(super) fn lives(&self, process: Process) -> io::Result<bool> {
        let stat = self.stat(process.pid())?;
        let found = stat.and_then(|stat| Process::in_stat(process.pid(), &stat));
        Ok(found == Some(process))
    }

    pub(super) fn processor_time(&self, pid: i32) -> io::Result<Option<Duration>> {
        let stat = self.stat(pid)?.unwrap_or_default();
        Ok(Process::in_stat(pid, &stat).map(|_| process::time_in(&stat)))
    }

    pub(super) fn signal(&self, processes: &[Process], signal: Signal) -> io::Result<()> {
        let mut words = vec![
            if signal == Signal::KILL {
                "KILL"
            } else {
                "TERM"
            }
            .to_owned(),
        ];
        words.extend(
            processes
                .iter()
                .flat_map(|process| [process.pid().to_string(), process.start().to_string()]),
        );
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.ask(&shell(SIGNAL, &words), b"").map(drop)
    }
}
