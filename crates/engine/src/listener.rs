//! Everyone who wants to know what happens: the terminal, JSON output, tests.

use std::sync::{Mutex, PoisonError};

use switchback_model::event::Stamped;

/// Hears every event after it is on disk, and progress that never is.
///
/// Called from more than one thread, one at a time. It cannot stop or fail the run: where it
/// writes to a terminal that was closed, it keeps that to itself.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn hear(&self, event: &Stamped);
}

/// Remembers everything it hears.
#[derive(Debug, Default)]
pub struct Recorder {
    heard: Mutex<Vec<Stamped>>,
}

impl Recorder {
    /// What was heard so far.
    pub fn heard(&self) -> Vec<Stamped> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Listener for Recorder {
    fn hear(&self, event: &Stamped) {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

impl<F: Fn(&Stamped) + Send + Sync> Listener for F {
    fn hear(&self, event: &Stamped) {
        self(event);
    }
}
