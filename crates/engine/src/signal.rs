//! The operator's wish to stop, shared between the signal thread, the loop and
//! everything that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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

    /// How urgent it is now.
    pub fn urgency(&self) -> Urgency {
        match self.level.load(Ordering::SeqCst) {
            0 => Urgency::GoOn,
            1 => Urgency::SafePlace,
            _ => Urgency::Now,
        }
    }
}
