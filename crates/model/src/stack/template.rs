//! What a template says.

mod expression;
mod nodes;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::expression::{Call, Expression, placeholders};
use crate::digest::Digest;

/// A template: what a stack is made from. Parsed from YAML or JSON; short and long forms of functions are one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// What it says of itself.
    pub description: Option<String>,
    /// What can be chosen, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// Fixed values: by mapping, first key, second key.
    pub mappings: BTreeMap<String, BTreeMap<String, BTreeMap<String, Expression>>>,
    /// Conditions, by name.
    pub conditions: BTreeMap<String, Expression>,
    /// What it makes, by logical id.
    pub resources: BTreeMap<String, Resource>,
    /// What it tells, by name.
    pub outputs: BTreeMap<String, TemplateOutput>,
    /// Macros that rewrite it before it is used: what they make of it cannot be told here.
    pub transforms: Vec<String>,
}

/// A parameter of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its type, as written, e.g. `String`, `Number`, `CommaDelimitedList`, `AWS::SSM::Parameter::Value<String>`.
    pub kind: String,
    /// What it is where nothing is said.
    pub default: Option<String>,
    /// What it may be; empty where anything may be said.
    pub allowed: Vec<String>,
    /// Regular expression that it must match, as written.
    pub pattern: Option<String>,
    /// Smallest and greatest number.
    pub range: (Option<f64>, Option<f64>),
    /// Shortest and longest text.
    pub length: (Option<u64>, Option<u64>),
    /// True where nobody may read it.
    pub no_echo: bool,
    /// What it is for.
    pub description: Option<String>,
    /// What is wrong with a value that does not fit, in the template's words.
    pub constraint: Option<String>,
    /// 1-based line of its name.
    pub line: usize,
}

/// A resource of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its type, e.g. `AWS::EC2::Volume`.
    pub kind: String,
    /// The condition under which it is made.
    pub condition: Option<String>,
    /// What is made before it.
    pub depends_on: Vec<String>,
    /// `Delete`, `Retain`, `Snapshot` or `RetainExceptOnCreate`: what becomes of it when it is taken away.
    pub deletion_policy: Option<String>,
    /// What becomes of it when it is replaced.
    pub replace_policy: Option<String>,
    /// Its properties.
    pub properties: BTreeMap<String, Expression>,
    /// What else is said of it (`Metadata`, `UpdatePolicy`, `CreationPolicy`), by key.
    pub besides: BTreeMap<String, Expression>,
    /// 1-based line of its name.
    pub line: usize,
}

/// An output of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateOutput {
    /// Its value.
    pub value: Expression,
    /// The name under which other stacks use it.
    pub export: Option<Expression>,
    /// The condition under which it is told.
    pub condition: Option<String>,
    /// 1-based line of its name.
    pub line: usize,
}

/// Digest of a template's text. Ends of lines and blanks at its end do not count: a provider may keep them otherwise.
pub fn body_digest(text: &str) -> Digest {
    Digest::of(text.replace("\r\n", "\n").trim_end())
}
