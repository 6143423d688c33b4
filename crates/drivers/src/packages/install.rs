//! One set of packages takes another's place: by a program that runs without us, between two sets that are
//! noted first. Whatever ends in the middle, the same call finds out how far it came and goes on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use switchback_engine::ports::{Context, Failure, MigrationTrace};
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::{FileEdit, Purpose};
use switchback_model::{Digest, RunId};

use super::packaging::Found;
use super::place::Place;
use super::record::Record;
use super::set::Set;
use super::{conffiles, locks, problems, store, units};
use crate::detached::one_off::OneOff;
use crate::host::unwritable;
use crate::log::Log;

/// What an installation may do before it is told that it did not get there: configure what was begun,
/// install, and both once more where the first found packages that have to be installed anew.
const TRIES: u32 = 4;

/// Between which sets an installation is: written before anything changes, removed when all is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The run that began it.
    pub(super) run: RunId,
    /// What was installed.
    pub(super) from: String,
    /// What will be.
    pub(super) to: String,
    /// Whether one was ended in the middle, of which the record need not tell: all of it is installed anew then.
    #[serde(default)]
    pub(super) anew: bool,
}

impl Note {
    fn path(place: &Place) -> PathBuf {
        place.notes().join("installing")
    }

    fn read(place: &Place) -> Result<Option<Self>, Failure> {
        let path = Self::path(place);
        let text = place.host.text_if_there(&path);
        let text = text.map_err(|error| unwritable(&path, &error))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn write(&self, place: &Place) -> Result<(), Failure> {
        let path = Self::path(place);
        let text = serde_json::to_string(self).unwrap_or_default();
        let written = place.host.write(&path, &text);
        written.map_err(|error| unwritable(&path, &error))
    }

    fn remove(place: &Place) -> Result<(), Failure> {
        let path = Self::path(place);
        let removed = place.host.remove(&path);
        removed.map_err(|error| unwritable(&path, &error))
    }

    fn ends(&self) -> Option<(Set, Set)> {
        Some((Set::parse(&self.from)?, Set::parse(&self.to)?))
    }
}

/// How far the product's packages are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// All of them are whole.
    Settled(Record),
    /// An installation of ours is under way, or was ended in the middle.
    Between(Record, Note),
    /// Some are half installed, and not by us.
    Broken(Record),
}

/// Looks how far the product's packages are.
pub(super) fn standing(place: &Place) -> Result<Standing, Failure> {
    let record = place.record()?;
    let note = Note::read(place)?;
    let begun = match one_off(place).trace()? {
        MigrationTrace::Running => true,
        _ => note.as_ref().is_some_and(|note| note.anew) || is_unsure(place)?,
    };
    Ok(judged(record, note, begun))
}

/// Whether an installation ended otherwise than well, and the record need not tell.
fn is_unsure(place: &Place) -> Result<bool, Failure> {
    let trace = one_off(place).trace()?;
    let ended_well = matches!(
        trace,
        MigrationTrace::NeverStarted | MigrationTrace::Running | MigrationTrace::Exited { code: 0 }
    );
    Ok(!ended_well && !place.packaging().words().record_is_exact)
}

/// What the record of packages counts as. In the middle of an installation of ours it is neither what was nor what will
/// be; then it counts as what will be, so that nobody takes it for a change by somebody else.
pub(super) fn digest(place: &Place) -> Result<Digest, Failure> {
    let standing = standing(place)?;
    let (Standing::Settled(record) | Standing::Between(record, _) | Standing::Broken(record)) =
        &standing;
    let towards = match &standing {
        Standing::Between(_, note) => Set::parse(&note.to),
        _ => None,
    };
    Ok(towards.as_ref().unwrap_or(&record.set).digest())
}

fn judged(record: Record, note: Option<Note>, begun: bool) -> Standing {
    let ends = note.as_ref().and_then(Note::ends);
    match (note, ends) {
        (Some(note), Some((from, to))) if record.set.is_between(&from, &to) => {
            // Where it has arrived and the note is there still, what comes after it is not done.
            if begun || record.is_half() || record.set != from || from == to {
                Standing::Between(record, note)
            } else {
                Standing::Settled(record)
            }
        }
        _ if record.is_half() => Standing::Broken(record),
        _ => Standing::Settled(record),
    }
}

