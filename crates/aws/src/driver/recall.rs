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

    /// What comes next, whoever began it.
    fn next(&self, mark: &Snapshot) -> Next<'_> {
        let Some(snapshot) = &self.snapshot else {
            return match &self.copy {
                None => Next::Restore,
                Some(CopyState::Available) => Next::Snapshot,
                Some(CopyState::Underway(_)) => Next::Wait("copy"),
                Some(CopyState::Going) => Next::Wait("end of an earlier copy"),
                Some(CopyState::Broken(state)) => Next::Stuck("copy", state),
            };
        };
        match (&snapshot.state, &self.copy) {
            (SnapshotState::Failed(state), _) => Next::Stuck("snapshot", state),
            (SnapshotState::Complete, None | Some(CopyState::Going))
                if snapshot.handle == mark.handle =>
            {
                Next::Nothing(snapshot)
            }
            (SnapshotState::Complete, None) => {
                Next::Stuck("snapshot", "another account's or region's")
            }
            (SnapshotState::Complete, Some(_)) => Next::Remove,
            (SnapshotState::Underway(_), Some(CopyState::Broken(state))) => {
                Next::Stuck("copy", state)
            }
            (SnapshotState::Underway(_), _) => Next::Wait("snapshot of the copy"),
        }
    }
}

/// What has to be done.
#[derive(Debug, PartialEq)]
enum Next<'s> {
    /// The copy is made.
    Restore,
    /// A snapshot is taken of it.
    Snapshot,
    /// It is removed.
    Remove,
    /// This is waited for.
    Wait(&'static str),
    /// The snapshot is complete, and nothing else is left.
    Nothing(&'s Taken),
    /// This thing is in a state that it does not leave.
    Stuck(&'static str, &'s str),
}

/// Makes the snapshot of a mark.
pub(super) fn make(
    cx: &Context<'_>,
    account: &Account,
    mark: &Snapshot,
) -> Result<Outcome, Failure> {
    let (store, name) = (&mark.store, name_of_kept(mark));
    let (kind, physical) = (store.kind, &store.physical);
    let at = mark.at.as_deref().unwrap_or_default();
    let what = format!(
        "cannot make the {} `{physical}` of `{}` as it was at {at}",
        kind.word(),
        store.stack
    );
    let moment =
        mark::moment(at).map_err(|error| Failure::new("mark-unreadable", &what).cause(error))?;
    let failed = |fault: Fault| refused(&fault, &what, mark);
    let mut completed = Completed::Adopted;
    let mut pace = Pace::new(cx.stop);
    loop {
        let seen = Seen::of(account, mark, &name).map_err(failed)?;
        let doing = match seen.next(mark) {
            Next::Nothing(Taken { handle, .. }) => {
                let summary = format!("{handle}, as it was at {at}");
                return Ok(outcome(completed, summary, &[("snapshot", handle)]));
            }
            Next::Stuck(thing, state) => return Err(stuck(&what, mark, thing, &name, state)),
            Next::Restore => {
                marks::restore(account, kind, physical, moment, &name).map_err(failed)?;
                completed = Completed::Done;
                "copy"
            }
            Next::Snapshot => {
                snapshots::take(account, kind, &name, &name).map_err(failed)?;
                completed = Completed::Done;
                "snapshot of the copy"
            }
            Next::Remove => {
                marks::remove(account, kind, &name).map_err(failed)?;
                "end of the copy"
            }
            Next::Wait(doing) => doing,
        };
        let doing = format!("{doing} of `{physical}` at {at}");
        cx.progress.report(&doing, None, None, None);
        pace.pause(&doing)?;
    }
}

/// Whether the snapshot of a mark is complete, and nothing else is left of it.
pub(super) fn look(account: &Account, mark: &Snapshot) -> Result<Finding, Fault> {
    let name = name_of_kept(mark);
    let seen = Seen::of(account, mark, &name)?;
    let found = match (seen.next(mark), &seen.copy) {
        (Next::Nothing(_), _) => return Ok(Finding::Holds),
        (_, Some(_)) => format!("the copy `{name}` is there"),
        (_, None) => format!("there is no snapshot `{name}`"),
    };
    Ok(Finding::Differs { found })
}

fn stuck(what: &str, mark: &Snapshot, thing: &str, name: &str, state: &str) -> Failure {
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

#[cfg(test)]
mod tests {
    use switchback_model::stack::{KeepBy, Store, StoreKind};
    use switchback_model::{PlanId, RunId};

    use super::*;

    const HANDLE: &str = "arn:aws:rds:eu-west-1:1:cluster-snapshot:switchback-1";

    fn mark() -> Snapshot {
        Snapshot {
            store: Store {
                stack: "tts".to_owned(),
                logical: "DBCluster".to_owned(),
                physical: "aurora".to_owned(),
                kind: StoreKind::DatabaseCluster,
                engine: None,
                gibibytes: None,
                history: None,
            },
            run: RunId::new("r-1"),
            plan: PlanId::new("p-1"),
            round: 1,
            handle: HANDLE.to_owned(),
            at: None,
            by: KeepBy::Mark,
        }
    }

    fn taken(state: SnapshotState, handle: &str) -> Option<Taken> {
        Some(Taken {
            handle: handle.to_owned(),
            state,
            at: None,
        })
    }

    fn next(snapshot: Option<Taken>, copy: Option<CopyState>) -> String {
        format!("{:?}", Seen { snapshot, copy }.next(&mark()))
    }

    #[test]
    fn every_state_in_which_a_process_may_have_died_has_one_next_step() {
        let underway = || CopyState::Underway("creating".to_owned());
        for (copy, wanted) in [
            (None, "Restore"),
            (Some(underway()), r#"Wait("copy")"#),
            (Some(CopyState::Available), "Snapshot"),
            (Some(CopyState::Going), r#"Wait("end of an earlier copy")"#),
        ] {
            assert_eq!(next(None, copy), wanted);
        }
        let begun = || taken(SnapshotState::Underway(None), HANDLE);
        let waits = r#"Wait("snapshot of the copy")"#;
        assert_eq!(next(begun(), Some(underway())), waits);
        assert_eq!(next(begun(), Some(CopyState::Available)), waits);
        let complete = || taken(SnapshotState::Complete, HANDLE);
        assert_eq!(next(complete(), Some(CopyState::Available)), "Remove");
        assert!(next(complete(), Some(CopyState::Going)).starts_with("Nothing"));
        assert!(next(complete(), None).starts_with("Nothing"));
    }

    #[test]
    fn what_is_broken_or_anothers_is_not_waited_for() {
        let broken = || Some(CopyState::Broken("storage-full".to_owned()));
        let stuck = r#"Stuck("copy", "storage-full")"#;
        assert_eq!(next(None, broken()), stuck);
        let begun = taken(SnapshotState::Underway(None), HANDLE);
        assert_eq!(next(begun, broken()), stuck);
        let failed = taken(SnapshotState::Failed("error".to_owned()), HANDLE);
        assert_eq!(next(failed, None), r#"Stuck("snapshot", "error")"#);
        let elsewhere = taken(SnapshotState::Complete, "arn:aws:rds:us-east-1:1:x");
        assert_eq!(
            next(elsewhere, None),
            r#"Stuck("snapshot", "another account's or region's")"#
        );
    }
}
