//! The exchange of what an old and a new server run on, and the look at which one answers.

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::plan::EngineChange;

use super::super::server::Server;
use super::super::shadow::Control;
use crate::disk;
use crate::engine::{Place, is_foreign};

impl Server {
    /// Complete, and of what the original holds still. A server that does not run has written nothing.
    pub(in super::super) fn carried(&self, cx: &Context<'_>, version: &str) -> Finding {
        let unknown = |failure: Failure| Finding::Unknown { why: failure.what };
        let directory = match self.directory() {
            Ok(directory) => directory,
            Err(failure) => return unknown(failure),
        };
        let place = Place::of(&directory, cx.run, &self.name);
        let complete = place.look(version);
        if complete != Finding::Holds || place.is_under_way() {
            return complete;
        }
        match self.reach.running(cx) {
            Err(failure) => return unknown(failure),
            Ok(false) => return Finding::Holds,
            Ok(true) => {}
        }
        let unchanged = place
            .carried()
            .map(Option::unwrap_or_default)
            .and_then(|carried| self.is_unchanged(cx, &carried));
        match unchanged {
            Ok(true) => Finding::Holds,
            Ok(false) => Finding::Differs {
                found: "data that was written since".to_owned(),
            },
            Err(failure) => unknown(failure),
        }
    }

    pub(in super::super) fn exchange_server(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let directory = self.directory()?;
        let place = Place::of(&directory, cx.run, &self.name);
        place.exchange(|name| !is_foreign(name))
    }

    pub(in super::super) fn put_server_back(&self, run: &RunId) -> Result<(), Failure> {
        let directory = self.directory()?;
        Place::of(&directory, run, &self.name).put_back(|name| !is_foreign(name))
    }

    pub(in super::super) fn answers_as(
        &self,
        cx: &Context<'_>,
        engine: &EngineChange,
    ) -> Result<Outcome, Failure> {
        self.wait_until_answers(cx)?;
        let directory = self.directory()?;
        let control = Control::read(&directory)
            .map_err(|error| disk::failure("engine-io", "cannot read pg_control", &error))?;
        let carried = Place::of(&directory, cx.run, &self.name).carried()?;
        // Of a way back there is nothing to know: its data is told by what it holds.
        let wanted = carried.and_then(|carried| carried.system);
        if wanted.is_some_and(|system| system != control.system) {
            return Err(Failure::new(
                "engine-differs",
                format!(
                    "the server of `{}` answers, and not on what was built for {}",
                    self.name, engine.to
                ),
            ));
        }
        Ok(Outcome {
            summary: format!(
                "`{}` answers as {}",
                self.name,
                self.about(cx.commands, Some(cx.run))?.engine()
            ),
            ..Outcome::default()
        })
    }

    pub(in super::super) fn released_server(&self, run: &RunId) -> Finding {
        // What another server runs on is exchanged where the directory is known, and only there.
        if self.location.directory.is_none() {
            return Finding::Holds;
        }
        match self.directory() {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(directory) => Place::of(&directory, run, &self.name).released(),
        }
    }

    /// Removes what a dead process tried.
    pub(in super::super) fn clean_server(&self, cx: &Context<'_>) -> Result<(), Failure> {
        match &self.location.directory {
            None => Ok(()),
            Some(_) => Place::of(&self.directory()?, cx.run, &self.name).clean(),
        }
    }

    /// True where something was there.
    pub(in super::super) fn release_server(&self, run: &RunId) -> Result<bool, Failure> {
        match &self.location.directory {
            None => Ok(false),
            Some(_) => Place::of(&self.directory()?, run, &self.name).release(),
        }
    }
}
