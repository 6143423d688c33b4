//! What happened to a stack.

use aws_sdk_cloudformation::types::StackEvent as Told;
use aws_smithy_types::date_time::Format;
use switchback_model::stack::StackEvent;

use crate::account::Account;
use crate::fault::Fault;

/// What CloudFormation says of resources that it gives up because another one failed.
const CANCELLED: &str = "cancelled";

/// The newest events, newest first: one page, which is up to a hundred.
pub(crate) fn newest(account: &Account, stack: &str) -> Result<Vec<StackEvent>, Fault> {
    until(account, stack, |_| true)
}

/// The newest page, and further ones as long as `enough` was true for no event.
pub(crate) fn until(
    account: &Account,
    stack: &str,
    enough: impl Fn(&StackEvent) -> bool,
) -> Result<Vec<StackEvent>, Fault> {
    let mut pages = account
        .cloudformation
        .describe_stack_events()
        .stack_name(stack)
        .into_paginator()
        .send();
    let mut events = Vec::new();
    while let Some(page) = account.wait(pages.next()) {
        let page = page.map_err(|error| Fault::of("cloudformation:DescribeStackEvents", error))?;
        events.extend(page.stack_events().iter().map(event));
        if events.iter().any(&enough) {
            break;
        }
    }
    Ok(events)
}

/// Whether it is about the stack itself and not about one of its resources.
pub(crate) fn is_of_stack(event: &StackEvent, stack: &str) -> bool {
    event.kind == "AWS::CloudFormation::Stack" && event.logical == stack
}

/// The first resource that failed for a reason of its own, among events that are newest first.
pub(crate) fn culprit(events: &[StackEvent]) -> Option<&StackEvent> {
    let failed: Vec<&StackEvent> = events
        .iter()
        .rev()
        .filter(|event| event.status.ends_with("_FAILED"))
        .collect();
    let own = failed.iter().find(|event| {
        let reason = event.reason.as_deref().unwrap_or_default();
        !reason.is_empty() && !reason.to_lowercase().contains(CANCELLED)
    });
    own.or(failed.first()).copied()
}

fn event(told: &Told) -> StackEvent {
    StackEvent {
        at: told
            .timestamp()
            .and_then(|at| at.fmt(Format::DateTime).ok())
            .unwrap_or_default(),
        logical: told.logical_resource_id().unwrap_or_default().to_owned(),
        kind: told.resource_type().unwrap_or_default().to_owned(),
        status: told
            .resource_status()
            .map(|status| status.as_str().to_owned())
            .unwrap_or_default(),
        reason: told.resource_status_reason().map(str::to_owned),
        token: told.client_request_token().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical: &str, status: &str, reason: &str) -> StackEvent {
        StackEvent {
            at: String::new(),
            logical: logical.to_owned(),
            kind: "AWS::ECS::Service".to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            token: None,
        }
    }

    #[test]
    fn the_culprit_is_the_first_that_failed_by_itself() {
        let newest_first = [
            event(
                "s",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed",
            ),
            event("B", "UPDATE_FAILED", "Resource update cancelled"),
            event("C", "CREATE_FAILED", "out of addresses"),
            event("A", "UPDATE_FAILED", "Resource update cancelled"),
            event("A", "UPDATE_IN_PROGRESS", ""),
        ];
        let found = culprit(&newest_first).map(|event| event.logical.as_str());
        assert_eq!(found, Some("C"));
        let only_cancelled = culprit(&newest_first[3..]).map(|event| event.logical.as_str());
        assert_eq!(only_cancelled, Some("A"));
        assert!(culprit(&newest_first[4..]).is_none());
    }
}
