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

use super::super::server::Server;
use super::control::{Control, Position, State};
use super::facts::{Facts, Phase};
use super::follower::{FOLLOW, Progress};
use super::layout::{Layout, layout_of};
use super::{possible, sql};
use crate::backup::{Backup, Seal};
use crate::conversation::{self, Broken, Conversation};
use crate::disk;
use crate::said::{already, connected, summary};

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
        let (mut last, mut reached) = self.end_of_both(cx, &facts)?;
        if reached.is_none() {
            // Between the comparison and the stop it was ended: it can be made to follow again in a moment,
            // or it is begun anew and compared again, which takes its time and is said.
            self.follow(cx)?;
            facts = self.facts(&backup)?;
            self.require_compared(&backup)?;
            (last, reached) = self.end_of_both(cx, &facts)?;
        }
        let companion = reached.ok_or_else(|| self.behind(&last))?;
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

    /// Where the original ended, and the follower once it is there; no follower where it is cut off, ended, or
    /// does not come so far.
    ///
    /// Users wait: one client program stays connected to each side, and both are started at the same time.
    fn end_of_both(
        &self,
        cx: &Context<'_>,
        facts: &Facts,
    ) -> Result<(Last, Option<Box<dyn Companion>>), Failure> {
        cx.progress
            .report("waiting for the last records", None, None, None);
        let mut come = String::new();
        let ours = self.client(self.database(), Some(cx.run), |connection| {
            come = connection.come();
            connection.psql()
        })?;
        let follower = match self.reach.companion(cx, FOLLOW)? {
            Some(companion) if companion.state()? == CompanionState::Running => Some(companion),
            _ => None,
        };
        let talked = self.held.with(cx.commands, &ours, Some(&come), |original| {
            let Some(follower) = follower else {
                let last = self.last(cx, facts, original)?;
                original.heard_all();
                return Ok((last, None));
            };
            let theirs = follower.inside(self.reader(cx, follower.directory(), facts))?;
            let mut last = None;
            let replayed = conversation::with(cx.commands, &theirs, |shadow| {
                let end = last.insert(self.last(cx, facts, original)?);
                let text = sql::wait_for(&end.position.to_string(), LAST_RECORDS);
                let answer = self.say(shadow, &text).and_then(|()| self.hear(shadow));
                let reached =
                    answer.is_ok_and(|progress: Progress| progress.replayed() >= end.position);
                // One that came back meanwhile is found while the shadow still follows.
                self.no_writers(cx, original)?;
                Ok(reached)
            });
            let reached = match replayed {
                Ok(reached) => reached,
                Err(Broken::Own { error, .. }) => return Err(error),
                Err(Broken::Client(_) | Broken::Pipe(_)) => false,
            };
            let last = match last {
                Some(last) => last,
                None => self.last(cx, facts, original)?,
            };
            original.heard_all();
            Ok((last, reached.then_some(follower)))
        });
        talked.map_err(|broken| match broken {
            Broken::Client(error) => self.failure(error, "does not tell where it is"),
            Broken::Pipe(error) => self.pipe_broke(&error),
            Broken::Own { error, .. } => error,
        })
    }

    fn no_writers(&self, cx: &Context<'_>, original: &mut Conversation) -> Result<(), Failure> {
        match self.hear_writers(original, cx.run)? {
            writers if writers.is_empty() => Ok(()),
            writers => Err(connected(&self.name, writers)),
        }
    }

    /// The original's end, with all that was written before it on disk. Nobody may be left who writes.
    fn last(
        &self,
        cx: &Context<'_>,
        facts: &Facts,
        original: &mut Conversation,
    ) -> Result<Last, Failure> {
        self.no_writers(cx, original)?;
        self.say(original, &sql::last_position(cx.run.as_str()))?;
        let mut answers: Vec<Answer> = Vec::new();
        while answers.last().is_none_or(|last| last.position.is_none()) {
            answers.push(self.hear(original)?);
        }
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
        let missed = |answer: &Answer| possible::missed(cx, &self.name, &answer.unlogged);
        if let Some(because) = unlogged.and_then(missed) {
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
