//! Who changes packages at this moment.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::Argv;
use switchback_engine::signal::Urgency;

use super::packaging::Holder;
use super::place::Place;
use super::problems;
use crate::host::unwritable;

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(200);
/// An unattended upgrade of a whole system takes minutes; one that takes longer than this hangs, or asks somebody.
const PATIENCE: Duration = Duration::from_mins(20);

/// Who changes packages now, where anybody does.
pub(super) fn holder(place: &Place) -> Result<Option<Holder>, Failure> {
    let host = &place.host;
    let unseen = |error: io::Error| unwritable(Path::new("/proc/locks"), &error);
    let words = place.packaging().words();
    let locks = host
        .text_if_there(Path::new("/proc/locks"))
        .map_err(unseen)?;
    let locks = locks.unwrap_or_default();
    let mut pid = None;
    // Where nobody has locked anything there is no need to ask which files those would be.
    if locks.contains("POSIX") {
        let argv = Argv::new("stat", ["--dereference", "--format=%i", "--"])
            .args(words.locks.iter().copied());
        // One that is not there is not locked.
        let inodes = place
            .try_to(&argv, "cannot look at the locks of packages")?
            .stdout;
        pid = inodes
            .lines()
            .find_map(|inode| pid_of(&locks, inode.trim().parse().ok()?));
    }
    for note in words.notes {
        if pid.is_none() {
            let noted = host.text_if_there(Path::new(note)).map_err(unseen)?;
            pid = noted.and_then(|noted| noted.trim().parse().ok());
        }
    }
    let Some(pid) = pid else { return Ok(None) };
    let name = host.text_if_there(Path::new(&format!("/proc/{pid}/comm")));
    // A program that was killed leaves its note behind.
    let Some(name) = name.map_err(unseen)? else {
        return Ok(None);
    };
    Ok(Some(Holder {
        pid,
        name: name.trim().to_owned(),
    }))
}

/// Waits until nobody changes packages, and tells meanwhile who does; a failure that says who, where that takes too long.
pub(super) fn wait(place: &Place, cx: &Context<'_>) -> Result<(), Failure> {
    let keeper = place.packaging().words().keeper;
    let begun = Instant::now();
    while let Some(holder) = holder(place)? {
        let doing = format!(
            "waiting for {} (process {}), which holds {keeper}'s lock",
            holder.name, holder.pid
        );
        let waited = begun.elapsed();
        cx.progress
            .report(&doing, Some(waited.as_secs()), None, Some("s"));
        if cx.stop.urgency() == Urgency::Now {
            let mut failure = problems::still_locked(keeper, &holder, waited);
            failure.stopped = true;
            return Err(failure);
        }
        if waited > PATIENCE {
            return Err(problems::still_locked(keeper, &holder, waited));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
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
