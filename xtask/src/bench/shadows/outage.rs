//! Downtime as users see it: a request after the other, while something is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::deployment::Deployment;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a product may take to answer after everything was done.
const PATIENCE: Duration = Duration::from_secs(120);

/// Does `work`; seconds of the longest silence meanwhile, from the last answer before it to the first one after it.
/// Single answers that a busy machine lets fail are no outage.
pub(super) fn watched<T>(
    deployment: &Deployment,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, f64)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(deployment, &over));
        let done = work().and_then(|done| until_healthy(deployment).map(|()| done));
        over.store(true, Ordering::Relaxed);
        let downtime = watcher.join().unwrap_or_default();
        Ok((done?, downtime.as_secs_f64()))
    })
}

pub(super) fn until_healthy(deployment: &Deployment) -> Result<()> {
    let since = Instant::now();
    while !deployment.is_healthy() {
        ensure!(since.elapsed() < PATIENCE, "the product does not answer");
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn watch(deployment: &Deployment, over: &AtomicBool) -> Duration {
    let mut last = Instant::now();
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        if deployment.is_healthy() {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        thread::sleep(PAUSE);
    }
    longest
}
