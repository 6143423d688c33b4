//! The bytes of one file: shared with the original where the filesystem can, copied by the kernel where it
//! can, holes left out.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::{self, SeekFrom};
use rustix::io::{Errno, pread, pwrite};
use switchback_model::Rate;

/// Up to here reading and writing is cheaper than anything clever.
const SMALL: u64 = 128 << 10;
/// What is copied between two looks at whether to go on.
const STRIDE: u64 = 16 << 20;
const BUFFER: usize = 256 << 10;
/// While it waits so as not to be too fast, it looks this often whether to go on.
const WAIT: Duration = Duration::from_millis(100);

/// What this filesystem turned out to be able to do.
pub(super) struct Transfer {
    cloning: AtomicBool,
    offloading: AtomicBool,
    cloned: AtomicU64,
    copied: AtomicU64,
    limit: Option<Limit>,
}

/// Bytes per second, of all threads together.
struct Limit {
    rate: Rate,
    /// When all that was copied so far may have been copied.
    due: Mutex<Instant>,
}

impl Limit {
    /// Books `count` bytes; until when whoever copied them waits.
    fn book(&self, count: u64) -> Instant {
        let takes = Duration::from_secs_f64(count as f64 / self.rate.bytes() as f64);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        // What was not used is not saved up: the product has had it.
        *due = (*due).max(Instant::now()) + takes;
        *due
    }

    /// So much is copied at once that a second is not spent in one go.
    fn stride(&self) -> u64 {
        (self.rate.bytes() / 10).clamp(1, STRIDE)
    }
}

impl Transfer {
    /// As fast as it goes.
    pub(super) fn new() -> Self {
        Self::limited(None)
    }

    /// Copies no faster than `rate`; what the filesystem shares takes no part in that.
    pub(super) fn limited(rate: Option<Rate>) -> Self {
        Self {
            limit: rate.map(|rate| Limit {
                rate,
                due: Mutex::new(Instant::now()),
            }),
            cloning: AtomicBool::new(true),
            offloading: AtomicBool::new(true),
            cloned: AtomicU64::new(0),
            copied: AtomicU64::new(0),
        }
    }

    /// Bytes that were shared, and bytes that were copied.
    pub(super) fn totals(&self) -> (u64, u64) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (read(&self.cloned), read(&self.copied))
    }

    /// Makes the empty file `to` hold what `from` holds, which is `size` bytes long. `went_on` hears of every
    /// stride and may end it.
    pub(super) fn bytes<E: From<io::Error>>(
        &self,
        from: &OwnedFd,
        to: &OwnedFd,
        size: u64,
        went_on: &mut dyn FnMut(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        if size == 0 {
            return Ok(());
        }
        if self.clone(from, to) {
            self.cloned.fetch_add(size, Ordering::Relaxed);
            return went_on(size);
        }
        if size <= SMALL {
            by_hand(from, to, 0, size).map_err(io::Error::from)?;
            self.copied.fetch_add(size, Ordering::Relaxed);
            went_on(size)?;
            return self.wait(size, went_on);
        }
        let stride = self.limit.as_ref().map_or(STRIDE, Limit::stride);
        let mut at = 0;
        while let Some((data, hole)) = next_data(from, at, size).map_err(io::Error::from)? {
            went_on(data - at)?;
            at = data;
            while at < hole {
                let length = stride.min(hole - at);
                let copied = self.range(from, to, at, length).map_err(io::Error::from)?;
                self.copied.fetch_add(copied, Ordering::Relaxed);
                went_on(copied)?;
                self.wait(copied, went_on)?;
                at += copied;
                if copied == 0 {
                    // It became shorter meanwhile: that is a change, and the next pass sees it.
                    return Ok(());
                }
            }
        }
        went_on(size - at)?;
        fs::ftruncate(to, size).map_err(io::Error::from)?;
        Ok(())
    }

    /// Waits until `count` more bytes are not too many.
    fn wait<E>(&self, count: u64, went_on: &mut dyn FnMut(u64) -> Result<(), E>) -> Result<(), E> {
        let Some(limit) = &self.limit else {
            return Ok(());
        };
        let due = limit.book(count);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(WAIT));
            went_on(0)?;
        }
    }

    fn clone(&self, from: &OwnedFd, to: &OwnedFd) -> bool {
        if !self.cloning.load(Ordering::Relaxed) {
            return false;
        }
        match fs::ioctl_ficlone(to, from) {
            Ok(()) => true,
            Err(error) => {
                // Others speak of this one file, e.g. one that is used for swapping.
                let never = [Errno::OPNOTSUPP, Errno::XDEV, Errno::NOTTY, Errno::NOSYS];
                if never.contains(&error) {
                    self.cloning.store(false, Ordering::Relaxed);
                }
                false
            }
        }
    }

    fn range(&self, from: &OwnedFd, to: &OwnedFd, at: u64, length: u64) -> rustix::io::Result<u64> {
        if self.offloading.load(Ordering::Relaxed) {
            let (mut source, mut target) = (at, at);
            let wanted = usize::try_from(length).unwrap_or(usize::MAX);
            let copied =
                fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), wanted);
            match copied {
                Ok(count) => return Ok(count as u64),
                Err(Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::FBIG) => {
                    return copied.map(|count| count as u64);
                }
                Err(_) => self.offloading.store(false, Ordering::Relaxed),
            }
        }
        by_hand(from, to, at, length)
    }
}

