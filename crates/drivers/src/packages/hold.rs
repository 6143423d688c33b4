//! Stopped services stay stopped: package scripts start what they install, and a machine that comes up
//! again starts what is enabled. A condition in each unit says no to both, without an error that would
//! break a package's script, as a masked unit's would.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;

use super::place::Place;
use super::systemd;
use crate::host::unwritable;

/// Where an administrator's additions to units are.
const UNITS: &str = "/etc/systemd/system";
/// How ours is called.
const CONDITION: &str = "50-switchback-hold.conf";

fn note(place: &Place) -> PathBuf {
    place.notes().join("hold")
}

/// Says that every unit has its condition: written last, removed first.
fn mark(place: &Place) -> PathBuf {
    place.notes().join("held")
}

/// The product's units, whether or not the host has them yet: a later version may bring one.
fn units(place: &Place) -> Vec<String> {
    let services = place.services();
    services
        .iter()
        .map(|service| systemd::unit_of(service.as_str()))
        .collect()
}

/// Lets no unit of the product start from now on, over a reboot too.
pub(super) fn engage(place: &Place) -> Result<(), Failure> {
    let note = note(place);
    if !is_engaged(place)? {
        let found = place.units()?;
        let known: Vec<String> = found.into_iter().map(|(_, unit)| unit.id).collect();
        place
            .host
            .write(&note, known.join("\n") + "\n")
            .map_err(|error| unwritable(&note, &error))?;
    }
    let text = condition(&note);
    let mut changed = false;
    for unit in units(place) {
        let path = addition(&unit);
        let failed = |error| unwritable(&path, &error);
        let there = place.host.text_if_there(&path).map_err(failed)?;
        if there.is_some_and(|there| there == text) {
            continue;
        }
        place.host.write(&path, &text).map_err(failed)?;
        changed = true;
    }
    if changed {
        reload(place)?;
    }
    let mark = mark(place);
    place
        .host
        .write(&mark, "")
        .map_err(|error| unwritable(&mark, &error))
}

/// Whether no unit starts, for sure. Between its beginning and this, and again once its end has begun, some may.
pub(super) fn is_in_force(place: &Place) -> Result<bool, Failure> {
    let mark = mark(place);
    place
        .host
        .exists(&mark)
        .map_err(|error| unwritable(&mark, &error))
}

/// Whether units are held.
pub(super) fn is_engaged(place: &Place) -> Result<bool, Failure> {
    let note = note(place);
    place
        .host
        .exists(&note)
        .map_err(|error| unwritable(&note, &error))
}

/// Units that were there when the hold began; `None` where there is none.
pub(super) fn known(place: &Place) -> Result<Option<BTreeSet<String>>, Failure> {
    let note = note(place);
    let text = place
        .host
        .text_if_there(&note)
        .map_err(|error| unwritable(&note, &error))?;
    Ok(text.map(|text| text.lines().map(str::to_owned).collect()))
}

/// Lets units start again. What was known stays until [`forget`].
pub(super) fn release(place: &Place) -> Result<(), Failure> {
    let mark = mark(place);
    place
        .host
        .remove(&mark)
        .map_err(|error| unwritable(&mark, &error))?;
    let mut changed = false;
    for unit in units(place) {
        let path = addition(&unit);
        let failed = |error| unwritable(&path, &error);
        if !place.host.exists(&path).map_err(failed)? {
            continue;
        }
        place.host.remove(&path).map_err(failed)?;
        changed = true;
        if let Some(directory) = path.parent() {
            // Others may have additions of their own there.
            let _ = place.host.remove_empty(directory);
        }
    }
    if changed {
        reload(place)?;
    }
    Ok(())
}

/// Forgets what was known when the hold began: everything runs again.
pub(super) fn forget(place: &Place) -> Result<(), Failure> {
    let note = note(place);
    place
        .host
        .remove(&note)
        .map_err(|error| unwritable(&note, &error))
}

fn addition(unit: &str) -> PathBuf {
    Path::new(UNITS).join(format!("{unit}.d")).join(CONDITION)
}

fn condition(note: &Path) -> String {
    // A percent sign begins a specifier there.
    let note = note.to_string_lossy().replace('%', "%%");
    format!(
        "# Written by switchback: an upgrade is under way, and what it stopped stays stopped.\n\
         # It removes this file when it starts the service again.\n\
         [Unit]\n\
         ConditionPathExists=!{note}\n"
    )
}

fn reload(place: &Place) -> Result<(), Failure> {
    let argv: Argv = systemd::systemctl(["daemon-reload"]);
    place
        .ask(&argv, "cannot make systemd read its units anew")
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_names_the_note_as_systemd_reads_it() {
        let text = condition(Path::new("/srv/50% off/.switchback/hold"));
        assert!(text.ends_with("ConditionPathExists=!/srv/50%% off/.switchback/hold\n"));
        assert_eq!(
            addition("st2api.service"),
            Path::new("/etc/systemd/system/st2api.service.d/50-switchback-hold.conf")
        );
    }
}
