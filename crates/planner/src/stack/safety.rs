//! What makes an update safe: snapshots for what it would lose, and what its change set may contain.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::product;
use switchback_model::stack::{
    ChangeSetState, DangerKind, ExpectedChanges, ParameterWish, Replacement, StoreKind, Template,
};

use super::review::Review;

/// Stores that would be lost and can be made anew from a snapshot in the same update: their parameter is set.
pub(super) fn cover(
    stack: &str,
    of: &product::Template,
    new: &Template,
    review: &Review,
    disks: bool,
    wishes: &mut BTreeMap<String, ParameterWish>,
) -> Vec<String> {
    let mut covered = Vec::new();
    for danger in &review.dangers {
        let DangerKind::Data(kind) = danger.what else {
            continue;
        };
        let Some(parameter) = of.snapshots.get(&danger.logical) else {
            continue;
        };
        // What the operator names goes before what this run would take.
        let said = wishes.get(parameter);
        if matches!(said, Some(ParameterWish::Value { value }) if !value.is_empty()) {
            covered.push(danger.logical.clone());
            continue;
        }
        let may = kind.can_be_snapshotted()
            && (disks || kind != StoreKind::Volume)
            && new.resources.contains_key(&danger.logical)
            && new.parameters.contains_key(parameter);
        if !may {
            continue;
        }
        wishes.insert(
            parameter.clone(),
            ParameterWish::Snapshot {
                stack: stack.to_owned(),
                logical: danger.logical.clone(),
            },
        );
        covered.push(danger.logical.clone());
    }
    covered
}

/// How surely a machine is made anew, as far as anybody can tell.
pub(super) fn machine(review: &Review) -> Replacement {
    review
        .predicted
        .iter()
        .filter(|it| it.change.kind == "AWS::EC2::Instance")
        .map(|it| review.replacement(&it.change.logical))
        .max()
        .unwrap_or(Replacement::Never)
}

/// What a change set may contain.
pub(super) fn expected(review: &Review) -> ExpectedChanges {
    match &review.provided {
        Some(set) if set.state == ChangeSetState::Ready => ExpectedChanges::Reviewed {
            digest: set.digest(),
        },
        _ => ExpectedChanges::Foreseen {
            changes: review
                .predicted
                .iter()
                .map(|it| it.change.clone())
                .collect(),
        },
    }
}

/// What the stack had, and what the template needs.
pub(super) fn capabilities(had: &[String], template: &Template) -> Vec<String> {
    let mut needed: BTreeSet<String> = had.iter().cloned().collect();
    if template
        .resources
        .values()
        .any(|resource| resource.kind.starts_with("AWS::IAM::"))
    {
        needed.insert("CAPABILITY_NAMED_IAM".to_owned());
    }
    if !template.transforms.is_empty() {
        needed.insert("CAPABILITY_AUTO_EXPAND".to_owned());
    }
    needed.into_iter().collect()
}
