//! Our own prediction of what an update changes, beside the provider's: from both templates, both sets of
//! parameters, and what is known of each type of resource.
//!
//! ```text
//! properties that differ ─► changed resources ─► resources that refer to replaced ones ─► …
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use switchback_model::stack::{
    ChangeAction, ChangeReason, Expression, ForeseenChange, Recreation, Replacement, Resource,
    Stack, placeholders,
};

use super::facts;
use super::resolve::{Resolved, Side};

/// What we say happens to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Predicted {
    /// What happens.
    #[serde(flatten)]
    pub change: ForeseenChange,
    /// Why, property by property.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

/// Why a resource changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cause {
    /// The property, or what is said beside the properties.
    pub property: String,
    /// Whether another value of it needs another resource.
    pub recreation: Recreation,
    /// What causes it.
    pub reason: ChangeReason,
    /// The parameter or resource that causes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causing: Option<String>,
    /// The value before, without what cannot be read.
    pub before: String,
    /// The value after.
    pub after: String,
    /// True where only carrying it out will tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// Predicts what turning `old` into `new` changes of a stack.
pub(super) fn predict(stack: &Stack, old: &Side<'_>, new: &Side<'_>) -> Vec<Predicted> {
    let mut found: BTreeMap<String, Predicted> = BTreeMap::new();
    let names: BTreeSet<&String> = old
        .template
        .resources
        .keys()
        .chain(new.template.resources.keys())
        .collect();
    for logical in names {
        let change = one(stack, old, new, logical);
        found.extend(change.map(|change| (logical.clone(), change)));
    }
    spread(&mut found, new);
    found.into_values().collect()
}

fn one(stack: &Stack, old: &Side<'_>, new: &Side<'_>, logical: &str) -> Option<Predicted> {
    let was = old.template.resources.get(logical);
    let is = new.template.resources.get(logical);
    // What is there is certain, where the stack was asked.
    let existed = match stack.resources.is_empty() {
        true => was.is_some_and(|was| old.made(was.condition.as_deref()) != Some(false)),
        false => stack.resource(logical).is_some(),
    };
    let remains = is.map_or(Some(false), |is| new.made(is.condition.as_deref()));
    let kind = is.or(was)?.kind.as_str();
    let action = match (existed, remains) {
        (false, Some(false)) => return None,
        (false, Some(true)) => ChangeAction::Add,
        (true, Some(false)) => ChangeAction::Remove,
        (true, Some(true)) => ChangeAction::Modify,
        (_, None) if was.map(|was| &was.condition) == is.map(|is| &is.condition) && existed => {
            ChangeAction::Modify
        }
        (_, None) => ChangeAction::Unknown,
    };
    let causes = match (was, is) {
        (Some(was), Some(is)) if action == ChangeAction::Modify => causes(old, was, new, is),
        _ => Vec::new(),
    };
    (action != ChangeAction::Modify || !causes.is_empty()).then(|| Predicted {
        change: ForeseenChange {
            logical: logical.to_owned(),
            kind: kind.to_owned(),
            action,
            replacement: replacement(&causes),
        },
        causes,
    })
}

/// The worst of the causes; what only carrying out will tell may come to less.
fn replacement(causes: &[Cause]) -> Replacement {
    let of = |cause: &Cause| match cause.recreation {
        Recreation::Never => Replacement::Never,
        Recreation::Always if !cause.late => Replacement::Always,
        Recreation::Always | Recreation::Conditionally => Replacement::Maybe,
    };
    causes.iter().map(of).max().unwrap_or(Replacement::Never)
}

fn causes(old: &Side<'_>, was: &Resource, new: &Side<'_>, is: &Resource) -> Vec<Cause> {
    let mut causes = Vec::new();
    if was.kind != is.kind {
        causes.push(Cause {
            property: "Type".to_owned(),
            recreation: Recreation::Always,
            reason: ChangeReason::Template,
            causing: None,
            before: was.kind.clone(),
            after: is.kind.clone(),
            late: false,
        });
    }
    let properties = was.properties.keys().chain(is.properties.keys());
    for property in properties.collect::<BTreeSet<_>>() {
        let sides = Sides {
            property,
            was: was.properties.get(property),
            is: is.properties.get(property),
            recreation: facts::recreation(&is.kind, property),
        };
        causes.extend(sides.cause(old, new));
    }
    let besides = was.besides.keys().chain(is.besides.keys());
    for property in besides.collect::<BTreeSet<_>>() {
        let sides = Sides {
            property,
            was: was.besides.get(property),
            is: is.besides.get(property),
            recreation: Recreation::Never,
        };
        causes.extend(sides.cause(old, new));
    }
    causes
}

/// One property in both templates.
struct Sides<'a> {
    property: &'a str,
    was: Option<&'a Expression>,
    is: Option<&'a Expression>,
    recreation: Recreation,
}

impl Sides<'_> {
    fn cause(&self, old: &Side<'_>, new: &Side<'_>) -> Option<Cause> {
        let value = |side: &Side<'_>, expression: Option<&Expression>| {
            expression.map_or(Resolved::Nothing, |expression| side.value(expression))
        };
        let (before, after) = (value(old, self.was), value(new, self.is));
        let stored = stored_in(&after, new, self.is);
        if before == after && stored.is_none() {
            return None;
        }
        let late = before == after;
        let parameter = stored.or_else(|| {
            let is = self.is?;
            (self.was == self.is).then(|| differing(is, old, new))?
        });
        Some(Cause {
            property: self.property.to_owned(),
            recreation: self.recreation,
            reason: match parameter {
                Some(_) => ChangeReason::Parameter,
                None => ChangeReason::Template,
            },
            causing: parameter,
            before: before.shown(),
            after: after.shown(),
            late,
        })
    }
}

