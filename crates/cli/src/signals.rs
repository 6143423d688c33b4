//! Turns signals into the operator's wish to stop. Only a run installs this;
//! every other command may be ended at any time.

use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use switchback_engine::signal::StopSignal;

/// Listens until dropped.
pub(crate) struct Listening {
    handle: Handle,
}

impl Listening {
    /// As [`Listening::begin`], for what has no place that is safer than any other: the first signal is enough.
    pub(crate) fn at_once(stop: &StopSignal) -> std::io::Result<Self> {
        Self::listen(stop, 2)
    }

    /// The first SIGINT or SIGTERM asks for a safe place, the second for now. A terminal that is
    /// closed (SIGHUP) does not stop a run: nobody asked for that.
    pub(crate) fn begin(stop: &StopSignal) -> std::io::Result<Self> {
        Self::listen(stop, 1)
    }

    /// Each signal counts as so many.
    fn listen(stop: &StopSignal, weight: usize) -> std::io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let stop = stop.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal != SIGHUP {
                        (0..weight).for_each(|_| {
                            stop.raise();
                        });
                    }
                }
            })?;
        Ok(Self { handle })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.handle.close();
    }
}
