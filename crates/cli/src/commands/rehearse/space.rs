//! Disk that a rehearsal takes: asked for before, watched while it goes on.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use switchback_drivers::compose::copy::Blueprint;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::plan::Plan;

use super::stage::Stage;
use crate::render::measure;

/// Stays free for everybody else: servers misbehave on a full disk, production's first of all.
const RESERVE: u64 = 500_000_000;
/// How often the space is looked at; a look that takes longer makes the pauses longer.
const LOOK: Duration = Duration::from_secs(1);

/// Refuses where the copy and what the upgrade needs on it do not fit.
pub(super) fn enough(stage: &Stage<'_>, blueprint: &Blueprint) -> Result<(), Problem> {
    let copy = copied(stage.plan, blueprint);
    let needed = copy
        .saturating_add(forecast(stage.plan))
        .saturating_add(RESERVE);
    let place = stage.place.as_path();
    let Ok(found) = rustix::fs::statvfs(place) else {
        return Ok(());
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= needed {
        return Ok(());
    }
    Err(Problem::new(
        Exit::Refused,
        "no-space",
        format!(
            "a rehearsal needs {} in `{}`, and {} are free",
            measure::bytes(needed),
            stage.session.state.root().display(),
            measure::bytes(free)
        ),
    )
    .state("production", "not touched")
    .state(
        "needed",
        format!(
            "{} for the copy, {} for the upgrade on it, {} left free",
            measure::bytes(copy),
            measure::bytes(forecast(stage.plan)),
            measure::bytes(RESERVE)
        ),
    )
    .why("production may be on the same disk")
    .hint(
        "free space there, or rehearse on a larger filesystem: `switchback --state DIR rehearse`",
    ))
}

/// Bytes of the copy itself: data twice while they are brought over, files once.
fn copied(plan: &Plan, blueprint: &Blueprint) -> u64 {
    let data: u64 = plan
        .datastores
        .values()
        .filter(|datastore| datastore.kept_with.is_none())
        .map(|datastore| {
            let on_disk = datastore.location.directory.as_deref();
            let on_disk = on_disk.map_or(0, |directory| used(Path::new(directory)));
            on_disk.max(datastore.size.unwrap_or(0))
        })
        .sum();
    let files: u64 = blueprint
        .transfers
        .iter()
        .map(|transfer| transfer.bytes())
        .sum();
    data * 2 + files
}

/// Bytes that the plan says the upgrade needs, wherever.
pub(super) fn forecast(plan: &Plan) -> u64 {
    plan.forecast.space.iter().map(|space| space.needed).sum()
}

/// Bytes on disk below a path; what vanishes meanwhile does not count.
pub(super) fn used(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else {
        return 0;
    };
    // Blocks are of 512 bytes, whatever the filesystem's own are.
    let own = found.blocks() * 512;
    if !found.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| used(&entry.path())).sum::<u64>()
}

/// Looks at the space of a directory until it is asked for the most that there was.
pub(super) struct Watch {
    most: Arc<AtomicU64>,
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins.
    pub(super) fn begin(place: &Path) -> Self {
        let most = Arc::new(AtomicU64::new(used(place)));
        let (over, waiting) = mpsc::channel::<()>();
        let (seen, place) = (Arc::clone(&most), place.to_owned());
        let thread = thread::spawn(move || {
            let mut pause = LOOK;
            while waiting.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let began = Instant::now();
                seen.fetch_max(used(&place), Ordering::Relaxed);
                // A million files take a while to look at: never more than a tenth of the time.
                pause = LOOK.max(began.elapsed() * 10);
            }
            seen.fetch_max(used(&place), Ordering::Relaxed);
        });
        Self {
            most,
            over: Some(over),
            thread: Some(thread),
        }
    }

    /// Ends, and tells the most.
    pub(super) fn most(mut self) -> u64 {
        self.end();
        self.most.load(Ordering::Relaxed)
    }

    fn end(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_counts_and_not_the_end() {
        let directory = std::env::temp_dir().join(format!("swb-space-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("made");
        let before = used(&directory);
        fs::write(directory.join("large"), vec![1; 1 << 20]).expect("written");
        let watch = Watch::begin(&directory);
        fs::remove_file(directory.join("large")).expect("removed");
        let most = watch.most();
        fs::remove_dir_all(&directory).expect("removed");
        assert!(most >= before + (1 << 20), "{most} of {before}");
    }
}
