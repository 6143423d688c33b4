//! `switchback backup`: the backups that runs made.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use switchback_datastores::backup::{self, Manifest};
use switchback_engine::ports::{Context, Failure, Progress};
use switchback_engine::process::Commands;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Holder, Journal, ProcessIdentity, RunRecord};
use switchback_model::exit::Exit;
use switchback_model::plan::{BackupState, Plan};
use switchback_model::product::DatastoreKind;
use switchback_model::{DatastoreName, Problem, RunId, StepNumber};

use super::rollback;
use crate::arguments::{Backup, BackupOf, BackupPrune, Rollback};
use crate::execution::by;
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::question;
use crate::render::measure;
use crate::render::style::{BAD, BOLD, CHECK, DIM, GOOD, PLAIN, WARN, paint};
use crate::render::table::{Cell, Table};
use crate::render::waiting;
use crate::runs;
use crate::session::{Session, now};
use crate::signals::Listening;
use crate::site::Place;

/// Version of the JSON documents.
const FORMAT: u32 = 1;
/// More stops at which the product runs than any path has.
const MOST_ROUNDS: u32 = 1000;

#[derive(Serialize)]
struct Document {
    format: u32,
    deployment: String,
    directory: PathBuf,
    backups: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    run: RunId,
    round: u32,
    datastore: DatastoreName,
    kind: DatastoreKind,
    engine: Option<String>,
    state: BackupState,
    objects: u64,
    bytes: u64,
    at: u64,
    directory: PathBuf,
}

/// A backup and where it lies.
struct Entry {
    manifest: Manifest,
    /// Which backup of its run: 1 is the first.
    round: u32,
    /// What its datastore is told as the place of backups.
    root: PathBuf,
}

impl Entry {
    fn directory(&self) -> PathBuf {
        self.root
            .join(self.manifest.run.as_str())
            .join(self.manifest.datastore.as_str())
    }
}

/// Lists, proves, restores or removes backups.
pub(crate) fn run(session: &Session<'_>, command: &Backup) -> Result<Exit, Failed> {
    match command {
        Backup::List => list(session),
        Backup::Prove(arguments) => prove(session, arguments),
        // Data come back together with the version and the configuration that they belong to.
        Backup::Restore(arguments) => rollback::run(
            session,
            &Rollback {
                run: Some(arguments.run.clone()),
                plan: false,
                accept: arguments.accept.clone(),
            },
        ),
        Backup::Prune(arguments) => prune(session, arguments),
    }
}

fn list(session: &Session<'_>) -> Result<Exit, Failed> {
    let found = session.deployment()?;
    let directory = session.state.backups(&found.key());
    let mut lines = Vec::new();
    let mut unreadable = Vec::new();
    for entry in entries(&directory)? {
        match entry {
            Ok(entry) => lines.push(Line {
                directory: entry.directory(),
                round: entry.round,
                objects: entry.manifest.contents.total(),
                run: entry.manifest.run,
                datastore: entry.manifest.datastore,
                kind: entry.manifest.kind,
                engine: entry.manifest.engine,
                state: entry.manifest.state,
                bytes: entry.manifest.bytes,
                at: entry.manifest.at,
            }),
            Err(failure) => unreadable.push(told(&failure)),
        }
    }
    let screen = session.screen;
    if screen.json() {
        screen.document(&Document {
            format: FORMAT,
            deployment: found.name,
            directory,
            backups: lines,
        });
        return Ok(Exit::Ok);
    }
    if lines.is_empty() {
        screen.answer(&format!(
            "No backups of {} yet: apply makes them\n",
            found.name
        ));
    } else {
        screen.answer(&table(&lines).text(screen.width));
    }
    for problem in unreadable {
        screen.advice(&crate::render::problem::text(
            &problem,
            screen.progress_width,
        ));
    }
    if let Some(last) = lines.last() {
        screen.next(&[format!("switchback backup prove {}", last.run)]);
    }
    Ok(Exit::Ok)
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::indented(0);
    table.row(
        [
            "run",
            "datastore",
            "server",
            "state",
            "objects",
            "size",
            "made",
        ]
        .map(|head| Cell::new(DIM, head)),
    );
    for line in lines {
        let (style, state) = match line.state {
            BackupState::Prepared | BackupState::Compared => (BAD, "not complete"),
            BackupState::Sealed => (WARN, "not proven"),
            BackupState::Proven => (GOOD, "proven"),
        };
        let kind = match line.kind {
            DatastoreKind::Postgres => "postgres",
            DatastoreKind::Redis => "redis",
            DatastoreKind::Files => "files",
        };
        let server = match &line.engine {
            Some(engine) => format!("{kind} {engine}"),
            None => kind.to_owned(),
        };
        let datastore = if line.round > 1 {
            format!("{} (round {})", line.datastore, line.round)
        } else {
            line.datastore.to_string()
        };
        table.row([
            Cell::new(BOLD, line.run.as_str()),
            Cell::from(datastore),
            Cell::from(server),
            Cell::new(style, state),
            Cell::right(PLAIN, measure::count(line.objects)),
            Cell::right(PLAIN, measure::bytes(line.bytes)),
            Cell::from(measure::ago(line.at, now())),
        ]);
    }
    table
}

