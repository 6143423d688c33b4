//! `switchback backup create`: a backup of the running deployment, without a pause.
//!
//! Each datastore is consistent in itself. With each other they are only where
//! nothing wrote between the first and the last; which of the two it was is said.
//! Killed in the middle, the same command goes on: what is complete stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use switchback_backup::Locked;
use switchback_datastores::backup;
use switchback_engine::ports::{Context, Datastore, Finding};
use switchback_engine::process::Commands;
use switchback_engine::signal::{StopSignal, Urgency};
use switchback_journal::{Holder, ProcessIdentity};
use switchback_model::exit::Exit;
use switchback_model::observed::Observed;
use switchback_model::plan::{BackupMethod, BackupState, Expectation, Plan};
use switchback_model::{DatastoreName, Problem, RunId, StepNumber};

use super::local::{self, Entry};
use super::repository::{self, Missing};
use super::store::{self, Origin, Sent};
use super::{refuse_open_run, told};
use crate::arguments::BackupCreate;
use crate::execution::by;
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::render::measure;
use crate::render::style::{BOLD, CHECK, DIM, GOOD, paint};
use crate::render::{waiting, wrap};
use crate::session::{Session, now};
use crate::signals::Listening;
use crate::site::Place;

/// Version of the JSON document.
const FORMAT: u32 = 1;
/// Below the place of backups: those that are not complete yet.
const CREATING: &str = "creating";
/// What a killed process left is gone on with for so long; later it is no backup of now.
const FRESH: u64 = 60 * 60 * 1_000;

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
    stored: Vec<Sent>,
}

/// Everything that making the copies needs.
struct Making<'a> {
    session: &'a Session<'a>,
    found: &'a Found,
    place: &'a Place,
    plan: &'a Plan,
    run: &'a RunId,
    root: PathBuf,
    stop: &'a StopSignal,
}

/// Between when and when the copies were made, and whether anybody wrote meanwhile.
struct Span {
    from: u64,
    to: u64,
    consistent: bool,
}

/// Makes a backup and stores it, or stores those of a run.
pub(super) fn run(session: &Session<'_>, arguments: &BackupCreate) -> Result<Exit, Failed> {
    let stop = StopSignal::default();
    let _listening = Listening::begin(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    if let Some(said) = &arguments.run {
        return of_run(session, said, arguments.init, &stop);
    }
    let found = session.deployment()?;
    let journal = session.journal()?;
    refuse_open_run(
        &journal,
        &found.key(),
        "and its deployment is between two states",
    )?;
    // What can fail is asked before anything is copied.
    let missing = if arguments.init {
        Missing::Make
    } else {
        Missing::Refuse
    };
    let opened = repository::is_named(&found)
        .then(|| repository::open(session, &found, &stop, missing))
        .transpose()?;
    let place = Place::open(session, &found, stop.clone())?;
    let observed = place.observe(session)?;
    let root = session.state.backups(&found.key()).join(CREATING);
    let run = match left(&root)? {
        Some(run) => run,
        None => session.state.new_run(&journal)?,
    };
    let plan = plan_of(&found, &place, &observed);
    let lease = journal.acquire(
        &found.key(),
        &Holder {
            process: ProcessIdentity::current(),
            since: now(),
            run: run.clone(),
            by: by(),
        },
    )?;
    let making = Making {
        session,
        found: &found,
        place: &place,
        plan: &plan,
        run: &run,
        root,
        stop: &stop,
    };
    let made = making.all(opened);
    journal.release(&lease)?;
    made?;
    Ok(Exit::Ok)
}

fn of_run(
    session: &Session<'_>,
    said: &str,
    init: bool,
    stop: &StopSignal,
) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let record = session.run(&journal, Some(said))?;
    let found = crate::place::deployment::find(Some(&record.key.directory), &session.state)?;
    let plan = session.plan_of(&record)?;
    let sent = store::of_run(session, &found, &plan, &record.run, init, stop)?;
    if sent.is_empty() {
        return Err(Problem::new(
            Exit::Usage,
            "backup-missing",
            format!(
                "run `{}` has no complete backup on this machine",
                record.run
            ),
        )
        .hint("see what there is: `switchback backup list`")
        .into());
    }
    if session.screen.json() {
        session.screen.document(&sent);
    } else {
        session
            .screen
            .next(&[format!("switchback backup prove {}", sent[0].id)]);
    }
    Ok(Exit::Ok)
}

