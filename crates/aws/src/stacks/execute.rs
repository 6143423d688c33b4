//! Executing a change set once, and following the stack to its end.

use switchback_engine::ports::{Context, Failure};
use switchback_model::stack::{ChangeSet, Stack, StackEvent};

use super::events::{culprit, is_of_stack, newest, until};
use crate::account::Account;
use crate::fault::Fault;
use crate::stacks::change_set;
use crate::waiting::Pace;

/// Looks without any event of ours after which an execution counts as not begun. CloudFormation shows the first event
/// within seconds; this is minutes.
const SILENT_LOOKS: u32 = 60;

/// Executes a change set. The same `token` never executes it twice; where no answer came, it is asked whether it was executed.
pub(crate) fn execute(account: &Account, set: &ChangeSet, token: &str) -> Result<(), Failure> {
    const ACTION: &str = "cloudformation:ExecuteChangeSet";
    let what = || format!("cannot execute the change set of `{}`", set.stack);
    let request = account
        .cloudformation
        .execute_change_set()
        .stack_name(&set.stack)
        .change_set_name(&set.id)
        .client_request_token(token);
    let fault = match account.wait(request.send()) {
        Ok(_) => return Ok(()),
        Err(error) => Fault::of(ACTION, error),
    };
    let perhaps_done = fault.perhaps_done()
        || fault.is("InvalidChangeSetStatus")
        || fault.is("TokenAlreadyExistsException")
        || change_set::is_missing(&fault);
    if perhaps_done {
        let unseen = |fault: Fault| fault.failure(what());
        if began(account, &set.stack, token).map_err(unseen)? {
            return Ok(());
        }
        if fault.is("InvalidChangeSetStatus") || change_set::is_missing(&fault) {
            return Err(executed_by_another(account, set, &fault));
        }
    }
    Err(fault.failure(what()).state(
        &set.stack,
        "was not changed: no event of this step is there",
    ))
}

/// The change set can be executed no more, and this step did not do it.
fn executed_by_another(account: &Account, set: &ChangeSet, fault: &Fault) -> Failure {
    let stack = set.stack.as_str();
    let failure = Failure::new(
        "change-set-executed",
        format!(
            "somebody else executed or removed the change set of `{stack}`, or changes the stack"
        ),
    )
    .cause(format!(
        "`{}`: {}: {}",
        fault.action, fault.code, fault.message
    ));
    let failure = match super::read::one(account, stack) {
        Ok(Some(now)) => failure.state(stack, format!("{}, not by this step", now.status)),
        _ => failure.state(stack, "unknown: it could not be looked at"),
    };
    failure
        .hint(format!(
            "see who did what: aws cloudformation describe-stack-events --stack-name {stack}"
        ))
        .hint("resume once the stack is steady: what is as the plan wants it is not done again, and what is not halts")
}

/// Whether anything happened to the stack because of `token`.
pub(crate) fn began(account: &Account, stack: &str, token: &str) -> Result<bool, Fault> {
    let events = newest(account, stack)?;
    Ok(events
        .iter()
        .any(|event| event.token.as_deref() == Some(token)))
}

/// Follows the update that `token` began until the stack is steady. `stack` is its name, `id` its ARN.
pub(crate) fn follow(
    cx: &Context<'_>,
    account: &Account,
    stack: &str,
    id: &str,
    token: &str,
) -> Result<(), Failure> {
    let (status, events) = watch(cx, account, stack, id, token)?;
    ended(stack, &status, &events)
}

/// Follows what `token` began until nothing is under way: the last status of the stack, and all events of it, newest first.
pub(crate) fn watch(
    cx: &Context<'_>,
    account: &Account,
    stack: &str,
    id: &str,
    token: &str,
) -> Result<(String, Vec<StackEvent>), Failure> {
    let ours = |event: &StackEvent| event.token.as_deref() == Some(token);
    // Newest first: what is not ours is older than all of ours.
    let enough = |event: &StackEvent| !ours(event);
    let mut pace = Pace::new(cx.stop);
    let (mut seen, mut silent) = (0, 0);
    loop {
        let mut events = until(account, id, enough)
            .map_err(|fault| fault.failure(format!("cannot follow the update of `{stack}`")))?;
        // Events of other changes are older than the first of ours.
        let first = events.iter().rposition(ours);
        events.truncate(first.map_or(0, |first| first + 1));
        let status = events
            .iter()
            .find(|event| is_of_stack(event, stack))
            .map(|event| event.status.clone());
        match status {
            Some(status) if !status.ends_with("_IN_PROGRESS") => return Ok((status, events)),
            Some(_) => {}
            None => {
                silent += 1;
                if silent == SILENT_LOOKS {
                    return Err(Failure::new(
                        "update-not-begun",
                        format!("the update of `{stack}` was accepted and nothing happens"),
                    )
                    .state(stack, "unknown: CloudFormation shows no event of it")
                    .hint("look at the stack's events in the console, then resume"));
                }
            }
        }
        if events.len() > seen {
            seen = events.len();
            pace.quicken();
        }
        report(cx, stack, &events);
        pace.pause(&format!("`{stack}`"))?;
    }
}

