//! Downtime as users see it: a request after the other, while something is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a product may take to answer after everything was done.
const PATIENCE: Duration = Duration::from_secs(120);

/// The longest silence: from the last answer before it to the first one after it.
#[derive(Clone, Copy)]
pub(crate) struct Silence {
    pub(crate) lasted: Duration,
    /// When it was answered again.
    pub(crate) over: Instant,
}

/// Does `work`; the longest silence meanwhile. A single answer that a busy machine lets fail is no outage.
pub(crate) fn watched<T>(
    answers: impl Fn() -> bool + Sync,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, Silence)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&answers, &over));
        let done = work().and_then(|done| until(&answers).map(|()| done));
        over.store(true, Ordering::Relaxed);
        let silence = watcher
            .join()
            .map_err(|_| anyhow::anyhow!("nobody watched"))?;
        Ok((done?, silence))
    })
}

/// Waits until the product answers.
pub(crate) fn until(answers: impl Fn() -> bool) -> Result<()> {
    let since = Instant::now();
    while !answers() {
        ensure!(since.elapsed() < PATIENCE, "the product does not answer");
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn watch(answers: impl Fn() -> bool, over: &AtomicBool) -> Silence {
    let mut last = Instant::now();
    let mut longest = Silence {
        lasted: Duration::ZERO,
        over: last,
    };
    while !over.load(Ordering::Relaxed) {
        if answers() {
            let now = Instant::now();
            if now - last > longest.lasted {
                longest = Silence {
                    lasted: now - last,
                    over: now,
                };
            }
            last = now;
        }
        thread::sleep(PAUSE);
    }
    longest
}
