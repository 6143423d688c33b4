//! Reading a sealed shadow: by a server without a network, which never leaves
//! recovery, so that the copy stays at the position at which it was sealed.

use std::time::{Duration, Instant};

use serde_json::Value;
use switchback_engine::ports::{Context, Failure, Scratch};
use switchback_engine::process::{Argv, Input, Output};
use switchback_model::contents::Difference;
use switchback_model::event::Outcome;
use switchback_model::pattern::matches;
use switchback_model::{Contents, RunId};

use super::super::server::Server;
use super::super::sql as reading;
use super::facts::Facts;
use super::follower::{self, stopped};
use super::layout::{Layout, layout_of};
use super::programs::Programs;
use crate::backup::{Backup, Manifest};
use crate::conversation::{self, Broken};
use crate::said::{differs, summary};
use crate::{disk, shadow};

/// How often a starting server is asked, and how long it may take: it replays what came after its last
/// checkpoint, at most a few minutes' worth.
const LOOK: Duration = Duration::from_millis(100);
const START: Duration = Duration::from_secs(600);

impl Server {
    /// What the sealed shadow of `run` holds; read once, then kept in the manifest.
    pub(in super::super) fn sealed_shadow(
        &self,
        cx: &Context<'_>,
        run: &RunId,
    ) -> Result<Contents, Failure> {
        let backup = self.backup(cx, run);
        let manifest = backup.sealed()?;
        let facts = Facts::of(&manifest)?;
        if !facts.unread {
            return Ok(manifest.contents);
        }
        let here = layout_of(&manifest).is_some_and(|layout| layout.data().is_dir());
        if !here && facts.exchange.is_some() {
            return Err(shadow::uncounted(&self.name, run));
        }
        let contents = self.read_sealed(cx, &backup, &manifest, &facts)?;
        self.keep_contents(&backup, facts, contents)
            .map(|manifest| manifest.contents)
    }

    /// As the port's `prove`, of a shadow that is sealed: it is read, every row of it.
    pub(super) fn prove_sealed(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
    ) -> Result<Outcome, Failure> {
        let facts = Facts::of(manifest)?;
        let contents = self.read_sealed(cx, backup, manifest, &facts)?;
        if facts.unread {
            let manifest = self.keep_contents(backup, facts, contents)?;
            return Ok(summary(&manifest, "started alone, and read"));
        }
        let mut differences = manifest.contents.differences(&contents);
        differences.retain(|difference| !(facts.noted && self.is_the_originals(cx, difference)));
        if !differences.is_empty() {
            let what = format!(
                "the shadow of `{}` by {} does not hold what it was sealed with",
                self.name, manifest.run
            );
            return backup.judged(Err(differs("backup-differs", what, &differences)));
        }
        let manifest = backup.proven()?;
        Ok(summary(&manifest, "started alone, read, and equal"))
    }

    /// Notes what the original held since the seal, where the sealed shadow itself was not read yet: a server of
    /// another version will not be able to.
    pub(in super::super) fn note_contents(
        &self,
        cx: &Context<'_>,
        contents: &Contents,
    ) -> Result<(), Failure> {
        let backup = self.backup(cx, cx.run);
        let Some(manifest) = backup.shadow()? else {
            return Ok(());
        };
        let facts = Facts::of(&manifest)?;
        if facts.unread {
            let facts = Facts {
                noted: true,
                ..facts
            };
            self.keep_contents(&backup, facts, contents.clone())?;
        }
        Ok(())
    }

    /// True for what an original holds differently from its shadow at the same position.
    fn is_the_originals(&self, cx: &Context<'_>, difference: &Difference) -> bool {
        let name = difference.collection.as_str();
        let empty = difference.after.as_ref().is_none_or(|held| held.count == 0);
        let plan = cx.plan.datastores.get(&self.name);
        let volatile = plan.map_or(&[][..], |plan| &plan.volatile);
        name == reading::SEQUENCES_NAME
            || (empty && volatile.iter().any(|volatile| matches(volatile, name)))
    }

