//! One at a time: whoever changes anything holds a lock, which the kernel takes back from the dead.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockOffsetType, FlockType, Pid, Signal, fcntl_getlk, kill_process};
use switchback_engine::ports::Progress;
use switchback_engine::signal::{StopSignal, Urgency};
use switchback_model::Digest;

use crate::backup;

/// How often it is tried.
const AGAIN: Duration = Duration::from_millis(50);

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `directory` below `shadows`. Who holds it was begun over a connection that is no more, for
    /// of one deployment's runs there is one at a time: it is asked to end, and leaves what it did. `None` where the
    /// operator does not want to wait.
    pub(super) fn take(
        shadows: &Path,
        directory: &str,
        progress: &dyn Progress,
        stop: &StopSignal,
    ) -> io::Result<Option<Self>> {
        backup::create_private(shadows)?;
        let name = format!(".busy-{}", Digest::of(directory).short());
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .mode(0o600)
            .open(shadows.join(name))?;
        let mut asked = None;
        loop {
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(Errno::AGAIN | Errno::ACCESS) => {}
                Err(error) => return Err(error.into()),
            }
            if stop.urgency() == Urgency::Now {
                return Ok(None);
            }
            progress.report(
                "waiting for what was begun before the connection was lost",
                None,
                None,
                None,
            );
            let holder = holder(&file)?;
            if holder != asked
                && let Some(pid) = holder
            {
                // It may have ended since.
                let _ = kill_process(pid, Signal::TERM);
                asked = holder;
            }
            std::thread::sleep(AGAIN);
        }
    }
}

/// The process that holds the lock, as the kernel says.
fn holder(file: &File) -> io::Result<Option<Pid>> {
    let whole = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    Ok(fcntl_getlk(file, &whole)?.and_then(|held| held.pid))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use super::*;

    /// What the other process is told: where the lock is.
    const SHADOWS: &str = "SWITCHBACK_TEST_SHADOWS";
    const DIRECTORY: &str = "/opt/packs";
    /// Nothing takes longer, unless it hangs.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[derive(Default)]
    struct Heard(Cell<u32>);

    impl Progress for Heard {
        fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
            assert_eq!(
                doing,
                "waiting for what was begun before the connection was lost"
            );
            self.0.set(self.0.get() + 1);
        }
    }

    /// The older call: another process that holds the lock, as a shell starts it.
    fn older(shadows: &Path, before: &str) -> Child {
        let line = format!(
            "{before} exec \"$0\" --exact files::elsewhere::lock::tests::holds_it --ignored"
        );
        let child = Command::new("sh")
            .args(["-c", &line])
            .arg(std::env::current_exe().expect("this test"))
            .env(SHADOWS, shadows)
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let begun = Instant::now();
        while !shadows.join("held").exists() {
            assert!(begun.elapsed() < PATIENCE, "it never holds it");
            std::thread::sleep(AGAIN);
        }
        child
    }

    fn taken(shadows: &Path, heard: &Heard, stop: &StopSignal) -> Option<Lock> {
        Lock::take(shadows, DIRECTORY, heard, stop).expect("no trouble")
    }

    #[test]
    #[ignore = "the other process of the tests below"]
    fn holds_it() {
        let shadows = PathBuf::from(std::env::var_os(SHADOWS).expect("said where"));
        let lock = taken(&shadows, &Heard::default(), &StopSignal::default());
        assert!(lock.is_some());
        std::fs::write(shadows.join("held"), "").expect("written");
        std::thread::sleep(PATIENCE);
    }

    #[test]
    fn the_older_call_is_asked_to_end_and_makes_room() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let shadows = directory.path().join("shadows");
        let mut child = older(&shadows, "");
        let (heard, stop) = (Heard::default(), StopSignal::default());
        let lock = taken(&shadows, &heard, &stop);
        assert!(lock.is_some() && heard.0.get() > 0);
        let ended = child.wait().expect("it has ended");
        assert_eq!(ended.signal(), Some(Signal::TERM.as_raw()));
        // Another directory's is another lock, and one's own was given back.
        assert!(Lock::take(&shadows, "/srv/other", &heard, &stop).is_ok_and(|lock| lock.is_some()));
        drop(lock);
        let waited = heard.0.get();
        assert!(taken(&shadows, &heard, &stop).is_some());
        assert_eq!(heard.0.get(), waited, "nobody had to be waited for");
    }

    #[test]
    fn one_that_does_not_end_is_waited_for_until_the_operator_insists() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let shadows = directory.path().join("shadows");
        let mut child = older(&shadows, "trap '' TERM;");
        let (heard, stop) = (Heard::default(), StopSignal::default());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(AGAIN * 5);
                while stop.raise() != Urgency::Now {}
            });
            assert!(taken(&shadows, &heard, &stop).is_none());
        });
        assert!(heard.0.get() > 1, "it waited");
        assert_eq!(child.try_wait().expect("asked"), None, "it is still there");
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(taken(&shadows, &heard, &StopSignal::default()).is_some());
    }
}
