//! What was changed by other means than its stack.

use aws_sdk_cloudformation::types::{
    StackDriftDetectionStatus, StackDriftStatus, StackResourceDrift, StackResourceDriftStatus,
};
use switchback_engine::ports::Failure;
use switchback_engine::signal::StopSignal;
use switchback_model::stack::{Drift, DriftedResource, Stack};

use crate::account::Account;
use crate::fault::Fault;
use crate::waiting::Pace;

/// Asks for every steady stack at once, then waits for each.
pub(crate) fn look(account: &Account, stacks: &mut [Stack]) -> Result<(), Failure> {
    let mut asked = Vec::new();
    for (at, stack) in stacks.iter().enumerate() {
        if !stack.status.is_steady() {
            continue;
        }
        let request = account
            .cloudformation
            .detect_stack_drift()
            .stack_name(&stack.id);
        match account.wait(request.send()) {
            Ok(answer) => asked.push((at, answer.stack_drift_detection_id.unwrap_or_default())),
            Err(error) => {
                let fault = Fault::of("cloudformation:DetectStackDrift", error);
                return Err(fault.failure(what(&stack.name)));
            }
        }
    }
    let stop = StopSignal::default();
    for (at, id) in asked {
        let stack = &mut stacks[at];
        stack.drift = found(account, stack, &id, &stop)?;
    }
    Ok(())
}

/// How one resource of a stack compares with its template.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    pub(crate) logical: String,
    /// False where CloudFormation cannot tell of such a resource.
    pub(crate) compared: bool,
    /// How it differs, where it does.
    pub(crate) unlike: Option<String>,
}

/// Compares some resources of a stack with its template.
pub(crate) fn of_resources(
    account: &Account,
    stack: &str,
    logical: &[String],
    stop: &StopSignal,
) -> Result<Vec<Compared>, Failure> {
    let failed = |fault: Fault| fault.failure(what(stack));
    let request = account
        .cloudformation
        .detect_stack_drift()
        .stack_name(stack);
    let answer = account
        .wait(request.send())
        .map_err(|error| failed(Fault::of("cloudformation:DetectStackDrift", error)))?;
    let id = answer.stack_drift_detection_id.unwrap_or_default();
    detected(account, stack, &id, stop)?;
    let mut pages = account
        .cloudformation
        .describe_stack_resource_drifts()
        .stack_name(stack)
        .into_paginator()
        .send();
    let mut told = Vec::new();
    while let Some(page) = account.wait(pages.next()) {
        let page = page.map_err(|error| {
            failed(Fault::of(
                "cloudformation:DescribeStackResourceDrifts",
                error,
            ))
        })?;
        told.extend(page.stack_resource_drifts().to_vec());
    }
    Ok(logical.iter().map(|name| compared(name, &told)).collect())
}

/// One that is not told of was not compared.
fn compared(logical: &str, told: &[StackResourceDrift]) -> Compared {
    let of = told
        .iter()
        .find(|it| it.logical_resource_id() == Some(logical));
    let status = of.and_then(|it| it.stack_resource_drift_status());
    let found = of.map(drifted);
    let unlike = match status {
        Some(StackResourceDriftStatus::Deleted) => Some("gone".to_owned()),
        Some(StackResourceDriftStatus::Modified) => found.map(|found| {
            let each = found.differences.iter();
            let words = each.map(|(path, said, is)| format!("{path} is `{is}`, not `{said}`"));
            words.collect::<Vec<_>>().join("; ")
        }),
        _ => None,
    };
    Compared {
        logical: logical.to_owned(),
        compared: unlike.is_some() || status == Some(&StackResourceDriftStatus::InSync),
        unlike,
    }
}

fn what(stack: &str) -> String {
    format!("cannot tell what was changed in `{stack}` by other means")
}

fn found(account: &Account, stack: &Stack, id: &str, stop: &StopSignal) -> Result<Drift, Failure> {
    match detected(account, &stack.name, id, stop)? {
        Some(StackDriftStatus::InSync) => Ok(Drift::None),
        Some(StackDriftStatus::Drifted) => {
            resources(account, stack).map_err(|fault| fault.failure(what(&stack.name)))
        }
        _ => Ok(Drift::Unknown),
    }
}

/// Waits for the end of a detection; nothing where it could not be made of everything.
fn detected(
    account: &Account,
    stack: &str,
    id: &str,
    stop: &StopSignal,
) -> Result<Option<StackDriftStatus>, Failure> {
    let mut pace = Pace::new(stop);
    loop {
        let request = account
            .cloudformation
            .describe_stack_drift_detection_status()
            .stack_drift_detection_id(id);
        let answer = account.wait(request.send()).map_err(|error| {
            Fault::of("cloudformation:DescribeStackDriftDetectionStatus", error)
                .failure(what(stack))
        })?;
        match answer.detection_status() {
            Some(StackDriftDetectionStatus::DetectionInProgress) => {
                pace.pause(&format!("the look at `{stack}`"))?;
            }
            Some(StackDriftDetectionStatus::DetectionComplete) => {
                return Ok(answer.stack_drift_status().cloned());
            }
            _ => return Ok(None),
        }
    }
}

fn resources(account: &Account, stack: &Stack) -> Result<Drift, Fault> {
    let mut pages = account
        .cloudformation
        .describe_stack_resource_drifts()
        .stack_name(&stack.id)
        .stack_resource_drift_status_filters(StackResourceDriftStatus::Modified)
        .stack_resource_drift_status_filters(StackResourceDriftStatus::Deleted)
        .into_paginator()
        .send();
    let mut resources = Vec::new();
    while let Some(page) = account.wait(pages.next()) {
        let page =
            page.map_err(|error| Fault::of("cloudformation:DescribeStackResourceDrifts", error))?;
        resources.extend(page.stack_resource_drifts().iter().map(drifted));
    }
    Ok(Drift::Found { resources })
}

fn drifted(told: &StackResourceDrift) -> DriftedResource {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    DriftedResource {
        logical: text(told.logical_resource_id()),
        kind: text(told.resource_type()),
        deleted: told.stack_resource_drift_status() == Some(&StackResourceDriftStatus::Deleted),
        differences: told
            .property_differences()
            .iter()
            .map(|difference| {
                (
                    text(difference.property_path()),
                    text(difference.expected_value()),
                    text(difference.actual_value()),
                )
            })
            .collect(),
    }
}
