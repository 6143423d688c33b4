//! Stacks as they are.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{Stack as Described, TemplateStage};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use switchback_model::stack::{
    Drift, Output, ParameterNow, Stack, StackResource, StackStatus, body_digest,
};

use crate::account::Account;
use crate::fault::Fault;

/// Questions under way at once. CloudFormation lets an account read about ten times a second.
const AT_ONCE: usize = 8;
/// How CloudFormation shows a parameter that nobody may read.
const MASK: &str = "****";

/// A stack with the text of its template.
pub(crate) struct StackWithText {
    pub(crate) stack: Stack,
    pub(crate) text: String,
}

/// Every stack of the region that is not deleted, without resources and templates: few calls, however many stacks.
pub(crate) fn all(account: &Account) -> Result<Vec<Stack>, Fault> {
    let mut pages = account
        .cloudformation
        .describe_stacks()
        .into_paginator()
        .items()
        .send();
    let mut stacks = Vec::new();
    while let Some(stack) = account.wait(pages.next()) {
        let stack = stack.map_err(|error| Fault::of("cloudformation:DescribeStacks", error))?;
        stacks.push(described(&stack));
    }
    Ok(stacks)
}

/// One stack by name or ARN, without resources and template; nothing where there is none.
pub(crate) fn one(account: &Account, name: &str) -> Result<Option<Stack>, Fault> {
    let request = account.cloudformation.describe_stacks().stack_name(name);
    match account.wait(request.send()) {
        Ok(answer) => Ok(answer.stacks().first().map(described)),
        Err(error) => {
            let fault = Fault::of("cloudformation:DescribeStacks", error);
            if is_missing(&fault) {
                Ok(None)
            } else {
                Err(fault)
            }
        }
    }
}

/// Whether CloudFormation says that there is no such stack: it has no code of its own for that.
pub(crate) fn is_missing(fault: &Fault) -> bool {
    fault.is("ValidationError") && fault.says("does not exist")
}

/// The text of the template that a stack was made from.
pub(crate) fn text(account: &Account, name: &str) -> Result<String, Fault> {
    account.wait(text_of(account, name))
}

/// Adds what takes calls of their own to every stack: resources and template texts, several at once.
pub(crate) fn complete(account: &Account, stacks: Vec<Stack>) -> Result<Vec<StackWithText>, Fault> {
    let completed = stream::iter(stacks)
        .map(|stack| completed(account, stack))
        .buffered(AT_ONCE)
        .try_collect();
    account.wait(completed)
}

async fn completed(account: &Account, mut stack: Stack) -> Result<StackWithText, Fault> {
    if stack.status.is_reserved() {
        // It has neither yet.
        return Ok(StackWithText {
            stack,
            text: String::new(),
        });
    }
    let text = text_of(account, &stack.id).await?;
    stack.body = body_digest(&text);
    list_resources(account, &mut stack).await?;
    Ok(StackWithText { stack, text })
}

/// Adds the resources of every stack, several at once.
pub(crate) fn resources(account: &Account, stacks: Vec<Stack>) -> Result<Vec<Stack>, Fault> {
    let listed = stream::iter(stacks)
        .map(|mut stack| async move {
            list_resources(account, &mut stack).await?;
            Ok(stack)
        })
        .buffered(AT_ONCE)
        .try_collect();
    account.wait(listed)
}

async fn list_resources(account: &Account, stack: &mut Stack) -> Result<(), Fault> {
    let mut pages = account
        .cloudformation
        .list_stack_resources()
        .stack_name(&stack.id)
        .into_paginator()
        .items()
        .send();
    while let Some(resource) = pages.next().await {
        let resource =
            resource.map_err(|error| Fault::of("cloudformation:ListStackResources", error))?;
        stack.resources.push(StackResource {
            logical: resource
                .logical_resource_id()
                .unwrap_or_default()
                .to_owned(),
            physical: resource
                .physical_resource_id()
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
            kind: resource.resource_type().unwrap_or_default().to_owned(),
            status: resource
                .resource_status()
                .map(|status| status.as_str().to_owned())
                .unwrap_or_default(),
        });
    }
    Ok(())
}

