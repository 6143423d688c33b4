//! A mark becomes a snapshot: the database is restored beside itself to that moment, a snapshot is taken of that, and it is
//! removed. Each look decides anew what comes next, so that it can end and begin anywhere.

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::event::{Completed, Outcome};
use switchback_model::stack::Snapshot;

use super::snapshot::name_of_kept;
use super::{mark, outcome};
use crate::account::Account;
use crate::fault::Fault;
use crate::marks::{self, CopyState};
use crate::snapshots::{self, SnapshotState, Taken};
use crate::waiting::Pace;

/// What was seen of it.
struct Seen {
    snapshot: Option<Taken>,
    copy: Option<CopyState>,
}

impl Seen {
    fn of(account: &Account, mark: &Snapshot, name: &str) -> Result<Self, Fault> {
        Ok(Self {
            snapshot: snapshots::look(account, mark.store.kind, name)?,
            copy: marks::copy(account, mark.store.kind, name)?,
        })
    }

    /// The snapshot, once nothing else is left to do.
    fn whole(&self, mark: &Snapshot) -> Option<&Taken> {
        let snapshot = self.snapshot.as_ref()?;
        let complete = snapshot.state == SnapshotState::Complete && snapshot.handle == mark.handle;
        let alone = matches!(self.copy, None | Some(CopyState::Going));
        (complete && alone).then_some(snapshot)
    }
}

/// Makes the snapshot of a mark.
pub(super) fn make(
    cx: &Context<'_>,
    account: &Account,
    mark: &Snapshot,
) -> Result<Outcome, Failure> {
    let (store, name) = (&mark.store, name_of_kept(mark));
    let at = mark.at.as_deref().unwrap_or_default();
    let what = format!(
        "cannot make the {} `{}` of `{}` as it was at {at}",
        store.kind.word(),
        store.physical,
        store.stack
    );
    let moment =
        mark::moment(at).map_err(|error| Failure::new("mark-unreadable", &what).cause(error))?;
    let failed = |fault: Fault| refused(&fault, &what, mark);
    let mut completed = Completed::Adopted;
    let mut pace = Pace::new(cx.stop);
    loop {
        let seen = Seen::of(account, mark, &name).map_err(failed)?;
        if let Some(snapshot) = seen.whole(mark) {
            let handle = &snapshot.handle;
            let summary = format!("{handle}, as it was at {at}");
            return Ok(outcome(completed, summary, &[("snapshot", handle)]));
        }
        let state = seen.snapshot.as_ref().map(|taken| &taken.state);
        let doing = match (state, &seen.copy) {
            (Some(SnapshotState::Failed(state)), _) => {
                return Err(broken(&what, mark, "snapshot", &name, state));
            }
            (Some(SnapshotState::Complete), Some(_)) => {
                marks::remove(account, store.kind, &name).map_err(failed)?;
                "end of the copy"
            }
            (Some(SnapshotState::Complete), None) => {
                return Err(broken(
                    &what,
                    mark,
                    "snapshot",
                    &name,
                    "another account's or region's",
                ));
            }
            (_, Some(CopyState::Broken(state))) => {
                return Err(broken(&what, mark, "copy", &name, state));
            }
            (Some(_), _) => "snapshot of the copy",
            (None, None) => {
                marks::restore(account, store.kind, &store.physical, moment, &name)
                    .map_err(failed)?;
                completed = Completed::Done;
                "copy"
            }
            (None, Some(CopyState::Available)) => {
                snapshots::take(account, store.kind, &name, &name).map_err(failed)?;
                completed = Completed::Done;
                "snapshot of the copy"
            }
            (None, Some(CopyState::Underway(_))) => "copy",
            (None, Some(CopyState::Going)) => "end of an earlier copy",
        };
        let doing = format!("{doing} of `{}` at {at}", store.physical);
        cx.progress.report(&doing, None, None, None);
        pace.pause(&doing)?;
    }
}

/// Whether the snapshot of a mark is complete, and nothing else is left of it.
pub(super) fn look(account: &Account, mark: &Snapshot) -> Result<Finding, Fault> {
    let name = name_of_kept(mark);
    let seen = Seen::of(account, mark, &name)?;
    Ok(match seen.whole(mark) {
        Some(_) => Finding::Holds,
        None => Finding::Differs {
            found: match seen.copy {
                Some(_) => format!("the copy `{name}` is there"),
                None => format!("there is no snapshot `{name}`"),
            },
        },
    })
}

fn broken(what: &str, mark: &Snapshot, thing: &str, name: &str, state: &str) -> Failure {
    Failure::new("recall-failed", what)
        .cause(format!("the {thing} `{name}` is {state}"))
        .state(mark.store.logical.as_str(), "was not changed")
        .hint(format!(
            "remove the {thing} `{name}`, which is the run's own, then resume"
        ))
}

fn refused(fault: &Fault, what: &str, mark: &Snapshot) -> Failure {
    let failure = fault
        .failure(what)
        .state(mark.store.logical.as_str(), "was not changed");
    match fault.code.as_str() {
        "InvalidRestoreFault" | "PointInTimeRestoreNotEnabled" => failure.hint(
            "its automated backups no longer reach back to that moment: go forward, or bring it back from a snapshot of your own",
        ),
        "DBClusterNotFoundFault" | "DBInstanceNotFound" => failure.hint(
            "the database of the mark is gone, and its automated backups with it: bring it back from a snapshot of your own",
        ),
        code if code.contains("QuotaExceeded") => failure
            .hint("remove databases or snapshots that nobody needs, or ask AWS for more, then resume"),
        _ => failure,
    }
}
