//! Units are stopped until nothing of the product is left, and started until all of it runs.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use switchback_engine::ports::{Context, Failure};
use switchback_engine::process::Argv;
use switchback_engine::signal::Urgency;
use switchback_model::ServiceName;
use switchback_model::event::Completed;

use super::hold;
use super::place::Place;
use super::processes::Marks;
use super::systemd::{self, Unit};
use crate::host::process::Process;
use crate::host::{Seen, unwritable};

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(200);
/// The kernel ends what was killed within this, unless it hangs in a device.
const KILLED: Duration = Duration::from_secs(20);
/// Lines of a unit's log that are shown with a failure.
const LINES: &str = "20";

/// What of the product still runs, in words; `None` where nothing does. What is `asked` about comes first, and what
/// is told of the others says that it is stopped itself.
pub(super) fn left(place: &Place, asked: &[ServiceName]) -> Result<Option<String>, Failure> {
    let units = place.units()?;
    let mut up = units.iter().filter(|(_, unit)| !unit.is_down());
    let told = |(service, unit): &(ServiceName, Unit)| format!("`{service}` is {}", unit.active);
    if let Some(own) = up.clone().find(|(service, _)| asked.contains(service)) {
        return Ok(Some(told(own)));
    }
    if let Some(other) = up.next() {
        return Ok(Some(match asked {
            [] => told(other),
            _ => format!("stopped, while {}", told(other)),
        }));
    }
    let marks = Marks::read(place, ids(&units))?;
    Ok(marks
        .all(place)?
        .first()
        .map(|process| format!("{} is left", process.told())))
}

/// Stops every unit of the product, and ends whatever of it is left. From here on none starts until
/// [`start`].
pub(super) fn stop(place: &Place, cx: &Context<'_>) -> Result<Completed, Failure> {
    hold::engage(place)?;
    let mut completed = Completed::AlreadyDone;
    let units = place.units()?;
    let marks = Marks::read(place, ids(&units))?;
    let mut words: Vec<String> = units
        .iter()
        .flat_map(|(_, unit)| unit.triggers.iter().cloned())
        .collect();
    if units.iter().any(|(_, unit)| !unit.is_down()) {
        completed = Completed::Done;
    }
    words.extend(ids(&units));
    if !words.is_empty() {
        // Not waited for by systemctl: how long a service may take is ours to say.
        let argv = systemd::systemctl(["stop", "--no-block", "--"]).args(words);
        place.ask(&argv, "cannot stop the services")?;
    }
    let patience = Duration::from_secs(place.patience());
    if let Some(stubborn) = wait_for_units(place, cx, patience)? {
        let argv = systemd::systemctl(["kill", "--signal=KILL", "--"]).args(stubborn);
        // One that ended in this moment is none any more.
        place.try_to(&argv, "cannot end the services")?;
        if let Some(stubborn) = wait_for_units(place, cx, KILLED)? {
            return Err(not_stopped(&stubborn.join(" ")));
        }
    }
    for (signal, patience) in [(Signal::TERM, patience), (Signal::KILL, KILLED)] {
        let left = marks.all(place)?;
        if left.is_empty() {
            return Ok(completed);
        }
        completed = Completed::Done;
        let processes: Vec<Process> = left.iter().map(|seen| seen.process).collect();
        place
            .host
            .signal(&processes, signal)
            .map_err(|error| unwritable(Path::new("/proc"), &error))?;
        wait_for_processes(place, cx, &left, patience)?;
    }
    match marks.all(place)?.first() {
        None => Ok(completed),
        Some(process) => Err(not_stopped(&process.told())),
    }
}

/// Waits until the units are down; those that are not within `patience`.
fn wait_for_units(
    place: &Place,
    cx: &Context<'_>,
    patience: Duration,
) -> Result<Option<Vec<String>>, Failure> {
    let begun = Instant::now();
    loop {
        let up: Vec<String> = place
            .units()?
            .into_iter()
            .filter(|(_, unit)| !unit.is_down())
            .map(|(_, unit)| unit.id)
            .collect();
        if up.is_empty() {
            return Ok(None);
        }
        if begun.elapsed() > patience {
            return Ok(Some(up));
        }
        waited(cx, &up.join(" "), begun)?;
    }
}

