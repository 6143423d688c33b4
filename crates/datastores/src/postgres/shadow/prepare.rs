//! Making a shadow, and making it follow again.
//!
//! Whatever was killed, one of these is found: a copy that is still being made or
//! has been made (its companion says so) is adopted; a copy whose maker is gone is
//! half a copy and begun anew; a follower that is gone is started again on what it
//! has, and begun anew only where the original no longer has the log in between.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use switchback_engine::ports::{Companion, CompanionState, Context, Failure};
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::BackupState;

use super::super::keep::already;
use super::super::server::Server;
use super::control::Position;
use super::facts::{Facts, Phase};
use super::follower::{COPY, FOLLOW, Waited, stopped};
use super::layout::Layout;
use super::possible::Able;
use super::sql;
use crate::backup::{Backup, Manifest};
use crate::{disk, shadow};

/// How often a running copy is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Looking at every file's size is work of its own: it is done so seldom.
const MEASURE: Duration = Duration::from_secs(3);
/// So often a shadow is begun before the step fails. The second time is for an original that was too busy
/// to keep the log of the first, and for a copy that met what an earlier one had left.
const BEGINNINGS: u32 = 2;
/// Code of a copy that may do better when it is made anew.
const COPY_FAILED: &str = "shadow-copy-failed";
/// What the log may take beside the data while the copy is made: two segments at the least.
const LOG: u64 = 32 << 20;

#[derive(Deserialize)]
pub(super) struct At {
    position: Option<String>,
}

