//! `switchback backup create`: a backup of the running deployment, without a pause.
//!
//! Each datastore is consistent in itself. With each other they are only where
//! nothing wrote between the first and the last; which of the two it was is said.
//! Killed in the middle, the same command goes on: what is complete stays.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_datastores::backup;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Holder, ProcessIdentity};
use switchback_model::exit::Exit;
use switchback_model::observed::{Access, Datastore, Observed, ServiceState};
use switchback_model::plan::{BackupMethod, DatastorePlan, Plan};
use switchback_model::{DatastoreName, Problem, RunId, ServiceName};

use super::making::Making;
use super::open_run::refuse_open_run;
use super::scratch;
use crate::arguments::BackupCreate;
use crate::backups::repository::{self, Missing};
use crate::backups::store;
use crate::execution::by;
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::session::{Session, now};
use crate::signals::Listening;
use crate::site::Place;

/// Below the place of backups: those that are not complete yet.
const CREATING: &str = "creating";
/// What a killed process left is gone on with for so long; later it is no backup of now.
const FRESH: u64 = 60 * 60 * 1_000;

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
        session,
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
    let left = left(&root)?;
    let run = match &left {
        Some(run) => run.clone(),
        None => session.state.new_run(&journal)?,
    };
    let plan = plan_of(&found, &place, &observed);
    let left_out = left_out(&found, &place, &observed);
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
        left_out,
        serves: serves(&observed),
        stop: &stop,
    };
    // What is too old to go on with is removed now that nobody else can be at it.
    let made = match left {
        Some(_) => making.all(opened),
        None => clear(&making.root).and_then(|()| making.all(opened)),
    };
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

/// The run that a killed process began here a short while ago.
fn left(root: &Path) -> Result<Option<RunId>, Failed> {
    let listed = backup::list(root).map_err(|error| unreadable(root, error))?;
    let manifests = || listed.iter().flatten();
    let oldest = manifests().map(|manifest| manifest.at).min();
    Ok(oldest
        .filter(|at| now().saturating_sub(*at) < FRESH)
        .and_then(|_| manifests().next())
        .map(|manifest| manifest.run.clone()))
}

fn clear(root: &Path) -> Result<(), Failed> {
    match std::fs::remove_dir_all(root) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(unreadable(root, error).into())
        }
        _ => Ok(()),
    }
}

fn unreadable(root: &Path, error: std::io::Error) -> Problem {
    Problem::new(
        Exit::Refused,
        "backups-unreadable",
        format!("`{}` cannot be read or removed", root.display()),
    )
    .cause(error)
    .state("deployment", "untouched")
    .hint("run as the user who made the backups")
}

/// True where anything but the datastores' own servers runs: who is not connected now may be in a second.
fn serves(observed: &Observed) -> bool {
    let keeps = |service: &ServiceName| {
        observed.datastores.iter().any(|datastore| {
            matches!(&datastore.location.access, Access::Container { service: of } if of == service)
        })
    };
    observed.services.iter().any(|service| {
        let up = [ServiceState::Running, ServiceState::Restarting].contains(&service.state);
        up && !keeps(&service.name)
    })
}

/// Files of another machine: each upgrade keeps them over there, and nothing brings them here.
fn left_out(found: &Found, place: &Place, observed: &Observed) -> BTreeMap<DatastoreName, String> {
    let kept = |seen: &&Datastore| !found.config.declines(&seen.name);
    let seen = observed.datastores.iter().filter(kept);
    seen.filter_map(|seen| Some((seen.name.clone(), place.elsewhere(seen)?)))
        .collect()
}

/// A plan without steps: what the datastores are asked with.
fn plan_of(found: &Found, place: &Place, observed: &Observed) -> Plan {
    let mut datastores = BTreeMap::new();
    for seen in &observed.datastores {
        let declined = found.config.declines(&seen.name);
        let shared = datastores.values().any(|known: &DatastorePlan| {
            known.method != BackupMethod::None && known.location == seen.location
        });
        let method = if declined || shared || place.elsewhere(seen).is_some() {
            BackupMethod::None
        } else {
            BackupMethod::Dump
        };
        datastores.insert(seen.name.clone(), scratch::kept(seen, method));
    }
    scratch::plan(
        &place.identity(),
        &place.product,
        &observed.version,
        datastores,
    )
}