fn wait_for_processes(
    place: &Place,
    cx: &Context<'_>,
    left: &[Seen],
    patience: Duration,
) -> Result<(), Failure> {
    let begun = Instant::now();
    for seen in left {
        let lives = || {
            let lives = place.host.lives(seen.process);
            lives.map_err(|error| unwritable(Path::new("/proc"), &error))
        };
        while begun.elapsed() <= patience && lives()? {
            waited(cx, &seen.told(), begun)?;
        }
    }
    Ok(())
}

fn waited(cx: &Context<'_>, what: &str, begun: Instant) -> Result<(), Failure> {
    let doing = format!("waiting for {what} to stop");
    let seconds = begun.elapsed().as_secs();
    cx.progress.report(&doing, Some(seconds), None, Some("s"));
    if cx.stop.urgency() == Urgency::Now {
        return Err(
            Failure::stopped(format!("stopped waiting for {what} to stop"))
                .hint("switchback resume waits for it again"),
        );
    }
    std::thread::sleep(LOOK);
    Ok(())
}

fn not_stopped(what: &str) -> Failure {
    Failure::new("service-not-stopped", format!("{what} does not end"))
        .state(what, "runs, though it was killed")
        .hint("see what it waits for: ps -eo pid,stat,wchan:30,args (state D: a disk or a file server that does not answer)")
        .hint("when it is gone: switchback resume; nothing goes on before that")
}

/// Lets units start again and starts `services`, and what a new version brought and enabled.
pub(super) fn start(
    place: &Place,
    cx: &Context<'_>,
    services: &[ServiceName],
) -> Result<Vec<ServiceName>, Failure> {
    hold::release(place)?;
    let units = place.units()?;
    let known = hold::known(place)?;
    let is_new = |unit: &Unit| {
        let enabled = matches!(unit.file.as_str(), "enabled" | "enabled-runtime");
        enabled
            && known
                .as_ref()
                .is_some_and(|known| !known.contains(&unit.id))
    };
    let wanted: Vec<(ServiceName, Unit)> = units
        .into_iter()
        .filter(|(service, unit)| services.contains(service) || is_new(unit))
        .collect();
    for (service, unit) in &wanted {
        cx.progress
            .report(&format!("starting {service}"), None, None, None);
        start_one(place, unit)?;
    }
    for service in services {
        if !wanted.iter().any(|(found, _)| found == service) {
            return Err(
                Failure::new("start-failed", format!("there is no unit for `{service}`"))
                    .hint("see whether its package brought it: systemctl list-unit-files"),
            );
        }
    }
    hold::forget(place)?;
    Ok(wanted.into_iter().map(|(service, _)| service).collect())
}

fn start_one(place: &Place, unit: &Unit) -> Result<(), Failure> {
    let what = format!("cannot start `{}`", unit.id);
    // One that was killed, or failed too often, would be refused.
    if unit.active == "failed" {
        let argv = systemd::systemctl(["reset-failed", "--"]).arg(unit.id.as_str());
        place.ask(&argv, &what)?;
    }
    let argv = systemd::systemctl(["start", "--"]).arg(unit.id.as_str());
    let told = place.ask(&argv, &what);
    let now = place
        .units()?
        .into_iter()
        .find(|(_, found)| found.id == unit.id);
    match (told, now) {
        (Ok(_), Some((_, now))) if now.is_up() => Ok(()),
        (told, now) => {
            let mut failure = told.err().unwrap_or_default();
            failure.code = "start-failed".to_owned();
            failure.what = what;
            failure.output = last_words(place, &unit.id);
            if let Some((_, now)) = now {
                failure = failure.state(unit.id.as_str(), format!("{} ({})", now.active, now.sub));
            }
            Err(failure.hint(format!(
                "see why: journalctl --unit {}; then switchback resume, or switchback rollback",
                unit.id
            )))
        }
    }
}

/// The end of a unit's log, redacted.
pub(super) fn last_words(place: &Place, unit: &str) -> Option<String> {
    let argv = Argv::new(
        "journalctl",
        ["--no-pager", "--output=cat", "--lines", LINES],
    )
    .args(["--unit", unit]);
    let said = place.ask(&argv, "cannot read its log").ok()?;
    (!said.trim().is_empty()).then(|| place.commands.redactor().mask(&said))
}

fn ids(units: &[(ServiceName, Unit)]) -> Vec<String> {
    units.iter().map(|(_, unit)| unit.id.clone()).collect()
}
