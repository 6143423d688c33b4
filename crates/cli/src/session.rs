//! What a command works with: the screen, the options, and what they open.

use std::time::{SystemTime, UNIX_EPOCH};

use switchback_journal::{Journal, RunRecord, StateDirectory};
use switchback_model::exit::Exit;
use switchback_model::plan::Plan;
use switchback_model::{Problem, RunId};

use crate::arguments::Global;
use crate::failure::Failed;
use crate::place::deployment::{self, Found};
use crate::place::state;
use crate::render::screen::Screen;

/// One command's surroundings.
pub(crate) struct Session<'a> {
    /// Where text goes.
    pub screen: &'a Screen,
    /// Options of every command.
    pub global: Global,
    /// Journal, plans, backups.
    pub state: StateDirectory,
}

impl<'a> Session<'a> {
    /// Opens the state directory.
    pub(crate) fn open(screen: &'a Screen, global: Global) -> Result<Self, Failed> {
        let state = state::open(global.state.as_ref())?;
        Ok(Self {
            screen,
            global,
            state,
        })
    }

    /// The journal.
    pub(crate) fn journal(&self) -> Result<Journal, Failed> {
        Ok(self.state.journal()?)
    }

    /// The deployment that the command is about.
    pub(crate) fn deployment(&self) -> Result<Found, Failed> {
        deployment::find(self.global.deployment.as_deref(), &self.state)
    }

    /// The run that `said` means, or the last one of the deployment.
    pub(crate) fn run(&self, journal: &Journal, said: Option<&str>) -> Result<RunRecord, Failed> {
        let Some(said) = said else {
            let found = self.deployment()?;
            return journal.last_run(&found.key())?.ok_or_else(|| {
                Problem::new(
                    Exit::Usage,
                    "run-missing",
                    format!("nothing was ever run on `{}`", found.name),
                )
                .hint("make a plan: `switchback plan`")
                .into()
            });
        };
        let run = journal.find_run(said)?;
        record(journal, &run)
    }

    /// The plan of a run.
    pub(crate) fn plan_of(&self, record: &RunRecord) -> Result<Plan, Failed> {
        Ok(self.state.plan(&record.plan)?)
    }
}

/// The record of a run that exists.
pub(crate) fn record(journal: &Journal, run: &RunId) -> Result<RunRecord, Failed> {
    journal
        .runs()?
        .into_iter()
        .find(|record| record.run == *run)
        .ok_or_else(|| {
            Problem::new(
                Exit::Usage,
                "run-missing",
                format!("no run is called `{run}`"),
            )
            .hint("list them: `switchback history`")
            .into()
        })
}

/// Milliseconds since the epoch, to say how long ago something was. Tests fix it, so that what is
/// said can be compared word by word; nothing is decided by it.
pub(crate) fn now() -> u64 {
    if let Ok(fixed) = std::env::var("SWITCHBACK_TEST_NOW") {
        return fixed.parse().unwrap_or(0);
    }
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
