//! Removing a stack.

use switchback_engine::ports::{Context, Failure};
use switchback_model::event::{Completed, Outcome};

use super::events::{culprit, newest};
use super::read;
use crate::account::Account;
use crate::fault::Fault;
use crate::waiting::Pace;

/// Removes a stack by its ARN and waits until it is gone. `token` says whose request it is.
pub(crate) fn remove(
    cx: &Context<'_>,
    account: &Account,
    stack: &str,
    id: &str,
    token: &str,
) -> Result<Outcome, Failure> {
    let what = || format!("cannot remove the stack `{stack}`");
    let failed = |fault: Fault| fault.failure(what());
    let now = read::one(account, id).map_err(failed)?;
    let Some(now) = now.filter(|now| now.status.as_str() != "DELETE_COMPLETE") else {
        return Ok(Outcome::told(Completed::AlreadyDone, "it is gone"));
    };
    if now.protected {
        return Err(Failure::new("stack-protected", what())
            .cause("termination protection is on")
            .state(stack, "was not changed")
            .hint(format!("where it shall go: aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {stack}, then resume")));
    }
    if now.status.as_str() != "DELETE_IN_PROGRESS" {
        let request = account
            .cloudformation
            .delete_stack()
            .stack_name(id)
            .client_request_token(token);
        account
            .wait(request.send())
            .map_err(|error| failed(Fault::of("cloudformation:DeleteStack", error)))?;
    }
    let mut pace = Pace::new(cx.stop);
    loop {
        let now = read::one(account, id).map_err(failed)?;
        let status = now.map_or_else(
            || "DELETE_COMPLETE".to_owned(),
            |now| now.status.as_str().to_owned(),
        );
        match status.as_str() {
            "DELETE_COMPLETE" => {
                return Ok(Outcome::told(Completed::Done, format!("`{stack}` is gone")));
            }
            "DELETE_IN_PROGRESS" => {}
            other => return Err(stuck(account, stack, id, other)),
        }
        cx.progress
            .report(&format!("removing `{stack}`"), None, None, None);
        pace.pause(&format!("the end of `{stack}`"))?;
    }
}

fn stuck(account: &Account, stack: &str, id: &str, status: &str) -> Failure {
    let events = newest(account, id).unwrap_or_default();
    let failure = Failure::new(
        "stack-not-removed",
        format!("the stack `{stack}` could not be removed"),
    )
    .state(
        stack,
        format!("{status}: some of its resources may be gone"),
    )
    .hint("free what the cause names, then resume");
    match culprit(&events) {
        Some(event) => failure.cause(format!(
            "`{}` ({}): {}",
            event.logical,
            event.kind,
            event.reason.as_deref().unwrap_or("no reason was given")
        )),
        None => failure,
    }
}
