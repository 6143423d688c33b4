//! Ending machines, and replacing those that are behind.

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::event::{Completed, Outcome};
use switchback_model::stack::{Machine, MachineGroup};

use crate::account::Account;
use crate::fault::Fault;
use crate::machines;
use crate::stacks::read;
use crate::waiting::Pace;

/// Ends a machine and waits until it is gone and nothing holds its volumes.
pub(super) fn terminate(
    cx: &Context<'_>,
    account: &Account,
    machine: &Machine,
) -> Result<Outcome, Failure> {
    let id = machine.id.as_str();
    let failed = |fault: Fault| refused(&fault, id);
    let ids = [id.to_owned()];
    let before = machines::look(account, &ids).map_err(failed)?;
    let volumes = before
        .get(id)
        .map(|seen| seen.volumes.clone())
        .unwrap_or_default();
    machines::terminate(account, id).map_err(failed)?;
    let mut pace = Pace::new(cx.stop);
    loop {
        let seen = machines::look(account, &ids).map_err(failed)?;
        let state = seen.get(id).map_or("gone", |seen| seen.state.as_str());
        let held = if is_gone(state) {
            machines::attached(account, &volumes).map_err(failed)?
        } else {
            volumes.clone()
        };
        if is_gone(state) && held.is_empty() {
            let summary = format!("`{id}` is gone, {} volumes are free", volumes.len());
            return Ok(Outcome::told(Completed::Done, summary));
        }
        cx.progress
            .report(&format!("`{id}` is {state}"), None, None, None);
        pace.pause(&format!("the end of `{id}`"))?;
    }
}

fn is_gone(state: &str) -> bool {
    matches!(state, "gone" | "terminated")
}

fn refused(fault: &Fault, id: &str) -> Failure {
    let failure = fault.failure(format!("cannot end the machine `{id}`"));
    if fault.is("OperationNotPermitted") {
        return failure
            .state(id, "was not changed")
            .hint(format!("it is protected; where it shall go: aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id {id}, then resume"));
    }
    failure
}

pub(super) fn terminated(account: &Account, id: &str) -> Result<Finding, Fault> {
    let seen = machines::look(account, &[id.to_owned()])?;
    let state = seen.get(id).map_or("gone", |seen| seen.state.as_str());
    Ok(if is_gone(state) {
        Finding::Holds
    } else {
        Finding::Differs {
            found: format!("`{id}` is {state}"),
        }
    })
}

/// Replaces the machines of a group that are behind, one by one: each is ended only once the group is whole again.
pub(super) fn renew(
    cx: &Context<'_>,
    account: &Account,
    group: &MachineGroup,
) -> Result<Outcome, Failure> {
    let failed =
        |fault: Fault| fault.failure(format!("cannot renew the machines of `{}`", group.name));
    let mut replaced = 0_u64;
    let mut pace = Pace::new(cx.stop);
    let mut ended: Option<String> = None;
    loop {
        let now = group_now(account, &group.stack, &group.logical)
            .map_err(failed)?
            .ok_or_else(|| gone(group))?;
        let whole = now
            .machines
            .iter()
            .all(|machine| machine.state == "InService");
        let ended_is_gone = ended
            .as_ref()
            .is_none_or(|id| !now.machines.iter().any(|machine| machine.id == *id));
        let behind: Vec<&Machine> = now.behind().collect();
        if whole && ended_is_gone && behind.is_empty() {
            let completed = match replaced {
                0 => Completed::AlreadyDone,
                _ => Completed::Done,
            };
            return Ok(Outcome::told(
                completed,
                format!("{replaced} machines replaced"),
            ));
        }
        let enough = now.machines.len() >= group.machines.len();
        if let (true, true, true, Some(next)) = (whole, ended_is_gone, enough, behind.first()) {
            let request = account
                .autoscaling
                .terminate_instance_in_auto_scaling_group()
                .instance_id(&next.id)
                .should_decrement_desired_capacity(false);
            account.wait(request.send()).map_err(|error| {
                failed(Fault::of(
                    "autoscaling:TerminateInstanceInAutoScalingGroup",
                    error,
                ))
            })?;
            ended = Some(next.id.clone());
            replaced += 1;
            pace.quicken();
        }
        let left = u64::try_from(behind.len()).ok();
        let doing = format!("machines of `{}` that are behind", group.name);
        cx.progress.report(&doing, left, None, Some("left"));
        pace.pause(&format!("the machines of `{}`", group.name))?;
    }
}

pub(super) fn gone(group: &MachineGroup) -> Failure {
    Failure::new(
        "group-missing",
        format!("there is no group `{}` any more", group.name),
    )
    .state(group.stack.as_str(), "was not changed by this step")
    .hint("plan again")
}

pub(super) fn renewed(account: &Account, stack: &str, logical: &str) -> Result<Finding, Fault> {
    let Some(now) = group_now(account, stack, logical)? else {
        return Ok(Finding::Differs {
            found: format!("`{stack}` has no group `{logical}`"),
        });
    };
    let behind: Vec<&str> = now.behind().map(|machine| machine.id.as_str()).collect();
    let unready = now
        .machines
        .iter()
        .filter(|machine| machine.state != "InService")
        .count();
    Ok(if !behind.is_empty() {
        Finding::Differs {
            found: format!("behind: {}", behind.join(", ")),
        }
    } else if unready > 0 {
        Finding::Differs {
            found: format!("{unready} machines are not in service"),
        }
    } else {
        Finding::Holds
    })
}

pub(super) fn group_now(
    account: &Account,
    stack: &str,
    logical: &str,
) -> Result<Option<MachineGroup>, Fault> {
    let Some(now) = read::one(account, stack)? else {
        return Ok(None);
    };
    let mut stacks = read::resources(account, vec![now])?;
    for stack in &mut stacks {
        stack
            .resources
            .retain(|resource| resource.logical == logical);
    }
    Ok(machines::groups(account, &stacks)?.into_iter().next())
}
