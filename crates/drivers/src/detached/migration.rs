//! Migrations as detached processes, which a later switchback finds and adopts.

use std::path::{Path, PathBuf};

use switchback_engine::ports::{Context, Failure, Finding, MigrationCall, MigrationTrace};
use switchback_engine::process::Secret;
use switchback_model::event::{Completed, Outcome};
use switchback_model::{MigrationId, RunId, Version};

use super::one_off::OneOff;
use crate::host::{Host, unwritable};

/// Where a deployment's migrations leave their traces: in `<notes>/migrations/<run>/<step>-<migration>`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traces<'a> {
    pub(crate) host: &'a Host,
    pub(crate) notes: &'a Path,
}

/// What is run.
pub(crate) struct Program<'a> {
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    /// Its environment.
    pub(crate) environment: Vec<(String, Secret)>,
    /// Where it is run.
    pub(crate) inside: &'a Path,
}

impl Traces<'_> {
    fn of_run(self, run: &RunId) -> PathBuf {
        self.notes.join("migrations").join(run.as_str())
    }

    fn of_step(self, cx: &Context<'_>, migration: &MigrationId) -> OneOff {
        let name = format!("{}-{migration}", cx.step);
        OneOff::at(self.host, self.of_run(cx.run).join(name))
    }

    fn all_of(self, run: &RunId) -> Result<Vec<OneOff>, Failure> {
        let directory = self.of_run(run);
        let names = self
            .host
            .list_if_there(&directory)
            .map_err(|error| unwritable(&directory, &error))?;
        let found = names.into_iter().map(|name| directory.join(name));
        Ok(found.map(|path| OneOff::at(self.host, path)).collect())
    }

    /// What is left of an earlier try of this step's migration.
    pub(crate) fn trace(
        self,
        cx: &Context<'_>,
        migration: &MigrationId,
    ) -> Result<MigrationTrace, Failure> {
        self.of_step(cx, migration).trace()
    }

    /// The exit code of any process of this run that ran the migration at `version`.
    fn ended(
        self,
        run: &RunId,
        migration: &MigrationId,
        version: &Version,
    ) -> Result<MigrationTrace, Failure> {
        let wanted = format!("{migration} {version}");
        for one in self.all_of(run)? {
            if one.what()?.as_ref() == Some(&wanted) {
                return one.trace();
            }
        }
        Ok(MigrationTrace::NeverStarted)
    }

    /// Whether a process of this run has taken the migration to its end at `version`.
    pub(crate) fn look(self, run: &RunId, migration: &MigrationId, version: &Version) -> Finding {
        let found = match self.ended(run, migration, version) {
            Err(failure) => return Finding::Unknown { why: failure.what },
            Ok(MigrationTrace::Exited { code: 0 }) => return Finding::Holds,
            Ok(MigrationTrace::Exited { code }) => format!("`{migration}` exited with {code}"),
            Ok(MigrationTrace::Running) => format!("`{migration}` still runs"),
            Ok(MigrationTrace::NeverStarted) => format!("`{migration}` was never started"),
        };
        Finding::Differs { found }
    }

    /// Runs a migration to its end, or sees one that was begun before to its end. `program` is asked only
    /// where it has to be started.
    pub(crate) fn migrate<'p>(
        self,
        cx: &Context<'_>,
        call: &MigrationCall<'_>,
        program: impl FnOnce() -> Result<Program<'p>, Failure>,
    ) -> Result<Outcome, Failure> {
        let one = self.of_step(cx, call.migration);
        let completed = if one.trace()? == MigrationTrace::NeverStarted {
            let program = program()?;
            let what = format!("{} {}", call.migration, call.version);
            one.begin(&what, &program.words, &program.environment, program.inside)
                .map_err(|error| {
                    let what = format!("cannot start `{}`", call.run.join(" "));
                    error.into_failure("migration-not-started", what)
                })?;
            Completed::Done
        } else {
            Completed::Adopted
        };
        let log = one.follow(cx, call.migration.as_str())?;
        match one.trace()? {
            MigrationTrace::Exited { code: 0 } => {
                let said = log.last_words().pop();
                Ok(Outcome {
                    completed,
                    summary: said.unwrap_or_else(|| "ended well and said nothing".to_owned()),
                    output: cx.commands.keep(&log.text())?,
                    ..Outcome::default()
                })
            }
            MigrationTrace::Exited { code } => {
                let ended = match code {
                    -1 => "was ended from outside".to_owned(),
                    code => format!("exited with {code}"),
                };
                let mut failure = Failure::new(
                    "migration-failed",
                    format!("`{}` {ended}", call.run.join(" ")),
                );
                failure.causes = log.last_words();
                Err(failure.output(log.text()))
            }
            MigrationTrace::Running | MigrationTrace::NeverStarted => Err(Failure::stopped(
                format!("stopped waiting for `{}`", call.migration),
            )
            .state(call.migration.as_str(), "still runs")
            .hint("switchback resume waits for it again; it is not started a second time")
            .output(log.text())),
        }
    }

    /// Ends and removes what is left of this step's migration.
    pub(crate) fn discard(self, cx: &Context<'_>, migration: &MigrationId) -> Result<(), Failure> {
        self.of_step(cx, migration).remove()
    }

    /// Ends and removes every migration of the run.
    pub(crate) fn clean(self, run: &RunId) -> Result<(), Failure> {
        for one in self.all_of(run)? {
            one.remove()?;
        }
        // Another run's may be beside it, or somebody looks at it: it is in nobody's way.
        let _ = self.host.remove_empty(&self.of_run(run));
        Ok(())
    }
}
