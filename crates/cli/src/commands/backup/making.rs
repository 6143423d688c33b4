//! Making the copies of `backup create`, one datastore after the other, and what becomes of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use switchback_backup::{Locked, Opened};
use switchback_engine::ports::{Context, Datastore, Finding};
use switchback_engine::process::Commands;
use switchback_engine::signal::{StopSignal, Urgency};
use switchback_model::calendar::Moment;
use switchback_model::exit::Exit;
use switchback_model::plan::{BackupMethod, BackupState, Expectation, Plan};
use switchback_model::{DatastoreName, Problem, RunId};

use crate::backups::local::{self, Entry};
use crate::backups::store::{self, Origin, Sent};
use crate::failure::{Failed, told};
use crate::place::deployment::Found;
use crate::render::measure;
use crate::render::style::{BOLD, CHECK, DIM, GOOD, each_word, paint};
use crate::render::{waiting, wrap};
use crate::session::{Session, now};
use crate::site::Place;

/// Version of the JSON document.
const FORMAT: u32 = 1;
/// Says when the first copy was begun.
const BEGUN: &str = "begun";

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    deployment: &'a str,
    run: &'a RunId,
    /// When the first was begun and the last was complete.
    from: u64,
    to: u64,
    /// True where nothing could write in between.
    consistent: bool,
    repository: Option<&'a str>,
    /// What is not in it, by the machine that it is on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    left_out: &'a BTreeMap<DatastoreName, String>,
    stored: Vec<Sent>,
}

/// Everything that making the copies needs.
pub(super) struct Making<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) found: &'a Found,
    pub(super) place: &'a Place,
    pub(super) plan: &'a Plan,
    pub(super) run: &'a RunId,
    pub(super) root: PathBuf,
    /// Datastores that it does not keep, by the machine that they are on.
    pub(super) left_out: BTreeMap<DatastoreName, String>,
    /// True where a service of the product runs, so that it may write at any time.
    pub(super) serves: bool,
    pub(super) stop: &'a StopSignal,
}

/// Between when and when the copies were made, and whether anybody wrote meanwhile.
struct Span {
    from: u64,
    to: u64,
    consistent: bool,
}

