//! `switchback backup list`: what is here, what is in the repository, and how long it stays.

use std::path::PathBuf;

use serde::Serialize;
use switchback_backup::{Opened, Stored};
use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::exit::Exit;

use crate::backups::listed::{Here, There};
use crate::backups::local;
use crate::backups::repository::{self, Missing};
use crate::failure::{Failed, told};
use crate::place::deployment::Found;
use crate::render::backups;
use crate::session::Session;

/// Version of the JSON document.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document {
    format: u32,
    deployment: String,
    directory: PathBuf,
    backups: Vec<Here>,
    /// Backups on this machine of which it cannot be told what they are, each with what is wrong.
    unreadable: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<Repository>,
}

#[derive(Serialize)]
struct Repository {
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
    backups: Vec<There>,
}

pub(super) fn run(session: &Session<'_>) -> Result<Exit, Failed> {
    let found = session.deployment()?;
    let directory = session.state.backups(&found.key());
    let mut lines = Vec::new();
    let mut unreadable = Vec::new();
    for entry in local::entries(&directory)? {
        match entry {
            Ok(entry) => lines.push(here(entry)),
            Err(failure) => unreadable.push(told(&failure)),
        }
    }
    let repository = look(session, &found);
    let screen = session.screen;
    if screen.json() {
        screen.document(&Document {
            format: FORMAT,
            deployment: found.name,
            directory,
            backups: lines,
            unreadable,
            repository,
        });
        return Ok(Exit::Ok);
    }
    // Where none can be read, nobody may take it that there are none.
    if !lines.is_empty() || unreadable.is_empty() {
        let elsewhere = repository.is_some();
        screen.answer(&on_this_machine(
            &found.name,
            &lines,
            elsewhere,
            screen.width,
        ));
    }
    let problem = repository.as_ref().and_then(|there| there.problem.as_ref());
    if let Some(there) = repository.as_ref().filter(|there| there.problem.is_none()) {
        screen.answer(&format!("\nIn the repository {}\n", there.place));
        if there.backups.is_empty() {
            screen.answer("  nothing of this deployment yet\n");
        } else {
            screen.answer(&backups::there(&there.backups).text(screen.width));
        }
    }
    for problem in unreadable.iter().chain(problem) {
        screen.advice(&crate::render::problem::text(
            problem,
            screen.progress_width,
        ));
    }
    let last_there = repository.as_ref().and_then(|there| there.backups.last());
    if let Some(last) = last_there {
        screen.next(&[format!("switchback backup prove {}", last.id)]);
    } else if let Some(last) = lines.last() {
        screen.next(&[format!("switchback backup prove {}", last.run)]);
    }
    Ok(Exit::Ok)
}

fn here(entry: local::Entry) -> Here {
    Here {
        directory: entry.place(),
        machine: entry
            .manifest
            .there
            .as_ref()
            .map(|there| there.machine.clone()),
        round: entry.round,
        objects: entry.manifest.contents.total(),
        bytes: entry.bytes(),
        run: entry.manifest.run,
        datastore: entry.manifest.datastore,
        kind: entry.manifest.kind,
        engine: entry.manifest.engine,
        state: entry.manifest.state,
        at: entry.manifest.at,
    }
}

fn on_this_machine(deployment: &str, lines: &[Here], elsewhere: bool, width: usize) -> String {
    if lines.is_empty() {
        let only_here = if elsewhere { "on this machine " } else { "" };
        return format!("No backups of {deployment} {only_here}yet: apply makes them\n");
    }
    backups::here(lines).text(width)
}

/// What is in the repository; one that cannot be opened hides nothing of what is here.
fn look(session: &Session<'_>, found: &Found) -> Option<Repository> {
    let place = found.config.backup.repository.clone()?;
    match repository::open(session, found, &StopSignal::default(), Missing::Refuse) {
        Ok(opened) => Some(Repository {
            place,
            problem: None,
            backups: judged(&opened, found),
        }),
        Err(failed) => Some(Repository {
            place,
            problem: Some(*failed.problem),
            backups: Vec::new(),
        }),
    }
}

fn judged(opened: &Opened, found: &Found) -> Vec<There> {
    let stored: Vec<Stored> = opened
        .backups(Some(&found.name))
        .into_iter()
        .cloned()
        .collect();
    let kept = repository::retention(&found.config.backup).judge(&stored);
    let mut lines: Vec<There> = stored
        .into_iter()
        .map(|backup| {
            let judged = kept.iter().find(|kept| kept.id == backup.id);
            There {
                proven: backup.proven_on().map(str::to_owned),
                id: backup.id.to_string(),
                snapshot: backup.snapshot,
                run: backup.labels.run,
                round: backup.labels.round,
                datastore: backup.labels.datastore,
                kind: backup.labels.kind,
                version: backup.labels.version,
                state: backup.labels.state,
                bytes: backup.bytes,
                at: backup.made.0,
                host: backup.host,
                kept: judged.map(|kept| kept.by.clone()).unwrap_or_default(),
                expired: judged.is_some_and(|kept| kept.expired),
            }
        })
        .collect();
    lines.sort_by(|one, other| (one.at, &one.datastore).cmp(&(other.at, &other.datastore)));
    lines
}
