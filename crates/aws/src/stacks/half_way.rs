//! Going on with an update that CloudFormation could neither finish nor take back.

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::Digest;
use switchback_model::event::{Completed, Outcome};
use switchback_model::stack::{HalfWay, Ordeal, Stack, StackEvent};

use super::events::{culprit, is_of_stack, until};
use super::{execute, read};
use crate::account::Account;
use crate::fault::{Fault, Kind};
use crate::notes::step_name;

const ACTION: &str = "cloudformation:ContinueUpdateRollback";
const HALF_WAY: &str = "UPDATE_ROLLBACK_FAILED";
const TAKEN_BACK: &str = "UPDATE_ROLLBACK_COMPLETE";

/// Takes the update back, without what the plan leaves out.
pub(crate) fn take_back(
    cx: &Context<'_>,
    account: &Account,
    update: &HalfWay,
) -> Result<Outcome, Failure> {
    let name = step_name(cx);
    let failed =
        |fault: Fault| fault.failure(format!("cannot take the update of `{}` back", update.stack));
    let now = now(account, &update.id)
        .map_err(failed)?
        .ok_or_else(|| gone(update))?;
    let (token, completed) = match now.status.as_str() {
        HALF_WAY => {
            let token = token(&name, &now);
            go_on(account, update, &token)?;
            (token, Completed::Done)
        }
        TAKEN_BACK => {
            let summary = format!("the update of `{}` is taken back", update.stack);
            return Ok(Outcome::told(Completed::AlreadyDone, summary));
        }
        _ if now.status.in_progress() => (
            execute::under_way(account, &now, &name)?,
            Completed::Adopted,
        ),
        other => return Err(elsewhere(update, other)),
    };
    let (status, events) = execute::watch(cx, account, &update.stack, &update.id, &token)?;
    if status != TAKEN_BACK {
        return Err(stuck_again(account, update, &status, &events));
    }
    let summary = match update.skip.as_slice() {
        [] => format!("the update of `{}` is taken back, all of it", update.stack),
        skip => format!(
            "the update of `{}` is taken back, but for {}",
            update.stack,
            skip.join(", ")
        ),
    };
    Ok(Outcome::told(completed, summary))
}

/// Whether the stack is half way back, stuck at exactly this.
pub(crate) fn is_half_way(account: &Account, id: &str, stuck: &[String]) -> Result<Finding, Fault> {
    let Some(now) = now(account, id)? else {
        return Ok(differs(format!("there is no stack `{id}`")));
    };
    let found = match Ordeal::of(&now) {
        Some(ordeal) => {
            let found: Vec<String> = ordeal.stuck().into_iter().map(|it| it.logical).collect();
            if found == stuck {
                return Ok(Finding::Holds);
            }
            format!("it is stuck at {}", found.join(", "))
        }
        None if now.status.in_progress() => {
            let why = format!("`{}` is {}", now.name, now.status);
            return Ok(Finding::Unknown { why });
        }
        None => format!("`{}` is {}", now.name, now.status),
    };
    Ok(differs(found))
}

/// Whether the update was taken back.
pub(crate) fn is_taken_back(account: &Account, id: &str) -> Result<Finding, Fault> {
    Ok(match read::one(account, id)? {
        None => differs(format!("there is no stack `{id}`")),
        Some(now) if now.status.as_str() == TAKEN_BACK => Finding::Holds,
        Some(now) if now.status.in_progress() => Finding::Unknown {
            why: format!("`{}` is {}", now.name, now.status),
        },
        Some(now) => differs(format!("`{}` is {}", now.name, now.status)),
    })
}

/// What happened to a stack since its update began, and where nothing tells any more, its resources.
pub(crate) fn add_events(account: &Account, stack: &mut Stack) -> Result<(), Fault> {
    let name = stack.name.clone();
    let began =
        |event: &StackEvent| is_of_stack(event, &name) && event.status == "UPDATE_IN_PROGRESS";
    let events = until(account, &stack.id, began)?;
    if events.len() > stack.events.len() {
        stack.events = events;
    }
    Ok(())
}

