//! What a run must not leave behind, and what a dead process left.

use switchback_model::plan::Stage;
use switchback_model::{RunId, StepNumber};

use crate::halt;
use crate::ports::Failure;
use crate::process::end_leftovers;
use crate::run::{Interruption, Run};

impl Run<'_> {
    /// The plan's own rounds, and those that a run before it has begun.
    fn rounds(&self) -> impl Iterator<Item = u32> {
        let stages = self.plan().stages.iter();
        let planned = stages.map(|stage: &Stage| stage.round).max().unwrap_or(1);
        let begun = (planned..)
            .take_while(|round| *round == planned || self.backups(*round).is_dir())
            .last();
        1..=begun.unwrap_or(planned)
    }

    pub(crate) fn end_children(&self, run: &RunId) -> Result<(), Interruption> {
        let directory = self.means.directory.children(run);
        end_leftovers(&directory).map(drop).map_err(|error| {
            Interruption::Halt(halt::simple(
                self,
                "leftovers-remain",
                "cannot end what a killed switchback left running".to_owned(),
                &[format!("{}: {error}", directory.display())],
            ))
        })
    }

    /// Ends what runs that this plan follows or takes back left: their processes died or they halted.
    pub(crate) fn tidy_runs_before(&self) -> Result<(), Interruption> {
        let mut before: Vec<&RunId> = self.plan().parent.iter().chain(self.taken_back()).collect();
        before.dedup();
        for run in before {
            self.end_children(run)?;
            self.clean_driver(run)
                .map_err(|failure| self.left_over(&failure))?;
            self.tidy_datastores(run);
        }
        Ok(())
    }

    /// Ends what a dead process left in the datastores. A server may be down just because that process
    /// died in the middle: then its step's guard says so, and the end of the run cleans again, for good.
    pub(crate) fn tidy_datastores(&self, run: &RunId) {
        for round in self.rounds() {
            self.with_context_of(run, StepNumber::NONE, round, |cx| {
                for datastore in self.means.site.datastores.values() {
                    let _ = datastore.clean(cx);
                }
            });
        }
    }

    /// Removes everything that must not outlive the run. Before its end is recorded: what a crash
    /// leaves here is cleaned by the next process, which finds the run still open.
    pub(crate) fn clean_up(&self) -> Result<(), Interruption> {
        let run = self.order.run;
        for round in self.rounds() {
            self.with_context_of(run, StepNumber::NONE, round, |cx| {
                self.means
                    .site
                    .datastores
                    .values()
                    .try_for_each(|datastore| datastore.clean(cx))
            })
            .map_err(|failure| self.left_over(&failure))?;
        }
        self.clean_driver(run)
            .map_err(|failure| self.left_over(&failure))
    }

    /// In every round, for a driver keeps its own files beside the backups.
    pub(crate) fn clean_driver(&self, run: &RunId) -> Result<(), Failure> {
        self.rounds().try_for_each(|round| {
            self.with_context_of(run, StepNumber::NONE, round, |cx| {
                self.means.site.driver.clean(cx)
            })
        })
    }

    fn left_over(&self, failure: &Failure) -> Interruption {
        let mut causes = vec![failure.what.clone()];
        causes.extend(failure.causes.iter().cloned());
        Interruption::Halt(halt::simple(
            self,
            "leftovers-remain",
            "cannot remove what the run must not leave behind".to_owned(),
            &causes,
        ))
    }
}
