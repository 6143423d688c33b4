//! Change sets: what CloudFormation would change. Made, read and removed here; executed elsewhere.

use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, ExecutionStatus, Parameter, ResourceChange as Told,
    ResourceChangeDetail as ToldDetail, Tag,
};
use switchback_engine::ports::Failure;
use switchback_model::stack::{
    Attribute, ChangeAction, ChangeDetail, ChangeReason, ChangeSet, ChangeSetState, Policy,
    Recreation, Replacement, ResourceChange, StackUpdate, UpdateMode,
};

use crate::account::Account;
use crate::fault::Fault;
use crate::template::Body;
use crate::waiting::Pace;

/// Every change set that is ours begins with this.
pub(crate) const OURS: &str = "switchback-";
/// How CloudFormation says that nothing would change.
const EMPTY: [&str; 2] = ["didn't contain changes", "No updates are to be performed"];

/// What one parameter is sent as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Previous,
    Value(String),
}

/// Asks for a change set. Every parameter is sent, so that no default is taken silently. Returns its ARN.
pub(crate) fn create(
    account: &Account,
    update: &StackUpdate,
    name: &str,
    body: &Body,
    parameters: &[(String, Sent)],
) -> Result<String, Fault> {
    let parameters = parameters.iter().map(|(key, sent)| {
        let parameter = Parameter::builder().parameter_key(key);
        match sent {
            Sent::Previous => parameter.use_previous_value(true),
            Sent::Value(value) => parameter.parameter_value(value),
        }
        .build()
    });
    let capabilities = update
        .capabilities
        .iter()
        .map(|word| Capability::from(word.as_str()));
    let tags = update
        .tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build());
    let request = account
        .cloudformation
        .create_change_set()
        .stack_name(&update.stack)
        .change_set_name(name)
        .change_set_type(match update.mode {
            UpdateMode::Update => ChangeSetType::Update,
            UpdateMode::Create => ChangeSetType::Create,
        })
        .set_parameters(Some(parameters.collect()))
        .set_capabilities(Some(capabilities.collect()))
        .set_tags(Some(tags.collect()))
        .client_token(name);
    let request = match body {
        Body::Previous => request.use_previous_template(true),
        Body::Text(text) => request.template_body(text),
        Body::Url(url) => request.template_url(url),
    };
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("cloudformation:CreateChangeSet", error))?;
    Ok(answer.id.unwrap_or_default())
}

/// Reads all of a change set, by name or ARN; nothing where there is none, or no such stack.
pub(crate) fn find(account: &Account, stack: &str, name: &str) -> Result<Option<ChangeSet>, Fault> {
    let Some(mut first) = page(account, stack, name, None)? else {
        return Ok(None);
    };
    let mut next = first.next_token.take();
    while let Some(token) = next {
        let Some(mut more) = page(account, stack, name, Some(token))? else {
            return Ok(None);
        };
        next = more.next_token.take();
        first
            .changes
            .get_or_insert_default()
            .append(&mut more.changes.unwrap_or_default());
    }
    Ok(Some(read(stack, first)))
}

/// Waits until CloudFormation has computed it.
pub(crate) fn computed(
    account: &Account,
    stack: &str,
    name: &str,
    pace: &mut Pace<'_>,
) -> Result<ChangeSet, Failure> {
    let what = || format!("cannot compute what would change in `{stack}`");
    loop {
        let asked = page(account, stack, name, None).map_err(|fault| fault.failure(what()))?;
        let Some(first) = asked else {
            return Err(Failure::new("change-set-gone", what())
                .cause(format!("somebody removed the change set `{name}`"))
                .state(stack, "was not changed")
                .hint("resume: it is made anew"));
        };
        let pending = matches!(
            first.status(),
            Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress)
        );
        if !pending {
            let found = if first.next_token.is_some() {
                find(account, stack, name).map_err(|fault| fault.failure(what()))?
            } else {
                Some(read(stack, first))
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        pace.pause(&format!("the change set of `{stack}`"))?;
    }
}

/// Removes a change set; one that is gone already is fine.
pub(crate) fn delete(account: &Account, stack: &str, name: &str) -> Result<(), Fault> {
    let request = account
        .cloudformation
        .delete_change_set()
        .stack_name(stack)
        .change_set_name(name);
    match account.wait(request.send()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let fault = Fault::of("cloudformation:DeleteChangeSet", error);
            if is_missing(&fault) {
                Ok(())
            } else {
                Err(fault)
            }
        }
    }
}