impl Server {
    /// Makes a shadow that follows when this returns.
    pub(in super::super) fn prepare_shadow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        let manifest = backup.shadow()?;
        if manifest
            .as_ref()
            .is_some_and(|manifest| manifest.state >= BackupState::Sealed)
        {
            return Ok(already("the shadow was sealed already"));
        }
        let begun = manifest.as_ref().map(Facts::of).transpose()?;
        if let (Some(manifest), Some(facts)) = (&manifest, begun)
            && facts.phase == Phase::Following
            && let Some(layout) = layout_of(manifest)
        {
            return self.follow_again(cx, &backup, &layout, &facts);
        }
        self.make(cx, &backup)?;
        Ok(Outcome {
            summary: "copied, and follows".to_owned(),
            ..Outcome::default()
        })
    }

    /// As the port's `follow`.
    pub(in super::super) fn follow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.shadow()? else {
            return Ok(already("no shadow was begun"));
        };
        if manifest.state >= BackupState::Sealed {
            return Ok(already("the shadow is sealed"));
        }
        let facts = Facts::of(&manifest)?;
        let compared = manifest.state == BackupState::Compared;
        let outcome = match layout_of(&manifest) {
            Some(layout) if facts.phase == Phase::Following => {
                self.follow_again(cx, &backup, &layout, &facts)?
            }
            _ => {
                self.make(cx, &backup)?;
                Outcome {
                    summary: "begun anew, and follows".to_owned(),
                    ..Outcome::default()
                }
            }
        };
        // What was compared was the copy that is no more.
        if compared
            && backup
                .shadow()?
                .is_none_or(|now| now.state < BackupState::Compared)
        {
            self.prove_shadow(cx)?;
        }
        Ok(outcome)
    }

    /// The follower of a shadow that is prepared, running and streaming.
    pub(super) fn following(
        &self,
        cx: &Context<'_>,
        facts: &Facts,
    ) -> Result<Option<Box<dyn Companion>>, Failure> {
        let Some(companion) = self.reach.companion(cx, FOLLOW)? else {
            return Ok(None);
        };
        let runs = companion.state()? == CompanionState::Running
            && self
                .follower(cx, companion.as_ref(), facts)
                .is_ok_and(|progress| progress.streams);
        Ok(runs.then_some(companion))
    }

    fn follow_again(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        facts: &Facts,
    ) -> Result<Outcome, Failure> {
        if self.following(cx, facts)?.is_some() {
            return Ok(already("the shadow follows"));
        }
        let able = self.able_or_failure(cx)?;
        if able.system == facts.system {
            let facts = Facts {
                settings: settings(&able),
                ..facts.clone()
            };
            if let Waited::Follows = self.start_and_wait(cx, backup, layout, &facts)? {
                return Ok(Outcome {
                    completed: Completed::Adopted,
                    summary: "the shadow follows again".to_owned(),
                    ..Outcome::default()
                });
            }
        }
        self.make(cx, backup)?;
        Ok(Outcome {
            summary: "the original went on too far without it: begun anew, and follows".to_owned(),
            ..Outcome::default()
        })
    }

    /// Copies, starts the follower and waits; goes on where an earlier process was.
    fn make(&self, cx: &Context<'_>, backup: &Backup) -> Result<(), Failure> {
        let mut output = String::new();
        for beginning in 1..=BEGINNINGS {
            let able = self.able_or_failure(cx)?;
            let (layout, mut facts) = match self.copy(cx, backup, &able) {
                Err(failure) if failure.code == COPY_FAILED && beginning < BEGINNINGS => continue,
                copied => copied?,
            };
            match self.start_and_wait(cx, backup, &layout, &facts)? {
                Waited::Follows => {
                    facts.phase = Phase::Following;
                    return note(backup, &facts);
                }
                Waited::Lost(said) => output = said,
            }
            self.give_up(cx, backup, facts)?;
        }
        Err(Failure::new(
            "shadow-does-not-follow",
            format!("the shadow of `{}` does not follow", self.name),
        )
        .state(self.name.to_string(), "up, and not touched")
        .hint("see what its server says below; when that is mended, resume")
        .hint(format!(
            "or go without: [datastores.{}] backup = \"dump\" in switchback.toml, then plan again",
            self.name
        ))
        .output(output))
    }

    /// What cannot be used any more is not adopted by the next process.
    fn give_up(&self, cx: &Context<'_>, backup: &Backup, facts: Facts) -> Result<(), Failure> {
        if let Some(companion) = self.reach.companion(cx, FOLLOW)? {
            companion.end(cx, "SIGINT")?;
        }
        let facts = Facts {
            phase: Phase::Refuted,
            ..facts
        };
        note(backup, &facts)
    }

    fn start_and_wait(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        facts: &Facts,
    ) -> Result<Waited, Failure> {
        let earlier = self.reach.companion(cx, FOLLOW)?;
        let companion = match earlier {
            Some(companion) if companion.state()? == CompanionState::Running => companion,
            _ => self.start_following(cx, backup, layout, facts)?,
        };
        // Any position from now on will do: a follower that reaches it has everything from before.
        let target = self.position(cx)?;
        self.wait_until_follows(cx, companion.as_ref(), facts, target)
    }

    /// Where the original's log is on disk, with everything from before this call.
    pub(super) fn position(&self, cx: &Context<'_>) -> Result<Position, Failure> {
        let text = sql::position(cx.run.as_str());
        let answers: Vec<At> = self.ask(cx.commands, Some(cx.run), self.database(), &text)?;
        let count = answers.len();
        answers
            .into_iter()
            .rev()
            .find_map(|at| Position::parse(&at.position?))
            .ok_or_else(|| {
                Failure::new(
                    "datastore-answer",
                    format!("the server of `{}` does not tell its position", self.name),
                )
                .cause(format!("{count} answers, none of them a position"))
                .hint("resume: it is asked again")
            })
    }

    fn able_or_failure(&self, cx: &Context<'_>) -> Result<Able, Failure> {
        self.able(cx.commands, Some(cx.run))?.map_err(|because| {
            Failure::new(
                "shadow-impossible",
                format!("no shadow of `{}` can be made", self.name),
            )
            .cause(because)
            .state(self.name.to_string(), "up, and not touched")
            .hint("plan again: the plan takes the next method, or says what to change")
        })
    }

    /// A complete copy, made now or by an earlier process.
    fn copy(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        able: &Able,
    ) -> Result<(Layout, Facts), Failure> {
        if let Some(copying) = self.adopt_copy(cx, backup, able)? {
            return Ok(copying);
        }
        let directory = self.directory()?;
        let place = match backup.shadow()?.and_then(|manifest| manifest.place) {
            Some(place) => place,
            None => shadow::place(backup, &directory, &self.location.access),
        };
        let layout = Layout::new(&place);
        let furnish = |error: std::io::Error| {
            disk::failure(
                "backup-io",
                format!("cannot make the shadow's directory {}", place.display()),
                &error,
            )
        };
        self.end_companions(cx)?;
        disk::remove(&place).map_err(furnish)?;
        disk::require_space(
            &place,
            able.original.size + LOG,
            &format!("the shadow of `{}`", self.name),
        )?;
        let facts = Facts {
            phase: Phase::Copying,
            system: able.system,
            superuser: able.superuser.clone(),
            settings: settings(able),
            compared_at: None,
            timeline: 0,
            unread: false,
            exchange: None,
        };
        let engine = self.about(cx.commands, Some(cx.run))?.engine();
        backup.begin_shadow(&place, Some(engine), facts.kept())?;
        let like = fs::metadata(&directory).map_err(furnish)?;
        layout.make(&like).map_err(furnish)?;
        layout.furnish(self.password.as_ref()).map_err(furnish)?;
        let companion = self
            .reach
            .accompany(cx, COPY, layout.place(), self.copier(cx))?;
        self.wait_for_copy(cx, companion, &layout, able.original.size)?;
        Ok((layout, facts))
    }

    /// What an earlier process began to copy, where its companion still runs or ended well.
    fn adopt_copy(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        able: &Able,
    ) -> Result<Option<(Layout, Facts)>, Failure> {
        let Some(manifest) = backup.shadow()? else {
            return Ok(None);
        };
        let facts = Facts::of(&manifest)?;
        let Some(layout) = layout_of(&manifest) else {
            return Ok(None);
        };
        if facts.phase != Phase::Copying || facts.system != able.system {
            return Ok(None);
        }
        // A copy that was complete, whose follower was started: it is told by that follower's mark.
        let started = self.reach.companion(cx, FOLLOW)?.is_some() || layout.is_marked_following();
        match self.reach.companion(cx, COPY)? {
            Some(companion) if companion.state()? != (CompanionState::Ended { code: 0 }) => {
                if companion.state()? != CompanionState::Running {
                    return Ok(None);
                }
                self.wait_for_copy(cx, companion, &layout, able.original.size)?;
            }
            Some(companion) => self.finish_copy(cx, companion, &layout)?,
            None if started => {}
            None => return Ok(None),
        }
        let facts = Facts {
            settings: settings(able),
            ..facts
        };
        Ok(Some((layout, facts)))
    }

    fn wait_for_copy(
        &self,
        cx: &Context<'_>,
        companion: Box<dyn Companion>,
        layout: &Layout,
        all: u64,
    ) -> Result<(), Failure> {
        let mut measured: Option<(Instant, u64)> = None;
        loop {
            match companion.state()? {
                CompanionState::Running => {}
                CompanionState::Ended { code: 0 } => {
                    return self.finish_copy(cx, companion, layout);
                }
                CompanionState::Ended { code } => {
                    let output = companion.output(cx).unwrap_or_default();
                    let _ = companion.end(cx, "SIGINT");
                    // Half a copy is of no use, and may be what fills the disk.
                    let _ = disk::remove(&layout.data());
                    return Err(self.copy_failed(code, output));
                }
            }
            let bytes = match measured {
                Some((at, bytes)) if at.elapsed() < MEASURE => bytes,
                _ => {
                    let bytes = disk::size_of(&layout.data());
                    measured = Some((Instant::now(), bytes));
                    bytes
                }
            };
            cx.progress
                .report("copying the data", Some(bytes), Some(all), Some("B"));
            stopped(cx, "copying the data")?;
            std::thread::sleep(LOOK);
        }
    }

    /// The mark comes first: with it the copy is known to be complete, and its maker can be forgotten.
    fn finish_copy(
        &self,
        cx: &Context<'_>,
        companion: Box<dyn Companion>,
        layout: &Layout,
    ) -> Result<(), Failure> {
        layout
            .drop_leftovers()
            .and_then(|()| layout.mark_following())
            .map_err(|error| {
                let what = format!("cannot mark the copy of `{}`", self.name);
                disk::failure("backup-io", what, &error)
            })?;
        companion.end(cx, "SIGINT")
    }

    fn copy_failed(&self, code: i64, output: String) -> Failure {
        let what = format!("the data of `{}` cannot be copied", self.name);
        let full = output.contains("No space left on device");
        let failure = Failure::new(if full { "disk-full" } else { COPY_FAILED }, what)
            .cause(format!("pg_basebackup exited with {code}"));
        let mut failure = output
            .lines()
            .rev()
            .filter(|line| line.contains("error"))
            .take(2)
            .fold(failure, |failure, line| failure.cause(line.trim()));
        failure = failure
            .state(self.name.to_string(), "up, and not touched")
            .output(output);
        if full {
            failure.hint("free space on that filesystem, then resume: the copy is made anew")
        } else {
            failure.hint("when that is mended, resume: the copy is made anew")
        }
    }

    /// Ends what this run has beside the server.
    pub(super) fn end_companions(&self, cx: &Context<'_>) -> Result<(), Failure> {
        for name in [COPY, FOLLOW] {
            if let Some(companion) = self.reach.companion(cx, name)? {
                companion.end(cx, "SIGINT")?;
            }
        }
        Ok(())
    }

    /// The server's data directory as this host sees it.
    pub(in super::super) fn directory(&self) -> Result<PathBuf, Failure> {
        self.location
            .directory
            .as_ref()
            .map(|directory| Path::new(directory).to_owned())
            .ok_or_else(|| {
                Failure::new(
                    "shadow-impossible",
                    format!("the data directory of `{}` is not on this host", self.name),
                )
                .hint(format!(
                    "say where it is: [datastores.{}] directory in switchback.toml, then plan again",
                    self.name
                ))
            })
    }
}

fn settings(able: &Able) -> std::collections::BTreeMap<String, String> {
    let mut settings = able.original.settings.clone();
    let version = able.original.version.to_string();
    settings.insert("server_version_num".to_owned(), version);
    settings
}

/// Where the manifest says that the shadow is.
pub(super) fn layout_of(manifest: &Manifest) -> Option<Layout> {
    manifest.place.as_deref().map(Layout::new)
}

/// Writes facts down in the manifest; a shadow that does not follow is no longer compared.
pub(super) fn note(backup: &Backup, facts: &Facts) -> Result<(), Failure> {
    let Some(manifest) = backup.shadow()? else {
        return Ok(());
    };
    let state = match facts.phase {
        Phase::Copying | Phase::Refuted => BackupState::Prepared,
        Phase::Following | Phase::Sealed => manifest.state,
    };
    backup.write(&Manifest {
        state,
        facts: facts.kept(),
        ..manifest
    })
}
