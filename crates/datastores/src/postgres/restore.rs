//! Bringing a database back: beside, proven, then renamed into place.
//!
//! ```text
//! db                      ─┐ one transaction ┌─► db_switchback_old_<run>   until release
//! db_switchback_new_<run> ─┘                 └─► db
//! ```

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::Outcome;

use super::keep::kept_properties;
use super::names;
use super::server::{Server, application};
use super::sql;
use crate::said::{already, differs, summary};

/// A session that was ended may be replaced by a new one before the rename: so often it is tried.
const TRIES: u32 = 5;

impl Server {
    pub(super) fn restore(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, run);
        let manifest = backup.sealed()?;
        let database = self.database();
        let _held = self.hold();
        let existing = self.databases(cx.commands, Some(cx.run))?;
        let there = existing.iter().any(|name| name == database);
        // A process that died after the switch has done everything, as long as nothing changed since.
        let switched = !names::all_old(database, run, &existing).is_empty();
        if switched && there && self.contents_of(cx, database)? == manifest.contents {
            return Ok(already("was brought back already"));
        }
        backup.verify_files(cx)?;
        let new = names::new(database, run);
        let filled = self
            .restore_into(cx, run, &new)
            .and_then(|()| self.contents_of(cx, &new));
        if filled.is_err() {
            // Half a copy is of no use, and may be what fills the disk.
            let _ = self.drop_ours(cx, &new);
        }
        let found = filled?;
        let differences = manifest.contents.differences(&found);
        if !differences.is_empty() {
            let _ = self.drop_ours(cx, &new);
            let what = format!(
                "the restored copy of `{}` is not what was sealed; the original is untouched",
                self.name
            );
            return Err(differs("restore-differs", what, &differences));
        }
        let properties = kept_properties(&manifest)?;
        self.command(cx.commands, Some(cx.run), &properties.apply(&new))?;
        let old = there.then(|| names::free_old(database, run, &existing));
        self.switch(cx, &new, old.as_deref())?;
        Ok(summary(&manifest, "brought back"))
    }

    fn switch(&self, cx: &Context<'_>, new: &str, old: Option<&str>) -> Result<(), Failure> {
        let database = self.database();
        let text = format!(
            "{}{}",
            sql::end_sessions(&[database, new]),
            sql::switch(database, new, old)
        );
        let mut tries = 0;
        loop {
            cx.progress
                .report("ending other sessions and switching", None, None, None);
            tries += 1;
            match self.command(cx.commands, Some(cx.run), &text) {
                Err(failure) if tries < TRIES && in_use(&failure) => {}
                Err(failure) if in_use(&failure) => {
                    let writers = self.writers(cx.commands, Some(cx.run)).unwrap_or_default();
                    let mut failure = Failure {
                        code: "writers-connected".to_owned(),
                        ..failure
                    };
                    failure.causes.extend(writers);
                    return Err(
                        failure.hint("stop what connects there again and again, then resume")
                    );
                }
                switched => return switched,
            }
        }
    }

    pub(super) fn restored(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        let manifest = match self.backup(cx, run).sealed() {
            Ok(manifest) => manifest,
            Err(failure) => return Finding::Unknown { why: failure.what },
        };
        match self.contents_of(cx, self.database()) {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(found) => match manifest.contents.differences(&found).first() {
                None => Finding::Holds,
                Some(first) => Finding::Differs {
                    found: format!("other data, first in `{}`", first.collection),
                },
            },
        }
    }

    pub(super) fn release(&self, cx: &Context<'_>, run: &RunId) -> Result<Outcome, Failure> {
        let _held = self.hold();
        let existing = self.databases(cx.commands, Some(cx.run))?;
        let aside = names::all_old(self.database(), run, &existing);
        for name in &aside {
            cx.progress
                .report(&format!("removing `{name}`"), None, None, None);
            self.drop_ours(cx, name)?;
        }
        if aside.is_empty() {
            return Ok(already("nothing is left beside it"));
        }
        Ok(Outcome {
            summary: format!("removed `{}`", aside.join("`, `")),
            ..Outcome::default()
        })
    }

    pub(super) fn released(&self, cx: &Context<'_>, run: &RunId) -> Finding {
        match self.databases(cx.commands, Some(cx.run)) {
            Err(failure) => Finding::Unknown { why: failure.what },
            Ok(existing) => match names::all_old(self.database(), run, &existing).first() {
                None => Finding::Holds,
                Some(name) => Finding::Differs {
                    found: format!("database `{name}`"),
                },
            },
        }
    }

    /// Ends sessions of the run, and removes databases that only it needed.
    pub(super) fn clean(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let _held = self.hold();
        let ours = sql::end_sessions_of(&application(Some(cx.run)));
        self.command(cx.commands, Some(cx.run), &ours)?;
        let existing = self.databases(cx.commands, Some(cx.run))?;
        let database = self.database();
        for name in [
            names::scratch(database, cx.run),
            names::new(database, cx.run),
        ] {
            if existing.contains(&name) {
                self.drop_ours(cx, &name)?;
            }
        }
        Ok(())
    }
}

fn in_use(failure: &Failure) -> bool {
    let said = |text: &str| text.contains("being accessed by other users");
    failure.causes.iter().any(|cause| said(cause)) || failure.output.as_deref().is_some_and(said)
}
