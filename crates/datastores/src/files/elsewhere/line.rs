//! The way back to whoever asked: told how far things are, and noticed when nobody is there any more.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchback_engine::ports::Progress;
use switchback_engine::signal::{StopSignal, Urgency};

use super::request::{Answer, Report, Said, encode};

/// How often it is said how far things are, though nothing is new: a connection that was lost is noticed within it.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Says lines. Where nobody hears them, work ends as if the operator had wanted that: what was done stays, and whoever
/// asks again goes on from there.
pub(super) struct Line<'s, W> {
    output: Mutex<W>,
    last: Mutex<(Report, bool)>,
    over: Condvar,
    stop: &'s StopSignal,
}

impl<'s, W: Write + Send> Line<'s, W> {
    pub(super) fn new(output: W, stop: &'s StopSignal) -> Self {
        Self {
            output: Mutex::new(output),
            last: Mutex::default(),
            over: Condvar::new(),
            stop,
        }
    }

    /// Does `work` while it is said again and again how far it is.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            scope.spawn(|| self.beat());
            // Also where it panics: the scope waits for the other thread.
            let _over = Over(self);
            work()
        })
    }

    /// The last line.
    pub(super) fn answer(&self, answer: Answer) -> io::Result<()> {
        self.write(&Said::Answer(Box::new(answer)))
    }

    fn beat(&self) {
        let mut last = locked(&self.last);
        loop {
            let (now, _) = self
                .over
                .wait_timeout_while(last, HEARTBEAT, |(_, over)| !*over)
                .unwrap_or_else(PoisonError::into_inner);
            if now.1 {
                return;
            }
            self.tell(now.0.clone());
            last = now;
        }
    }

    fn tell(&self, report: Report) {
        if self.write(&Said::Progress(report)).is_err() {
            while self.stop.raise() != Urgency::Now {}
        }
    }

    fn write(&self, said: &Said) -> io::Result<()> {
        let line = encode(said).map_err(io::Error::other)?;
        let mut output = locked(&self.output);
        writeln!(output, "{line}")?;
        output.flush()
    }
}

/// Ends the heartbeat when dropped.
struct Over<'l, 's, W>(&'l Line<'s, W>);

impl<W> Drop for Over<'_, '_, W> {
    fn drop(&mut self) {
        locked(&self.0.last).1 = true;
        self.0.over.notify_all();
    }
}

impl<W: Write + Send> Progress for Line<'_, W> {
    fn report(&self, doing: &str, done: Option<u64>, of: Option<u64>, unit: Option<&str>) {
        let report = Report {
            doing: doing.to_owned(),
            done,
            of,
            unit: unit.map(str::to_owned),
        };
        locked(&self.last).0.clone_from(&report);
        self.tell(report);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
