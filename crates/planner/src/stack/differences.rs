//! What differs between two templates, for people: parameters one by one, the rest in short.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use switchback_model::stack::{Stack, Template};

/// What is different about a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "parameter")]
pub enum ParameterDifference {
    /// It is new.
    New {
        /// Its name.
        name: String,
        /// What it is where nothing is said.
        default: Option<String>,
        /// What it may be.
        allowed: Vec<String>,
    },
    /// It is gone.
    Removed {
        /// Its name.
        name: String,
        /// What it was; `None` where that is masked.
        value: Option<String>,
    },
    /// It may be something else than before.
    Allowed {
        /// Its name.
        name: String,
        /// What it may no longer be.
        fewer: Vec<String>,
        /// What it may be now.
        more: Vec<String>,
        /// What it is, where it may no longer be that.
        not_any_more: Option<String>,
    },
    /// Its default is another; what the stack has is carried over.
    Default {
        /// Its name.
        name: String,
        /// The default before.
        before: Option<String>,
        /// The default after.
        after: Option<String>,
        /// What the stack has; `None` where that is masked.
        value: Option<String>,
    },
    /// It is of another type, or masked where it was not, or the other way round.
    Kind {
        /// Its name.
        name: String,
        /// What it was.
        before: String,
        /// What it is.
        after: String,
    },
}

/// What is different beside parameters: names, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TemplateDifference {
    /// Resources that are new.
    pub added: Vec<String>,
    /// Resources that are gone.
    pub removed: Vec<String>,
    /// Resources that say something else.
    pub changed: Vec<String>,
    /// Mappings and conditions that say something else.
    pub ground: Vec<String>,
    /// Outputs that are new, gone or something else.
    pub outputs: Vec<String>,
    /// Macros that rewrite either template: nothing of this is certain then.
    pub transforms: Vec<String>,
}

impl TemplateDifference {
    /// True where both templates make the same of the same parameters.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True where nothing but fixed values differ, such as the ids of machine images.
    pub fn is_only_mappings(&self, old: &Template) -> bool {
        let rest = Self {
            ground: Vec::new(),
            ..self.clone()
        };
        rest.is_empty()
            && !self.ground.is_empty()
            && self
                .ground
                .iter()
                .all(|name| old.mappings.contains_key(name))
    }
}

/// What differs beside parameters.
pub(super) fn template(old: &Template, new: &Template) -> TemplateDifference {
    let says = |template: &Template, name: &String| {
        let it = template.resources.get(name)?;
        Some((
            it.kind.clone(),
            it.condition.clone(),
            it.deletion_policy.clone(),
            it.replace_policy.clone(),
            it.properties.clone(),
            it.besides.clone(),
        ))
    };
    let resources: BTreeSet<&String> = old.resources.keys().chain(new.resources.keys()).collect();
    let mut found = TemplateDifference::default();
    for name in resources {
        match (says(old, name), says(new, name)) {
            (None, _) => found.added.push(name.clone()),
            (_, None) => found.removed.push(name.clone()),
            (before, after) if before != after => found.changed.push(name.clone()),
            _ => {}
        }
    }
    found.ground = [
        different(&old.mappings, &new.mappings),
        different(&old.conditions, &new.conditions),
    ]
    .concat();
    let outputs = |template: &Template| -> BTreeMap<String, _> {
        let outputs = template.outputs.iter();
        outputs
            .map(|(name, it)| {
                (
                    name.clone(),
                    (it.value.clone(), it.export.clone(), it.condition.clone()),
                )
            })
            .collect()
    };
    found.outputs = different(&outputs(old), &outputs(new));
    found.transforms = [old.transforms.clone(), new.transforms.clone()].concat();
    found.transforms.dedup();
    found
}

fn different<T: PartialEq>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<String> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .cloned()
        .collect()
}

