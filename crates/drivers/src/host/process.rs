//! Processes that outlive us: started in sessions of their own, found again by
//! pid and start time, which together name one process of one boot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use switchback_engine::process::{Argv, Secret};

/// Notes who it is, then becomes the program. The note is in place before the program runs.
const SERVICE: &str = r#"pid=$1 log=$2; shift 2
stat=$(cat /proc/$$/stat); set -- "${stat##*) }" "$@"; fields=$1; shift
start=$(echo "$fields" | cut -d' ' -f20)
echo "$$ $start" > "$pid.new" && mv "$pid.new" "$pid" || exit 1
exec "$@" >> "$log" 2>&1 < /dev/null"#;

/// The same, but stays beside the program and notes its exit code. Of two that were started for one directory, as
/// when a connection is lost before it is known whether the first was, only one becomes it.
const ONE_OFF: &str = r#"exec > /dev/null 2>&1 < /dev/null
dir=$1; shift
stat=$(cat /proc/$$/stat); set -- "${stat##*) }" "$@"; fields=$1; shift
start=$(echo "$fields" | cut -d' ' -f20)
echo "$$ $start" > "$dir/pid.$$" && ln "$dir/pid.$$" "$dir/pid" || exit 1
"$@" >> "$dir/log" 2>&1 < /dev/null
echo $? > "$dir/exit.new" && sync "$dir/exit.new" && mv "$dir/exit.new" "$dir/exit""#;

/// The same for a program that a signal will end: the shell waits for it all the same. A trap that does
/// something, unlike one that ignores, is not handed down to the program.
const COMPANION: &str = r#"dir=$1; shift
trap : INT TERM QUIT HUP
stat=$(cat /proc/$$/stat); set -- "${stat##*) }" "$@"; fields=$1; shift
start=$(echo "$fields" | cut -d' ' -f20)
echo "$$ $start" > "$dir/pid.new" && mv "$dir/pid.new" "$dir/pid" || exit 1
"$@" >> "$dir/log" 2>&1 < /dev/null
echo $? > "$dir/exit.new" && sync "$dir/exit.new" && mv "$dir/exit.new" "$dir/exit""#;

/// How long a process may take to end after a polite signal. Servers write their data out within it.
const POLITE: Duration = Duration::from_secs(20);
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(50);
/// `getconf CLK_TCK` on every Linux of the last twenty years.
const TICKS_PER_SECOND: u64 = 100;

/// A process of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    /// In clock ticks since boot.
    start: u64,
}

/// The command that starts `program` for good: it returns at once, `program` goes on.
pub(crate) fn detached(
    pid_file: &Path,
    log: &Path,
    program: &[String],
    env: &[(String, Secret)],
) -> Argv {
    let words = [pid_file, log].map(|path| path.to_string_lossy().into_owned());
    shell(SERVICE, &words, program, env)
}

/// The command that starts a one-off `program`, whose traces go into `directory`.
pub(crate) fn one_off(directory: &Path, program: &[String], env: &[(String, Secret)]) -> Argv {
    shell(
        ONE_OFF,
        &[directory.to_string_lossy().into_owned()],
        program,
        env,
    )
}

/// The command that starts a companion, whose traces go into `directory`.
pub(crate) fn companion(directory: &Path, program: &[String], env: &[(String, Secret)]) -> Argv {
    shell(
        COMPANION,
        &[directory.to_string_lossy().into_owned()],
        program,
        env,
    )
}

fn shell(script: &str, words: &[String], program: &[String], env: &[(String, Secret)]) -> Argv {
    let mut argv = Argv::new("setsid", ["--fork", "sh", "-c", script, "switchback"])
        .args(words.iter().cloned())
        .args(program.iter().cloned());
    argv.env = env.to_vec();
    argv
}

impl Process {
    /// The process that a note names, where it still lives.
    pub(crate) fn noted(note: &Path) -> Option<Self> {
        let text = fs::read_to_string(note).ok()?;
        Self::in_note(&text).filter(|noted| noted.lives())
    }

    /// The process that a note's text names, living or not.
    pub(crate) fn in_note(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        Some(Self {
            pid: words.next()?.parse().ok()?,
            start: words.next()?.parse().ok()?,
        })
    }

    /// The living process with this pid.
    pub(crate) fn with_pid(pid: i32) -> Option<Self> {
        Self::in_stat(pid, &fs::read_to_string(stat_of(pid)).ok()?)
    }

    /// The living process with this pid, as its `/proc/PID/stat` tells it.
    pub(crate) fn in_stat(pid: i32, stat: &str) -> Option<Self> {
        let fields = fields(stat)?;
        let start = fields.get(19)?.parse().ok()?;
        // A zombie has ended.
        let lives = !matches!(fields.first(), Some(&("Z" | "X")));
        lives.then_some(Self { pid, start })
    }

    /// True while it runs; a zombie has ended.
    pub(crate) fn lives(self) -> bool {
        Self::with_pid(self.pid) == Some(self)
    }

    /// Its number.
    pub(crate) fn pid(self) -> i32 {
        self.pid
    }

    /// When it began, in clock ticks since boot.
    pub(crate) fn start(self) -> u64 {
        self.start
    }

    /// The file that it runs.
    pub(crate) fn executable(self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.pid)).ok()
    }

    /// The bytes that it runs, also where the file was replaced since.
    pub(crate) fn image(self) -> io::Result<Vec<u8>> {
        fs::read(format!("/proc/{}/exe", self.pid))
    }

    /// Its working directory.
    pub(crate) fn directory(self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    /// Its arguments, program first.
    pub(crate) fn arguments(self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        bytes
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    /// Processor time that it has used.
    pub(crate) fn processor_time(self) -> Duration {
        fs::read_to_string(stat_of(self.pid)).map_or(Duration::ZERO, |stat| time_in(&stat))
    }

    /// Ends it politely, then not; its whole group where it leads one. Returns when it has ended.
    pub(crate) fn end(self, waiting: &mut dyn FnMut()) {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while self.lives() {
            if asked.elapsed() > POLITE {
                self.signal(Signal::KILL);
            }
            waiting();
            std::thread::sleep(LOOK);
        }
    }

    /// Sends it a signal, and its whole group where it leads one.
    pub(crate) fn signal(self, signal: Signal) {
        // Between the look and the signal the pid could be given anew only if all pids went round.
        if !self.lives() {
            return;
        }
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        let stat = fs::read_to_string(stat_of(self.pid)).unwrap_or_default();
        let leads = fields(&stat)
            .is_some_and(|fields| fields.get(2).copied() == Some(self.pid.to_string().as_str()));
        let _ = if leads {
            kill_process_group(pid, signal)
        } else {
            kill_process(pid, signal)
        };
    }
}

/// Every process of this machine that can be looked at.
pub(crate) fn all() -> Vec<Process> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Process::with_pid(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// Processor time, as `/proc/PID/stat` tells it.
pub(crate) fn time_in(stat: &str) -> Duration {
    let fields = fields(stat).unwrap_or_default();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|ticks| ticks.parse::<u64>().ok())
    };
    let used = ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0);
    Duration::from_millis(used * 1000 / TICKS_PER_SECOND)
}

/// Where the kernel tells of a process.
pub(crate) fn stat_of(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/stat"))
}

/// The fields of `/proc/PID/stat` after the name, which may hold anything: state first.
fn fields(stat: &str) -> Option<Vec<&str>> {
    let after = stat.get(stat.rfind(')')? + 2..)?;
    Some(after.split_whitespace().collect())
}