/// The parameter that names a stored value in this property: what is stored is read anew with every update.
fn stored_in(after: &Resolved, new: &Side<'_>, is: Option<&Expression>) -> Option<String> {
    if !after.shown().contains("<what is stored as ") {
        return None;
    }
    let stored = |name: &str| {
        let parameter = new.template.parameters.get(name);
        parameter.is_some_and(|it| it.kind.starts_with("AWS::SSM::Parameter::Value"))
    };
    parameters(is?, new).into_iter().find(|name| stored(name))
}

/// The parameter in a value that is another now, directly or through a condition.
fn differing(expression: &Expression, old: &Side<'_>, new: &Side<'_>) -> Option<String> {
    parameters(expression, new)
        .into_iter()
        .find(|name| old.given.get(name) != new.given.get(name))
}

/// The parameters that a value depends on.
fn parameters(expression: &Expression, side: &Side<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut conditions = BTreeSet::new();
    let mut pending = vec![expression];
    while let Some(expression) = pending.pop() {
        let mut named = Vec::new();
        expression.walk(&mut |inner| named.extend(names(inner)));
        for name in named {
            if side.template.parameters.contains_key(name) {
                found.insert(name.to_owned());
            } else if let Some(condition) = side.template.conditions.get(name)
                && conditions.insert(name.to_owned())
            {
                pending.push(condition);
            }
        }
    }
    found
}

/// What one expression names itself: parameters, resources, conditions.
fn names(expression: &Expression) -> Vec<&str> {
    let Expression::Call(call) = expression else {
        return Vec::new();
    };
    let first = || match &call.argument {
        Expression::List(items) => items.first().and_then(Expression::text),
        other => other.text(),
    };
    match call.function.as_str() {
        "Ref" | "Condition" | "Fn::If" => first().into_iter().collect(),
        "Fn::Sub" => first()
            .map(|text| placeholders(text).collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Resources that a value refers to, each with whether it is an attribute that is asked for.
fn references(expression: &Expression) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    expression.walk(&mut |inner| {
        let Expression::Call(call) = inner else {
            return;
        };
        match (call.function.as_str(), &call.argument) {
            ("Ref", Expression::Text(name)) => found.push((name.as_str(), false)),
            ("Fn::GetAtt", Expression::List(items)) => {
                let resource = items.first().and_then(Expression::text);
                found.extend(resource.map(|resource| (resource, true)));
            }
            ("Fn::Sub", _) => {
                found.extend(
                    names(inner)
                        .into_iter()
                        .map(|name| match name.split_once('.') {
                            Some((resource, _)) if !name.starts_with("AWS::") => (resource, true),
                            _ => (name, false),
                        }),
                )
            }
            _ => {}
        }
    });
    found
}

/// What refers to a resource that is replaced, or to an attribute of one that changes, changes with it.
fn spread(found: &mut BTreeMap<String, Predicted>, new: &Side<'_>) {
    loop {
        let mut grown = false;
        for (logical, resource) in &new.template.resources {
            // What is made anew, or goes, needs no further reason.
            let known = found.get(logical);
            if known.is_some_and(|known| known.change.action != ChangeAction::Modify)
                || new.made(resource.condition.as_deref()) == Some(false)
            {
                continue;
            }
            let causes = follows(found, resource, known);
            if causes.is_empty() {
                continue;
            }
            grown = true;
            let entry = found.entry(logical.clone()).or_insert_with(|| Predicted {
                change: ForeseenChange {
                    logical: logical.clone(),
                    kind: resource.kind.clone(),
                    action: ChangeAction::Modify,
                    replacement: Replacement::Never,
                },
                causes: Vec::new(),
            });
            entry.causes.extend(causes);
            entry.change.replacement = replacement(&entry.causes);
        }
        if !grown {
            return;
        }
    }
}

/// Causes that come from other resources and are not among the known ones yet.
fn follows(
    found: &BTreeMap<String, Predicted>,
    resource: &Resource,
    known: Option<&Predicted>,
) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for (property, expression) in &resource.properties {
        for (of, attribute) in references(expression) {
            let Some(changed) = found.get(of) else {
                continue;
            };
            let moves = changed.change.replacement >= Replacement::Maybe
                || (attribute && changed.change.action == ChangeAction::Modify);
            let is_known = |causes: &[Cause]| {
                causes.iter().any(|cause| {
                    cause.property == *property && cause.causing.as_deref() == Some(of)
                })
            };
            if !moves || is_known(&causes) || known.is_some_and(|known| is_known(&known.causes)) {
                continue;
            }
            causes.push(Cause {
                property: property.clone(),
                recreation: facts::recreation(&resource.kind, property),
                reason: match attribute {
                    true => ChangeReason::Attribute,
                    false => ChangeReason::Resource,
                },
                causing: Some(of.to_owned()),
                before: format!("<{of}>"),
                after: format!("<another {of}>"),
                late: true,
            });
        }
    }
    causes
}
