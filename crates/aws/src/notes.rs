//! What a step must remember beyond its process: which try of a migration it is, and what was started for it. ECS
//! forgets a task an hour after it ended.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use switchback_engine::ports::{Context, Failure};
use switchback_model::{PlanId, RunId};

/// ECS shows an ended task for an hour at least. One that was asked for longer ago and is not shown may have run.
const REMEMBERED: Duration = Duration::from_secs(50 * 60);

/// The note of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// How many tries were discarded: the next one has a name of its own.
    pub(crate) discarded: u32,
    /// When something was asked for, in seconds since the epoch; on disk before it is asked for.
    pub(crate) asked: Option<u64>,
    /// What was started: a task's ARN, a command's id.
    pub(crate) started: Option<String>,
    /// The exit code, once it was seen.
    pub(crate) exited: Option<i64>,
}

impl Note {
    /// The step's note; an empty one where there is none.
    pub(crate) fn read(cx: &Context<'_>) -> Result<Self, Failure> {
        let place = place(cx);
        let bytes = match fs::read(&place) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(&place, error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| unusable(&place, error))
    }

    /// Keeps it, whole or not at all.
    pub(crate) fn keep(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let place = place(cx);
        let written = serde_json::to_vec(self)
            .map_err(io::Error::from)
            .and_then(|bytes| write(&place, &bytes));
        written.map_err(|error| unusable(&place, error))
    }

    /// Whether what it asked for would be shown, had it been started.
    pub(crate) fn is_young(&self, now: u64) -> bool {
        self.asked
            .is_some_and(|asked| now.saturating_sub(asked) < REMEMBERED.as_secs())
    }

    /// Whose work this try is: found again by these words, and never started twice under them.
    pub(crate) fn name(&self, cx: &Context<'_>) -> String {
        format!("{}-{}", step_name(cx), self.discarded + 1)
    }
}

/// Seconds since the epoch. Only ever compared with a margin of minutes.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// What everything of this step is called at AWS.
pub(crate) fn step_name(cx: &Context<'_>) -> String {
    format!("{}-{}", run_name(cx), cx.step)
}

/// What everything of this run is called at AWS.
pub(crate) fn run_name(cx: &Context<'_>) -> String {
    name_of(cx.run, &cx.plan.id)
}

/// What everything of a run is called at AWS. Runs of other machines may have the same id, so the plan's is in it.
pub(crate) fn name_of(run: &RunId, plan: &PlanId) -> String {
    format!("switchback-{run}-{plan}")
}

/// Where what a run remembers about AWS is.
pub(crate) fn directory(backups: &Path, run: &RunId) -> PathBuf {
    backups.join(run.as_str()).join("aws")
}

/// Writes a file whole or not at all; it is on disk afterwards.
pub(crate) fn write(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = place.parent().unwrap_or(place);
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(place)?;
    fs::File::open(directory)?.sync_all()
}

fn place(cx: &Context<'_>) -> PathBuf {
    directory(cx.backups, cx.run).join(format!("step-{}.json", cx.step))
}

/// A note that can be neither read nor written.
pub(crate) fn unusable(place: &Path, error: impl ToString) -> Failure {
    Failure::new(
        "note-unusable",
        format!("cannot use the note `{}`", place.display()),
    )
    .cause(error)
    .state("AWS", "nothing was changed by this step just now")
    .hint("make room, or correct the permissions, then resume")
}
