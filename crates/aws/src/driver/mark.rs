//! Marks: a moment is noted on disk, and counts once automated backups have reached it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::event::{Completed, Outcome};
use switchback_model::stack::{Snapshot, Store};

use super::outcome;
use crate::account::{Account, whose};
use crate::marks::{self, Reach};
use crate::notes;
use crate::snapshots::written;
use crate::waiting::Pace;

/// The last moment that can be brought back moves every five minutes where all is well. One that stood still for this long
/// does not come nearer.
const STALLED: Duration = Duration::from_secs(30 * 60);

/// Notes the moment, and waits until it can be brought back; one that this run noted already stays. `name` is what
/// this round's mark is called.
pub(super) fn set(
    cx: &Context<'_>,
    account: &Account,
    store: &Store,
    name: &str,
) -> Result<Outcome, Failure> {
    let marking = Marking { account, store };
    let place = place(cx.backups, cx.run, name);
    let noted = read(&place)?;
    let mut reach = marking.reach()?;
    let (moment, completed) = match noted {
        Some(moment) => (moment, Completed::Adopted),
        None => (marking.note(&reach, &place)?, Completed::Done),
    };
    let marked = said(Some(moment));
    let mut patience = Patience::default();
    let mut pace = Pace::new(cx.stop);
    while !reach.has(moment) {
        let reached = said(reach.latest);
        if patience.is_over(&reach, Instant::now()) {
            return Err(marking.stalled(&marked, &reached));
        }
        let physical = &store.physical;
        let doing = format!("mark of `{physical}`: {marked}, restorable to {reached}");
        cx.progress.report(&doing, None, None, None);
        pace.pause(&format!("the mark of `{physical}`"))?;
        reach = marking.reach()?;
    }
    let summary = format!("{marked}, for {} days", reach.days);
    Ok(outcome(completed, summary, &[("mark", &marked)]))
}

/// The store that is marked, and how it is told that it cannot be.
struct Marking<'a> {
    account: &'a Account,
    store: &'a Store,
}

impl Marking<'_> {
    /// How far its automated backups reach by now.
    fn reach(&self) -> Result<Reach, Failure> {
        let store = self.store;
        let found = marks::reach(self.account, store.kind, &store.physical);
        let found = found.map_err(|fault| self.unchanged(fault.failure(self.what())))?;
        let Some(reach) = found else {
            let cause = format!("there is no `{}`", store.physical);
            return Err(self.refused("store-missing", cause, "it was replaced since: plan again"));
        };
        if reach.days == 0 {
            return Err(self.refused(
                "automated-backups-off",
                format!("`{}` keeps automated backups for 0 days", store.physical),
                "plan again: it is kept by a snapshot then",
            ));
        }
        Ok(reach)
    }

    /// The moment is on disk before it is waited for.
    fn note(&self, reach: &Reach, place: &Path) -> Result<DateTime, Failure> {
        let moment = reach.moment().ok_or_else(|| {
            let cause = "the answer of AWS carries no date".to_owned();
            self.refused("aws-clock", cause, "type the same command again")
        })?;
        note(place, moment)?;
        Ok(moment)
    }

    fn stalled(&self, marked: &str, reached: &str) -> Failure {
        self.refused(
            "mark-not-reached",
            format!("AWS can restore it to {reached}, which has stood still for half an hour; the mark is {marked}"),
            "see that the database is available (one that is stopped makes no backups), then resume",
        )
        .hint("or say `snapshot` for it under [aws.keep] in switchback.toml, and plan again")
    }

    fn refused(&self, code: &str, cause: String, hint: &str) -> Failure {
        let failure = Failure::new(code, self.what()).cause(cause);
        self.unchanged(failure).hint(hint)
    }

    fn unchanged(&self, failure: Failure) -> Failure {
        failure.state(self.store.logical.as_str(), "was not changed")
    }

    fn what(&self) -> String {
        let store = self.store;
        format!(
            "cannot mark a moment of the {} `{}` of `{}`",
            store.kind.word(),
            store.physical,
            store.stack
        )
    }
}

/// Whether the mark of this name can be brought back.
pub(super) fn look(
    cx: &Context<'_>,
    account: &Account,
    store: &Store,
    name: &str,
) -> Result<Finding, Failure> {
    let Some(moment) = read(&place(cx.backups, cx.run, name))? else {
        return Ok(Finding::Differs {
            found: "there is no mark of this run".to_owned(),
        });
    };
    Ok(match reached(account, store, moment)? {
        true => Finding::Holds,
        false => Finding::Differs {
            found: format!("AWS cannot restore to the mark {}", said(Some(moment))),
        },
    })
}

