//! Answers the expectations of a plan about stacks.

use switchback_engine::ports::{Context, Finding};
use switchback_model::plan::Expectation;
use switchback_model::stack::{Stack, StackIs, body_digest};

use super::{AwsDriver, machines, migrate, recall, refresh, rewind, snapshot};
use crate::account::Account;
use crate::fault::Fault;
use crate::stacks::{half_way, read};

pub(super) fn look(
    cx: &Context<'_>,
    account: &Account,
    driver: &AwsDriver,
    expectation: &Expectation,
) -> Finding {
    match expectation {
        Expectation::Stack { is } => stack(account, is).unwrap_or_else(cannot_tell),
        Expectation::HalfWay { id, stuck, .. } => {
            half_way::is_half_way(account, id, stuck).unwrap_or_else(cannot_tell)
        }
        Expectation::TakenBack { id, .. } => {
            half_way::is_taken_back(account, id).unwrap_or_else(cannot_tell)
        }
        Expectation::NoStack { stack } => no_stack(account, stack).unwrap_or_else(cannot_tell),
        Expectation::Snapshotted { stack, logical } => snapshot::look(cx, account, stack, logical),
        Expectation::Kept { snapshot } => {
            snapshot::kept(account, snapshot).unwrap_or_else(cannot_tell)
        }
        Expectation::Recalled { mark } => recall::look(account, mark).unwrap_or_else(cannot_tell),
        Expectation::Rewound { objects } => rewind::look(cx, account, objects),
        Expectation::Terminated { machine } => {
            machines::terminated(account, machine).unwrap_or_else(cannot_tell)
        }
        Expectation::Renewed { stack, logical } => {
            machines::renewed(account, stack, logical).unwrap_or_else(cannot_tell)
        }
        Expectation::NoRefresh { group, .. } => {
            refresh::ended(account, group).unwrap_or_else(cannot_tell)
        }
        Expectation::Migrated { .. } => migrate::look(cx, account, driver),
        _ => Finding::Unknown {
            why: "nothing at AWS can tell".to_owned(),
        },
    }
}

/// A question that could not be asked is no answer.
pub(super) fn cannot_tell(fault: Fault) -> Finding {
    let failure = fault.failure("AWS could not be asked");
    Finding::Unknown {
        why: failure.causes.first().cloned().unwrap_or(failure.what),
    }
}

fn differs(found: impl Into<String>) -> Result<Finding, Fault> {
    Ok(Finding::Differs {
        found: found.into(),
    })
}

pub(super) fn stack(account: &Account, is: &StackIs) -> Result<Finding, Fault> {
    let name = &is.stack;
    let Some(now) = read::one(account, name)? else {
        return differs(format!("there is no stack `{name}`"));
    };
    if now.status.in_progress() {
        return Ok(changing(&now));
    }
    if let Some(found) = otherwise(&now, is) {
        return differs(found);
    }
    let body = body_digest(&read::text(account, &now.id)?);
    if body != is.body {
        return differs(format!(
            "`{name}` was made from another template ({}, not {})",
            body.short(),
            is.body.short()
        ));
    }
    Ok(Finding::Holds)
}

/// Whose change it is, and where it leads to, is not for a look to say.
fn changing(now: &Stack) -> Finding {
    Finding::Unknown {
        why: format!(
            "`{}` is {}: it is being changed at this moment",
            now.name, now.status
        ),
    }
}

/// How a stack is not what it should be, as far as its description tells.
fn otherwise(now: &Stack, is: &StackIs) -> Option<String> {
    let name = &is.stack;
    if !now.status.is_steady() {
        return Some(format!("`{name}` is {}", now.status));
    }
    if is.id.as_ref().is_some_and(|id| *id != now.id) {
        return Some(format!("`{name}` was deleted and made anew"));
    }
    for (key, wanted) in &is.parameters {
        let Some(found) = now.parameters.get(key) else {
            return Some(format!("`{name}` has no parameter `{key}`"));
        };
        // A masked value cannot be compared, here or when planning.
        if let (Some(wanted), Some(found)) = (wanted, &found.value)
            && wanted != found
        {
            return Some(format!("parameter `{key}` of `{name}` is `{found}`"));
        }
    }
    now.parameters
        .keys()
        .find(|key| !is.parameters.contains_key(*key))
        .map(|key| format!("`{name}` has a parameter `{key}`"))
}

fn no_stack(account: &Account, name: &str) -> Result<Finding, Fault> {
    match read::one(account, name)? {
        None => Ok(Finding::Holds),
        Some(now) if now.status.as_str() == "DELETE_COMPLETE" => Ok(Finding::Holds),
        // It was made for a change set that was never executed: nothing is in it.
        Some(now) if now.status.is_reserved() => Ok(Finding::Holds),
        Some(now) if now.status.in_progress() => Ok(changing(&now)),
        Some(now) => differs(format!("there is a stack `{name}`: {}", now.status)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use switchback_model::stack::{Drift, ParameterNow, StackStatus};

    use super::*;

    fn stack() -> Stack {
        Stack {
            name: "s".to_owned(),
            id: "arn:1".to_owned(),
            template: None,
            status: StackStatus::new("UPDATE_COMPLETE"),
            reason: None,
            parameters: BTreeMap::from([
                ("A".to_owned(), ParameterNow::plain("1")),
                ("Secret".to_owned(), ParameterNow::masked()),
            ]),
            outputs: BTreeMap::new(),
            imports: Vec::new(),
            body: body_digest(""),
            resources: Vec::new(),
            capabilities: Vec::new(),
            tags: BTreeMap::new(),
            protected: false,
            drift: Drift::Unknown,
            events: Vec::new(),
        }
    }

    fn is() -> StackIs {
        StackIs {
            stack: "s".to_owned(),
            id: Some("arn:1".to_owned()),
            body: body_digest(""),
            parameters: BTreeMap::from([
                ("A".to_owned(), Some("1".to_owned())),
                ("Secret".to_owned(), Some("hidden".to_owned())),
            ]),
        }
    }

    #[test]
    fn every_way_to_be_another_stack_is_told() {
        assert_eq!(otherwise(&stack(), &is()), None);
        let mut other = stack();
        other
            .parameters
            .insert("A".to_owned(), ParameterNow::plain("2"));
        let told = otherwise(&other, &is()).unwrap_or_default();
        assert_eq!(told, "parameter `A` of `s` is `2`");
        let mut more = stack();
        more.parameters
            .insert("B".to_owned(), ParameterNow::plain(""));
        assert!(otherwise(&more, &is()).is_some_and(|told| told.contains("`B`")));
        let mut less = stack();
        less.parameters.remove("Secret");
        assert!(otherwise(&less, &is()).is_some_and(|told| told.contains("`Secret`")));
        let mut anew = stack();
        anew.id = "arn:2".to_owned();
        assert!(otherwise(&anew, &is()).is_some_and(|told| told.contains("anew")));
        let mut stuck = stack();
        stuck.status = StackStatus::new("UPDATE_ROLLBACK_FAILED");
        assert!(otherwise(&stuck, &is()).is_some_and(|told| told.contains("ROLLBACK_FAILED")));
    }
}
