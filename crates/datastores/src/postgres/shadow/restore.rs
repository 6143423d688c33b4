//! The way back by shadow: its directory takes the place of the original's.
//!
//! ```text
//! identity looked at ─► noted ─► server stopped ─► exchanged by renames (swap.rs) ─► server started
//!                                                    what was there is kept aside      identity, position ─► noted
//! ```
//!
//! A rollback moves the shadow. Within an upgrade, and where no rename leads to
//! the data, a copy is made first, while the server may still run.

use std::path::Path;
use std::time::Duration;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::process::Argv;
use switchback_model::RunId;
use switchback_model::event::Outcome;
use switchback_model::plan::{BackupState, Purpose};

use super::super::server::Server;
use super::control::{Control, Position, State};
use super::facts::{Exchange, Facts, Phase};
use super::layout::{self, Layout, layout_of};
use crate::backup::{Backup, Manifest};
use crate::disk;
use crate::said::already;
use crate::swap::{self, Swap};

/// How often a starting server is asked.
const LOOK: Duration = Duration::from_millis(200);
/// What a filesystem puts into a directory that is its root.
const OF_THE_FILESYSTEM: &str = "lost+found";

impl Server {
    pub(in super::super) fn restore_shadow(
        &self,
        cx: &Context<'_>,
        run: &RunId,
    ) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        let manifest = backup.sealed()?;
        let facts = Facts::of(&manifest)?;
        let directory = self.directory()?;
        let swap = Swap::new(&directory, run);
        let moves = moves(cx);
        if moves && facts.done_by(cx.run) && !swap.is_half_done() {
            self.start_and_look(cx, &manifest, &facts)?;
            return Ok(already("was brought back already"));
        }
        let layout = layout_of(&manifest).ok_or_else(|| self.shadow_gone(&manifest, &facts))?;
        let mut copied = false;
        if !swap.is_half_done() && layout.data().is_dir() {
            self.check_identity(&layout.data(), &manifest, &facts)?;
            if !(moves && self.is_one_filesystem(&layout, &directory)) {
                self.copy_beside(cx, &manifest, &layout, &swap, &directory)?;
                copied = true;
            }
        } else if !swap.is_half_done() && !facts.begun(&swap) {
            return Err(self.shadow_gone(&manifest, &facts));
        }
        self.exchange(cx, &backup, &facts, false)?;
        cx.progress.report("stopping the server", None, None, None);
        self.reach.stop(cx)?;
        if copied || swap.is_half_done() {
            swap.switch(belongs)?;
        } else if layout.data().is_dir() {
            layout
                .strip()
                .map_err(|error| disk::failure("restore-io", "cannot tidy the shadow", &error))?;
            if !swap.take(&layout.data())? {
                // They looked like one filesystem and are not: what is mounted in between decides.
                self.copy_beside(cx, &manifest, &layout, &swap, &directory)?;
            }
            swap.switch(belongs)?;
        }
        let had = self.start_and_look(cx, &manifest, &facts);
        had.map_err(|failure| {
            failure.state(
                self.name.to_string(),
                format!(
                    "what was there is kept in {}/.switchback-old-{run}",
                    directory.display()
                ),
            )
        })?;
        self.exchange(cx, &backup, &facts, true)?;
        Ok(Outcome {
            summary: format!(
                "{} in place, at {} or later",
                if copied {
                    "a copy of the shadow"
                } else {
                    "the shadow"
                },
                manifest.position.as_deref().unwrap_or("its position")
            ),
            ..Outcome::default()
        })
    }

    /// Identity, position, and the note of the exchange: nothing that grows with the data.
    pub(in super::super) fn shadow_restored(
        &self,
        cx: &Context<'_>,
        manifest: &Manifest,
        run: &RunId,
    ) -> Finding {
        let unknown = |failure: Failure| Finding::Unknown { why: failure.what };
        let differs = |found: &str| Finding::Differs {
            found: found.to_owned(),
        };
        let (facts, directory) =
            match Facts::of(manifest).and_then(|facts| Ok((facts, self.directory()?))) {
                Ok(found) => found,
                Err(failure) => return unknown(failure),
            };
        if Swap::new(&directory, run).is_half_done() {
            return differs("files that are half exchanged");
        }
        if !facts.done_by(cx.run) {
            return differs("the data that was there before");
        }
        match Control::read(&directory) {
            Err(error) => Finding::Unknown {
                why: format!("cannot read {}: {error}", directory.display()),
            },
            Ok(control) if control.system != facts.system || control.timeline != facts.timeline => {
                differs("the data of another server")
            }
            Ok(_) => match self.about(cx.commands, Some(cx.run)) {
                Ok(_) => Finding::Holds,
                Err(failure) => unknown(failure),
            },
        }
    }

    /// As an expectation of a backup sees a shadow. One that is on its way into place is still there.
    pub(in super::super) fn shadow_reached(
        &self,
        backup: &Backup,
        manifest: &Manifest,
        run: &RunId,
        state: BackupState,
    ) -> Finding {
        let found = |found: &str| Finding::Differs {
            found: found.to_owned(),
        };
        let facts = match Facts::of(manifest) {
            Ok(facts) => facts,
            Err(failure) => return Finding::Unknown { why: failure.what },
        };
        match facts.phase {
            Phase::Copying => return found("a shadow that is still being copied"),
            Phase::Refuted => return found("a shadow that did not prove"),
            Phase::Following | Phase::Sealed => {}
        }
        let Some(layout) = layout_of(manifest) else {
            return found("a shadow without a place");
        };
        let here = layout.data().is_dir();
        if manifest.state >= state && !here {
            let directory = self.directory();
            let on_its_way = directory.is_ok_and(|directory| {
                let swap = Swap::new(&directory, run);
                swap.is_half_done() || facts.begun(&swap)
            });
            return if on_its_way {
                Finding::Holds
            } else {
                found("a shadow that a way back has put in place already")
            };
        }
        backup.has_reached(state)
    }

    pub(in super::super) fn release_shadow(
        &self,
        cx: &Context<'_>,
        run: &RunId,
    ) -> Result<Outcome, Failure> {
        let directory = self.directory()?;
        let swap = Swap::new(&directory, run);
        if swap.is_half_done() {
            return Err(Failure::new(
                "restore-unfinished",
                format!("the data of `{}` is half exchanged", self.name),
            )
            .hint("resume: it goes on where it was"));
        }
        cx.progress
            .report("removing what was moved aside", None, None, None);
        if !swap.release()? {
            return Ok(already("nothing is left beside it"));
        }
        Ok(Outcome {
            summary: "removed the data that was moved aside".to_owned(),
            ..Outcome::default()
        })
    }

    pub(in super::super) fn shadow_released(&self, run: &RunId) -> Finding {
        match self.directory() {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(directory) if Swap::new(&directory, run).has_old() => Finding::Differs {
                found: format!("{}/.switchback-old-{run}", directory.display()),
            },
            Ok(_) => Finding::Holds,
        }
    }

    /// Tidies what a dead process of this run left of an exchange, and of a copy that nobody makes any
    /// more. A server that it stopped is started, unless its files are half exchanged.
    pub(in super::super) fn clean_shadow(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let run = match &cx.plan.purpose {
            Purpose::Rollback { run } => run,
            Purpose::Upgrade
            | Purpose::RollOver(_)
            | Purpose::Rehearsal { .. }
            | Purpose::Recovery { .. } => cx.run,
        };
        let backup = self.backup(cx, run);
        let Some(manifest) = backup.shadow()? else {
            return Ok(());
        };
        let facts = Facts::of(&manifest)?;
        let directory = self.directory()?;
        if manifest.state < BackupState::Sealed {
            return self.clean_half_copy(cx, &manifest, &facts);
        }
        if swap::is_any_half_done(&directory) {
            return Ok(());
        }
        swap::clean_all(&directory)?;
        let stopped_by_us = facts
            .exchange
            .as_ref()
            .is_some_and(|exchange| !exchange.done && exchange.by == *cx.run);
        if stopped_by_us && !self.reach.running(cx)? {
            self.reach.start(cx)?;
        }
        Ok(())
    }

    fn clean_half_copy(
        &self,
        cx: &Context<'_>,
        manifest: &Manifest,
        facts: &Facts,
    ) -> Result<(), Failure> {
        let useless = match facts.phase {
            Phase::Refuted => true,
            Phase::Copying => {
                self.reach.companion(cx, super::follower::COPY)?.is_none()
                    && self.reach.companion(cx, super::follower::FOLLOW)?.is_none()
                    && layout_of(manifest).is_some_and(|layout| !layout.is_marked_following())
            }
            Phase::Following | Phase::Sealed => false,
        };
        match layout_of(manifest).filter(|_| useless) {
            Some(layout) => disk::remove(&layout.data())
                .map_err(|error| disk::failure("backup-io", "cannot remove half a shadow", &error)),
            None => Ok(()),
        }
    }

    /// Notes how far the exchange is: the one thing that a crash leaves to tell a copy in place from the
    /// data before.
    fn exchange(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        facts: &Facts,
        done: bool,
    ) -> Result<(), Failure> {
        let facts = Facts {
            exchange: Some(Exchange {
                by: cx.run.clone(),
                done,
            }),
            ..facts.clone()
        };
        backup.write(&Manifest {
            facts: facts.kept(),
            ..backup.sealed()?
        })
    }

    fn check_identity(
        &self,
        data: &Path,
        manifest: &Manifest,
        facts: &Facts,
    ) -> Result<(), Failure> {
        let refused = |cause: String| {
            Failure::new(
                "backup-damaged",
                format!(
                    "the shadow of `{}` by {} is not what was sealed; the original is untouched",
                    self.name, manifest.run
                ),
            )
            .cause(cause)
        };
        let control =
            Control::read(data).map_err(|error| refused(format!("{}: {error}", data.display())))?;
        if control.system != facts.system || control.timeline != facts.timeline {
            return Err(refused("it is the data of another server".to_owned()));
        }
        let position = manifest.position.as_deref().and_then(Position::parse);
        if position.is_some_and(|position| control.consistent < position)
            || matches!(control.state, State::Ended)
        {
            return Err(refused(format!(
                "it stands at {}, and was sealed at {}",
                control.consistent,
                manifest.position.as_deref().unwrap_or("?")
            )));
        }
        Ok(())
    }

    fn is_one_filesystem(&self, layout: &Layout, directory: &Path) -> bool {
        crate::shadow::device(layout.place()) == crate::shadow::device(directory)
    }

    fn copy_beside(
        &self,
        cx: &Context<'_>,
        manifest: &Manifest,
        layout: &Layout,
        swap: &Swap<'_>,
        directory: &Path,
    ) -> Result<(), Failure> {
        let bytes = disk::size_of(&layout.data());
        if !clones(cx, layout, directory) {
            disk::require_space(
                directory,
                bytes,
                &format!("a copy of the shadow of `{}`", self.name),
            )?;
        }
        cx.progress
            .report("copying the shadow beside", None, Some(bytes), Some("B"));
        let sources: Vec<_> = swap::names(&layout.data())
            .map_err(|error| disk::failure("restore-io", "cannot read the shadow", &error))?
            .into_iter()
            .map(|name| layout.data().join(name))
            .collect();
        swap.stage(|new| {
            let what = format!(
                "cannot copy the shadow of `{}` by {} beside the data",
                self.name, manifest.run
            );
            disk::copy(cx, &sources, new).map_err(|error| disk::copy_failure(error, what))?;
            layout::strip(new)
                .map_err(|error| disk::failure("restore-io", "cannot tidy the copy", &error))
        })
    }

    /// Starts the server, waits until it answers, and looks whose data it is and how far.
    fn start_and_look(
        &self,
        cx: &Context<'_>,
        manifest: &Manifest,
        facts: &Facts,
    ) -> Result<(), Failure> {
        self.reach.start(cx)?;
        let _held = self.hold();
        self.wait_until_answers(cx)?;
        let control = Control::read(&self.directory()?)
            .map_err(|error| disk::failure("restore-io", "cannot read pg_control", &error))?;
        let reached = self.position(cx)?;
        let sealed = manifest.position.as_deref().and_then(Position::parse);
        if control.system != facts.system
            || control.timeline != facts.timeline
            || sealed.is_some_and(|sealed| reached < sealed)
        {
            return Err(Failure::new(
                "restore-differs",
                format!(
                    "`{}` was brought back and is not what was sealed",
                    self.name
                ),
            )
            .cause(format!(
                "timeline {} at {reached}, expected timeline {} at {} or later",
                control.timeline,
                facts.timeline,
                manifest.position.as_deref().unwrap_or("?")
            )));
        }
        Ok(())
    }

    /// As long as it takes, while it runs.
    pub(in super::super) fn wait_until_answers(&self, cx: &Context<'_>) -> Result<(), Failure> {
        loop {
            cx.progress
                .report("waiting for the server to answer", None, None, None);
            match self.about(cx.commands, Some(cx.run)) {
                Ok(_) => return Ok(()),
                Err(failure)
                    if failure.code != "datastore-silent" && failure.code != "service-stopped" =>
                {
                    return Err(failure);
                }
                Err(failure) if !self.reach.running(cx)? => {
                    return Err(failure.hint("look at its log, then resume"));
                }
                Err(_) => {}
            }
            super::follower::stopped(cx, "waiting for the server to answer")?;
            std::thread::sleep(LOOK);
        }
    }

    fn shadow_gone(&self, manifest: &Manifest, facts: &Facts) -> Failure {
        let failure = Failure::new(
            "backup-missing",
            format!(
                "the shadow of `{}` by {} is no longer where it was sealed",
                self.name, manifest.run
            ),
        );
        match &facts.exchange {
            Some(exchange) => {
                failure.cause(format!("{} put it in the place of the data", exchange.by))
            }
            None => failure,
        }
        .state(self.name.to_string(), "not touched")
        .hint("see what else there is: switchback backup list")
    }
}

impl Facts {
    fn done_by(&self, run: &RunId) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|exchange| exchange.done && exchange.by == *run)
    }

    /// True where the shadow was moved in and nobody has seen its server run yet.
    fn begun(&self, swap: &Swap<'_>) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|exchange| !exchange.done)
            && swap.has_old()
    }
}

fn moves(cx: &Context<'_>) -> bool {
    matches!(cx.plan.purpose, Purpose::Rollback { .. })
}

fn belongs(name: &std::ffi::OsStr) -> bool {
    name != OF_THE_FILESYSTEM
}

/// Whether a copy of the shadow shares its blocks with it and needs no room of its own.
fn clones(cx: &Context<'_>, layout: &Layout, directory: &Path) -> bool {
    let probe = directory.join(".switchback-new-probe");
    let argv = Argv::new("cp", ["--reflink=always", "--"])
        .arg(layout.data().join("PG_VERSION").to_string_lossy())
        .arg(probe.to_string_lossy());
    let cloned = cx.commands.capture(&argv).is_ok();
    let _ = disk::remove(&probe);
    cloned
}
