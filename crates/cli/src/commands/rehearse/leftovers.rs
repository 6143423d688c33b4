//! Nothing of a rehearsal stays: at its end, after a crash, and when the operator is done with a copy
//! that was kept.

use std::fs;

use serde::Serialize;
use switchback_datastores::backup;
use switchback_drivers::compose::copy::CopiedProject;
use switchback_engine::ports::Context;
use switchback_engine::process::{Commands, end_leftovers};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_journal::{Journal, Life, ProcessIdentity};
use switchback_model::exit::Exit;
use switchback_model::{Problem, RunId};

use super::copying::for_copying;
use super::stacks;
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::rehearsals::{Marker, Rehearsals, turn};
use crate::render::{measure, waiting};
use crate::session::Session;
use crate::site::Place;

/// A copy of a deployment that is there now.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CopyHere {
    /// Of which rehearsal.
    pub(crate) rehearsal: String,
    /// Where its files are.
    pub(crate) directory: String,
    /// Its Compose project, once it has one.
    pub(crate) project: Option<String>,
    /// The stack of copies at AWS, once it may be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack: Option<String>,
    /// Why it is there.
    pub(crate) standing: CopyStanding,
}

/// Why a copy is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CopyStanding {
    /// Its rehearsal goes on.
    InUse,
    /// The operator wanted to keep it.
    Kept,
    /// Its process is gone.
    Left,
}

impl CopyHere {
    /// Why it is there, where it is, and what removes it.
    pub(crate) fn in_words(&self) -> String {
        let project = match (&self.stack, &self.project) {
            (Some(stack), _) => format!("stack {stack} at AWS, which bills it"),
            (None, Some(project)) => format!("project {project}, files in {}", self.directory),
            (None, None) => format!("files in {}", self.directory),
        };
        match self.standing {
            CopyStanding::InUse => format!("in use, its rehearsal goes on: {project}"),
            CopyStanding::Kept => format!("kept: {project}; to remove it: {REMOVE}"),
            CopyStanding::Left => {
                format!("left by a process that ended: {project}; to remove it: {REMOVE}")
            }
        }
    }
}

/// What removes copies that nobody uses.
pub(crate) const REMOVE: &str = "switchback rehearse --clean";

/// The copies of a deployment, for those who want to know what occupies the machine.
pub(crate) fn copies(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
) -> Result<Vec<CopyHere>, Failed> {
    let holder = journal.holder(&turn(&found.key()))?;
    let in_use = holder.filter(|holder| {
        !matches!(
            holder.process.life(&ProcessIdentity::current()),
            Life::Dead(_)
        )
    });
    let here = |marker: Marker| CopyHere {
        directory: Rehearsals::of(&session.state)
            .place(&marker.id)
            .display()
            .to_string(),
        standing: match &in_use {
            Some(holder) if holder.run.as_str() == marker.id => CopyStanding::InUse,
            _ if marker.kept => CopyStanding::Kept,
            _ => CopyStanding::Left,
        },
        rehearsal: marker.id,
        project: marker.project,
        stack: marker.stack,
    };
    Ok(of(session, found).into_iter().map(here).collect())
}

/// Removes copies of this deployment whose process is gone. Whoever calls this holds the turn: nobody
/// else rehearses.
pub(super) fn remove_dead(session: &Session<'_>, found: &Found) -> Result<(), Failed> {
    for marker in of(session, found) {
        tidy_production(session, found, &marker);
        remove(session, &marker)?;
        let word = if marker.kept {
            "that was kept"
        } else {
            "that was left by a process that ended"
        };
        session.screen.advice(&format!(
            "Removed the copy of rehearsal {} {word}\n",
            marker.id
        ));
    }
    Ok(())
}

