//! Two clocks: one that names moments in the journal and may jump, and one
//! that measures and may not. Nothing is ever decided by the first.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time as the engine sees it.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch, for people; may jump in both directions.
    fn now(&self) -> u64;

    /// Time since some fixed moment of this process; never goes back.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, milliseconds)
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// As a whole number of milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