/// What differs about parameters, by name.
pub(super) fn parameters(
    stack: &Stack,
    old: &Template,
    new: &Template,
) -> Vec<ParameterDifference> {
    let names: BTreeSet<&String> = old.parameters.keys().chain(new.parameters.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let value = || stack.parameter(name).map(str::to_owned);
        let (Some(before), Some(after)) = (old.parameters.get(name), new.parameters.get(name))
        else {
            found.push(match new.parameters.get(name) {
                Some(new) => ParameterDifference::New {
                    name: name.clone(),
                    default: new.default.clone(),
                    allowed: new.allowed.clone(),
                },
                None => ParameterDifference::Removed {
                    name: name.clone(),
                    value: value(),
                },
            });
            continue;
        };
        let kind = |of: &switchback_model::stack::Parameter| match of.no_echo {
            true => format!("{}, masked", of.kind),
            false => of.kind.clone(),
        };
        if kind(before) != kind(after) {
            found.push(ParameterDifference::Kind {
                name: name.clone(),
                before: kind(before),
                after: kind(after),
            });
        }
        if before.allowed != after.allowed {
            let without = |of: &[String], other: &[String]| -> Vec<String> {
                of.iter()
                    .filter(|it| !other.contains(it))
                    .cloned()
                    .collect()
            };
            let refused =
                |value: &String| !after.allowed.is_empty() && !after.allowed.contains(value);
            found.push(ParameterDifference::Allowed {
                name: name.clone(),
                fewer: without(&before.allowed, &after.allowed),
                more: without(&after.allowed, &before.allowed),
                not_any_more: value().filter(refused),
            });
        }
        if before.default != after.default {
            found.push(ParameterDifference::Default {
                name: name.clone(),
                before: before.default.clone(),
                after: after.default.clone(),
                value: value(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "Parameters:
  Gone: { Type: String }
  Kept: { Type: String, Default: a }
  Level: { Type: String, AllowedValues: [debug, info] }
  Narrow: { Type: String, AllowedValues: [one, two] }
  Masked: { Type: String }
Mappings: { Images: { eu: { id: ami-1 } } }
Resources:
  Stays: { Type: \"AWS::S3::Bucket\", Properties: { BucketName: a } }
  Moves: { Type: \"AWS::S3::Bucket\", Properties: { BucketName: b } }
  Leaves: { Type: \"AWS::S3::Bucket\" }
  Kept2: { Type: \"AWS::S3::Bucket\", DeletionPolicy: Retain }
Outputs: { Where: { Value: a } }
";
    const NEW: &str = "Parameters:
  Comes: { Type: String, Default: x, AllowedValues: [x, y] }
  Kept: { Type: String, Default: b }
  Level: { Type: String, AllowedValues: [debug, info, trace] }
  Narrow: { Type: String, AllowedValues: [two] }
  Masked: { Type: String, NoEcho: true }
Mappings: { Images: { eu: { id: ami-2 } } }
Resources:
  Stays: { Type: \"AWS::S3::Bucket\", Properties: { BucketName: a } }
  Moves: { Type: \"AWS::S3::Bucket\", Properties: { BucketName: c } }
  Enters: { Type: \"AWS::S3::Bucket\" }
  Kept2: { Type: \"AWS::S3::Bucket\" }
Outputs: { Where: { Value: b } }
";

    fn parsed(text: &str) -> Template {
        Template::parse("a template", text).unwrap_or_else(|faults| panic!("{}", faults[0]))
    }

    fn stack() -> Stack {
        let parameters = [
            ("Gone", "g"),
            ("Kept", "k"),
            ("Level", "info"),
            ("Narrow", "one"),
        ];
        let parameters: BTreeMap<_, _> = parameters
            .into_iter()
            .map(|(name, value)| (name, serde_json::json!({ "value": value })))
            .collect();
        serde_json::from_value(serde_json::json!({
            "name": "s", "id": "arn", "status": "UPDATE_COMPLETE",
            "body": switchback_model::stack::body_digest(""), "parameters": parameters,
            "outputs": {}, "resources": [],
        }))
        .expect("a stack")
    }

    /// Each kind of difference, and nothing of what is the same.
    #[test]
    fn every_difference_of_a_parameter_is_told_with_what_the_stack_has() {
        let name = |name: &str| name.to_owned();
        let some = |value: &str| Some(value.to_owned());
        let told = parameters(&stack(), &parsed(OLD), &parsed(NEW));
        assert_eq!(
            told,
            [
                ParameterDifference::New {
                    name: name("Comes"),
                    default: some("x"),
                    allowed: vec![name("x"), name("y")],
                },
                ParameterDifference::Removed {
                    name: name("Gone"),
                    value: some("g"),
                },
                ParameterDifference::Default {
                    name: name("Kept"),
                    before: some("a"),
                    after: some("b"),
                    value: some("k"),
                },
                ParameterDifference::Allowed {
                    name: name("Level"),
                    fewer: Vec::new(),
                    more: vec![name("trace")],
                    not_any_more: None,
                },
                ParameterDifference::Kind {
                    name: name("Masked"),
                    before: name("String"),
                    after: name("String, masked"),
                },
                ParameterDifference::Allowed {
                    name: name("Narrow"),
                    fewer: vec![name("one")],
                    more: Vec::new(),
                    not_any_more: some("one"),
                },
            ]
        );
    }

    #[test]
    fn every_difference_beside_parameters_is_told() {
        let told = template(&parsed(OLD), &parsed(NEW));
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let expected = TemplateDifference {
            added: names(&["Enters"]),
            removed: names(&["Leaves"]),
            // One is not made otherwise, but it would go where it stayed before.
            changed: names(&["Kept2", "Moves"]),
            ground: names(&["Images"]),
            outputs: names(&["Where"]),
            transforms: Vec::new(),
        };
        assert_eq!(told, expected);
        assert!(!told.is_only_mappings(&parsed(OLD)));
        assert!(template(&parsed(OLD), &parsed(OLD)).is_empty());
    }
}