/// Restores into scratch places again, one datastore after the other, while nothing else writes.
fn prove(session: &Session<'_>, arguments: &BackupOf) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let record = match &arguments.run {
        Some(said) => session.run(&journal, Some(said))?,
        None => {
            let found = session.deployment()?;
            newest_with_backups(session, &journal, &found)?
        }
    };
    let found = crate::place::deployment::find(Some(&record.key.directory), &session.state)?;
    let plan = session.plan_of(&record)?;
    let wanted = arguments.datastore.as_deref().map(DatastoreName::new);
    let mut kept = of_run(&session.state.backups(&record.key), &record.run)?;
    kept.retain(|entry| {
        wanted
            .as_ref()
            .is_none_or(|wanted| *wanted == entry.manifest.datastore)
    });
    if kept.is_empty() {
        let known: Vec<&str> = plan.datastores.keys().map(DatastoreName::as_str).collect();
        return Err(Problem::new(
            Exit::Usage,
            "backup-missing",
            format!("there is no such backup of run `{}`", record.run),
        )
        .hint(format!("its datastores are {}", known.join(", ")))
        .hint("see what there is: `switchback backup list`")
        .into());
    }
    let stop = StopSignal::default();
    let _listening = Listening::begin(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    let holder = Holder {
        process: ProcessIdentity::current(),
        since: now(),
        run: record.run.clone(),
        by: by(),
    };
    let lease = journal.acquire(&record.key, &holder)?;
    let proven = prove_each(session, &found, &plan, &record, &kept, &stop);
    journal.release(&lease)?;
    proven?;
    Ok(Exit::Ok)
}

fn prove_each(
    session: &Session<'_>,
    found: &Found,
    plan: &Plan,
    record: &RunRecord,
    kept: &[Entry],
    stop: &StopSignal,
) -> Result<(), Failed> {
    let place = Place::open(session, found, stop.clone())?;
    let commands = Commands::new(
        session.state.children(&record.run),
        place.redactor().clone(),
        stop.clone(),
    );
    for entry in kept {
        let name = &entry.manifest.datastore;
        let Some(datastore) = plan.datastores.get(name) else {
            continue;
        };
        let keeper = place.keeper(name, &datastore.location)?;
        let began = Instant::now();
        let context = Context {
            plan,
            run: &record.run,
            step: StepNumber(0),
            backups: &entry.root,
            commands: &commands,
            progress: &Silent,
            stop,
        };
        let what = format!("proving the backup of {name}");
        let outcome = waiting::during(session.screen, &what, || {
            let proven = keeper.prove(&context);
            // Also after a failure nothing of ours stays in the server.
            let cleaned = keeper.clean(&context);
            proven.and_then(|outcome| cleaned.map(|()| outcome))
        })
        .map_err(|failure| told(&failure))?;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !session.screen.json() {
            session.screen.answer(&format!(
                "{} {}  {}  {}\n",
                paint(GOOD, CHECK),
                paint(BOLD, name),
                outcome.summary,
                paint(DIM, measure::duration(took)),
            ));
        }
    }
    if session.screen.json() {
        list(session)?;
    }
    Ok(())
}

fn newest_with_backups(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
) -> Result<RunRecord, Failed> {
    let kept: Vec<RunId> = entries(&session.state.backups(&found.key()))?
        .into_iter()
        .flatten()
        .map(|entry| entry.manifest.run)
        .collect();
    journal
        .runs()?
        .into_iter()
        .rfind(|record| record.key == found.key() && kept.contains(&record.run))
        .ok_or_else(|| {
            Problem::new(
                Exit::Usage,
                "backup-missing",
                format!("there is no backup of `{}`", found.name),
            )
            .hint("a run makes them: `switchback apply`")
            .into()
        })
}

