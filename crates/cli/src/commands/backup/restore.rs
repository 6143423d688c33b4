//! `switchback backup restore`: a run's data come back together with the version and the configuration that
//! they belong to; a backup in the repository comes back to this machine. Nothing is ever overwritten.

use std::path::{Path, PathBuf};

use serde::Serialize;
use switchback_backup::{Opened, Stored};
use switchback_datastores::backup;
use switchback_engine::signal::StopSignal;
use switchback_model::exit::Exit;
use switchback_model::{Problem, RunId};

use super::scratch::{self, place_shadow};
use crate::arguments::{BackupRestore, Rollback};
use crate::backups::repository::{self, Missing};
use crate::commands::rollback;
use crate::failure::{Failed, told};
use crate::place::deployment::Found;
use crate::render::style::{BOLD, CHECK, DIM, GOOD, paint};
use crate::render::waiting;
use crate::session::Session;
use crate::signals::Listening;

/// Version of the JSON document.
const FORMAT: u32 = 1;
/// What a backup is called while it is fetched.
const FETCHED: &str = "fetched";

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    backup: &'a str,
    run: &'a RunId,
    datastore: &'a str,
    directory: &'a Path,
}

pub(super) fn run(session: &Session<'_>, arguments: &BackupRestore) -> Result<Exit, Failed> {
    if !arguments.run.starts_with("b-") {
        if arguments.to.is_some() {
            return Err(Problem::new(
                Exit::Usage,
                "restore-to-run",
                "`--to` is for a backup of the repository, and names a directory for it",
            )
            .state("deployment", "not touched")
            .hint("its id begins with `b-`, see `switchback backup list`")
            .into());
        }
        return rollback::run(
            session,
            &Rollback {
                run: Some(arguments.run.clone()),
                plan: false,
                accept: arguments.accept.clone(),
            },
        );
    }
    let stop = StopSignal::default();
    let _listening = Listening::begin(&stop).map_err(|error| {
        Problem::new(Exit::Bug, "signals", "signals cannot be listened to").cause(error)
    })?;
    let found = session.deployment()?;
    let opened = repository::open(session, &found, &stop, Missing::Refuse)?;
    let backup = opened
        .find(&arguments.run)
        .map_err(|failure| told(&failure))?
        .clone();
    match &arguments.to {
        Some(directory) => into(session, &opened, &backup, directory),
        None => back(session, &found, &opened, &backup),
    }
}

/// Into a directory of its own, as files.
fn into(
    session: &Session<'_>,
    opened: &Opened,
    backup: &Stored,
    directory: &Path,
) -> Result<Exit, Failed> {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let what = format!("fetching {}", backup.id);
    let fetched = waiting::telling(session.screen, &what, |progress| {
        opened.fetch(backup, &directory, progress)
    })
    .map_err(|failure| told(&failure))?;
    say(session, backup, &fetched.copy());
    Ok(Exit::Ok)
}

/// To where the run had it that made it, so that everything works as if it had never left.
fn back(
    session: &Session<'_>,
    found: &Found,
    opened: &Opened,
    backup: &Stored,
) -> Result<Exit, Failed> {
    let labels = &backup.labels;
    if labels.deployment != found.name {
        return Err(Problem::new(
            Exit::Usage,
            "backup-elsewhere",
            format!(
                "`{}` is of `{}`, not of `{}`",
                backup.id, labels.deployment, found.name
            ),
        )
        .state("deployment", "not touched")
        .hint(format!(
            "bring it back as files: `switchback backup restore {} --to DIR`",
            backup.id
        ))
        .into());
    }
    let root = session.state.backups_of_round(&found.key(), labels.round);
    let directory = root
        .join(labels.run.as_str())
        .join(labels.datastore.as_str());
    if directory.exists() {
        return here_already(session, backup, &directory);
    }
    // On the same filesystem as where it goes, so that it is there whole or not at all.
    let beside = root.join(FETCHED).join(backup.id.as_str());
    remove(&beside)?;
    let what = format!("fetching {}", backup.id);
    let fetched = waiting::telling(session.screen, &what, |progress| {
        opened.fetch(backup, &beside, progress)
    })
    .map_err(|failure| told(&failure))?;
    place_shadow(&fetched, &fetched.copy()).map_err(|failure| told(&failure))?;
    let parent = root.join(labels.run.as_str());
    std::fs::create_dir_all(&parent)
        .and_then(|()| std::fs::rename(fetched.copy(), &directory))
        .map_err(|error| unmovable(&directory, error))?;
    // The shadow's place is where it will be looked for.
    backup::moved_to(&directory, &directory.join(scratch::SHADOW))
        .map_err(|failure| told(&failure))?;
    remove(&beside)?;
    let _ = std::fs::remove_dir(root.join(FETCHED));
    say(session, backup, &directory);
    let journal = session.journal()?;
    let known = journal
        .runs()?
        .iter()
        .any(|record| record.run == labels.run);
    session.screen.next(&if known {
        vec![
            format!("switchback backup prove {}", labels.run),
            format!("switchback rollback {}", labels.run),
        ]
    } else {
        vec!["switchback backup list".to_owned()]
    });
    Ok(Exit::Ok)
}

/// The same is there: nothing to do. Another is there: nothing is done.
fn here_already(session: &Session<'_>, backup: &Stored, directory: &Path) -> Result<Exit, Failed> {
    let manifest = backup::manifest_in(directory).map_err(|failure| told(&failure))?;
    let same = manifest.is_some_and(|manifest| {
        manifest.run == backup.labels.run && manifest.state >= backup.labels.state
    });
    if same {
        session.screen.answer(&format!(
            "{} is on this machine already, in {}\n",
            paint(BOLD, &backup.id),
            directory.display()
        ));
        return Ok(Exit::Ok);
    }
    Err(Problem::new(
        Exit::Refused,
        "restore-exists",
        format!("`{}` is there already", directory.display()),
    )
    .cause("it is no complete backup")
    .state("directory", "unchanged: nothing is ever overwritten")
    .hint("move it away, or name another directory: --to DIR")
    .into())
}

fn say(session: &Session<'_>, backup: &Stored, directory: &Path) {
    let screen = session.screen;
    if screen.json() {
        screen.document(&Document {
            format: FORMAT,
            backup: backup.id.as_str(),
            run: &backup.labels.run,
            datastore: backup.labels.datastore.as_str(),
            directory,
        });
        return;
    }
    screen.answer(&format!(
        "{} {} of {} as of {} UTC is in {}\n",
        paint(GOOD, CHECK),
        paint(BOLD, &backup.labels.datastore),
        paint(DIM, &backup.id),
        backup.made,
        directory.display(),
    ));
}

fn remove(directory: &PathBuf) -> Result<(), Failed> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(unmovable(directory, error).into())
        }
        _ => Ok(()),
    }
}

fn unmovable(directory: &Path, error: std::io::Error) -> Problem {
    Problem::new(
        Exit::Refused,
        "restore-place",
        format!("`{}` cannot be written", directory.display()),
    )
    .cause(error)
    .state("repository", "unchanged")
    .hint("look at who owns it, or name another directory: --to DIR")
}
