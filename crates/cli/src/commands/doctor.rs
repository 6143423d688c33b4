//! `switchback doctor`: every check that is made before anything stops, any time.

mod recalled;
mod stacks;

use serde::Serialize;
use switchback_engine::signal::StopSignal;
use switchback_model::Problem;
use switchback_model::exit::Exit;
use switchback_model::observed::{Filesystem, Observed, Service, ServiceState};
use switchback_model::product::Lock;
use switchback_planner::{locks_unasked, obstacles};

use super::init;
use super::rehearse::{self, CopyHere, CopyStanding};
use crate::failure::Failed;
use crate::place::deployment::Found;
use crate::render::style::{BAD, BANG, BOLD, CHECK, CROSS, GOOD, WARN, paint};
use crate::render::{measure, problem, wrap};
use crate::runs::{self, Standing};
use crate::session::Session;
use crate::site::Place;

/// Version of the JSON document.
const FORMAT: u32 = 1;
/// Less free space than this hardly holds a journal, let alone a backup.
const LITTLE: u64 = 500_000_000;

#[derive(Serialize)]
struct Document {
    format: u32,
    checks: Vec<Check>,
}

/// One check and what it found.
#[derive(Serialize)]
struct Check {
    name: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Good,
    Unsure,
    Bad,
}

/// Checks, and says what it found; ends with `3` where an upgrade would be refused.
pub(crate) fn run(session: &Session<'_>) -> Result<Exit, Failed> {
    let mut checks = vec![journal(session)];
    match session.deployment() {
        Ok(found) => about(session, &found, &mut checks),
        Err(failed) => checks.push(Check::of("configuration", &failed.problem)),
    }
    let worst = checks.iter().map(|check| check.verdict).max();
    if session.screen.json() {
        session.screen.document(&Document {
            format: FORMAT,
            checks,
        });
    } else {
        let names = checks.iter().map(|check| check.name.chars().count());
        let widest = names.max().unwrap_or(0);
        for check in &checks {
            let shown = check.text(widest, session.screen.width);
            session.screen.answer(&shown);
        }
        let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad);
        match bad.count() {
            0 => session.screen.next(&["switchback plan".to_owned()]),
            count => session.screen.answer(&format!(
                "{} in the way of an upgrade\n",
                measure::plural(count as u64, "thing is", "things are")
            )),
        }
    }
    if worst == Some(Verdict::Bad) {
        let refused = Problem::new(Exit::Refused, "doctor", "something needs repair");
        return Err(Failed::shown(refused));
    }
    Ok(Exit::Ok)
}

fn about(session: &Session<'_>, found: &Found, checks: &mut Vec<Check>) {
    checks.push(Check::good(
        "configuration",
        format!("{} in {}", found.name, found.directory.display()),
    ));
    checks.push(match open_run(session, found) {
        Ok(check) => check,
        Err(failed) => Check::of("runs", &failed.problem),
    });
    match session
        .journal()
        .and_then(|journal| rehearse::copies(session, &journal, found))
    {
        Ok(copies) => checks.extend(copies.iter().map(of_copy)),
        Err(failed) => checks.push(Check::of("rehearsal", &failed.problem)),
    }
    let place = match Place::open(session, found, StopSignal::default()) {
        Ok(place) => place,
        Err(failed) => return checks.push(Check::of("deployment", &failed.problem)),
    };
    if let Some(stacks) = place.stacks() {
        return checks.extend(stacks::checks(session, &place, found, stacks));
    }
    match place.observe(session) {
        Ok(observed) => {
            looked(&observed, checks);
            for problem in obstacles(&place.product, &found.config, &observed) {
                checks.push(Check::of(&problem.code, &problem));
            }
            locks(&place, found, &observed, checks);
        }
        Err(problem) => checks.push(Check::of("deployment", &problem)),
    }
}

/// Those that are held are among the obstacles.
fn locks(place: &Place, found: &Found, observed: &Observed, checks: &mut Vec<Check>) {
    let unasked = locks_unasked(&place.product, &found.config, observed);
    for lock in &unasked {
        checks.push(Check {
            name: format!("lock {}", lock.id),
            verdict: Verdict::Unsure,
            found: format!("nothing could tell whether there is {}", lock.what),
            problem: None,
        });
    }
    let held = checks.iter().any(|check| check.name == "lock-held");
    let answered = |lock: &Lock| observed.probes.contains_key(&lock.probe);
    let known = &place.product.locks;
    if !held && !known.is_empty() && known.iter().all(answered) {
        let locks = measure::plural(known.len() as u64, "lock", "locks");
        checks.push(Check::good("locks", format!("none held of {locks} known")));
    }
}

