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