/// Removes what nothing can go back to: never an open run's backups, never the newest.
fn prune(session: &Session<'_>, arguments: &BackupPrune) -> Result<Exit, Failed> {
    let found = session.deployment()?;
    let journal = session.journal()?;
    let key = found.key();
    if let Some((record, standing)) = runs::open(&journal, &key)? {
        return Err(Problem::new(
            Exit::Refused,
            "run-open",
            format!(
                "run `{}` is {} and may need its backups",
                record.run,
                standing.word()
            ),
        )
        .state("backups", "unchanged")
        .hint(format!("end it first: `switchback resume {}`", record.run))
        .into());
    }
    let directory = session.state.backups(&key);
    let mut with_backups: Vec<(RunId, u64)> = Vec::new();
    for record in journal
        .runs()?
        .into_iter()
        .rev()
        .filter(|run| run.key == key)
    {
        let bytes: Vec<u64> = of_run(&directory, &record.run)?
            .iter()
            .map(|entry| entry.manifest.bytes)
            .collect();
        if !bytes.is_empty() {
            with_backups.push((record.run, bytes.iter().sum()));
        }
    }
    let gone: Vec<(RunId, u64)> = with_backups.into_iter().skip(arguments.keep).collect();
    let bytes: u64 = gone.iter().map(|(_, bytes)| bytes).sum();
    if gone.is_empty() {
        session.screen.answer("Nothing to remove\n");
        return Ok(Exit::Ok);
    }
    let ids: Vec<&str> = gone.iter().map(|(run, _)| run.as_str()).collect();
    let what = format!(
        "Remove {} of backups ({}): there is no way back to before these runs then",
        measure::bytes(bytes),
        ids.join(", ")
    );
    question::go_ahead(
        session,
        "removing backups",
        &what,
        &format!("switchback backup prune --keep {}", arguments.keep),
    )?;
    for (run, _) in &gone {
        for entry in of_run(&directory, run)? {
            remove(&entry.directory())?;
        }
        session
            .screen
            .answer(&format!("Removed the backups of {run}\n"));
    }
    Ok(Exit::Ok)
}

fn remove(directory: &Path) -> Result<(), Failed> {
    std::fs::remove_dir_all(directory).map_err(|error| {
        Problem::new(
            Exit::Refused,
            "backup-unremovable",
            format!("`{}` cannot be removed", directory.display()),
        )
        .cause(error)
        .hint("look at who owns it")
    })?;
    // The run's directory goes with its last backup; it stays where something else lies in it.
    if let Some(run) = directory.parent() {
        let _ = std::fs::remove_dir(run);
    }
    Ok(())
}

fn of_run(directory: &Path, run: &RunId) -> Result<Vec<Entry>, Failed> {
    let entries = entries(directory)?.into_iter().flatten();
    Ok(entries.filter(|entry| entry.manifest.run == *run).collect())
}

/// Every backup with its place, oldest first; later rounds of a run lie in `round-N`.
fn entries(directory: &Path) -> Result<Vec<Result<Entry, Failure>>, Failed> {
    let unreadable = |error: std::io::Error| {
        Problem::new(
            Exit::Refused,
            "backups-unreadable",
            format!("`{}` cannot be read", directory.display()),
        )
        .cause(error)
        .hint("run as the user who made the backups")
    };
    let mut found: Vec<Result<Entry, Failure>> = Vec::new();
    for manifest in backup::list(directory).map_err(unreadable)? {
        let entry = manifest.map(|manifest| {
            let earlier = found.iter().flatten().filter(|known| {
                known.manifest.run == manifest.run && known.manifest.datastore == manifest.datastore
            });
            let place = |round: u32| match round {
                1 => directory.to_owned(),
                later => directory.join(format!("round-{later}")),
            };
            // Rounds of a run were made one after the other.
            let mut round = 1 + u32::try_from(earlier.count()).unwrap_or(0);
            let here = |round| {
                let root: PathBuf = place(round);
                root.join(manifest.run.as_str())
                    .join(manifest.datastore.as_str())
                    .is_dir()
            };
            while !here(round) && round < MOST_ROUNDS {
                round += 1;
            }
            Entry {
                root: place(round),
                round,
                manifest,
            }
        });
        found.push(entry);
    }
    Ok(found)
}

fn told(failure: &Failure) -> Problem {
    let mut problem = Problem::new(Exit::Refused, &failure.code, failure.what.clone());
    problem.causes.clone_from(&failure.causes);
    problem.state.clone_from(&failure.state);
    problem.hints.clone_from(&failure.hints);
    if problem.hints.is_empty() {
        problem = problem.hint("every check: `switchback doctor`");
    }
    problem
}

/// The spinner says what is done; how far is not kept.
struct Silent;

impl Progress for Silent {
    fn report(&self, _: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {}
}