fn looked(observed: &Observed, checks: &mut Vec<Check>) {
    checks.push(Check::good(
        "deployment",
        format!(
            "{} project {}, version {}",
            observed.deployment.driver, observed.deployment.project, observed.version
        ),
    ));
    for service in &observed.services {
        checks.push(of_service(service));
    }
    for datastore in &observed.datastores {
        checks.push(Check {
            name: format!("datastore {}", datastore.name),
            verdict: if datastore.size.is_some() {
                Verdict::Good
            } else {
                Verdict::Unsure
            },
            found: init::described(datastore),
            problem: None,
        });
    }
    let mut devices: Vec<&str> = Vec::new();
    for filesystem in &observed.filesystems {
        if !filesystem.writable {
            checks.push(unwritable(filesystem));
        }
        if !devices.contains(&filesystem.device.as_str()) {
            devices.push(&filesystem.device);
            checks.push(space(filesystem, &observed.filesystems));
        }
    }
    // Those that refuse a plan are among the planner's obstacles.
    let advice = |problem: &&Problem| problem.exit != Exit::Refused;
    for problem in observed.problems.iter().filter(advice) {
        checks.push(Check::of(&problem.code, problem));
    }
}

/// A copy takes memory and space, and is nobody's production.
fn of_copy(copy: &CopyHere) -> Check {
    Check {
        name: format!("copy {}", copy.rehearsal),
        verdict: match copy.standing {
            CopyStanding::InUse => Verdict::Good,
            CopyStanding::Kept | CopyStanding::Left => Verdict::Unsure,
        },
        found: copy.in_words(),
        problem: None,
    }
}

fn of_service(service: &Service) -> Check {
    let (verdict, word) = match service.state {
        ServiceState::Running => (Verdict::Good, "runs"),
        ServiceState::Stopped => (Verdict::Unsure, "is stopped"),
        ServiceState::Absent => (Verdict::Unsure, "was never created"),
        ServiceState::Restarting => (Verdict::Bad, "restarts again and again"),
    };
    Check {
        name: format!("service {}", service.name),
        verdict,
        found: format!("{word}, {}", service.image),
        problem: None,
    }
}

fn unwritable(filesystem: &Filesystem) -> Check {
    Check {
        name: "directory".to_owned(),
        verdict: Verdict::Bad,
        found: format!(
            "{} cannot be written, for {}",
            filesystem.path,
            filesystem.uses.join(", ")
        ),
        problem: None,
    }
}

/// Uses with the same identity share their space, so they share a line.
fn space(first: &Filesystem, all: &[Filesystem]) -> Check {
    let uses: Vec<&str> = all
        .iter()
        .filter(|other| other.device == first.device)
        .flat_map(|other| other.uses.iter().map(String::as_str))
        .collect();
    Check {
        name: "space".to_owned(),
        verdict: if first.free < LITTLE {
            Verdict::Unsure
        } else {
            Verdict::Good
        },
        found: format!(
            "{} of {} free, for {}",
            measure::bytes(first.free),
            measure::bytes(first.total),
            uses.join(", ")
        ),
        problem: None,
    }
}

/// The chain over all events, from the first.
fn journal(session: &Session<'_>) -> Check {
    let audited = session
        .journal()
        .and_then(|journal| journal.verify().map_err(Failed::from));
    match audited {
        Ok(audit) => Check::good(
            "journal",
            format!(
                "{} in {}, chain intact, in {}",
                measure::plural(audit.events, "event", "events"),
                measure::plural(audit.runs, "run", "runs"),
                session.state.root().display()
            ),
        ),
        Err(failed) => Check::of("journal", &failed.problem),
    }
}

fn open_run(session: &Session<'_>, found: &Found) -> Result<Check, Failed> {
    let journal = session.journal()?;
    let Some((record, standing)) = runs::open(session, &journal, &found.key())? else {
        return Ok(Check::good("runs", "none is open".to_owned()));
    };
    let reason = standing.reason().unwrap_or_default();
    let problem = match &standing {
        Standing::Running { .. } => None,
        _ => Some(
            Problem::new(Exit::Halted, "run-open", reason.clone())
                .hint("go on with it, or go back: `switchback status` tells how"),
        ),
    };
    Ok(Check {
        name: "runs".to_owned(),
        verdict: Verdict::Unsure,
        found: format!("{} is {}: {reason}", record.run, standing.word()),
        problem,
    })
}

impl Check {
    fn good(name: &str, found: String) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::Good,
            found,
            problem: None,
        }
    }

    fn of(name: &str, problem: &Problem) -> Self {
        Self {
            name: name.to_owned(),
            verdict: if problem.exit == Exit::Ok {
                Verdict::Unsure
            } else {
                Verdict::Bad
            },
            found: problem.what.clone(),
            problem: Some(problem.clone()),
        }
    }

    fn text(&self, name_width: usize, width: usize) -> String {
        let mark = match self.verdict {
            Verdict::Good => paint(GOOD, CHECK).to_string(),
            Verdict::Unsure => paint(WARN, BANG).to_string(),
            Verdict::Bad => paint(BAD, CROSS).to_string(),
        };
        let name = format!("{:<name_width$}", self.name);
        let first = format!("{mark} {}  ", paint(BOLD, name));
        let mut text = wrap::hanging(&first, &self.found, width);
        text.push('\n');
        if let Some(told) = &self.problem {
            // The first line says what `found` says.
            for line in problem::text(told, width.saturating_sub(2)).lines().skip(1) {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}
