//! Ending a shadow at the original's last position. Nothing here grows with the data.
//!
//! ```text
//! no writers ─► position on disk ─► replayed by the shadow ─► still no writers ─► shadow ends ─► its last
//!                                                             checkpoint and position looked at ─► manifest
//! ```

use serde::Deserialize;
use switchback_engine::ports::{Companion, CompanionState, Context, Failure};
use switchback_model::event::Outcome;
use switchback_model::plan::BackupState;

use super::super::keep::{already, connected, summary};
use super::super::server::Server;
use super::control::{Control, Position, State};
use super::facts::{Facts, Phase};
use super::follower::{FOLLOW, Progress};
use super::layout::Layout;
use super::prepare::layout_of;
use super::{possible, sql};
use crate::backup::{Backup, Seal};
use crate::disk;

/// How long the follower may take for the last few records before it counts as cut off.
const LAST_RECORDS: u32 = 20;

/// Where the original ended.
struct Last {
    position: Position,
    /// True where nothing was written since both were compared.
    unchanged: bool,
}

/// One of the original's answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    next: Option<u64>,
    open: Option<u64>,
    unlogged: Vec<String>,
    position: Option<String>,
}

impl Server {
    pub(in super::super) fn seal_shadow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.shadow()? else {
            return Err(Failure::new(
                "backup-missing",
                format!("there is no shadow of `{}` to seal", self.name),
            )
            .hint("resume: it is made first"));
        };
        if manifest.state >= BackupState::Sealed {
            return Ok(already("the shadow was sealed already"));
        }
        let (Some(layout), mut facts) = (layout_of(&manifest), Facts::of(&manifest)?) else {
            return Err(self.gone());
        };
        self.require_compared(&backup)?;
        self.no_writers_for_seal(cx)?;
        let mut last = self.last(cx, &facts)?;
        let mut reached = self.replayed_to(cx, &facts, last.position)?;
        if reached.is_none() {
            // Between the comparison and the stop it was ended: it can be made to follow again in a moment,
            // or it is begun anew and compared again, which takes its time and is said.
            self.follow(cx)?;
            facts = self.facts(&backup)?;
            self.require_compared(&backup)?;
            last = self.last(cx, &facts)?;
            reached = self.replayed_to(cx, &facts, last.position)?;
        }
        let companion = reached.ok_or_else(|| self.behind(&last))?;
        // One that came back meanwhile is found while the shadow still follows.
        self.no_writers_for_seal(cx)?;
        cx.progress.report("ending the shadow", None, None, None);
        companion.end(cx, "SIGINT")?;
        self.finish(cx, &backup, &layout, facts, &last)
    }

    fn require_compared(&self, backup: &Backup) -> Result<(), Failure> {
        let manifest = backup.shadow()?;
        if manifest.is_some_and(|manifest| manifest.state == BackupState::Compared) {
            return Ok(());
        }
        Err(Failure::new(
            "backup-unproven",
            format!(
                "the shadow of `{}` was not compared with the original",
                self.name
            ),
        )
        .state(self.name.to_string(), "up, and not touched")
        .hint("resume: it is compared first"))
    }

    fn no_writers_for_seal(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let writers = self.writers(cx.commands, Some(cx.run))?;
        if writers.is_empty() {
            return Ok(());
        }
        Err(connected(&self.name, writers))
    }

    /// The original's end, with all that was written before it on disk.
    fn last(&self, cx: &Context<'_>, facts: &Facts) -> Result<Last, Failure> {
        let text = sql::last_position(cx.run.as_str());
        let answers: Vec<Answer> = self.ask(cx.commands, Some(cx.run), self.database(), &text)?;
        let position = answers
            .iter()
            .find_map(|answer| Position::parse(answer.position.as_deref()?));
        let Some(position) = position else {
            return Err(Failure::new(
                "datastore-answer",
                format!("the server of `{}` does not tell its position", self.name),
            )
            .hint("resume: it is asked again"));
        };
        let unlogged = answers.iter().find(|answer| !answer.unlogged.is_empty());
        if let Some(because) = unlogged.and_then(|answer| possible::unlogged(&answer.unlogged)) {
            return Err(Failure::new(
                "shadow-impossible",
                format!("the shadow of `{}` does not hold everything", self.name),
            )
            .cause(because)
            .hint(
                "empty those tables, then resume; or plan again: the plan takes the next method",
            ));
        }
        let unchanged = answers.iter().any(|answer| {
            answer.open == Some(0) && answer.next.is_some() && answer.next == facts.compared_at
        });
        Ok(Last {
            position,
            unchanged,
        })
    }

    /// The follower once it has replayed `position`; `None` where it is cut off, ended, or cannot be asked.
    fn replayed_to(
        &self,
        cx: &Context<'_>,
        facts: &Facts,
        position: Position,
    ) -> Result<Option<Box<dyn Companion>>, Failure> {
        cx.progress
            .report("waiting for the last records", None, None, None);
        let Some(companion) = self.reach.companion(cx, FOLLOW)? else {
            return Ok(None);
        };
        if companion.state()? != CompanionState::Running {
            return Ok(None);
        }
        let text = sql::wait_for(&position.to_string(), LAST_RECORDS);
        let progress = self.ask_follower::<Progress>(cx, companion.as_ref(), facts, &text);
        Ok(progress
            .is_ok_and(|progress| progress.replayed() >= position)
            .then_some(companion))
    }

    fn behind(&self, last: &Last) -> Failure {
        Failure::new(
            "shadow-behind",
            format!(
                "the shadow of `{}` does not reach the original's last position",
                self.name
            ),
        )
        .cause(format!("the original is at {}", last.position))
        .state(self.name.to_string(), "up, and nobody writes to it")
        .hint("resume: the shadow is started again, or begun anew")
    }

    fn finish(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        mut facts: Facts,
        last: &Last,
    ) -> Result<Outcome, Failure> {
        let position = last.position;
        let control = Control::read(&layout.data()).map_err(|error| backup.io("read", &error))?;
        let ended = control.state == State::EndedFollowing;
        if !ended || control.system != facts.system || control.consistent < position {
            return Err(Failure::new(
                "shadow-behind",
                format!("the shadow of `{}` did not end as it must", self.name),
            )
            .cause(format!(
                "it ended {} at {}, expected at least {position}",
                if ended { "in order" } else { "out of order" },
                control.consistent
            ))
            .state(self.name.to_string(), "up, and nobody writes to it")
            .hint("resume: the shadow is started again, and sealed again"));
        }
        layout
            .strip()
            .map_err(|error| disk::failure("backup-io", "cannot tidy the shadow", &error))?;
        facts.phase = Phase::Sealed;
        facts.timeline = control.timeline;
        facts.unread = !last.unchanged;
        let contents = backup
            .shadow()?
            .map(|manifest| manifest.contents)
            .unwrap_or_default();
        let manifest = backup.seal_shadow(Seal {
            engine: None,
            contents,
            position: Some(position.to_string()),
            facts: facts.kept(),
        })?;
        cx.progress.report("sealed", None, None, None);
        Ok(summary(
            &manifest,
            &format!("sealed at {position}, compared"),
        ))
    }
}