/// The run that a killed process began here a short while ago. What is older is removed.
fn left(root: &Path) -> Result<Option<RunId>, Failed> {
    let unreadable = |error: std::io::Error| {
        Problem::new(
            Exit::Refused,
            "backups-unreadable",
            format!("`{}` cannot be read", root.display()),
        )
        .cause(error)
        .hint("run as the user who made the backups")
    };
    let listed = backup::list(root).map_err(unreadable)?;
    let oldest = listed.iter().flatten().map(|manifest| manifest.at).min();
    let run = listed
        .into_iter()
        .flatten()
        .next()
        .map(|manifest| manifest.run);
    match (oldest, run) {
        (Some(at), Some(run)) if now().saturating_sub(at) < FRESH => Ok(Some(run)),
        _ => {
            match std::fs::remove_dir_all(root) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(unreadable(error).into());
                }
                _ => {}
            }
            Ok(None)
        }
    }
}

impl Making<'_> {
    fn all(&self, opened: Option<switchback_backup::Opened>) -> Result<(), Failed> {
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
                stored,
            });
            return Ok(());
        }
        screen.answer(&format!(
            "{}\n",
            wrap::hanging("", &consistency(&span), screen.width)
        ));
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
        let from = now();
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
            consistent: keepers.len() == 1 || quiet_before && self.quiet(&commands, &keepers),
        })
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
            screen.answer(&format!(
                "{} {}  {}  {}\n",
                paint(GOOD, CHECK),
                paint(BOLD, name),
                outcome.summary,
                paint(DIM, measure::duration(took)),
            ));
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
            // Files cannot tell who writes to them; the services that could are the others' writers.
            keeper.look(&context, &nobody) == Finding::Holds
        })
    }

    fn context<'c>(&'c self, commands: &'c Commands, progress: &'c waiting::Told) -> Context<'c> {
        Context {
            plan: self.plan,
            run: self.run,
            step: StepNumber(0),
            backups: &self.root,
            commands,
            progress,
            stop: self.stop,
        }
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
            .and_then(|()| std::fs::remove_dir(&self.root))
            .map_err(|error| self.unmovable(error).into())
    }

    fn unmovable(&self, error: std::io::Error) -> Problem {
        Problem::new(
            Exit::Refused,
            "backup-unmovable",
            format!("`{}` cannot be moved or removed", self.root.display()),
        )
        .cause(error)
        .state("backups", "complete")
        .hint("look at who owns it")
    }
}

/// What is consistent with what, no more and no less.
fn consistency(span: &Span) -> String {
    let second = |at: u64| switchback_backup::Moment(at).to_string();
    if span.consistent {
        return format!(
            "All of one moment: nothing could write between {} and {} UTC.",
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

/// A plan without steps: what the datastores are asked with.
fn plan_of(found: &Found, place: &Place, observed: &Observed) -> Plan {
    let mut datastores = BTreeMap::new();
    for seen in &observed.datastores {
        let declined = found
            .config
            .datastores
            .get(&seen.name)
            .is_some_and(|config| config.backup.as_deref() == Some("none"));
        let shared = datastores
            .values()
            .any(|known: &switchback_model::plan::DatastorePlan| {
                known.method != BackupMethod::None && known.location == seen.location
            });
        let method = if declined || shared {
            BackupMethod::None
        } else {
            BackupMethod::Dump
        };
        datastores.insert(
            seen.name.clone(),
            switchback_model::plan::DatastorePlan {
                location: seen.location.clone(),
                method,
                kept_with: None,
                because: "a backup of one moment, while the service is up".to_owned(),
                size: seen.size,
                engine: seen.engine.clone(),
                volatile: Vec::new(),
                deleted: Vec::new(),
            },
        );
    }
    super::scratch_plan(
        &place.identity(),
        &place.product,
        &observed.version,
        datastores,
    )
}
