//! Stopped services stay stopped: package scripts start what they install, and a machine that comes up
//! again starts what is enabled. A condition in each unit says no to both, without an error that would
//! break a package's script, as a masked unit's would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use switchback_engine::ports::Failure;
use switchback_engine::process::Argv;

use super::place::{Place, unwritable, write_durably};
use super::systemd;

/// Where an administrator's additions to units are.
const UNITS: &str = "/etc/systemd/system";
/// How ours is called.
const CONDITION: &str = "50-switchback-hold.conf";

fn note(place: &Place) -> PathBuf {
    place.notes().join("hold")
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
    if !note.exists() {
        let found = place.units()?;
        let known: Vec<String> = found.into_iter().map(|(_, unit)| unit.id).collect();
        write_durably(&note, &(known.join("\n") + "\n"))
            .map_err(|error| unwritable(&note, &error))?;
    }
    let text = condition(&note);
    let mut changed = false;
    for unit in units(place) {
        let path = addition(&unit);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        write_durably(&path, &text).map_err(|error| unwritable(&path, &error))?;
        changed = true;
    }
    if changed {
        reload(place)?;
    }
    Ok(())
}

/// Whether units are held.
pub(super) fn is_engaged(place: &Place) -> bool {
    note(place).exists()
}

/// Units that were there when the hold began; `None` where there is none.
pub(super) fn known(place: &Place) -> Option<BTreeSet<String>> {
    let text = fs::read_to_string(note(place)).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// Lets units start again. What was known stays until [`forget`].
pub(super) fn release(place: &Place) -> Result<(), Failure> {
    let mut changed = false;
    for unit in units(place) {
        let path = addition(&unit);
        match fs::remove_file(&path) {
            Ok(()) => changed = true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unwritable(&path, &error)),
        }
        if let Some(directory) = path.parent() {
            // Others may have additions of their own there.
            let _ = fs::remove_dir(directory);
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
    match fs::remove_file(&note) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(unwritable(&note, &error))
        }
        _ => Ok(()),
    }
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
