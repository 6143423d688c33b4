//! What an update of one stack changes, from three sides: the templates, our prediction, the provider's change set.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use switchback_model::StepNumber;
use switchback_model::stack::{
    Account, ChangeAction, ChangeSet, ParameterNow, ParameterWish, Replacement, Stack, Template,
};

use super::danger::{Danger, danger};
use super::differences::{self, ParameterDifference, TemplateDifference};
use super::predict::{Predicted, predict};
use super::resolve::{Given, Side};

/// What a review is made from.
#[derive(Clone, Copy, Debug)]
pub struct Reviewed<'a> {
    /// The account.
    pub account: &'a Account,
    /// The stack as it is.
    pub stack: &'a Stack,
    /// The template that it has.
    pub old: &'a Template,
    /// The template that it gets; the same where only parameters change.
    pub new: &'a Template,
    /// Every parameter of that template.
    pub wishes: &'a BTreeMap<String, ParameterWish>,
    /// What the provider says, where it was asked.
    pub provided: Option<&'a ChangeSet>,
}

/// What an update of one stack changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Review {
    /// The stack's name.
    pub stack: String,
    /// Parameters that differ.
    pub parameters: Vec<ParameterDifference>,
    /// What else of the templates differs.
    pub template: TemplateDifference,
    /// What we say happens.
    pub predicted: Vec<Predicted>,
    /// What the provider says, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provided: Option<ChangeSet>,
    /// Where both do not agree.
    pub disagreements: Vec<Disagreement>,
    /// What would be missed.
    pub dangers: Vec<Danger>,
    /// Exports that other stacks use and that this update changes or takes away: the provider refuses that.
    pub locked_exports: Vec<LockedExport>,
    /// Resources whose type is another under the same name: the provider refuses that.
    pub changed_types: Vec<String>,
    /// True where nothing but fixed values differ, such as the ids of machine images.
    pub only_mappings: bool,
}

/// What each update of a plan was seen to change, by its step.
pub type Reviews = BTreeMap<StepNumber, Review>;

/// Something that we and the provider see differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The resource's name in the template.
    pub logical: String,
    /// What we say, as a few words.
    pub ours: String,
    /// What the provider says.
    pub theirs: String,
}

/// An export that cannot change because others use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockedExport {
    /// Its name.
    pub export: String,
    /// Who uses it.
    pub used_by: Vec<String>,
    /// What would become of it, as half a sentence.
    pub text: String,
}

impl Review {
    /// What happens to one resource, as the worse of both says it.
    pub fn replacement(&self, logical: &str) -> Replacement {
        let ours = self
            .predicted
            .iter()
            .find(|it| it.change.logical == logical)
            .map(|it| it.change.replacement);
        let theirs = self
            .provided
            .as_ref()
            .and_then(|set| set.change(logical))
            .map(|it| it.replacement);
        ours.max(theirs).unwrap_or(Replacement::Never)
    }
}

/// Looks at an update of one stack from three sides.
pub fn review(of: &Reviewed<'_>) -> Review {
    let (before, after) = (given(&of.stack.parameters), given_by(of));
    let side = |template, given| Side {
        template,
        given,
        account: of.account,
        stack: &of.stack.name,
    };
    let (old, new) = (side(of.old, &before), side(of.new, &after));
    let predicted = predict(of.stack, &old, &new);
    let template = differences::template(of.old, of.new);
    let names: BTreeSet<&String> = predicted
        .iter()
        .map(|it| &it.change.logical)
        .chain(
            of.provided
                .iter()
                .flat_map(|set| set.changes.iter().map(|it| &it.logical)),
        )
        .collect();
    let dangers = names
        .into_iter()
        .filter_map(|name| {
            let ours = predicted.iter().find(|it| it.change.logical == *name);
            danger(ours, of.provided.and_then(|set| set.change(name)), of.old)
        })
        .collect();
    let changed_types = of
        .new
        .resources
        .iter()
        .filter(|(name, new)| {
            let old = of.old.resources.get(*name);
            old.is_some_and(|old| old.kind != new.kind)
        })
        .map(|(name, _)| name.clone())
        .collect();
    let parameters = differences::parameters(of.stack, of.old, of.new);
    Review {
        stack: of.stack.name.clone(),
        only_mappings: parameters.is_empty() && template.is_only_mappings(of.old),
        parameters,
        template,
        disagreements: of
            .provided
            .map(|set| disagreements(&predicted, set))
            .unwrap_or_default(),
        dangers,
        locked_exports: locked(of, &old, &new, &predicted),
        changed_types,
        predicted,
        provided: of.provided.cloned(),
    }
}