/// Names of the change sets of a stack that begin with `prefix` and were not executed.
pub(crate) fn leftovers(
    account: &Account,
    stack: &str,
    prefix: &str,
) -> Result<Vec<String>, Fault> {
    let mut pages = account
        .cloudformation
        .list_change_sets()
        .stack_name(stack)
        .into_paginator()
        .items()
        .send();
    let mut names = Vec::new();
    while let Some(summary) = account.wait(pages.next()) {
        let summary = match summary {
            Ok(summary) => summary,
            Err(error) => {
                let fault = Fault::of("cloudformation:ListChangeSets", error);
                if super::read::is_missing(&fault) {
                    break;
                }
                return Err(fault);
            }
        };
        let idle = !matches!(
            summary.execution_status(),
            Some(ExecutionStatus::ExecuteInProgress | ExecutionStatus::ExecuteComplete)
        );
        let name = summary.change_set_name().unwrap_or_default();
        if idle && name.starts_with(prefix) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

pub(crate) fn is_missing(fault: &Fault) -> bool {
    fault.is("ChangeSetNotFound")
        || fault.is("ChangeSetNotFoundException")
        || super::read::is_missing(fault)
}

fn page(
    account: &Account,
    stack: &str,
    name: &str,
    token: Option<String>,
) -> Result<Option<DescribeChangeSetOutput>, Fault> {
    let request = account
        .cloudformation
        .describe_change_set()
        .stack_name(stack)
        .change_set_name(name)
        .include_property_values(true)
        .set_next_token(token);
    match account.wait(request.send()) {
        Ok(page) => Ok(Some(page)),
        Err(error) => {
            let fault = Fault::of("cloudformation:DescribeChangeSet", error);
            if is_missing(&fault) {
                Ok(None)
            } else {
                Err(fault)
            }
        }
    }
}

fn read(stack: &str, answer: DescribeChangeSetOutput) -> ChangeSet {
    let reason = answer.status_reason.clone().unwrap_or_default();
    let state = match answer.status() {
        Some(ChangeSetStatus::CreateComplete) => ChangeSetState::Ready,
        _ if EMPTY.iter().any(|words| reason.contains(words)) => ChangeSetState::Empty,
        status => ChangeSetState::Failed {
            reason: if reason.is_empty() {
                status
                    .map_or("no reason was given", |status| status.as_str())
                    .to_owned()
            } else {
                reason
            },
        },
    };
    let changes = answer
        .changes()
        .iter()
        .filter_map(|change| change.resource_change())
        .map(change)
        .collect();
    ChangeSet {
        id: answer.change_set_id.clone().unwrap_or_default(),
        stack: stack.to_owned(),
        state,
        changes,
    }
}

fn change(told: &Told) -> ResourceChange {
    ResourceChange {
        logical: told.logical_resource_id().unwrap_or_default().to_owned(),
        kind: told.resource_type().unwrap_or_default().to_owned(),
        action: ChangeAction::read(told.action().map_or("", |word| word.as_str())),
        replacement: told
            .replacement()
            .map_or(Replacement::Never, |word| Replacement::read(word.as_str())),
        physical: told
            .physical_resource_id()
            .filter(|id| !id.is_empty())
            .map(str::to_owned),
        policy: told.policy_action().map(|word| Policy::read(word.as_str())),
        scope: told
            .scope()
            .iter()
            .map(|word| Attribute::read(word.as_str()))
            .collect(),
        details: told.details().iter().filter_map(detail).collect(),
    }
}

fn detail(told: &ToldDetail) -> Option<ChangeDetail> {
    let target = told.target()?;
    let evaluation = told.evaluation().map(|word| word.as_str());
    Some(ChangeDetail {
        attribute: Attribute::read(target.attribute().map_or("", |word| word.as_str())),
        name: target.name().map(str::to_owned),
        recreation: target
            .requires_recreation()
            .map_or(Recreation::Never, |word| Recreation::read(word.as_str())),
        reason: ChangeReason::read(told.change_source().map_or("", |word| word.as_str())),
        causing: told.causing_entity().map(str::to_owned),
        late: evaluation == Some("Dynamic"),
        before: target.before_value().map(str::to_owned),
        after: target.after_value().map(str::to_owned),
    })
}
