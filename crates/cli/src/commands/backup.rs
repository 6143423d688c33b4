//! `switchback backup`: the backups that runs made.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;
use switchback_datastores::backup::{self, Manifest};
use switchback_engine::ports::{Context, Failure, Progress};
use switchback_engine::process::Commands;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Holder, Journal, ProcessIdentity, RunRecord};
use switchback_model::exit::Exit;
use switchback_model::plan::{BackupMethod, BackupState, Plan};
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
    datastore: DatastoreName,
    kind: String,
    engine: Option<String>,
    state: BackupState,
    objects: u64,
    bytes: u64,
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
    for manifest in manifests(&directory)? {
        match manifest {
            Ok(manifest) => lines.push(Line {
                run: manifest.run,
                datastore: manifest.datastore,
                kind: format!("{:?}", manifest.kind).to_lowercase(),
                engine: manifest.engine,
                state: manifest.state,
                objects: manifest.contents.total(),
                bytes: manifest.bytes,
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
        ["run", "datastore", "server", "state", "objects", "size"].map(|head| Cell::new(DIM, head)),
    );
    for line in lines {
        let (style, state) = match line.state {
            BackupState::Prepared => (BAD, "not complete"),
            BackupState::Sealed => (WARN, "not proven"),
            BackupState::Proven => (GOOD, "proven"),
        };
        let server = line.engine.as_ref().map_or_else(
            || line.kind.clone(),
            |engine| format!("{} {engine}", line.kind),
        );
        table.row([
            Cell::new(BOLD, line.run.as_str()),
            Cell::from(line.datastore.as_str()),
            Cell::from(server),
            Cell::new(style, state),
            Cell::right(PLAIN, measure::count(line.objects)),
            Cell::right(PLAIN, measure::bytes(line.bytes)),
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
    let names: Vec<&DatastoreName> = plan
        .datastores
        .iter()
        .filter(|(name, datastore)| {
            datastore.method == BackupMethod::Dump
                && wanted.as_ref().is_none_or(|wanted| wanted == *name)
        })
        .map(|(name, _)| name)
        .collect();
    if names.is_empty() {
        let known: Vec<&str> = plan.datastores.keys().map(DatastoreName::as_str).collect();
        return Err(Problem::new(
            Exit::Usage,
            "backup-missing",
            format!("run `{}` made no such backup", record.run),
        )
        .hint(format!("its datastores are {}", known.join(", ")))
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
    let proven = prove_each(session, &found, &plan, &record, &names, &stop);
    journal.release(&lease)?;
    proven?;
    Ok(Exit::Ok)
}

fn prove_each(
    session: &Session<'_>,
    found: &Found,
    plan: &Plan,
    record: &RunRecord,
    names: &[&DatastoreName],
    stop: &StopSignal,
) -> Result<(), Failed> {
    let place = Place::open(session, found, stop.clone())?;
    let commands = Commands::new(
        session.state.children(&record.run),
        place.redactor().clone(),
        stop.clone(),
    );
    let backups = session.state.backups(&record.key);
    for name in names {
        let keeper = place.keeper(name, &plan.datastores[*name].location)?;
        let began = Instant::now();
        let context = Context {
            plan,
            run: &record.run,
            step: StepNumber(0),
            backups: &backups,
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
    let kept: Vec<RunId> = manifests(&session.state.backups(&found.key()))?
        .into_iter()
        .flatten()
        .map(|manifest| manifest.run)
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
        let bytes: Vec<u64> = manifests(&directory)?
            .into_iter()
            .flatten()
            .filter(|manifest| manifest.run == record.run)
            .map(|manifest| manifest.bytes)
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
        let path = directory.join(run.as_str());
        std::fs::remove_dir_all(&path).map_err(|error| {
            Problem::new(
                Exit::Refused,
                "backup-unremovable",
                format!("`{}` cannot be removed", path.display()),
            )
            .cause(error)
            .hint("look at who owns it")
        })?;
        session
            .screen
            .answer(&format!("Removed the backups of {run}\n"));
    }
    Ok(Exit::Ok)
}

fn manifests(directory: &std::path::Path) -> Result<Vec<Result<Manifest, Failure>>, Failed> {
    backup::list(directory).map_err(|error| {
        Problem::new(
            Exit::Refused,
            "backups-unreadable",
            format!("`{}` cannot be read", directory.display()),
        )
        .cause(error)
        .hint("run as the user who made the backups")
        .into()
    })
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