async fn text_of(account: &Account, name: &str) -> Result<String, Fault> {
    let answer = account
        .cloudformation
        .get_template()
        .stack_name(name)
        .template_stage(TemplateStage::Original)
        .send()
        .await
        .map_err(|error| Fault::of("cloudformation:GetTemplate", error))?;
    Ok(answer.template_body.unwrap_or_default())
}

/// Which stacks use each export: one call per export that the stacks have.
pub(crate) fn importers(account: &Account, stacks: &mut [Stack]) -> Result<(), Fault> {
    let mut exports: Vec<String> = stacks
        .iter()
        .flat_map(|stack| stack.outputs.values())
        .filter_map(|output| output.export.clone())
        .collect();
    exports.sort();
    exports.dedup();
    let asked = stream::iter(exports)
        .map(|export| importers_of(account, export))
        .buffered(AT_ONCE)
        .try_collect();
    let by_export: BTreeMap<String, Vec<String>> = account.wait(asked)?;
    for stack in stacks.iter_mut() {
        stack.imports = by_export
            .iter()
            .filter(|(_, users)| users.contains(&stack.name))
            .map(|(export, _)| export.clone())
            .collect();
        for output in stack.outputs.values_mut() {
            let users = output.export.as_ref().and_then(|name| by_export.get(name));
            output.imported_by = users.cloned().unwrap_or_default();
        }
    }
    Ok(())
}

async fn importers_of(account: &Account, export: String) -> Result<(String, Vec<String>), Fault> {
    let mut pages = account
        .cloudformation
        .list_imports()
        .export_name(&export)
        .into_paginator()
        .items()
        .send();
    let mut users = Vec::new();
    while let Some(user) = pages.next().await {
        match user {
            Ok(user) => users.push(user),
            Err(error) => {
                let fault = Fault::of("cloudformation:ListImports", error);
                // An export that nobody uses is an error to CloudFormation.
                if fault.is("ValidationError") && fault.says("is not imported by any stack") {
                    break;
                }
                return Err(fault);
            }
        }
    }
    Ok((export, users))
}

fn described(stack: &Described) -> Stack {
    let name = stack.stack_name().unwrap_or_default().to_owned();
    let parameters = stack.parameters().iter().map(|parameter| {
        let value = parameter.parameter_value().unwrap_or_default();
        let now = ParameterNow {
            value: (value != MASK).then(|| value.to_owned()),
            resolved: parameter.resolved_value().map(str::to_owned),
        };
        (
            parameter.parameter_key().unwrap_or_default().to_owned(),
            now,
        )
    });
    let outputs = stack.outputs().iter().map(|output| {
        let told = Output {
            value: output.output_value().unwrap_or_default().to_owned(),
            export: output.export_name().map(str::to_owned),
            imported_by: Vec::new(),
        };
        (output.output_key().unwrap_or_default().to_owned(), told)
    });
    let tags = stack.tags().iter().map(|tag| {
        (
            tag.key().unwrap_or_default().to_owned(),
            tag.value().unwrap_or_default().to_owned(),
        )
    });
    Stack {
        id: stack.stack_id().unwrap_or(name.as_str()).to_owned(),
        template: None,
        status: StackStatus::new(
            stack
                .stack_status()
                .map(|status| status.as_str())
                .unwrap_or_default(),
        ),
        reason: stack.stack_status_reason().map(str::to_owned),
        parameters: parameters.collect(),
        outputs: outputs.collect(),
        imports: Vec::new(),
        body: body_digest(""),
        resources: Vec::new(),
        capabilities: stack
            .capabilities()
            .iter()
            .map(|capability| capability.as_str().to_owned())
            .collect(),
        tags: tags.collect(),
        protected: stack.enable_termination_protection().unwrap_or_default(),
        drift: Drift::Unknown,
        events: Vec::new(),
        name,
    }
}