/// Reads and writes `length` bytes at `at`; fewer where the file ends before.
fn by_hand(from: &OwnedFd, to: &OwnedFd, at: u64, length: u64) -> rustix::io::Result<u64> {
    let size = usize::try_from(length).unwrap_or(BUFFER).min(BUFFER);
    let mut buffer = vec![0; size];
    let mut done = 0;
    while done < length {
        let most = usize::try_from(length - done).unwrap_or(size).min(size);
        let count = match pread(from, &mut buffer[..most], at + done) {
            Err(Errno::INTR) => continue,
            count => count?,
        };
        if count == 0 {
            break;
        }
        let mut written = 0;
        while written < count {
            match pwrite(to, &buffer[written..count], at + done + written as u64) {
                Err(Errno::INTR) => {}
                more => written += more?,
            }
        }
        done += count as u64;
    }
    Ok(done)
}

/// The next run of data at or after `at`: where it begins and where the hole behind it does.
fn next_data(from: &OwnedFd, at: u64, size: u64) -> rustix::io::Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    let data = match fs::seek(from, SeekFrom::Data(at)) {
        Ok(data) => data,
        Err(Errno::NXIO) => return Ok(None),
        // A filesystem that does not tell has no holes that could be known.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, size))),
        Err(error) => return Err(error),
    };
    let hole = fs::seek(from, SeekFrom::Hole(data))?;
    Ok((data < size).then_some((data, hole.min(size))))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn all_threads_together_are_no_faster_than_they_may_be() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| directory.path().join(name);
        let transfer = Transfer::limited(Some("2MB".parse().expect("a rate")));
        transfer.cloning.store(false, Ordering::Relaxed);
        let sizes: [u64; 4] = [300_000, 300_000, 100_000, 50_000];
        for (number, size) in sizes.iter().enumerate() {
            let bytes = vec![7; usize::try_from(*size).expect("small")];
            std::fs::write(path(&format!("from-{number}")), bytes).expect("written");
        }
        let since = Instant::now();
        thread::scope(|scope| {
            for (number, size) in sizes.iter().enumerate() {
                let from = File::open(path(&format!("from-{number}"))).expect("opened");
                let to = File::create(path(&format!("to-{number}"))).expect("made");
                let transfer = &transfer;
                scope.spawn(move || {
                    transfer
                        .bytes::<io::Error>(&from.into(), &to.into(), *size, &mut |_| Ok(()))
                        .expect("copied");
                });
            }
        });
        let least = Duration::from_secs_f64(sizes.iter().sum::<u64>() as f64 / 2e6);
        assert!(since.elapsed() >= least, "{:?}", since.elapsed());
        for number in 0..sizes.len() {
            let read = |side: &str| std::fs::read(path(&format!("{side}-{number}")));
            assert_eq!(
                read("to").expect("readable"),
                read("from").expect("readable")
            );
        }
    }

    #[test]
    fn whoever_waits_can_be_stopped() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| directory.path().join(name);
        let transfer = Transfer::limited(Some("33kB".parse().expect("a rate")));
        transfer.cloning.store(false, Ordering::Relaxed);
        std::fs::write(path("from"), vec![7; 100_000_000 / 33]).expect("written");
        let from = File::open(path("from")).expect("opened");
        let to = File::create(path("to")).expect("made");
        let mut waits = 0;
        let stopped =
            transfer.bytes::<io::Error>(&from.into(), &to.into(), 3_030_303, &mut |count| {
                waits += u32::from(count == 0);
                match waits {
                    0 => Ok(()),
                    _ => Err(io::ErrorKind::Interrupted.into()),
                }
            });
        assert_eq!(
            stopped.expect_err("stopped").kind(),
            io::ErrorKind::Interrupted
        );
    }

    #[test]
    fn holes_stay_holes_and_every_byte_arrives() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| directory.path().join(name);
        let mut original = File::create(path("original")).expect("made");
        original.write_all(&[1; 5000]).expect("written");
        original.seek(SeekFrom::Start(4 << 20)).expect("sought");
        original.write_all(&[2; 300_000]).expect("written");
        original.set_len(9 << 20).expect("a hole at the end");
        for by_kernel in [true, false] {
            let transfer = Transfer::new();
            transfer.cloning.store(false, Ordering::Relaxed);
            transfer.offloading.store(by_kernel, Ordering::Relaxed);
            let to = path(if by_kernel { "kernel" } else { "hand" });
            let (from, target) = (
                File::open(path("original")).expect("opened"),
                File::create(&to).expect("made"),
            );
            let mut told = 0;
            transfer
                .bytes::<io::Error>(&from.into(), &target.into(), 9 << 20, &mut |count| {
                    told += count;
                    Ok(())
                })
                .expect("copied");
            assert_eq!(told, 9 << 20);
            assert_eq!(
                std::fs::read(&to).expect("readable"),
                std::fs::read(path("original")).expect("readable")
            );
            let found = std::fs::metadata(&to).expect("there");
            assert!(found.blocks() * 512 < 1 << 20, "mostly holes");
        }
    }
}
