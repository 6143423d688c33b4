//! Ending a shadow at the original's last position. Nothing here grows with the data.
//!
//! ```text
//! no writers ─► position on disk ─► replayed by the shadow ─► still no writers ─► shadow ends ─► its last
//!                                                             checkpoint and position looked at ─► manifest
//! ```

use serde::Deserialize;
use switchback_engine::ports::{Context, Failure};
use switchback_model::event::Outcome;
use switchback_model::plan::BackupState;

use super::super::keep::{already, connected, summary};
use super::super::server::Server;
use super::control::{Control, Position, State};
use super::facts::{Facts, Phase};
use super::follower::Progress;
use super::layout::Layout;
use super::prepare::layout_of;
use super::{possible, sql};
use crate::backup::{Backup, Seal};
use crate::disk;

/// How long the follower may take for the last few records before it counts as cut off.
const LAST_RECORDS: u32 = 20;

#[derive(Deserialize)]
struct Transactions {
    next: u64,
    open: u64,
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
        self.no_writers_for_seal(cx)?;
        if facts.phase == Phase::Following && self.following(cx, &facts)?.is_none() {
            // Between the comparison and the stop it was ended: it can be made to follow again in a moment,
            // or it is begun anew and compared again, which takes its time and is said.
            self.follow(cx)?;
            facts = self.facts(&backup)?;
        }
        let compared = self
            .backup(cx, cx.run)
            .shadow()?
            .is_some_and(|manifest| manifest.state == BackupState::Compared);
        if !compared {
            return Err(Failure::new(
                "backup-unproven",
                format!(
                    "the shadow of `{}` was not compared with the original",
                    self.name
                ),
            )
            .state(self.name.to_string(), "up, and not touched")
            .hint("resume: it is compared first"));
        }
        let (position, unchanged) = self.last_position(cx, &facts)?;
        self.replay_to(cx, &facts, position)?;
        // One that came back meanwhile is found while the shadow still follows.
        self.no_writers_for_seal(cx)?;
        let companion = self.following(cx, &facts)?.ok_or_else(|| self.gone())?;
        cx.progress.report("ending the shadow", None, None, None);
        companion.end(cx, "SIGINT")?;
        self.finish(cx, &backup, &layout, facts, position, unchanged)
    }

    fn no_writers_for_seal(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let writers = self.writers(cx.commands, Some(cx.run))?;
        if writers.is_empty() {
            return Ok(());
        }
        Err(connected(&self.name, writers))
    }

    /// The original's last position, and whether nothing was written since both were compared.
    fn last_position(&self, cx: &Context<'_>, facts: &Facts) -> Result<(Position, bool), Failure> {
        let transactions: Vec<Transactions> = self.ask(
            cx.commands,
            Some(cx.run),
            self.database(),
            sql::TRANSACTIONS,
        )?;
        let unchanged = transactions.first().is_some_and(|transactions| {
            transactions.open == 0 && Some(transactions.next) == facts.compared_at
        });
        let original = self.original(cx.commands, Some(cx.run))?;
        if let Some(because) = possible::unlogged(&original.unlogged) {
            return Err(Failure::new(
                "shadow-impossible",
                format!("the shadow of `{}` does not hold everything", self.name),
            )
            .cause(because)
            .hint(
                "empty those tables, then resume; or plan again: the plan takes the next method",
            ));
        }
        Ok((self.position(cx)?, unchanged))
    }

    fn replay_to(
        &self,
        cx: &Context<'_>,
        facts: &Facts,
        position: Position,
    ) -> Result<(), Failure> {
        cx.progress
            .report("waiting for the last records", None, None, None);
        let companion = self.following(cx, facts)?.ok_or_else(|| self.gone())?;
        let text = sql::wait_for(&position.to_string(), LAST_RECORDS);
        let progress: Progress = self.ask_follower(cx, companion.as_ref(), facts, &text)?;
        if progress.replayed() >= position {
            return Ok(());
        }
        Err(Failure::new(
            "shadow-behind",
            format!(
                "the shadow of `{}` does not reach the original's last position",
                self.name
            ),
        )
        .cause(format!(
            "it is at {}, the original at {position}",
            progress.replayed()
        ))
        .state(self.name.to_string(), "up, and nobody writes to it")
        .hint("resume: the shadow is started again, or begun anew"))
    }

    fn finish(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        mut facts: Facts,
        position: Position,
        unchanged: bool,
    ) -> Result<Outcome, Failure> {
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
        facts.unread = !unchanged;
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
