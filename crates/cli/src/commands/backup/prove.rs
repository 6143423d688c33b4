//! `switchback backup prove`: a backup counts once it was restored elsewhere and read.

use std::path::PathBuf;
use std::time::Instant;

use switchback_backup::Fetched;
use switchback_datastores::backup;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::Commands;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Holder, Journal, ProcessIdentity, RunRecord};
use switchback_model::event::Outcome;
use switchback_model::exit::Exit;
use switchback_model::plan::{BackupMethod, DatastorePlan, Plan};
use switchback_model::{DatastoreName, Problem, RunId};

use super::{list, scratch};
use crate::arguments::BackupOf;
use crate::backups::local::{self, Entry};
use crate::backups::repository::{self, Missing};
use crate::backups::store;
use crate::execution::by;
use crate::failure::{Failed, told};
use crate::place::deployment::{self, Found};
use crate::render::measure;
use crate::render::style::{BOLD, CHECK, DIM, GOOD, paint};
use crate::render::waiting;
use crate::session::{Session, now};
use crate::signals::Listening;
use crate::site::Place;

/// Below the state directory: what is fetched only to be read.
const PROVING: &str = "proving";

/// Restores into scratch places again, one datastore after the other, while nothing else writes.
pub(super) fn run(session: &Session<'_>, arguments: &BackupOf) -> Result<Exit, Failed> {
    let stop = StopSignal::default();
    let _listening = Listening::begin(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    match arguments.run.as_deref() {
        Some(said) if said.starts_with("b-") => stored(session, said, &stop),
        _ => of_run(session, arguments, &stop),
    }
}

fn of_run(session: &Session<'_>, arguments: &BackupOf, stop: &StopSignal) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let record = match &arguments.run {
        Some(said) => session.run(&journal, Some(said))?,
        None => {
            let found = session.deployment()?;
            newest_with_backups(session, &journal, &found)?
        }
    };
    let found = deployment::find(Some(&record.key.directory), &session.state)?;
    let plan = session.plan_of(&record)?;
    let wanted = arguments.datastore.as_deref().map(DatastoreName::new);
    let mut kept = local::of_run(&session.state.backups(&record.key), &record.run)?;
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
    held(&journal, &found, &record.run, || {
        let place = Place::open(session, &found, stop.clone())?;
        for entry in &kept {
            let name = &entry.manifest.datastore;
            if let Some(datastore) = plan.datastores.get(name) {
                let began = Instant::now();
                let outcome = read(session, &place, &plan, entry, datastore, stop)
                    .map_err(|failure| told(&failure))?;
                say(session, name, &outcome, began);
            }
        }
        Ok(())
    })?;
    if session.screen.json() {
        list::run(session)?;
    }
    Ok(Exit::Ok)
}

/// Fetches a backup from the repository and lets its datastore read it.
fn stored(session: &Session<'_>, said: &str, stop: &StopSignal) -> Result<Exit, Failed> {
    let found = session.deployment()?;
    let journal = session.journal()?;
    let opened = repository::open(session, &found, stop, Missing::Refuse)?;
    let backup = opened.find(said).map_err(|failure| told(&failure))?.clone();
    let place = Place::open(session, &found, stop.clone())?;
    let observed = place.observe(session)?;
    let name = &backup.labels.datastore;
    let Some(seen) = observed.datastores.iter().find(|seen| seen.name == *name) else {
        return Err(Problem::new(
            Exit::Refused,
            "datastore-missing",
            format!(
                "`{}` has no datastore `{name}` that could read `{}`",
                found.name, backup.id
            ),
        )
        .state("backup", "not looked at")
        .hint(format!(
            "bring it back as files: `switchback backup restore {} --to DIR`",
            backup.id
        ))
        .into());
    };
    let datastore = scratch::kept(seen, BackupMethod::Dump);
    let plan = scratch::plan(
        &place.identity(),
        &place.product,
        &observed.version,
        [(name.clone(), datastore.clone())].into(),
    );
    let began = Instant::now();
    let root = session.state.root().join(PROVING).join(backup.id.as_str());
    let fetched = root.join("fetched");
    local::remove(&fetched)?;
    let what = format!("fetching {}", backup.id);
    let fetched = waiting::telling(session.screen, &what, |progress| {
        opened.fetch(&backup, &fetched, progress)
    })
    .map_err(|failure| told(&failure))?;
    let (proven, outcome) = held(&journal, &found, &backup.labels.run, || {
        fetched
            .read_by(|fetched| {
                let entry = arrange(fetched, root.join("read"))?;
                read(session, &place, &plan, &entry, &datastore, stop)
            })
            .map_err(|failure| Failed::from(told(&failure)))
    })?;
    local::remove(&root)?;
    say(session, name, &outcome, began);
    let marked = store::lock(session, opened, stop).and_then(|mut locked| {
        locked
            .mark(&proven)
            .map_err(|failure| Failed::from(told(&failure)))
    });
    if let Err(failed) = marked {
        // The proof stands; a repository that may only grow cannot hold the note.
        session.screen.advice(&format!(
            "the repository could not note it: {}\n",
            failed.problem.what
        ));
    }
    if session.screen.json() {
        list::run(session)?;
    }
    Ok(Exit::Ok)
}

