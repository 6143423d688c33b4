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

fn what(stack: &str) -> String {
    format!("cannot tell what was changed in `{stack}` by other means")
}

fn found(account: &Account, stack: &Stack, id: &str, stop: &StopSignal) -> Result<Drift, Failure> {
    let mut pace = Pace::new(stop);
    loop {
        let request = account
            .cloudformation
            .describe_stack_drift_detection_status()
            .stack_drift_detection_id(id);
        let answer = account.wait(request.send()).map_err(|error| {
            Fault::of("cloudformation:DescribeStackDriftDetectionStatus", error)
                .failure(what(&stack.name))
        })?;
        match answer.detection_status() {
            Some(StackDriftDetectionStatus::DetectionInProgress) => {
                pace.pause(&format!("the look at `{}`", stack.name))?;
            }
            Some(StackDriftDetectionStatus::DetectionComplete) => {
                return match answer.stack_drift_status() {
                    Some(StackDriftStatus::InSync) => Ok(Drift::None),
                    Some(StackDriftStatus::Drifted) => {
                        resources(account, stack).map_err(|fault| fault.failure(what(&stack.name)))
                    }
                    _ => Ok(Drift::Unknown),
                };
            }
            _ => return Ok(Drift::Unknown),
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