fn now(account: &Account, id: &str) -> Result<Option<Stack>, Fault> {
    let Some(mut now) = read::one(account, id)? else {
        return Ok(None);
    };
    if now.status.as_str() != HALF_WAY {
        return Ok(Some(now));
    }
    add_events(account, &mut now)?;
    if Ordeal::of(&now).is_some_and(|ordeal| ordeal.stuck().is_empty()) {
        return Ok(read::resources(account, vec![now])?.pop());
    }
    Ok(Some(now))
}

fn differs(found: String) -> Finding {
    Finding::Differs { found }
}

/// Asks for it once: where no answer came, it is asked whether it was begun.
fn go_on(account: &Account, update: &HalfWay, token: &str) -> Result<(), Failure> {
    let request = account
        .cloudformation
        .continue_update_rollback()
        .stack_name(&update.id)
        .client_request_token(token);
    let skip = (!update.skip.is_empty()).then(|| update.skip.clone());
    let fault = match account.wait(request.set_resources_to_skip(skip).send()) {
        Ok(_) => return Ok(()),
        Err(error) => Fault::of(ACTION, error),
    };
    let what = || format!("cannot take the update of `{}` back", update.stack);
    let perhaps_done = matches!(fault.kind, Kind::NoAnswer | Kind::Service)
        || fault.is("TokenAlreadyExistsException")
        || fault.is("ValidationError");
    if perhaps_done
        && execute::began(account, &update.id, token).map_err(|fault| fault.failure(what()))?
    {
        return Ok(());
    }
    let failure = fault.failure(what()).state(
        &update.stack,
        "UPDATE_ROLLBACK_FAILED, as before: no event of this step is there",
    );
    Err(match fault.kind {
        Kind::Refused => failure.hint("see how the stack is by now: `switchback plan`"),
        _ => failure,
    })
}

/// The token of one try: the same however often it is asked for, another once it was given up.
fn token(name: &str, now: &Stack) -> String {
    let gave_up = now
        .events
        .iter()
        .filter(|event| is_of_stack(event, &now.name) && event.status == HALF_WAY);
    let when: Vec<&str> = gave_up.map(|event| event.at.as_str()).collect();
    format!("{name}-{}", Digest::of(when.join(" ")).short())
}

fn gone(update: &HalfWay) -> Failure {
    let stack = &update.stack;
    Failure::new("stack-missing", format!("there is no stack `{stack}`"))
        .state(stack, "is gone")
        .hint("plan again: `switchback plan`")
}

fn elsewhere(update: &HalfWay, status: &str) -> Failure {
    let stack = &update.stack;
    Failure::new(
        "not-half-way",
        format!("`{stack}` is not half way back any more"),
    )
    .state(stack, status)
    .hint("somebody went on with it: `switchback plan`")
}

/// It was given up once more: what is stuck, and what can be given up for it.
fn stuck_again(
    account: &Account,
    update: &HalfWay,
    status: &str,
    events: &[StackEvent],
) -> Failure {
    let stack = &update.stack;
    let stuck = match now(account, &update.id) {
        Ok(Some(now)) => Ordeal::of(&now).map(|ordeal| ordeal.stuck()),
        _ => None,
    };
    let stuck = stuck.unwrap_or_default();
    let failure = Failure::new(
        "rollback-failed",
        format!("the update of `{stack}` could not be taken back"),
    );
    let failure = match (stuck.is_empty(), culprit(events)) {
        (true, Some(event)) => failure.cause(execute::told(event)),
        _ => stuck.iter().fold(failure, |failure, it| failure.cause(it)),
    };
    let names: Vec<&str> = stuck.iter().map(|it| it.logical.as_str()).collect();
    let failure = failure
        .state(
            stack,
            format!("{status}: between two states; stuck: {}", names.join(", ")),
        )
        .hint("repair what its reason names, then `switchback plan` and `switchback apply`");
    names.iter().fold(failure, |failure, name| {
        failure.hint(format!(
            "or give `{name}` up, which leaves it as it is now: `switchback plan --skip {stack}/{name}`"
        ))
    })
}
