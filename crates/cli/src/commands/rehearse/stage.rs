//! What a rehearsal works with from its beginning to its end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use switchback_drivers::compose::copy::CopiedProject;
use switchback_engine::process::Commands;
use switchback_engine::redact::Redactor;
use switchback_engine::signal::{StopSignal, Urgency};
use switchback_journal::StateDirectory;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::plan::Plan;

use crate::place::deployment::Found;
use crate::render::rehearsal as render;
use crate::render::waiting;
use crate::session::Session;

/// A rehearsal's surroundings.
pub(super) struct Stage<'a> {
    pub(super) session: &'a Session<'a>,
    /// The original.
    pub(super) found: &'a Found,
    /// The plan that is rehearsed.
    pub(super) plan: &'a Plan,
    /// The rehearsal.
    pub(super) id: &'a str,
    /// Everything of the rehearsal is below this directory.
    pub(super) place: PathBuf,
    pub(super) stop: &'a StopSignal,
    /// True where the copy may talk to the outside.
    pub(super) outbound: bool,
}

impl<'a> Stage<'a> {
    /// The copy's own directory.
    pub(super) fn deployment(&self) -> PathBuf {
        self.place.join("deployment")
    }

    /// Where production's data are kept until they are in the copy.
    pub(super) fn captured(&self) -> PathBuf {
        self.place.join("captured")
    }

    /// The copy's own journal, plans and backups.
    pub(super) fn state(&self) -> Result<StateDirectory, Problem> {
        StateDirectory::open(self.place.join("state")).map_err(|error| error.problem())
    }

    /// Starts children that end with the wish to stop.
    pub(super) fn commands(&self, redactor: &Redactor) -> Commands {
        Commands::new(
            self.place.join("children"),
            redactor.clone(),
            self.stop.clone(),
        )
    }

    /// The copy's project.
    pub(super) fn project(&self, name: &str) -> CopiedProject {
        CopiedProject {
            name: name.to_owned(),
            directory: self.deployment(),
        }
    }

    /// Does a piece of the preparation: says that it goes on, and what came of it in one line.
    pub(super) fn act<T, E>(
        &self,
        verb: &str,
        what: &str,
        work: impl FnOnce() -> Result<(T, String), E>,
    ) -> Result<(T, u64), E>
    where
        E: Into<crate::failure::Failed>,
    {
        let began = Instant::now();
        let screen = self.session.screen;
        let said = format!("  {verb} {what}");
        let (done, summary) = waiting::during(screen, &said, work)?;
        let took = self.did(verb, what, began.elapsed(), &summary);
        Ok((done, took))
    }

    /// Says what came of a piece in one line; milliseconds it took.
    pub(super) fn did(&self, verb: &str, what: &str, took: Duration, summary: &str) -> u64 {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let screen = self.session.screen;
        if !screen.json() {
            let line = render::acted(self.plan, verb, what, took, summary, screen.progress_width);
            screen.advice(&line);
        }
        took
    }

    /// Ends the rehearsal where the operator wants that.
    pub(super) fn go_on(&self) -> Result<(), Problem> {
        if self.stop.urgency() == Urgency::GoOn {
            return Ok(());
        }
        Err(Problem::new(
            Exit::Halted,
            "rehearsal-stopped",
            "the rehearsal was stopped",
        ))
    }
}
