//! Who holds dpkg's locks.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// What apt and dpkg lock before they change anything.
const LOCKS: [&str; 2] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];

/// A process that holds one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: i32,
    /// Its program, e.g. `unattended-upgr`.
    pub(super) name: String,
}

/// Who holds dpkg's lock now, where anybody does.
pub(super) fn holder() -> Option<Holder> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = LOCKS.iter().find_map(|path| {
        let file = fs::metadata(path).ok()?;
        pid_of(&locks, file.ino())
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Holder {
        pid,
        name: name.trim().to_owned(),
    })
}

/// Reads `/proc/locks`: who has locked the file with this inode for writing. The device is not compared, for
/// a layered filesystem tells another one there than it tells of the file.
fn pid_of(locks: &str, inode: u64) -> Option<i32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A line with an arrow is somebody who waits.
        let [_, "POSIX", _, "WRITE", pid, file, ..] = words[..] else {
            return None;
        };
        let found = file.rsplit(':').next()?.parse::<u64>().ok()?;
        let pid = pid.parse().ok()?;
        (found == inode && pid > 0).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::pid_of;

    #[test]
    fn the_holder_and_not_who_waits() {
        let locks = "1: OFDLCK ADVISORY  READ -1 00:06:3 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 4711 00:2d:6160 0 EOF\n\
                     2: -> POSIX  ADVISORY  WRITE 12 00:2d:6160 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 00:2d:77 0 EOF\n";
        assert_eq!(pid_of(locks, 6160), Some(4711));
        assert_eq!(pid_of(locks, 77), None);
        assert_eq!(pid_of(locks, 3), None);
    }
}
