//! Crash points: the process "dies" at the n-th one, as `kill -9` would have it
//! die, without a chance to clean up.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts crash points and dies at the chosen one.
#[derive(Clone, Debug, Default)]
pub struct CrashPoints {
    passed: Arc<AtomicU64>,
    /// The point to die at, from 1; 0 never.
    fatal: Arc<AtomicU64>,
}

/// What the unwinding of a simulated death carries: where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crashed {
    /// Name of the crash point.
    pub at: String,
}

/// What happens to containers that still run, companions and installations among them, between the death of one engine and the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// They wait: the next engine finds them running.
    TheyGoOn,
    /// They run to their end.
    TheyEnd,
    /// The machine was switched off: they end where they are.
    TheyDie,
}

impl Meanwhile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TheyGoOn, Self::TheyEnd, Self::TheyDie];
}

impl CrashPoints {
    /// Counts anew and dies at point number `fatal`, from 1; 0 never dies.
    pub fn arm(&self, fatal: u64) {
        self.passed.store(0, Ordering::SeqCst);
        self.fatal.store(fatal, Ordering::SeqCst);
    }

    /// How many points were passed since it was armed.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// A place where the process may die.
    pub fn point(&self, name: &str) {
        let now = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        if now == self.fatal.load(Ordering::SeqCst) {
            // Not `panic!`: this is no defect, and no hook shall print a backtrace of it.
            panic::resume_unwind(Box::new(Crashed {
                at: name.to_owned(),
            }));
        }
    }

    /// An effect with a crash point before and after it.
    pub fn around<T>(&self, name: &str, effect: impl FnOnce() -> T) -> T {
        self.point(&format!("before {name}"));
        let made = effect();
        self.point(&format!("after {name}"));
        made
    }
}

/// Runs what may die; an ordinary panic goes on being one.
pub fn survive<T>(work: impl FnOnce() -> T) -> Result<T, Crashed> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        match payload.downcast::<Crashed>() {
            Ok(crashed) => *crashed,
            Err(payload) => panic::resume_unwind(payload),
        }
    })
}