/// `rehearse --clean`.
pub(super) fn clean(session: &Session<'_>) -> Result<Exit, Failed> {
    let found = session.deployment()?;
    let journal = session.journal()?;
    let lease = super::turn::take_turn(&journal, &found.key(), "e-clean")?;
    let number = of(session, &found).len();
    let removed = remove_dead(session, &found);
    journal.release(&lease)?;
    removed?;
    let said = match number {
        0 => "no copy was left".to_owned(),
        number => format!(
            "{} removed",
            measure::plural(number as u64, "copy", "copies")
        ),
    };
    if session.screen.json() {
        session
            .screen
            .json_line(&serde_json::json!({"format": 1, "removed": number}));
    } else {
        session.screen.answer(&format!("{}: {said}\n", found.name));
    }
    Ok(Exit::Ok)
}

fn of(session: &Session<'_>, found: &Found) -> Vec<Marker> {
    let key = found.key();
    let mut marked = Rehearsals::of(&session.state).marked();
    marked
        .retain(|marker| marker.deployment == key.deployment && marker.directory == key.directory);
    marked
}

/// Ends what a dead rehearsal left in production's servers: sessions, scratch containers.
fn tidy_production(session: &Session<'_>, found: &Found, marker: &Marker) {
    let Ok(plan) = session.state.plan(&marker.plan) else {
        return;
    };
    // A rehearsal of stacks leaves nothing in production's own.
    if plan.account.is_some() {
        return;
    }
    let plan = for_copying(&plan);
    let stop = StopSignal::default();
    let Ok(place) = Place::open(session, found, stop.clone()) else {
        return;
    };
    let directory = Rehearsals::of(&session.state).place(&marker.id);
    let commands = Commands::new(
        directory.join("children"),
        place.redactor().clone(),
        stop.clone(),
    );
    let run = RunId::new(&marker.id);
    let captured = directory.join("captured");
    let cx = Context::outside_steps(&plan, &run, &captured, &commands);
    // A server that is down has no sessions of ours; the next rehearsal says that it is down.
    for (name, datastore) in &plan.datastores {
        if let Ok(keeper) = place.keeper(name, &datastore.location) {
            let _ = keeper.clean(&cx);
        }
    }
    let _ = place.driver().clean(&cx);
}

/// Removes a copy with everything of it: children, containers, networks, volumes, files; the marker last.
pub(super) fn remove(session: &Session<'_>, marker: &Marker) -> Result<(), Failed> {
    let directory = Rehearsals::of(&session.state).place(&marker.id);
    waiting::during(session.screen, "removing the copy", || {
        let children = fs::read_dir(directory.join("state/runs"));
        let children = children.into_iter().flatten().flatten();
        for run in children {
            let _ = end_leftovers(&run.path().join("children"));
        }
        let _ = end_leftovers(&directory.join("children"));
        if marker.stack.is_some() {
            stacks::remove(session, marker)?;
        }
        if let Some(project) = &marker.project {
            let commands = Commands::new(
                directory.join("children"),
                Redactor::default(),
                StopSignal::default(),
            );
            let project = CopiedProject {
                name: project.clone(),
                directory: directory.join("deployment"),
            };
            project.remove(&commands).map_err(|error| {
                // With what `docker` said: the Engine may be away.
                let causes = error.into_failure("docker", "").causes.into_iter();
                causes.fold(
                    marker.left("its containers cannot be removed"),
                    Problem::cause,
                )
            })?;
        }
        // A shadow may have been begun beside production's data, where a rename leads to them.
        let begun = backup::list(&directory.join("captured")).unwrap_or_default();
        for place in begun.into_iter().flatten().filter_map(|kept| kept.place) {
            match fs::remove_dir_all(&place) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(marker
                        .left("a shadow cannot be removed")
                        .cause(error)
                        .into());
                }
                _ => {}
            }
        }
        // The marker goes last: what a crash leaves here is found again.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                fs::remove_dir_all(&path)
                    .map_err(|error| marker.left("its files cannot be removed").cause(error))?;
            }
        }
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(marker
                .left("its files cannot be removed")
                .cause(error)
                .into()),
            _ => Ok(()),
        }
    })
}