/// Puts what was fetched where a datastore looks for the backup of a run.
fn arrange(fetched: &Fetched, root: PathBuf) -> Result<Entry, Failure> {
    let labels = &fetched.backup().labels;
    let io = |error: std::io::Error| {
        Failure::new(
            "restore-place",
            format!("cannot arrange `{}`", root.display()),
        )
        .cause(error)
        .state("repository", "unchanged")
    };
    let run = root.join(labels.run.as_str());
    let directory = run.join(labels.datastore.as_str());
    if root.exists() {
        std::fs::remove_dir_all(&root).map_err(io)?;
    }
    std::fs::create_dir_all(&run).map_err(io)?;
    std::fs::rename(fetched.copy(), &directory).map_err(io)?;
    let manifest = scratch::place_shadow(fetched, &directory)?;
    Ok(Entry {
        manifest,
        round: 1,
        root,
    })
}

fn read(
    session: &Session<'_>,
    place: &Place,
    plan: &Plan,
    entry: &Entry,
    datastore: &DatastorePlan,
    stop: &StopSignal,
) -> Result<Outcome, Failure> {
    let manifest = &entry.manifest;
    let commands = Commands::new(
        session.state.children(&manifest.run),
        place.redactor().clone(),
        stop.clone(),
    );
    let keeper = place
        .keeper(&manifest.datastore, &datastore.location)
        .map_err(|problem| Failure {
            code: problem.code,
            what: problem.what,
            causes: problem.causes,
            state: problem.state,
            hints: problem.hints,
            ..Failure::default()
        })?;
    let what = format!("proving the backup of {}", manifest.datastore);
    waiting::telling(session.screen, &what, |progress| {
        let context =
            Context::outside_steps(plan, &manifest.run, &entry.root, &commands).telling(progress);
        let proven = keeper.prove(&context);
        // Also after a failure nothing of ours stays in the server.
        let cleaned = keeper.clean(&context);
        proven.and_then(|outcome| cleaned.map(|()| outcome))
    })
}

/// Does `work` while nothing else acts on the deployment.
fn held<T>(
    journal: &Journal,
    found: &Found,
    run: &RunId,
    work: impl FnOnce() -> Result<T, Failed>,
) -> Result<T, Failed> {
    let holder = Holder {
        process: ProcessIdentity::current(),
        since: now(),
        run: run.clone(),
        by: by(),
    };
    let lease = journal.acquire(&found.key(), &holder)?;
    let done = work();
    journal.release(&lease)?;
    done
}

fn say(session: &Session<'_>, name: &DatastoreName, outcome: &Outcome, began: Instant) {
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

fn newest_with_backups(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
) -> Result<RunRecord, Failed> {
    let listed = backup::list(&session.state.backups(&found.key())).unwrap_or_default();
    let kept: Vec<RunId> = listed
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
