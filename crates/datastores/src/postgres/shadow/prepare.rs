//! Making a shadow follow, and making it follow again.
//!
//! Whatever was killed, one of these is found: a copy that is still being made or
//! has been made (its companion says so) is adopted; a copy whose maker is gone is
//! half a copy and begun anew; a follower that is gone is started again on what it
//! has, and begun anew only where the original no longer has the log in between.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use switchback_engine::ports::{Companion, CompanionState, Context, Failure};
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::BackupState;

use super::super::server::Server;
use super::control::Position;
use super::copy::{Copied, may_be_better};
use super::facts::{Facts, Phase};
use super::follower::{COPY, FOLLOW, Waited};
use super::layout::{Layout, layout_of};
use super::possible::{self, Able};
use super::sql;
use super::verify::{Checked, Reading, VERIFY};
use crate::backup::Backup;
use crate::said::already;

/// So often a shadow is begun before the step fails. The second time is for an original that was too busy
/// to keep the log of the first, and for a copy that met what an earlier one had left.
const BEGINNINGS: u32 = 2;

#[derive(Deserialize)]
pub(super) struct At {
    position: Option<String>,
}

impl Server {
    /// Makes a shadow that follows when this returns.
    pub(in super::super) fn prepare_shadow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let _held = self.hold();
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
        let checked = self.make(cx, &backup)?;
        Ok(Outcome {
            summary: checked.in_words(),
            ..Outcome::default()
        })
    }

    /// As the port's `follow`.
    pub(in super::super) fn follow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let _held = self.hold();
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
                settings: able.settings(),
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
    fn make(&self, cx: &Context<'_>, backup: &Backup) -> Result<Checked, Failure> {
        let mut output = String::new();
        let mut reading = Reading::Wanted;
        for beginning in 1..=BEGINNINGS {
            let able = self.able_or_failure(cx)?;
            let copied = self.copy(cx, backup, &able, reading);
            let Copied {
                layout,
                mut facts,
                checked,
            } = match copied {
                Err(failure) if may_be_better(&failure) && beginning < BEGINNINGS => continue,
                copied => copied?,
            };
            match self.start_and_wait(cx, backup, &layout, &facts)? {
                Waited::Follows => {
                    facts.phase = Phase::Following;
                    facts.write_to(backup)?;
                    return Ok(checked);
                }
                Waited::Lost(said) => output = said,
            }
            reading = Reading::TooSlow;
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
        facts.write_to(backup)
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
        self.wait_until_follows(cx, companion.as_ref(), layout, facts, target)
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
        let able = self.able(cx.commands, Some(cx.run))?;
        let able =
            able.and_then(
                |able| match possible::missed(cx, &self.name, &able.original.unlogged) {
                    Some(because) => Err(because),
                    None => Ok(able),
                },
            );
        able.map_err(|because| {
            Failure::new(
                "shadow-impossible",
                format!("no shadow of `{}` can be made", self.name),
            )
            .cause(because)
            .state(self.name.to_string(), "up, and not touched")
            .hint("plan again: the plan takes the next method, or says what to change")
        })
    }

    /// Ends what this run has beside the server.
    pub(super) fn end_companions(&self, cx: &Context<'_>) -> Result<(), Failure> {
        for name in [COPY, VERIFY, FOLLOW] {
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