/// Forgets an installation that was noted and never began: another step, or nobody, takes its place.
pub(super) fn forget_unbegun(place: &Place) -> Result<(), Failure> {
    let Some(note) = Note::read(place)? else {
        return Ok(());
    };
    match standing(place)? {
        Standing::Settled(record) if record.set.to_string() == note.from => {
            Note::remove(place)?;
            one_off(place).remove()
        }
        _ => Ok(()),
    }
}

/// Whether an installation was begun and what comes after it is not done.
pub(super) fn is_begun(place: &Place) -> Result<bool, Failure> {
    Ok(Note::read(place)?.is_some())
}

fn one_off(place: &Place) -> OneOff {
    OneOff::at(&place.host, place.notes().join("installs").join("apt"))
}

/// Brings the product's packages from what the edit has before to what it has after.
pub(super) fn install(
    place: &Place,
    cx: &Context<'_>,
    edit: &FileEdit,
) -> Result<Outcome, Failure> {
    let read = |text: &str| {
        Set::parse(text)
            .ok_or_else(|| Failure::new("edit-refused", format!("`{text}` names no packages")))
    };
    let (from, to) = (read(&edit.old)?, read(&edit.new)?);
    let words = place.packaging().words();
    let mut completed = Completed::Done;
    match standing(place)? {
        Standing::Settled(record) if record.set == to => {
            completed = Completed::AlreadyDone;
        }
        Standing::Settled(record) if record.set == from => {
            begin(place, cx, &record)?;
        }
        Standing::Between(_, note) => {
            let ends = note.ends();
            if ends != Some((from.clone(), to.clone())) && ends != Some((to.clone(), from.clone()))
            {
                return Err(problems::drifted(words, &note.to, &to));
            }
        }
        Standing::Settled(record) => {
            return Err(problems::drifted(words, &record.set.to_string(), &to));
        }
        Standing::Broken(record) => return Err(problems::broken(words, &record.all)),
    }
    if completed == Completed::Done {
        if let Some(left) = units::left(place, &[])? {
            return Err(Failure::new(
                "services-running",
                "cannot install packages under a running product",
            )
            .state("services", left)
            .hint("switchback resume stops it first"));
        }
        // What still runs may be the way in the other direction: it is waited for, not mixed with.
        one_off(place).follow(cx, words.keeper)?;
        let earlier = Note::read(place)?.is_some_and(|note| note.anew);
        let mut note = Note {
            run: cx.run.clone(),
            from: from.to_string(),
            to: to.to_string(),
            anew: earlier || is_unsure(place)?,
        };
        note.write(place)?;
        drive(place, cx, &to, &mut note)?;
    }
    finish(place, cx, &from, &to, completed)
}

/// Before the first package changes: the conffiles as they are.
fn begin(place: &Place, cx: &Context<'_>, record: &Record) -> Result<(), Failure> {
    cx.progress
        .report("keeping the conffiles", None, None, None);
    conffiles::keep(place, &record.set)
}

/// Looks, does what is next, and looks again, until the set is there.
fn drive(place: &Place, cx: &Context<'_>, to: &Set, note: &mut Note) -> Result<(), Failure> {
    let files = store::kept(place, to)?.map_err(|wrong| {
        Failure::new("packages-not-kept", "cannot install what is not here")
            .cause(wrong)
            .state("packages", "unchanged")
            .hint("switchback resume fetches it again, where a repository still has it")
    })?;
    let files: Vec<String> = files
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let one = one_off(place);
    let packaging = place.packaging();
    let keeper = packaging.words().keeper;
    let mut last = None;
    for attempt in 0..TRIES {
        if one.trace()? == MigrationTrace::Running {
            ended(cx, keeper, &one, &one.follow(cx, keeper)?)?;
        }
        if is_unsure(place)? && !note.anew {
            note.anew = true;
            note.write(place)?;
        }
        let record = place.record()?;
        if record.set == *to && !record.is_half() && !note.anew {
            return one.remove();
        }
        locks::wait(place, cx)?;
        one.remove()?;
        let found = Found {
            all: &record.all,
            set: &record.set,
            anew: note.anew,
        };
        let program = packaging.installing(attempt, found, &files);
        one.begin("packages", &program, &[], &place.there)
            .map_err(|error| {
                error.into_failure("install-not-started", format!("cannot start {keeper}"))
            })?;
        let (code, log) = ended(cx, keeper, &one, &one.follow(cx, keeper)?)?;
        if code == 0 && note.anew {
            note.anew = false;
            note.write(place)?;
        }
        last = Some((code, log));
    }
    let record = place.record()?;
    if record.set == *to && !record.is_half() && !note.anew {
        return one.remove();
    }
    Err(problems::not_installed(
        packaging.words(),
        to,
        &record,
        last,
    ))
}