/// Gives the mark of this name that a run noted, where it can be brought back still, or was made a snapshot already.
pub(super) fn kept(
    account: &Account,
    mark: Snapshot,
    name: &str,
    backups: &BTreeMap<u32, PathBuf>,
    is_snapshot: bool,
) -> Result<Option<Snapshot>, Failure> {
    let Some(backups) = backups.get(&mark.round) else {
        return Ok(None);
    };
    let Some(moment) = read(&place(backups, &mark.run, name))? else {
        return Ok(None);
    };
    if !is_snapshot && !reached(account, &mark.store, moment)? {
        return Ok(None);
    }
    Ok(Some(Snapshot {
        handle: handle(account, &mark.store, name),
        at: written(&moment),
        ..mark
    }))
}

fn reached(account: &Account, store: &Store, moment: DateTime) -> Result<bool, Failure> {
    let found = marks::reach(account, store.kind, &store.physical)
        .map_err(|fault| fault.failure(format!("cannot look for the mark of {store}")))?;
    Ok(found.is_some_and(|reach| reach.has(moment)))
}

/// What the snapshot will be called that is made of a mark.
fn handle(account: &Account, store: &Store, name: &str) -> String {
    use switchback_model::stack::StoreKind::DatabaseCluster;
    let whose = whose(account);
    let kind = match store.kind {
        DatabaseCluster => "cluster-snapshot",
        _ => "snapshot",
    };
    let (partition, region, id) = (whose.partition, whose.region, whose.id);
    format!("arn:{partition}:rds:{region}:{id}:{kind}:{name}")
}

/// How long the last moment that can be brought back has stood still.
#[derive(Default)]
struct Patience {
    last: Option<DateTime>,
    since: Option<Instant>,
}

impl Patience {
    fn is_over(&mut self, reach: &Reach, now: Instant) -> bool {
        if self.last != reach.latest {
            self.last = reach.latest;
            self.since = None;
        }
        let since = *self.since.get_or_insert(now);
        now.duration_since(since) >= STALLED
    }
}

fn said(moment: Option<DateTime>) -> String {
    let text = moment.as_ref().and_then(written);
    text.unwrap_or_else(|| "no moment".to_owned())
}

fn place(backups: &Path, run: &switchback_model::RunId, name: &str) -> PathBuf {
    notes::directory(backups, run).join("marks").join(name)
}

fn note(place: &Path, moment: DateTime) -> Result<(), Failure> {
    let text = said(Some(moment));
    notes::write(place, text.as_bytes()).map_err(|error| notes::unusable(place, error))
}

fn read(place: &Path) -> Result<Option<DateTime>, Failure> {
    match fs::read_to_string(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(notes::unusable(place, error)),
        Ok(text) => moment(&text)
            .map(Some)
            .map_err(|error| notes::unusable(place, error)),
    }
}

/// A moment as marks are written.
pub(super) fn moment(text: &str) -> Result<DateTime, impl ToString + use<>> {
    DateTime::from_str(text, Format::DateTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(latest: Option<i64>) -> Reach {
        Reach {
            told: None,
            earliest: None,
            latest: latest.map(DateTime::from_secs),
            days: 7,
        }
    }

    #[test]
    fn patience_ends_where_nothing_moves_and_never_while_something_does() {
        let begin = Instant::now();
        let minutes = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        let mut patience = Patience::default();
        assert!(!patience.is_over(&reach(Some(100)), minutes(0)));
        assert!(!patience.is_over(&reach(Some(100)), minutes(29)));
        assert!(!patience.is_over(&reach(Some(400)), minutes(31)));
        assert!(!patience.is_over(&reach(Some(400)), minutes(60)));
        assert!(patience.is_over(&reach(Some(400)), minutes(61)));
        let mut never = Patience::default();
        assert!(!never.is_over(&reach(None), minutes(0)));
        assert!(never.is_over(&reach(None), minutes(30)));
    }

    #[test]
    fn a_mark_is_read_as_it_was_noted_and_half_a_note_is_none() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let place = directory.path().join("marks").join("switchback-1");
        assert_eq!(read(&place).expect("there is none"), None);
        let moment = DateTime::from_secs(1_795_313_990);
        note(&place, moment).expect("noted");
        assert_eq!(read(&place).expect("read"), Some(moment));
        fs::write(&place, "2026-11-").expect("written");
        let failure = read(&place).expect_err("half a note");
        assert_eq!(failure.code, "note-unusable");
    }
}
