//! Comparing a shadow with its original while both are up and the product writes.

use std::path::Path;

use serde::Deserialize;
use switchback_engine::ports::{Companion, Context, Failure};
use switchback_engine::process::CommandError;
use switchback_model::contents::{Collection, Contents, Difference};
use switchback_model::event::Outcome;
use switchback_model::plan::BackupState;

use super::super::server::Server;
use super::super::sql as reading;
use super::facts::{Facts, Phase};
use super::layout::layout_of;
use super::moment;
use super::sql::{self, Moment};
use super::{possible, sequences};
use crate::backup::{Backup, Manifest, Seal};
use crate::conversation::{self, Broken, Conversation};
use crate::disk;
use crate::said::{differs, summary};

/// A difference counts when it is found twice: transactions within transactions can make one moment look
/// like another, and never twice in the same place.
const READINGS: u32 = 2;

/// What both sides held at one moment.
struct Both {
    moment: Moment,
    original: Contents,
    shadow: Contents,
    /// What the shadow holds that is not compared row by row.
    beside: Contents,
}

#[derive(Deserialize)]
struct Checked {
    index: Option<String>,
}

impl Server {
    /// Reads both sides at one moment and compares them. One that differs is refuted: it is begun anew.
    pub(in super::super) fn prove_shadow(&self, cx: &Context<'_>) -> Result<Outcome, Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.shadow()? else {
            return Err(Failure::new(
                "backup-missing",
                format!("there is no shadow of `{}` by {}", self.name, cx.run),
            ));
        };
        if manifest.state >= BackupState::Sealed {
            return self.prove_sealed(cx, &backup, &manifest);
        }
        let mut facts = Facts::of(&manifest)?;
        let _held = (self.hold(), self.follower.hold());
        let companion = match self.following(cx, &facts)? {
            Some(companion) => companion,
            None => {
                self.follower.leave();
                self.follow(cx)?;
                facts = self.facts(&backup)?;
                self.following(cx, &facts)?.ok_or_else(|| self.gone())?
            }
        };
        let layout = layout_of(&manifest).ok_or_else(|| self.gone())?;
        let compared = self.compare(cx, companion.as_ref(), &facts, layout.place());
        let both = match compared {
            Ok(both) => both,
            Err(failure) if failure.code == "disk-full" => {
                return Err(self.made_room(cx, companion.as_ref(), &layout, failure)?);
            }
            Err(failure) => {
                if ["backup-differs", "backup-damaged"].contains(&failure.code.as_str()) {
                    companion.end(cx, "SIGINT")?;
                    facts.phase = Phase::Refuted;
                    facts.write_to(&backup)?;
                }
                return Err(failure);
            }
        };
        facts.compared_at = Some(both.moment.next);
        let mut contents = both.shadow;
        contents.collections.remove(ROLES);
        contents.collections.extend(both.beside.collections);
        let manifest = backup.compared(Seal {
            engine: None,
            contents,
            position: Some(both.moment.position),
            facts: facts.kept(),
        })?;
        let bytes = layout_of(&manifest).map_or(0, |layout| disk::size_of(&layout.data()));
        let manifest = Manifest { bytes, ..manifest };
        backup.write(&manifest)?;
        Ok(summary(&manifest, "read where it follows, and equal"))
    }

    /// The facts of a shadow that was begun.
    pub(super) fn facts(&self, backup: &Backup) -> Result<Facts, Failure> {
        match backup.shadow()? {
            Some(manifest) => Facts::of(&manifest),
            None => Err(Failure::new(
                "backup-missing",
                format!("there is no shadow of `{}`", self.name),
            )),
        }
    }

    pub(super) fn gone(&self) -> Failure {
        Failure::new(
            "shadow-does-not-follow",
            format!("the shadow of `{}` does not follow", self.name),
        )
        .state(self.name.to_string(), "up, and not touched")
        .hint("resume: the shadow is started again, or begun anew")
    }

    fn compare(
        &self,
        cx: &Context<'_>,
        companion: &dyn Companion,
        facts: &Facts,
        place: &Path,
    ) -> Result<Both, Failure> {
        let original = self.original(cx.commands, Some(cx.run))?;
        if let Some(because) = possible::missed(cx, &self.name, &original.unlogged) {
            return Err(Failure::new(
                "shadow-impossible",
                format!("the shadow of `{}` does not hold everything", self.name),
            )
            .cause(because)
            .hint("plan again: the plan takes the next method"));
        }
        let mut seen: Vec<Difference> = Vec::new();
        for reading in 1..=READINGS {
            let both = self.read_both(cx, companion, facts, place)?;
            let mut differences = both.original.differences(&both.shadow);
            if reading > 1 {
                // A collection that differed once, and not again, was another moment.
                differences
                    .retain(|found| seen.iter().any(|seen| seen.collection == found.collection));
            }
            if differences.is_empty() {
                self.check_indexes(cx, companion, facts)?;
                return Ok(both);
            }
            seen = differences;
        }
        Err(differs(
            "backup-differs",
            format!(
                "the shadow of `{}` does not hold what the original holds",
                self.name
            ),
            &seen,
        )
        .state(self.name.to_string(), "up, and not touched")
        .hint("resume: the shadow is begun anew, and compared again"))
    }

    fn read_both(
        &self,
        cx: &Context<'_>,
        companion: &dyn Companion,
        facts: &Facts,
        place: &Path,
    ) -> Result<Both, Failure> {
        let mut come = String::new();
        let ours = self.client(self.database(), Some(cx.run), |connection| {
            come = connection.come();
            connection.psql()
        })?;
        let theirs = companion.inside(self.reader(cx, companion.directory(), facts))?;
        // Where one side fails, the other's client is cut off in the middle of an answer, which is no reason.
        let (mut reason, mut short) = (None, None);
        let read = self.held.with(cx.commands, &ours, Some(&come), |original| {
            let read = self.follower.with(cx.commands, &theirs, None, |follower| {
                self.converse_with_both(cx, original, follower, &mut || {
                    disk::leave_room(place).inspect_err(|failure| short = Some(failure.clone()))
                })
            });
            read.map_err(|broken| match broken {
                Broken::Client(error) if cut_off(&error) => self.gone(),
                Broken::Client(error) => {
                    let failure = self.unreadable(error);
                    reason = Some(failure.clone());
                    failure
                }
                Broken::Pipe(error) => self.pipe_broke(&error),
                Broken::Own { error, .. } => error,
            })
        });
        read.map_err(|broken| match (short.or(reason), broken) {
            (Some(reason), _) => reason,
            (None, Broken::Client(error)) => self.failure(error, "cannot be read"),
            (None, Broken::Pipe(error)) => self.pipe_broke(&error),
            (None, Broken::Own { error, .. }) => error,
        })
    }

    fn converse_with_both(
        &self,
        cx: &Context<'_>,
        original: &mut Conversation,
        follower: &mut Conversation,
        watch: &mut dyn FnMut() -> Result<(), Failure>,
    ) -> Result<Both, Failure> {
        self.say(original, "select pg_backend_pid();\n")?;
        self.reach.give_way(self.hear(original)?);
        let before = sequences::read(self, original)?;
        let moment = moment::open(self, cx, original, follower)?;
        let held = sequences::read(self, follower)?;
        let after = sequences::read(self, original)?;
        // The follower goes on while it is read: its snapshot stays.
        self.say(follower, sql::GO_ON)?;
        let everything = format!("{}{}", sql::ROLES, reading::read_logged());
        self.say(original, &everything)?;
        self.say(follower, &everything)?;
        let (mut ours, mut theirs) = (Some(Contents::default()), Some(Contents::default()));
        let (mut read, mut whole) = (0, (Contents::default(), Contents::default()));
        while ours.is_some() || theirs.is_some() {
            // Both read at the same time: they are heard in turn.
            if let Some(mut contents) = ours.take() {
                match self.collection(original, &mut contents)? {
                    true => ours = Some(contents),
                    false => whole.0 = contents,
                }
            }
            if let Some(mut contents) = theirs.take() {
                match self.collection(follower, &mut contents)? {
                    true => theirs = Some(contents),
                    false => whole.1 = contents,
                }
            }
            read += 1;
            cx.progress
                .report("comparing", Some(read), None, Some("tables"));
            // What is written meanwhile waits in the shadow's log while it is read.
            watch()?;
        }
        let mut beside = Contents::default();
        self.say(follower, &reading::read_unlogged_as_empty())?;
        while self.collection(follower, &mut beside)? {}
        let (mut ours, theirs) = whole;
        if let Some(name) = sequences::strayed(&before, &held, &after) {
            // It is not in the other contents: the difference names it.
            let strayed = Collection {
                count: 0,
                checksum: None,
            };
            ours.collections.insert(format!("sequence {name}"), strayed);
        }
        Ok(Both {
            moment,
            original: ours,
            shadow: theirs,
            beside,
        })
    }

    /// Checks indexes where the operator has installed what checks them.
    fn check_indexes(
        &self,
        cx: &Context<'_>,
        companion: &dyn Companion,
        facts: &Facts,
    ) -> Result<(), Failure> {
        let theirs = companion.inside(self.reader(cx, companion.directory(), facts))?;
        let checked = conversation::with(cx.commands, &theirs, |follower| {
            self.say(follower, sql::CHECK_INDEXES)?;
            let mut done = 0;
            loop {
                let checked: Checked = self.hear(follower)?;
                if checked.index.is_none() {
                    return Ok(());
                }
                done += 1;
                cx.progress
                    .report("checking indexes", Some(done), None, Some("indexes"));
            }
        });
        checked.map_err(|broken| match broken {
            // The one who checks says in many ways what is wrong with an index, and nothing else.
            Broken::Client(error) => self.damaged(error),
            Broken::Pipe(error) => self.pipe_broke(&error),
            Broken::Own { error, .. } => error,
        })
    }

    fn damaged(&self, error: CommandError) -> Failure {
        let what = format!("the shadow of `{}` is damaged", self.name);
        error
            .into_failure("backup-damaged", what)
            .state(self.name.to_string(), "up, and not touched")
            .hint("resume: the shadow is begun anew, and compared again")
    }

    /// The shadow's server could not read its own files, or went away.
    pub(super) fn unreadable(&self, error: CommandError) -> Failure {
        const DAMAGED: [&str; 7] = [
            "invalid page",
            "could not read block",
            "checksum",
            "corrupt",
            "invalid memory alloc",
            "missing chunk",
            "could not access status of transaction",
        ];
        let said = match &error {
            CommandError::Exit { output, .. } => output.clone(),
            _ => String::new(),
        };
        let lost = said.contains("closed the connection") || said.contains("Connection refused");
        if DAMAGED.iter().any(|words| said.contains(words)) {
            return self.damaged(error);
        }
        if lost {
            let failure = error.into_failure(
                "shadow-does-not-follow",
                format!("the server of the shadow of `{}` ended", self.name),
            );
            return failure.hint("resume: the shadow is started again");
        }
        self.failure(error, "has a shadow that cannot be read")
    }
}

/// A client program that ended because nobody listened to it any more.
fn cut_off(error: &CommandError) -> bool {
    const BROKEN_PIPE: i32 = 128 + 13;
    matches!(
        error,
        CommandError::Exit {
            code: BROKEN_PIPE,
            ..
        }
    )
}

/// The collection that is compared and not kept: it belongs to the server, not to the database.
const ROLES: &str = "(roles)";