/// How it ended, unless the operator does not want to wait for that.
fn ended(cx: &Context<'_>, keeper: &str, one: &OneOff, log: &Log) -> Result<(i64, Log), Failure> {
    match one.trace()? {
        MigrationTrace::Exited { code } => {
            cx.commands.keep(&log.text())?;
            Ok((code, log.clone()))
        }
        _ => Err(Failure::stopped(format!("stopped waiting for {keeper}"))
            .state(keeper, "still runs")
            .hint("switchback resume waits for it again; it is not started a second time")),
    }
}

/// Once the set is there: conffiles go back on a way back; what is left to merge is told.
fn finish(
    place: &Place,
    cx: &Context<'_>,
    from: &Set,
    to: &Set,
    completed: Completed,
) -> Result<Outcome, Failure> {
    let mut summary = match to.beyond(from) {
        changed if changed.0.is_empty() => to.to_string(),
        changed => changed.words().join(", "),
    };
    if matches!(cx.plan.purpose, Purpose::Rollback { .. }) {
        let restored = conffiles::restore(place, to)?;
        if !restored.is_empty() {
            summary.push_str(&format!("; {} as before", restored.join(", ")));
        }
    } else {
        conffiles::keep_ours(place, from)?;
    }
    let merge = conffiles::to_merge(place, to)?;
    if !merge.is_empty() {
        summary.push_str(&format!(
            "; yours kept, to merge with what the package has beside it (.{}): {}",
            place.packaging().words().offered,
            merge.join(", ")
        ));
    }
    Note::remove(place)?;
    one_off(place).remove()?;
    Ok(Outcome {
        completed,
        summary,
        ..Outcome::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::packaging::{Package, Wholeness};
    use super::*;

    fn record(st2: &str, st2web: &str, status: &str) -> Record {
        let package = |name: &str, version: &str, told: &str| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "all".to_owned(),
            state: match told {
                "installed" => Wholeness::Whole,
                _ => Wholeness::Begun,
            },
            told: told.to_owned(),
            held: false,
        };
        Record {
            all: vec![
                package("st2", st2, "installed"),
                package("st2web", st2web, status),
            ],
            set: set(st2, st2web),
        }
    }

    fn set(st2: &str, st2web: &str) -> Set {
        Set::parse(&format!("st2={st2} st2web={st2web}")).expect("a set")
    }

    #[test]
    fn how_far_an_installation_is() {
        let note = Some(Note {
            run: RunId::new("r-1"),
            from: set("1", "1").to_string(),
            to: set("2", "2").to_string(),
            anew: false,
        });
        let settled =
            |record: Record, note, runs| matches!(judged(record, note, runs), Standing::Settled(_));
        let between = |record: Record, note, runs| {
            matches!(judged(record, note, runs), Standing::Between(..))
        };
        let broken =
            |record: Record, note, runs| matches!(judged(record, note, runs), Standing::Broken(_));
        // Noted and not begun; installed, and the conffiles not yet looked at.
        assert!(settled(record("1", "1", "installed"), note.clone(), false));
        assert!(between(record("2", "2", "installed"), note.clone(), false));
        // One of two, unpacked and not configured, under way.
        assert!(between(record("2", "1", "installed"), note.clone(), false));
        assert!(between(
            record("2", "2", "half-configured"),
            note.clone(),
            false
        ));
        assert!(between(record("1", "1", "installed"), note.clone(), true));
        // Somebody else's versions and somebody else's mess.
        assert!(settled(record("3", "1", "installed"), note.clone(), false));
        assert!(broken(record("3", "1", "unpacked"), note, false));
        assert!(broken(record("2", "2", "unpacked"), None, false));
        assert!(settled(record("2", "1", "installed"), None, false));
    }
}
