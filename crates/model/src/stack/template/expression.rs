//! A value in a template: text, lists, maps, and functions that are evaluated when the template is used.

use std::collections::BTreeMap;

/// A value in a template. Numbers and truth values are text as written: a template that writes `"80"` instead of
/// `80` means the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A scalar.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// A map.
    Map(BTreeMap<String, Self>),
    /// A function.
    Call(Box<Call>),
}

/// A function and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its long name: `Ref`, `Condition`, `Fn::Sub`, ….
    pub function: String,
    /// What it is given; `Fn::GetAtt` always a list of resource and attribute.
    pub argument: Expression,
}

/// Every function that a template may use, by its long name.
pub(super) const FUNCTIONS: [&str; 20] = [
    "Ref",
    "Condition",
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Fn::Transform",
];

impl Expression {
    /// A scalar's text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A list's items.
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// A map's items.
    pub fn map(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Map(items) => Some(items),
            _ => None,
        }
    }

    /// A function call.
    pub fn call(function: &str, argument: Self) -> Self {
        Self::Call(Box::new(Call {
            function: function.to_owned(),
            argument,
        }))
    }

    /// Everything in it, itself first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Text(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.walk(visit)),
            Self::Map(items) => items.values().for_each(|item| item.walk(visit)),
            Self::Call(call) => call.argument.walk(visit),
        }
    }
}

impl From<&str> for Expression {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The names in the text of a `Fn::Sub`, e.g. `AWS::Region` of `${AWS::Region}`; `${!Literal}` is none.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.trim())
        .filter(|name| !name.starts_with('!'))
}
