//! Making the copy that a shadow begins as.
//!
//! ```text
//! room? ─► manifest: copying ─► companion copies ─► checked (verify.rs) ─► marked: whole
//! ```

use std::fs;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Companion, CompanionState, Context, Failure};

use super::super::server::{Server, application};
use super::facts::{Facts, Phase};
use super::follower::{COPY, FOLLOW, stopped};
use super::layout::{Layout, layout_of};
use super::possible::Able;
use super::sql;
use super::verify::{COPY_DAMAGED, Checked, Reading};
use crate::backup::Backup;
use crate::{disk, shadow};

/// How often a running copy is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Looking at every file's size is work of its own: it is done so seldom.
const MEASURE: Duration = Duration::from_secs(3);
/// Code of a copy that may do better when it is made anew.
const COPY_FAILED: &str = "shadow-copy-failed";
/// What the log may take beside the data while the copy is made: two segments at the least.
const LOG: u64 = 32 << 20;

/// A complete copy.
pub(super) struct Copied {
    pub(super) layout: Layout,
    pub(super) facts: Facts,
    pub(super) checked: Checked,
}

impl Server {
    /// A complete copy, made now or by an earlier process.
    pub(super) fn copy(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        able: &Able,
        reading: Reading,
    ) -> Result<Copied, Failure> {
        if let Some(copied) = self.adopt_copy(cx, backup, able, reading)? {
            return Ok(copied);
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
            settings: able.settings(),
            image: self.reach.image(),
            compared_at: None,
            timeline: 0,
            unread: false,
            noted: false,
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
        let checked = self.wait_for_copy(cx, companion, &layout, able, reading)?;
        Ok(Copied {
            layout,
            facts,
            checked,
        })
    }

    /// What an earlier process began to copy, where its companion still runs or ended well.
    fn adopt_copy(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        able: &Able,
        reading: Reading,
    ) -> Result<Option<Copied>, Failure> {
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
        let checked = match self.reach.companion(cx, COPY)? {
            Some(companion) if companion.state()? != (CompanionState::Ended { code: 0 }) => {
                if companion.state()? != CompanionState::Running {
                    return Ok(None);
                }
                self.wait_for_copy(cx, companion, &layout, able, reading)?
            }
            Some(companion) => self.finish_copy(cx, companion, &layout, reading)?,
            // The mark of one that is whole comes after it was checked.
            None if started => Checked::Before,
            None => return Ok(None),
        };
        let facts = Facts {
            settings: able.settings(),
            ..facts
        };
        Ok(Some(Copied {
            layout,
            facts,
            checked,
        }))
    }

    fn wait_for_copy(
        &self,
        cx: &Context<'_>,
        companion: Box<dyn Companion>,
        layout: &Layout,
        able: &Able,
        reading: Reading,
    ) -> Result<Checked, Failure> {
        let all = able.original.size;
        let mut measured: Option<(Instant, u64)> = None;
        let mut courteous = false;
        loop {
            match companion.state()? {
                CompanionState::Running => {}
                CompanionState::Ended { code: 0 } => {
                    return self.finish_copy(cx, companion, layout, reading);
                }
                CompanionState::Ended { code } => {
                    let output = companion.output(cx).unwrap_or_default();
                    let _ = companion.end(cx, "SIGINT");
                    // Half a copy is of no use, and may be what fills the disk.
                    let _ = disk::remove(&layout.data());
                    return Err(self.copy_failed(code, output));
                }
            }
            self.leave_room(cx, companion.as_ref(), layout)?;
            courteous = courteous || self.senders_give_way(cx);
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

    /// Takes a shadow away before it leaves its original no room.
    pub(super) fn leave_room(
        &self,
        cx: &Context<'_>,
        companion: &dyn Companion,
        layout: &Layout,
    ) -> Result<(), Failure> {
        match disk::leave_room(layout.place()) {
            Err(failure) => Err(self.made_room(cx, companion, layout, failure)?),
            Ok(()) => Ok(()),
        }
    }

    /// Takes a shadow away, for there is no room for both: it can be had again, and the original cannot.
    pub(super) fn made_room(
        &self,
        cx: &Context<'_>,
        companion: &dyn Companion,
        layout: &Layout,
        failure: Failure,
    ) -> Result<Failure, Failure> {
        companion.end(cx, "SIGINT")?;
        let backup = self.backup(cx, cx.run);
        if let Some(manifest) = backup.shadow()? {
            let facts = Facts {
                phase: Phase::Refuted,
                ..Facts::of(&manifest)?
            };
            facts.write_to(&backup)?;
        }
        disk::remove(&layout.data())
            .map_err(|error| disk::failure("backup-io", "cannot remove the shadow", &error))?;
        Ok(failure
            .state(self.name.to_string(), "up, and not touched")
            .state(
                format!("shadow of {}", self.name),
                "removed; resume begins it anew",
            ))
    }

    /// Lets those that send the copy give way to users; false while there are none yet, or nobody tells: what the copy
    /// fails of, its own program says.
    fn senders_give_way(&self, cx: &Context<'_>) -> bool {
        let text = sql::senders(&application(Some(cx.run)));
        let told = self.ask(cx.commands, Some(cx.run), self.database(), &text);
        let senders: Vec<i32> = told.unwrap_or_default();
        for process in &senders {
            self.reach.give_way(*process);
        }
        !senders.is_empty()
    }

    /// Checks the copy, then marks it: with the mark it is known to be complete, and its maker can be forgotten.
    fn finish_copy(
        &self,
        cx: &Context<'_>,
        companion: Box<dyn Companion>,
        layout: &Layout,
        reading: Reading,
    ) -> Result<Checked, Failure> {
        let checked = match self.check_copy(cx, layout, reading) {
            Err(failure) if failure.code == COPY_DAMAGED => {
                companion.end(cx, "SIGINT")?;
                let _ = disk::remove(&layout.data());
                return Err(failure);
            }
            checked => checked?,
        };
        layout
            .drop_leftovers()
            .and_then(|()| layout.mark_following())
            .map_err(|error| {
                let what = format!("cannot mark the copy of `{}`", self.name);
                disk::failure("backup-io", what, &error)
            })?;
        companion.end(cx, "SIGINT")?;
        Ok(checked)
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
}

/// True where a copy that is made anew may be without fault.
pub(super) fn may_be_better(failure: &Failure) -> bool {
    [COPY_FAILED, COPY_DAMAGED].contains(&failure.code.as_str())
}
