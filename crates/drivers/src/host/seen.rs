//! A process as it was seen on a machine, with what tells whose it is.

use super::process::Process;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Which it is.
    pub(crate) process: Process,
    /// Its arguments, program first.
    pub(crate) words: Vec<String>,
    /// Its control groups, one a line.
    pub(crate) groups: String,
}

impl Seen {
    /// How it is told to people: its pid and what it runs.
    pub(crate) fn told(&self) -> String {
        let shown: Vec<&str> = self.words.iter().take(2).map(String::as_str).collect();
        format!("process {} (`{}`)", self.process.pid(), shown.join(" "))
    }
}

/// Reads `PATH:CONTENT` records, each ended by a zero byte, of the files `stat`, `cmdline` and `cgroup` of every
/// process. One that ended meanwhile is left out.
pub(super) fn read(answer: &[u8]) -> Vec<Seen> {
    let mut found: Vec<Seen> = Vec::new();
    for record in answer.split(|byte| *byte == 0) {
        let record = String::from_utf8_lossy(record);
        let Some((pid, file, text)) = parts(&record) else {
            continue;
        };
        if file == "stat" {
            found.extend(Process::in_stat(pid, text).map(|process| Seen {
                process,
                words: Vec::new(),
                groups: String::new(),
            }));
            continue;
        }
        let Some(seen) = found.iter_mut().find(|seen| seen.process.pid() == pid) else {
            continue;
        };
        match file {
            "cmdline" if !text.is_empty() => seen.words.push(text.to_owned()),
            "cgroup" => seen.groups.push_str(text),
            _ => {}
        }
    }
    found
}

/// `/proc/PID/FILE:CONTENT`.
fn parts(record: &str) -> Option<(i32, &str, &str)> {
    let (pid, rest) = record.strip_prefix("/proc/")?.split_once('/')?;
    let (file, text) = rest.split_once(':')?;
    Some((pid.parse().ok()?, file, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_in_what_grep_tells_of_them() {
        let rest = "1 7 7 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 4711 0 0";
        let answer = format!(
            "/proc/7/stat:7 (a) b) S {rest}\n\0/proc/8/stat:8 (gone) Z {rest}\n\0\
             /proc/7/cmdline:/bin/sh\0/proc/7/cmdline:-c\0/proc/7/cmdline:\0/proc/9/cmdline:late\0\
             /proc/7/cgroup:0::/system.slice/st2api.service\n\0"
        );
        let found = read(answer.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].told(), "process 7 (`/bin/sh -c`)");
        assert_eq!(found[0].groups, "0::/system.slice/st2api.service\n");
    }
}
