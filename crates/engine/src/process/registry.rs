//! A note on disk per running child, so that what a killed switchback left
//! running is found by who it is (pid and start time), not by name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process_group};

/// A note that is removed when the child has ended.
pub(super) struct Note {
    path: PathBuf,
}

impl Note {
    /// Notes that the child with this pid (leader of its own group) runs.
    pub(super) fn write(directory: &Path, pid: u32) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(pid.to_string());
        fs::write(&path, start_time(pid).unwrap_or_default())?;
        Ok(Self { path })
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // A note that stays behind names a process that has ended: harmless, recovery drops it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Ends every process group noted in `directory` that still is who the note says, and says which.
pub fn end_leftovers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut ended = Vec::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ended),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let Some(pid) = path
            .file_name()
            .and_then(|name| name.to_str()?.parse::<u32>().ok())
        else {
            continue;
        };
        let noted = fs::read_to_string(&path)?;
        if !noted.is_empty() && start_time(pid).as_deref() == Some(noted.as_str()) {
            kill_group(pid, Signal::KILL);
            ended.push(pid);
        }
        fs::remove_file(&path)?;
    }
    Ok(ended)
}

/// Signals a whole process group; one that is gone already is fine.
pub(super) fn kill_group(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, signal);
    }
}

/// Start time in clock ticks since boot: field 22 of `/proc/PID/stat`. With the pid it names one process.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in parentheses and may hold spaces and parentheses itself.
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19).map(str::to_owned)
}
