//! Crash points: the process "dies" at the n-th one, as `kill -9` would have it
//! die, without a chance to clean up.

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts crash points and dies at the chosen one.
#[derive(Clone, Debug, Default)]
pub struct CrashPoints {
    passed: Arc<AtomicU64>,
    /// The point to die at, from 1; 0 never.
    fatal: Arc<AtomicU64>,
    /// Where somebody died already, by name; `None` where points are counted instead.
    died_at: Arc<Mutex<Option<BTreeSet<String>>>>,
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

    /// Points that each kill once: every process dies at the first one whose name killed nobody before it. So processes,
    /// one after the other, come through everything, and each point is where one of them ended.
    pub fn each_once() -> Self {
        let crash = Self::default();
        *crash.died_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(BTreeSet::new());
        crash
    }

    /// The names of the points that killed somebody, of [`Self::each_once`].
    pub fn died_at(&self) -> BTreeSet<String> {
        let died_at = self.died_at.lock().unwrap_or_else(PoisonError::into_inner);
        died_at.clone().unwrap_or_default()
    }

    /// A place where the process may die.
    pub fn point(&self, name: &str) {
        let now = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        let mut died_at = self.died_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = died_at
            .as_mut()
            .is_some_and(|names| names.insert(name.to_owned()));
        drop(died_at);
        if is_first || now == self.fatal.load(Ordering::SeqCst) {
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

#[cfg(test)]
mod tests {
    use super::{CrashPoints, survive};

    #[test]
    fn each_point_kills_once_and_the_last_process_comes_through() {
        let crash = CrashPoints::each_once();
        let work = || {
            survive(|| {
                for name in ["one", "two", "two", "three"] {
                    crash.point(name);
                }
            })
        };
        for name in ["one", "two", "three"] {
            assert_eq!(work().expect_err("it dies").at, name);
        }
        assert_eq!(work(), Ok(()));
        assert_eq!(crash.died_at().len(), 3);
    }
}
