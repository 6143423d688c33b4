//! `switchback backup prune`: removes what nothing can go back to: never an open run's backups, never the
//! newest that is nowhere else; and from the repository what the retention lets go.

use switchback_backup::{BackupId, Opened, Stored};
use switchback_engine::signal::StopSignal;
use switchback_model::exit::Exit;
use switchback_model::plan::BackupMethod;
use switchback_model::{Problem, RunId};

use super::elsewhere;
use super::open_run::refuse_open_run;
use crate::arguments::BackupPrune;
use crate::backups::local::{self, Entry};
use crate::backups::repository::{self, Missing};
use crate::backups::store;
use crate::failure::{Failed, told};
use crate::place::deployment::Found;
use crate::question;
use crate::render::measure;
use crate::render::waiting;
use crate::session::{Session, now};
use crate::signals::Listening;

/// What is to go from this machine.
#[derive(Default)]
struct Gone {
    entries: Vec<Entry>,
    /// Shadows that are old enough to go, and stay because they are nowhere else.
    only_here: Vec<RunId>,
}

pub(super) fn run(session: &Session<'_>, arguments: &BackupPrune) -> Result<Exit, Failed> {
    let stop = StopSignal::default();
    let _listening = Listening::begin(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    let found = session.deployment()?;
    let journal = session.journal()?;
    refuse_open_run(session, &journal, &found.key(), "and may need its backups")?;
    let stay = found.config.backup.shadows_stay();
    let stay = stay.map_err(|problem| problem.state("backups", "unchanged"))?;
    let age = stay.saturating_mul(1000);
    let opened = repository::is_named(&found)
        .then(|| repository::open(session, &found, &stop, Missing::Refuse))
        .transpose()?;
    let stored: Vec<Stored> = opened
        .as_ref()
        .map(|opened| opened.backups(Some(&found.name)))
        .unwrap_or_default()
        .into_iter()
        .cloned()
        .collect();
    let expired: Vec<BackupId> = repository::retention(&found.config.backup)
        .judge(&stored)
        .into_iter()
        .filter(|kept| kept.expired)
        .map(|kept| kept.id)
        .collect();
    let gone = local_ones(session, &found, arguments.keep, age, &stored)?;
    for run in &gone.only_here {
        session.screen.advice(&format!(
            "the shadows of {run} stay: they are nowhere else (switchback backup create --run {run})\n"
        ));
    }
    if gone.entries.is_empty() && expired.is_empty() {
        session.screen.answer("Nothing to remove\n");
        return Ok(Exit::Ok);
    }
    question::go_ahead(
        session,
        "removing backups",
        &question_of(&gone, &expired, &stored),
        &format!("switchback backup prune --keep {}", arguments.keep),
    )?;
    elsewhere::remove(session, &found, &gone.entries, &stop)?;
    for entry in &gone.entries {
        remove(entry)?;
    }
    for run in runs_of(&gone.entries) {
        session
            .screen
            .answer(&format!("Removed the backups of {run}\n"));
    }
    if let Some(opened) = opened.filter(|_| !expired.is_empty()) {
        from_repository(session, opened, &expired, &stop)?;
    }
    Ok(Exit::Ok)
}

fn from_repository(
    session: &Session<'_>,
    opened: Opened,
    expired: &[BackupId],
    stop: &StopSignal,
) -> Result<(), Failed> {
    let mut locked = store::lock(session, opened, stop)?;
    let freed = waiting::telling(session.screen, "pruning the repository", |progress| {
        locked.remove(expired, progress)
    })
    .map_err(|failure| told(&failure))?;
    let ids: Vec<&str> = freed.backups.iter().map(BackupId::as_str).collect();
    session
        .screen
        .answer(&format!("Removed {} from the repository\n", ids.join(", ")));
    Ok(())
}

/// Backups of runs beyond the newest `keep`; and shadows that are older than `age` and in the repository.
fn local_ones(
    session: &Session<'_>,
    found: &Found,
    keep: usize,
    age: u64,
    stored: &[Stored],
) -> Result<Gone, Failed> {
    let directory = session.state.backups(&found.key());
    let entries: Vec<Entry> = local::entries(&directory)?.into_iter().flatten().collect();
    // Oldest first; a run is as old as its newest backup.
    let mut runs: Vec<RunId> = Vec::new();
    for entry in &entries {
        runs.retain(|run| *run != entry.manifest.run);
        runs.push(entry.manifest.run.clone());
    }
    let beyond = runs.len().saturating_sub(keep);
    let old_runs = &runs[..beyond];
    let mut gone = Gone::default();
    for entry in entries {
        let manifest = &entry.manifest;
        let in_repository = stored.iter().any(|stored| {
            stored.labels.run == manifest.run
                && stored.labels.round == entry.round
                && stored.labels.datastore == manifest.datastore
        });
        let old_shadow =
            manifest.method == BackupMethod::Shadow && now().saturating_sub(manifest.at) > age;
        if old_runs.contains(&manifest.run) || (old_shadow && in_repository) {
            gone.entries.push(entry);
        } else if old_shadow
            && repository::is_named(found)
            // What is on another machine is in no repository: its age is no reason to ask for that.
            && manifest.there.is_none()
            && !gone.only_here.contains(&manifest.run)
        {
            gone.only_here.push(manifest.run.clone());
        }
    }
    Ok(gone)
}

fn question_of(gone: &Gone, expired: &[BackupId], stored: &[Stored]) -> String {
    let mut parts = Vec::new();
    if !gone.entries.is_empty() {
        let bytes: u64 = gone.entries.iter().map(Entry::bytes).sum();
        let ids: Vec<String> = runs_of(&gone.entries)
            .iter()
            .map(RunId::to_string)
            .collect();
        let all_stored = gone.entries.iter().all(|entry| {
            stored
                .iter()
                .any(|stored| stored.labels.run == entry.manifest.run)
        });
        let consequence = if all_stored {
            "the way back to before these runs is by the repository then"
        } else {
            "there is no way back to before these runs then"
        };
        parts.push(format!(
            "Remove {} of backups ({}): {consequence}",
            measure::bytes(bytes),
            ids.join(", ")
        ));
    }
    if !expired.is_empty() {
        let ids: Vec<&str> = expired.iter().map(BackupId::as_str).collect();
        parts.push(format!(
            "Remove {} from the repository ({})",
            measure::plural(expired.len() as u64, "backup", "backups"),
            ids.join(", ")
        ));
    }
    parts.join(". ")
}

fn runs_of(entries: &[Entry]) -> Vec<RunId> {
    let mut runs: Vec<RunId> = Vec::new();
    for entry in entries {
        if !runs.contains(&entry.manifest.run) {
            runs.push(entry.manifest.run.clone());
        }
    }
    runs
}

fn remove(entry: &Entry) -> Result<(), Failed> {
    // The manifest goes last, so that what is half removed is still known.
    for place in entry.beside() {
        local::remove(place)?;
    }
    let directory = entry.directory();
    local::remove(&directory)?;
    // The run's directory goes with its last backup; it stays where something else lies in it.
    if let Some(run) = directory.parent() {
        let _ = std::fs::remove_dir(run);
    }
    Ok(())
}
