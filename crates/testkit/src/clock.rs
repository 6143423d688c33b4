//! A clock that says what a test wants, and is a crash point: the engine asks it
//! right before it writes to the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use switchback_engine::clock::Clock;

use crate::crash::CrashPoints;

/// Ticks by itself; jumps when told.
#[derive(Clone, Debug)]
pub struct FakeClock {
    wall: Arc<AtomicU64>,
    steady: Arc<AtomicU64>,
    crash: CrashPoints,
}

impl FakeClock {
    /// Begins on 2026-11-21.
    pub fn new(crash: CrashPoints) -> Self {
        Self {
            wall: Arc::new(AtomicU64::new(1_795_219_200_000)),
            steady: Arc::default(),
            crash,
        }
    }

    /// The wall clock jumps to this many milliseconds since the epoch.
    pub fn jump(&self, to: u64) {
        self.wall.store(to, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> u64 {
        self.crash.point("before a journal write");
        self.wall.fetch_add(7, Ordering::SeqCst)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.steady.fetch_add(5, Ordering::SeqCst))
    }
}