/// What parameters are now.
pub(super) fn given(now: &BTreeMap<String, ParameterNow>) -> BTreeMap<String, Given> {
    now.iter()
        .map(|(name, now)| {
            let given = match &now.value {
                Some(value) => Given::Value(value.clone()),
                None => Given::Hidden(format!("parameter {name}")),
            };
            (name.clone(), given)
        })
        .collect()
}

fn given_by(of: &Reviewed<'_>) -> BTreeMap<String, Given> {
    let now = given(&of.stack.parameters);
    of.wishes
        .iter()
        .map(|(name, wish)| {
            let given = match wish {
                ParameterWish::Previous => now
                    .get(name)
                    .cloned()
                    .unwrap_or_else(|| Given::Hidden(format!("parameter {name}"))),
                ParameterWish::Value { value } => Given::Value(value.clone()),
                ParameterWish::Snapshot { logical, .. } => {
                    Given::Hidden(format!("the snapshot of {logical}"))
                }
                ParameterWish::Secret { .. } => Given::Hidden(format!("another {name}")),
            };
            (name.clone(), given)
        })
        .collect()
}

fn disagreements(predicted: &[Predicted], set: &ChangeSet) -> Vec<Disagreement> {
    let says = |action: ChangeAction, replacement: Replacement| match (action, replacement) {
        (ChangeAction::Add, _) => "added",
        (ChangeAction::Import, _) => "imported",
        (ChangeAction::Remove, _) => "removed",
        (ChangeAction::Unknown, _) => "known only when it is done",
        (ChangeAction::Modify, Replacement::Never) => "changed in place",
        (ChangeAction::Modify, Replacement::Maybe) => "changed, perhaps replaced",
        (ChangeAction::Modify, Replacement::Always) => "replaced",
    };
    let mut found: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for it in predicted {
        let ours = says(it.change.action, it.change.replacement);
        found.insert(&it.change.logical, (ours, "not changed"));
    }
    for it in &set.changes {
        let theirs = says(it.action, it.replacement);
        found
            .entry(&it.logical)
            .and_modify(|(_, told)| *told = theirs)
            .or_insert(("not changed", theirs));
    }
    found
        .into_iter()
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(logical, (ours, theirs))| Disagreement {
            logical: logical.to_owned(),
            ours: ours.to_owned(),
            theirs: theirs.to_owned(),
        })
        .collect()
}

/// Exports in use that would be gone, or name something else.
fn locked(
    of: &Reviewed<'_>,
    old: &Side<'_>,
    new: &Side<'_>,
    predicted: &[Predicted],
) -> Vec<LockedExport> {
    let mut found = Vec::new();
    for (name, output) in &of.stack.outputs {
        let Some(export) = output
            .export
            .as_ref()
            .filter(|_| !output.imported_by.is_empty())
        else {
            continue;
        };
        let exported_as = |name: &str| {
            new.template.outputs.values().find(|it| {
                let exported = it.export.as_ref().map(|export| new.value(export));
                exported.is_some_and(|exported| exported.known() == Some(name))
            })
        };
        let text = match exported_as(export).or_else(|| {
            // The name may depend on what cannot be told here: then it is the output of the same name.
            let same = new.template.outputs.get(name)?;
            let told = new.value(same.export.as_ref()?);
            told.known().is_none().then_some(same)
        }) {
            None => "it would be gone".to_owned(),
            Some(next) => {
                let was = of.old.outputs.get(name).map(|it| old.value(&it.value));
                let is = new.value(&next.value);
                let replaced = predicted.iter().find(|it| {
                    it.change.replacement == Replacement::Always
                        && is.shown().contains(&format!("<{}>", it.change.logical))
                });
                match replaced {
                    Some(it) => format!("it names `{}`, which is replaced", it.change.logical),
                    None if was.as_ref().is_some_and(|was| *was != is) => format!(
                        "it would be `{}` instead of `{}`",
                        is.shown(),
                        was.map(|was| was.shown()).unwrap_or_default()
                    ),
                    None => continue,
                }
            }
        };
        found.push(LockedExport {
            export: export.clone(),
            used_by: output.imported_by.clone(),
            text,
        });
    }
    found
}