impl Making<'_> {
    /// Copies, stores, and says what was done.
    pub(super) fn all(&self, opened: Option<Opened>) -> Result<(), Failed> {
        let span = self.copies()?;
        let entries = local::of_run(&self.root, self.run)?;
        let screen = self.session.screen;
        let (repository, stored) = match opened {
            Some(opened) => {
                let repository = opened.repository().to_owned();
                let mut locked = store::lock(self.session, opened, self.stop)?;
                let stored = self.send(&mut locked, &entries)?;
                self.forget_copies()?;
                (Some(repository), stored)
            }
            None => {
                self.keep_copies()?;
                (None, Vec::new())
            }
        };
        if screen.json() {
            screen.document(&Document {
                format: FORMAT,
                deployment: &self.found.name,
                run: self.run,
                from: span.from,
                to: span.to,
                consistent: span.consistent,
                repository: repository.as_deref(),
                left_out: &self.left_out,
                stored,
            });
            return Ok(());
        }
        screen.answer(&format!(
            "{}\n",
            wrap::hanging("", &consistency(&span), screen.width)
        ));
        for (name, machine) in &self.left_out {
            let said = format!(
                "Not in it: {name}. Its files are on {machine}, where each upgrade keeps them beside themselves."
            );
            screen.answer(&format!("{}\n", wrap::hanging("", &said, screen.width)));
        }
        match (repository, stored.first()) {
            (Some(_), Some(first)) => screen.next(&[
                format!("switchback backup prove {}", first.id),
                "switchback backup list".to_owned(),
            ]),
            _ => {
                screen.advice(&format!(
                    "{}\n",
                    wrap::hanging(
                        "",
                        "It is on this machine alone: switchback.toml names no repository under [backup].",
                        screen.progress_width
                    )
                ));
                screen.next(&["switchback backup list".to_owned()]);
            }
        }
        Ok(())
    }

    /// Captures and proves one datastore after the other.
    fn copies(&self) -> Result<Span, Failed> {
        let commands = Commands::new(
            self.session.state.children(self.run),
            self.place.redactor().clone(),
            self.stop.clone(),
        );
        let mut keepers: Vec<(&DatastoreName, Box<dyn Datastore>)> = Vec::new();
        for (name, datastore) in &self.plan.datastores {
            if datastore.method != BackupMethod::None {
                keepers.push((name, self.place.keeper(name, &datastore.location)?));
            }
        }
        if keepers.is_empty() {
            return Err(Problem::new(
                Exit::Refused,
                "nothing-to-back-up",
                format!(
                    "`{}` has no datastore that can be backed up",
                    self.found.name
                ),
            )
            .state("deployment", "untouched")
            .hint("every check: `switchback doctor`")
            .into());
        }
        let from = self.begun()?;
        let quiet_before = self.quiet(&commands, &keepers);
        for (name, keeper) in &keepers {
            if self.stop.urgency() != Urgency::GoOn {
                return Err(store::stopped().into());
            }
            self.copy(&commands, name, keeper.as_ref())?;
        }
        Ok(Span {
            from,
            to: now(),
            consistent: keepers.len() == 1
                || !self.serves && quiet_before && self.quiet(&commands, &keepers),
        })
    }

    /// When the first copy was begun: now, or when a process that was killed began it.
    fn begun(&self) -> Result<u64, Failed> {
        let path = self.root.join(BEGUN);
        let said = std::fs::read_to_string(&path).ok();
        if let Some(begun) = said.and_then(|text| text.parse().ok()) {
            return Ok(begun);
        }
        let begun = now();
        std::fs::create_dir_all(&self.root)
            .and_then(|()| std::fs::write(&path, begun.to_string()))
            .map_err(|error| self.unmovable(error))?;
        Ok(begun)
    }

    fn copy(
        &self,
        commands: &Commands,
        name: &DatastoreName,
        keeper: &dyn Datastore,
    ) -> Result<(), Failed> {
        let screen = self.session.screen;
        let began = std::time::Instant::now();
        let what = format!("backing up {name}");
        let outcome = waiting::telling(screen, &what, |progress| {
            let context = self.context(commands, progress);
            // What a killed process left in the server goes first.
            keeper.clean(&context)?;
            let captured = keeper.capture(&context);
            let proven = Expectation::Backup {
                datastore: name.clone(),
                state: BackupState::Proven,
                run: None,
            };
            let made = captured.and_then(|captured| {
                if keeper.look(&context, &proven) == Finding::Holds {
                    Ok(captured)
                } else {
                    keeper.prove(&context)
                }
            });
            // Also after a failure nothing of ours stays in the server.
            let cleaned = keeper.clean(&context);
            made.and_then(|outcome| cleaned.map(|()| outcome))
        })
        .map_err(|failure| told(&failure))?;
        if !screen.json() {
            let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let first = format!("{} {}  ", paint(GOOD, CHECK), paint(BOLD, name));
            let took = each_word(DIM, &measure::duration(took));
            let said = format!("{} · {took}", outcome.summary);
            screen.answer(&format!("{}\n", wrap::hanging(&first, &said, screen.width)));
        }
        Ok(())
    }

    /// True where nobody is connected who could write to any of them.
    fn quiet(&self, commands: &Commands, keepers: &[(&DatastoreName, Box<dyn Datastore>)]) -> bool {
        let told = waiting::Told::default();
        let context = self.context(commands, &told);
        keepers.iter().all(|(name, keeper)| {
            let nobody = Expectation::NoWriters {
                datastore: (*name).clone(),
            };
            keeper.look(&context, &nobody) == Finding::Holds
        })
    }

    fn context<'c>(&'c self, commands: &'c Commands, progress: &'c waiting::Told) -> Context<'c> {
        Context::outside_steps(self.plan, self.run, &self.root, commands).telling(progress)
    }

    fn send(&self, locked: &mut Locked, entries: &[Entry]) -> Result<Vec<Sent>, Failed> {
        let version = self.plan.from.to_string();
        let origin = Origin {
            deployment: &self.found.name,
            product: &self.plan.product,
            version: &|_| version.clone(),
        };
        store::send(self.session, locked, entries, &origin, self.stop)
    }

    /// In the repository, they need no room here any more.
    fn forget_copies(&self) -> Result<(), Failed> {
        std::fs::remove_dir_all(&self.root)
            .map_err(|error| self.unmovable(error))
            .map_err(Failed::from)
    }

    /// Without a repository they stay where the backups of runs are.
    fn keep_copies(&self) -> Result<(), Failed> {
        let run = self.run.as_str();
        let kept = self.session.state.backups(&self.found.key()).join(run);
        std::fs::rename(self.root.join(run), kept)
            .and_then(|()| std::fs::remove_dir_all(&self.root))
            .map_err(|error| self.unmovable(error).into())
    }

    fn unmovable(&self, error: std::io::Error) -> Problem {
        Problem::new(
            Exit::Refused,
            "backup-unmovable",
            format!(
                "`{}` cannot be written, moved or removed",
                self.root.display()
            ),
        )
        .cause(error)
        .state("deployment", "untouched")
        .hint("look at who owns it")
    }
}

/// What is consistent with what, no more and no less.
fn consistency(span: &Span) -> String {
    let second = |at: u64| Moment(at).to_string();
    if span.consistent {
        return format!(
            "All of one moment: nothing that could write ran between {} and {} UTC.",
            second(span.from),
            second(span.to)
        );
    }
    format!(
        "Each datastore is consistent in itself. They were copied one after the other between {} and {} UTC while the \
         service was up: what was written then may be in one and not in another.",
        second(span.from),
        second(span.to)
    )
}
