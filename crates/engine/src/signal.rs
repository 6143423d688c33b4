//! The operator's wish to stop, shared between the signal thread, the loop and
//! everything that waits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// How urgently the operator wants to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    GoOn,
    /// At the next safe place, i.e. before the next step.
    SafePlace,
    /// At once: children are ended, the step stays unfinished in the journal.
    Now,
}

/// A flag that signals raise and waits look at.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    level: Arc<AtomicU8>,
}

/// Signals go to the flag for as long as this lives.
pub struct Handling {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl StopSignal {
    /// One more signal: the first asks for a safe place, the second for now.
    pub fn raise(&self) -> Urgency {
        let raised = self
            .level
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |level| {
                Some(level.saturating_add(1).min(2))
            });
        if raised == Ok(0) {
            Urgency::SafePlace
        } else {
            Urgency::Now
        }
    }

    /// Asks for a safe place, however often: a terminal that went away is nobody in a hurry.
    pub fn ask(&self) {
        self.level.fetch_max(1, Ordering::SeqCst);
    }

    /// How urgent it is now.
    pub fn urgency(&self) -> Urgency {
        match self.level.load(Ordering::SeqCst) {
            0 => Urgency::GoOn,
            1 => Urgency::SafePlace,
            _ => Urgency::Now,
        }
    }

    /// Lets SIGINT and SIGTERM raise the flag, and SIGHUP (the terminal was closed) ask for a safe place.
    pub fn install(&self) -> io::Result<Handling> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let stop = self.clone();
        let thread = thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal == SIGHUP {
                        stop.ask();
                    } else {
                        stop.raise();
                    }
                }
            })?;
        Ok(Handling {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // The thread only loops over signals: it cannot fail in a way that matters here.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    fn wait_for(stop: &StopSignal, urgency: Urgency) {
        let begun = Instant::now();
        while stop.urgency() != urgency {
            assert!(begun.elapsed() < Duration::from_mins(1), "no {urgency:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_closed_terminal_asks_and_two_interrupts_insist() {
        let stop = StopSignal::default();
        let handling = stop.install().expect("signals can be handled");
        kill_process(getpid(), Signal::HUP).expect("a signal to ourselves");
        wait_for(&stop, Urgency::SafePlace);
        kill_process(getpid(), Signal::HUP).expect("a signal to ourselves");
        thread::sleep(Duration::from_millis(100));
        assert_eq!(stop.urgency(), Urgency::SafePlace);
        kill_process(getpid(), Signal::INT).expect("a signal to ourselves");
        wait_for(&stop, Urgency::Now);
        drop(handling);
    }
}
