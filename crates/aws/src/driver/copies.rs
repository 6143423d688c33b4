//! Removing what a rehearsal made: its tasks, its stack, its snapshots.

use switchback_engine::ports::{Context, Failure};
use switchback_model::plan::{Act, Purpose};
use switchback_model::stack::{REHEARSAL, TaskPlace, UpdateMode};

use super::snapshot::{self, taken_by};
use crate::account::Account;
use crate::calls::Phase;
use crate::fault::Fault;
use crate::notes::run_name;
use crate::snapshots::{self, SnapshotState};
use crate::stacks::{read, removal};
use crate::tasks;
use crate::waiting::Pace;

/// Removes everything that the run of a rehearsal's plan made, however far it came. Nothing that is not the
/// rehearsal's own is removed, whatever the plan says.
pub fn remove_copies(cx: &Context<'_>, account: &Account) -> Result<(), Failure> {
    account.calls().enter(Phase::Rehearse);
    if !matches!(cx.plan.purpose, Purpose::Rehearsal { .. }) {
        return Err(Failure::new(
            "not-a-rehearsal",
            format!("`{}` is no plan of a rehearsal", cx.plan.id),
        )
        .state("AWS", "nothing was changed"));
    }
    if let Some(planned) = &cx.plan.account {
        account.must_be(planned)?;
    }
    for (_, step) in cx.plan.steps() {
        if let Act::Update { update } = &step.act
            && update.mode == UpdateMode::Create
            && update.stack.starts_with(REHEARSAL)
        {
            stack(cx, account, &update.stack)?;
        }
    }
    for (stage, step) in cx.plan.steps() {
        if let Act::Snapshot { store, .. } = &step.act {
            let name = taken_by(cx, stage, store);
            remove_snapshot(cx, account, store, &name)?;
        }
    }
    Ok(())
}

/// Its tasks first: one that runs would go on, and keep the network of its group.
fn stack(cx: &Context<'_>, account: &Account, stack: &str) -> Result<(), Failure> {
    let failed = |fault: Fault| fault.failure(format!("cannot remove the stack `{stack}`"));
    let Some(now) = read::one(account, stack).map_err(failed)? else {
        return Ok(());
    };
    let place = now
        .outputs
        .values()
        .find_map(|output| TaskPlace::read(&output.value));
    if let Some(place) = place.filter(|place| place.family() == stack) {
        tasks::end_all(account, &place, "its rehearsal is over").map_err(failed)?;
        let mut pace = Pace::new(cx.stop);
        while !tasks::running(account, &place).map_err(failed)?.is_empty() {
            pace.pause("the end of the rehearsal's tasks")?;
        }
    }
    let token = format!("{}-remove", run_name(cx));
    removal::remove(cx, account, stack, &now.id, &token).map(drop)
}

fn remove_snapshot(
    cx: &Context<'_>,
    account: &Account,
    store: &switchback_model::stack::Store,
    name: &str,
) -> Result<(), Failure> {
    let failed = |fault: Fault| fault.failure(format!("cannot remove the snapshot `{name}`"));
    let mut pace = Pace::new(cx.stop);
    loop {
        match snapshots::look(account, store.kind, name).map_err(failed)? {
            None => return Ok(()),
            // One that is being taken cannot be removed yet.
            Some(taken) if matches!(taken.state, SnapshotState::Underway(_)) => {}
            Some(_) => return snapshots::remove(account, store.kind, name).map_err(failed),
        }
        cx.progress
            .report(&snapshot::doing(store), None, None, None);
        pace.pause(&format!("the snapshot `{name}`"))?;
    }
}
