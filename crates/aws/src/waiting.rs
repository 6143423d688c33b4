//! Waiting for AWS: often at first, then less, and never deaf to the operator.

use std::thread;
use std::time::Duration;

use switchback_engine::ports::Failure;
use switchback_engine::signal::{StopSignal, Urgency};

/// The first pause. Short, for much of what is asked is over at once.
const FIRST: Duration = Duration::from_millis(100);
/// The longest one: what lasts for minutes is looked at this often, which is far below every rate limit.
const LAST: Duration = Duration::from_secs(5);
/// How long the operator's second signal may go unheard.
const SLICE: Duration = Duration::from_millis(100);

/// The pauses of one wait.
pub(crate) struct Pace<'a> {
    next: Duration,
    stop: &'a StopSignal,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(stop: &'a StopSignal) -> Self {
        Self { next: FIRST, stop }
    }

    /// Pauses once, longer each time. Fails where the operator wants to stop at once; what is waited for goes on.
    pub(crate) fn pause(&mut self, waited_for: &str) -> Result<(), Failure> {
        let mut left = self.next;
        while !left.is_zero() {
            if self.stop.urgency() == Urgency::Now {
                let mut failure =
                    Failure::new("stopped", format!("stopped while waiting for {waited_for}"))
                        .state(waited_for, "goes on by itself")
                        .hint("resume: it is looked at again, not started again");
                failure.stopped = true;
                return Err(failure);
            }
            let slice = left.min(SLICE);
            thread::sleep(slice);
            left -= slice;
        }
        self.next = (self.next * 3 / 2).min(LAST);
        Ok(())
    }

    /// Something moved: look soon again.
    pub(crate) fn quicken(&mut self) {
        self.next = FIRST;
    }
}
