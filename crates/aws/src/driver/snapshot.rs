//! Snapshots that a step takes, and what they are called.

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::Act;
use switchback_model::stack::{Store, StoreKind};

use super::outcome;
use crate::account::Account;
use crate::fault::Fault;
use crate::notes::run_name;
use crate::snapshots::{self, SnapshotState, Taken};
use crate::waiting::Pace;

/// Takes a snapshot and waits until it is complete; one that this run took already is adopted.
pub(super) fn take(cx: &Context<'_>, account: &Account, store: &Store) -> Result<Outcome, Failure> {
    let name = snapshots::name(&run_name(cx), &store.stack, &store.logical);
    let what = format!(
        "cannot take a snapshot of the {} `{}` of `{}`",
        store.kind.word(),
        store.physical,
        store.stack
    );
    let failed = |fault: Fault| refused(&fault, &what, store);
    let mut completed = Completed::Adopted;
    if snapshots::look(account, store.kind, &name)
        .map_err(failed)?
        .is_none()
    {
        snapshots::take(account, store.kind, &store.physical, &name).map_err(failed)?;
        completed = Completed::Done;
    }
    let mut pace = Pace::new(cx.stop);
    loop {
        let taken = snapshots::look(account, store.kind, &name).map_err(failed)?;
        // A service may take a moment to know what it was asked for.
        let percent = match taken {
            Some(Taken {
                handle,
                state: SnapshotState::Complete,
            }) => {
                let summary = format!("{handle}{}", promise(store.kind));
                return Ok(outcome(completed, summary, &[("snapshot", &handle)]));
            }
            Some(Taken {
                state: SnapshotState::Failed(state),
                handle,
            }) => {
                return Err(Failure::new("snapshot-failed", what)
                    .cause(format!("`{handle}` is {state}"))
                    .state(store.logical.as_str(), "was not changed")
                    .hint(format!("remove the snapshot `{name}`, then resume")));
            }
            Some(Taken {
                state: SnapshotState::Underway(percent),
                ..
            }) => percent,
            None => None,
        };
        let doing = format!("snapshot of `{}`", store.physical);
        cx.progress
            .report(&doing, percent, percent.map(|_| 100), Some("%"));
        pace.pause(&format!("the snapshot of `{}`", store.physical))?;
    }
}

/// What an operator must know of such a snapshot.
fn promise(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Volume => ", as a power cut would leave it",
        _ => "",
    }
}

fn refused(fault: &Fault, what: &str, store: &Store) -> Failure {
    let failure = fault
        .failure(what)
        .state(store.logical.as_str(), "was not changed");
    match fault.code.as_str() {
        "SnapshotQuotaExceeded" | "SnapshotQuotaExceededFault" | "SnapshotLimitExceeded" => {
            failure.hint("remove snapshots that nobody needs, or ask AWS for more, then resume")
        }
        "InvalidDBInstanceState"
        | "InvalidDBClusterStateFault"
        | "InvalidReplicationGroupState"
        | "IncorrectState" => failure
            .hint("wait until it is available (a backup or a change is under way), then resume"),
        "DBInstanceNotFound"
        | "DBClusterNotFoundFault"
        | "ReplicationGroupNotFoundFault"
        | "InvalidVolume.NotFound" => failure.hint("it was replaced since: plan again"),
        _ => failure,
    }
}

/// Whether this run's snapshot of a store is complete.
pub(super) fn look(cx: &Context<'_>, account: &Account, stack: &str, logical: &str) -> Finding {
    match found(cx, account, stack, logical) {
        Ok(Some(taken)) => match taken.state {
            SnapshotState::Complete => Finding::Holds,
            SnapshotState::Underway(_) => Finding::Differs {
                found: format!("the snapshot `{}` is being taken", taken.handle),
            },
            SnapshotState::Failed(state) => Finding::Differs {
                found: format!("the snapshot `{}` is {state}", taken.handle),
            },
        },
        Ok(None) => Finding::Differs {
            found: "there is no snapshot of this run".to_owned(),
        },
        Err(failure) => Finding::Unknown { why: failure.what },
    }
}

/// What a stack is given to make a store from the snapshot that this run took of it.
pub(super) fn handle(
    cx: &Context<'_>,
    account: &Account,
    stack: &str,
    logical: &str,
) -> Result<String, Failure> {
    match found(cx, account, stack, logical)? {
        Some(Taken {
            handle,
            state: SnapshotState::Complete,
        }) => Ok(handle),
        _ => Err(Failure::new(
            "snapshot-missing",
            format!("this run has no complete snapshot of `{logical}` of `{stack}`"),
        )
        .state(stack, "was not changed")
        .hint("plan again: the snapshot is taken anew")),
    }
}

fn found(
    cx: &Context<'_>,
    account: &Account,
    stack: &str,
    logical: &str,
) -> Result<Option<Taken>, Failure> {
    let kind = cx.plan.steps().find_map(|(_, step)| match &step.act {
        Act::Snapshot { store } if store.stack == stack && store.logical == logical => {
            Some(store.kind)
        }
        _ => None,
    });
    let Some(kind) = kind else {
        return Ok(None);
    };
    let name = snapshots::name(&run_name(cx), stack, logical);
    snapshots::look(account, kind, &name)
        .map_err(|fault| fault.failure(format!("cannot look for the snapshot `{name}`")))
}
