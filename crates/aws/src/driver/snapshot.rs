//! Snapshots that a step takes, and what they are called.

use std::collections::BTreeMap;
use std::path::PathBuf;

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::RunId;
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::{Act, Plan, Stage};
use switchback_model::stack::{KeepBy, Snapshot, Store, StoreKind};

use super::{mark, outcome};
use crate::account::Account;
use crate::calls::Phase;
use crate::fault::Fault;
use crate::notes::{name_of, run_name};
use crate::snapshots::{self, SnapshotState, Taken};
use crate::waiting::Pace;

/// Takes a snapshot and waits until it is complete; one that this run took already is adopted.
pub(super) fn take(cx: &Context<'_>, account: &Account, store: &Store) -> Result<Outcome, Failure> {
    let name = name_here(cx, store);
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
                ..
            }) => {
                let summary = format!("{handle}{}", promise(store.kind));
                return Ok(outcome(completed, summary, &[("snapshot", &handle)]));
            }
            Some(Taken {
                state: SnapshotState::Failed(state),
                handle,
                ..
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
        cx.progress
            .report(&doing(store), percent, percent.map(|_| 100), Some("%"));
        pace.pause(&format!("the snapshot of `{}`", store.physical))?;
    }
}

/// What the run's snapshot of a store is called, of the round that `stage` is in.
pub(super) fn taken_by(cx: &Context<'_>, stage: &Stage, store: &Store) -> String {
    snapshots::name(&run_name(cx), stage.round, &store.stack, &store.logical)
}

/// What goes on while a snapshot of a store is taken.
pub(super) fn doing(store: &Store) -> String {
    format!("snapshot of `{}`", store.physical)
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

/// Whether this run's snapshot of a store is complete, or its mark reached.
pub(super) fn look(cx: &Context<'_>, account: &Account, stack: &str, logical: &str) -> Finding {
    let looked = match planned(cx, stack, logical) {
        Some((store, KeepBy::Mark)) => {
            let marked = mark::look(cx, account, store, &name_here(cx, store));
            return marked.unwrap_or_else(|failure| Finding::Unknown { why: failure.what });
        }
        _ => found(cx, account, stack, logical),
    };
    match looked {
        Ok(Some(taken)) => whole(&taken),
        Ok(None) => Finding::Differs {
            found: "there is no snapshot of this run".to_owned(),
        },
        Err(failure) => Finding::Unknown { why: failure.what },
    }
}

fn whole(taken: &Taken) -> Finding {
    let found = match &taken.state {
        SnapshotState::Complete => return Finding::Holds,
        SnapshotState::Underway(_) => format!("the snapshot `{}` is being taken", taken.handle),
        SnapshotState::Failed(state) => format!("the snapshot `{}` is {state}", taken.handle),
    };
    Finding::Differs { found }
}

/// Whether the snapshot that an earlier run took is there still.
pub(super) fn kept(account: &Account, snapshot: &Snapshot) -> Result<Finding, Fault> {
    let found = of_run(account, snapshot)?;
    Ok(
        match found.filter(|found| found.handle == snapshot.handle) {
            Some(taken) => whole(&taken),
            None => Finding::Differs {
                found: format!("the snapshot `{}` is gone", snapshot.handle),
            },
        },
    )
}

fn of_run(account: &Account, snapshot: &Snapshot) -> Result<Option<Taken>, Fault> {
    snapshots::look(account, snapshot.store.kind, &name_of_kept(snapshot))
}

/// What an earlier run's snapshot is called, or the one that is made of its mark.
pub(super) fn name_of_kept(snapshot: &Snapshot) -> String {
    let store = &snapshot.store;
    let run = name_of(&snapshot.run, &snapshot.plan);
    snapshots::name(&run, snapshot.round, &store.stack, &store.logical)
}

/// The snapshots that a run of `plan` took and that are there, complete, and its marks that can be brought back: what
/// its way back is made from. `backups` are the places of its rounds.
pub fn kept_snapshots(
    account: &Account,
    plan: &Plan,
    run: &RunId,
    backups: &BTreeMap<u32, PathBuf>,
) -> Result<Vec<Snapshot>, Failure> {
    account.calls().enter(Phase::Plan);
    let mut kept = Vec::new();
    for (stage, step) in plan.steps() {
        let Act::Snapshot { store, by } = &step.act else {
            continue;
        };
        let mut snapshot = Snapshot {
            by: *by,
            store: store.clone(),
            run: run.clone(),
            plan: plan.id.clone(),
            round: stage.round,
            handle: String::new(),
            at: None,
        };
        let found = of_run(account, &snapshot)
            .map_err(|fault| fault.failure(format!("cannot look for the snapshot of {store}")))?;
        let complete = found.filter(|found| found.state == SnapshotState::Complete);
        if *by == KeepBy::Mark {
            let name = name_of_kept(&snapshot);
            kept.extend(mark::kept(
                account,
                snapshot,
                &name,
                backups,
                complete.is_some(),
            )?);
        } else if let Some(taken) = complete {
            snapshot.handle = taken.handle;
            snapshot.at = taken.at;
            kept.push(snapshot);
        }
    }
    Ok(kept)
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
            ..
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
    let Some((store, KeepBy::Snapshot)) = planned(cx, stack, logical) else {
        return Ok(None);
    };
    let name = name_here(cx, store);
    snapshots::look(account, store.kind, &name)
        .map_err(|fault| fault.failure(format!("cannot look for the snapshot `{name}`")))
}

/// What the plan keeps of a store, and how: the same in every round.
fn planned<'p>(cx: &Context<'p>, stack: &str, logical: &str) -> Option<(&'p Store, KeepBy)> {
    cx.plan.steps().find_map(|(_, step)| match &step.act {
        Act::Snapshot { store, by } if store.stack == stack && store.logical == logical => {
            Some((store, *by))
        }
        _ => None,
    })
}

/// What this round's snapshot or mark of a store is called.
pub(super) fn name_here(cx: &Context<'_>, store: &Store) -> String {
    snapshots::name(&run_name(cx), round(cx), &store.stack, &store.logical)
}

/// The round that the step is in: each takes snapshots of its own.
fn round(cx: &Context<'_>) -> u32 {
    let mut steps = cx.plan.steps();
    let stage = steps.find(|(_, step)| step.number == cx.step);
    stage.map_or(1, |(stage, _)| stage.round)
}