/// The token of a step's change that is under way; a failure where somebody else's is. `name` is the step's.
pub(crate) fn under_way(account: &Account, now: &Stack, name: &str) -> Result<String, Failure> {
    // Of a large stack the page of the newest events may be of its resources alone.
    let events = until(account, &now.id, |event| is_of_stack(event, &now.name))
        .map_err(|fault| fault.failure(format!("cannot look at the events of `{}`", now.name)))?;
    let token = events
        .iter()
        .find(|event| is_of_stack(event, &now.name))
        .and_then(|event| event.token.clone())
        .unwrap_or_default();
    if token.starts_with(&format!("{name}-")) {
        return Ok(token);
    }
    Err(Failure::new(
        "stack-busy",
        format!("`{}` is being changed by somebody else", now.name),
    )
    .state(now.name.as_str(), now.status.as_str())
    .hint("wait until that is over, see what it changed, then resume"))
}

fn report(cx: &Context<'_>, stack: &str, events: &[StackEvent]) {
    let done = events
        .iter()
        .filter(|event| !is_of_stack(event, stack) && event.status.ends_with("_COMPLETE"))
        .count();
    let doing = events.first().map_or_else(
        || format!("waiting for `{stack}` to begin"),
        |event| format!("{} {}", event.logical, event.status),
    );
    let done = u64::try_from(done).ok();
    cx.progress.report(&doing, done, None, Some("resources"));
}

/// What became of it, by the last status of the stack itself.
fn ended(stack: &str, status: &str, events: &[StackEvent]) -> Result<(), Failure> {
    if matches!(
        status,
        "UPDATE_COMPLETE" | "CREATE_COMPLETE" | "IMPORT_COMPLETE"
    ) {
        return Ok(());
    }
    let why = culprit(events);
    let failure = |code: &str, what: String| {
        let failure = Failure::new(code, what);
        match why {
            Some(event) => failure.cause(told(event)),
            None => failure.cause("CloudFormation names no resource that failed"),
        }
    };
    Err(match status {
        "UPDATE_ROLLBACK_COMPLETE" => failure(
            "update-rolled-back",
            format!("`{stack}` could not be updated, and CloudFormation took the update back"),
        )
        .state(stack, "UPDATE_ROLLBACK_COMPLETE: template, parameters and resources are as before")
        .state("data", "as it is: a rollback of a stack brings back no data and undoes no migration")
        .hint("correct what the cause names, then resume: the change set is made anew"),
        "UPDATE_ROLLBACK_FAILED" => {
            let stuck = stuck(stack, events);
            failure(
                "rollback-failed",
                format!("`{stack}` could not be updated, and the update could not be taken back"),
            )
            .state(stack, format!("UPDATE_ROLLBACK_FAILED: between two states; stuck: {}", stuck.join(", ")))
            .hint("correct what the cause names, then plan how the update is taken back: `switchback plan`")
            .hint("this run waits meanwhile, and goes on once that plan was applied")
        }
        "ROLLBACK_COMPLETE" | "CREATE_FAILED" | "ROLLBACK_FAILED" => failure(
            "stack-not-created",
            format!("`{stack}` could not be made"),
        )
        .state(stack, format!("{status}: such a stack can only be deleted"))
        .hint(format!("correct what the cause names, delete the stack (aws cloudformation delete-stack --stack-name {stack}), then resume")),
        other => failure("update-failed", format!("the update of `{stack}` ended as {other}"))
            .state(stack, other)
            .hint("look at the stack's events in the console; resume once it is steady"),
    })
}

pub(crate) fn told(event: &StackEvent) -> String {
    let reason = event.reason.as_deref().unwrap_or("no reason was given");
    format!("`{}` ({}): {reason}", event.logical, event.kind)
}

/// Resources whose way back failed: the newest event of each tells.
fn stuck(stack: &str, events: &[StackEvent]) -> Vec<String> {
    let mut known: Vec<&str> = Vec::new();
    let mut stuck = Vec::new();
    for event in events.iter().filter(|event| !is_of_stack(event, stack)) {
        if known.contains(&event.logical.as_str()) {
            continue;
        }
        known.push(&event.logical);
        if event.status.ends_with("_FAILED") {
            stuck.push(event.logical.clone());
        }
    }
    stuck
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical: &str, status: &str, reason: &str) -> StackEvent {
        let kind = match logical {
            "s" => "AWS::CloudFormation::Stack",
            _ => "AWS::EC2::Volume",
        };
        StackEvent {
            at: String::new(),
            logical: logical.to_owned(),
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            token: None,
        }
    }

    #[test]
    fn a_rollback_that_failed_says_what_is_stuck_and_how_to_go_on() {
        let newest_first = [
            event("s", "UPDATE_ROLLBACK_FAILED", ""),
            event("Volume", "UPDATE_FAILED", "volume is in use"),
            event("Role", "UPDATE_COMPLETE", ""),
            event("Volume", "UPDATE_FAILED", "cannot shrink"),
            event("Role", "UPDATE_FAILED", "Resource update cancelled"),
        ];
        let told = ended("s", "UPDATE_ROLLBACK_FAILED", &newest_first).expect_err("failed");
        assert_eq!(told.code, "rollback-failed");
        assert_eq!(told.causes, ["`Volume` (AWS::EC2::Volume): cannot shrink"]);
        let seen = told.state[0].seen.as_deref().unwrap_or_default();
        assert!(seen.ends_with("stuck: Volume"), "{seen}");
        assert!(told.hints[0].ends_with("taken back: `switchback plan`"));
    }

    #[test]
    fn a_rollback_says_that_data_does_not_come_back_with_it() {
        let told = ended("s", "UPDATE_ROLLBACK_COMPLETE", &[]).expect_err("rolled back");
        assert_eq!(told.code, "update-rolled-back");
        assert_eq!(told.state[1].subject, "data");
        assert!(ended("s", "UPDATE_COMPLETE", &[]).is_ok());
    }
}
