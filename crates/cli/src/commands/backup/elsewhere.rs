//! Removing backups that are on another machine: by what made them, over there.

use std::collections::BTreeMap;

use switchback_engine::ports::Context;
use switchback_engine::process::Commands;
use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::exit::Exit;

use super::scratch;
use crate::backups::local::Entry;
use crate::failure::{Failed, told};
use crate::place::deployment::Found;
use crate::render::waiting;
use crate::session::Session;
use crate::site::Place;

/// Removes those of `entries` that are elsewhere. Their manifests here stay, for whoever removes what is here.
pub(super) fn remove(
    session: &Session<'_>,
    found: &Found,
    entries: &[Entry],
    stop: &StopSignal,
) -> Result<(), Failed> {
    let there: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.manifest.there.is_some())
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    let place = Place::open(session, found, stop.clone())?;
    let observed = place.observe(session)?;
    let plan = scratch::plan(
        &place.identity(),
        &place.product,
        &observed.version,
        BTreeMap::new(),
    );
    for entry in there {
        let manifest = &entry.manifest;
        let mut known = observed.datastores.iter();
        let Some(seen) = known.find(|seen| seen.name == manifest.datastore) else {
            return Err(unknown(entry).into());
        };
        let keeper = place.keeper(&seen.name, &seen.location)?;
        let commands = Commands::new(
            session.state.children(&manifest.run),
            place.redactor().clone(),
            stop.clone(),
        );
        let what = format!("removing the backup of {}", manifest.datastore);
        waiting::telling(session.screen, &what, |progress| {
            let context = Context::outside_steps(&plan, &manifest.run, &entry.root, &commands)
                .telling(progress);
            keeper.forget(&context, &manifest.run)
        })
        .map_err(|failure| told(&failure))?;
    }
    Ok(())
}

/// A backup of a datastore that the deployment has no more.
fn unknown(entry: &Entry) -> Problem {
    let manifest = &entry.manifest;
    let place = manifest.there.as_ref();
    let machine = place.map_or("another machine", |there| there.machine.as_str());
    Problem::new(
        Exit::Refused,
        "datastore-missing",
        format!(
            "the deployment has no datastore `{}` any more, whose backup by {} is on `{machine}`",
            manifest.datastore, manifest.run
        ),
    )
    .state("backup", "not touched")
    .hint(format!(
        "remove {} over there, and what its manifest calls its place; then {} here",
        entry.place().display(),
        entry.directory().display()
    ))
}