    fn keep_contents(
        &self,
        backup: &Backup,
        facts: Facts,
        contents: Contents,
    ) -> Result<Manifest, Failure> {
        let facts = Facts {
            unread: false,
            ..facts
        };
        let manifest = Manifest {
            contents,
            facts: facts.kept(),
            ..backup.sealed()?
        };
        backup.write(&manifest)?;
        Ok(manifest)
    }

    fn read_sealed(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        manifest: &Manifest,
        facts: &Facts,
    ) -> Result<Contents, Failure> {
        let layout = layout_of(manifest)
            .filter(|layout| layout.data().is_dir())
            .ok_or_else(|| {
                Failure::new(
                    "backup-missing",
                    format!(
                        "the shadow of `{}` by {} is no longer where it was sealed",
                        self.name, manifest.run
                    ),
                )
                .hint("a way back has put it in the place of the data: look at that instead")
            })?;
        let programs = self.programs_for(cx, manifest, facts)?;
        let read = self.read_alone(cx, backup, &layout, facts, &programs);
        // Whatever happened: what a start needs must not stay in the copy.
        let stripped = layout
            .strip()
            .map_err(|error| disk::failure("backup-io", "cannot tidy the shadow", &error));
        let contents = read?;
        stripped?;
        Ok(contents)
    }

    fn read_alone(
        &self,
        cx: &Context<'_>,
        backup: &Backup,
        layout: &Layout,
        facts: &Facts,
        programs: &Programs,
    ) -> Result<Contents, Failure> {
        layout
            .furnish(None)
            .and_then(|()| layout.mark_following())
            .map_err(|error| backup.io("furnish", &error))?;
        let server = follower::server(&facts.settings, None);
        let scratch = self.start_alone(cx, layout.place(), server, programs)?;
        self.wait_for_scratch(cx, scratch.as_ref(), facts)?;
        let psql = scratch.inside(self.reader(cx, scratch.directory(), facts))?;
        let read = conversation::with(cx.commands, &psql, |session| {
            self.say(session, &reading::begin_alone())?;
            let everything = format!(
                "{}{}",
                reading::read_logged(),
                reading::read_unlogged_as_empty()
            );
            self.say(session, &everything)?;
            let mut contents = Contents::default();
            // Two readings, each with an end of its own.
            for _ in 0..2 {
                while self.collection(session, &mut contents)? {
                    let read = contents.collections.len() as u64;
                    cx.progress
                        .report("reading the shadow", Some(read), None, Some("tables"));
                }
            }
            Ok(contents)
        });
        let contents = read.map_err(|broken| match broken {
            Broken::Client(error) => self.unreadable(error),
            Broken::Pipe(error) => self.pipe_broke(&error),
            Broken::Own { error, .. } => error,
        });
        self.end_scratch(cx, scratch.as_ref(), programs);
        contents
    }

    fn wait_for_scratch(
        &self,
        cx: &Context<'_>,
        scratch: &dyn Scratch,
        facts: &Facts,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        let argv = scratch.inside(self.reader(cx, scratch.directory(), facts))?;
        loop {
            let asked = cx
                .commands
                .run(&argv, Input::Bytes(b"select 1;\n"), Output::Capture);
            let Err(error) = asked else { return Ok(()) };
            if begun.elapsed() > START {
                return Err(self.failure(error, "does not start a second time on the shadow"));
            }
            cx.progress
                .report("waiting for the shadow's server", None, None, None);
            stopped(cx, "waiting for the shadow's server")?;
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it in order, as far as it lets us: dropping it ends it in any case, and what a kill leaves is
    /// replayed by the next start.
    fn end_scratch(&self, cx: &Context<'_>, scratch: &dyn Scratch, programs: &Programs) {
        let stop = Argv::new("pg_ctl", ["stop", "--mode=fast", "--wait", "--pgdata"])
            .arg(format!("{}/data", scratch.directory()));
        let ended: Result<Value, Failure> = scratch
            .inside(self.program_of(stop, programs))
            .and_then(|argv| {
                cx.commands
                    .capture(&argv)
                    .map(|_| Value::Null)
                    .map_err(|error| self.failure(error, "has a shadow that does not end"))
            });
        drop(ended);
    }
}
