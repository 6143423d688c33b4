//! What a template says for given parameters, as far as that can be told without asking the provider.
//!
//! What only the provider knows (the name of a resource, an attribute, what another stack exports, a masked
//! parameter) stays in the text as a mark that names it. Two values are equal where their texts are, marks
//! included: the same question has the same answer as long as nothing that it asks about is replaced.

use std::collections::BTreeMap;

use switchback_model::stack::{Account, Call, Expression, Template};

const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// What a parameter is on one side of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// This.
    Value(String),
    /// Something that cannot be read: equal to itself on the other side where the name is the same.
    Hidden(String),
}

/// A template with what it is given.
pub(super) struct Side<'a> {
    pub(super) template: &'a Template,
    pub(super) given: &'a BTreeMap<String, Given>,
    pub(super) account: &'a Account,
    pub(super) stack: &'a str,
}

/// A value, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
    /// As if the property were not written.
    Nothing,
}

impl Resolved {
    /// The text, where all of it is known.
    pub(super) fn known(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.contains(OPEN) => Some(text),
            _ => None,
        }
    }

    /// As people read it: marks become what they name, in angle brackets.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.replace(OPEN, "<").replace(CLOSE, ">"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::shown).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|(name, item)| format!("{name}: {}", item.shown()))
                    .collect();
                format!("{{{}}}", items.join(", "))
            }
            Self::Nothing => "nothing".to_owned(),
        }
    }
}

fn mark(what: impl std::fmt::Display) -> Resolved {
    Resolved::Text(format!("{OPEN}{what}{CLOSE}"))
}

impl Side<'_> {
    /// Whether a condition holds; `None` where that cannot be told.
    pub(super) fn holds(&self, condition: &str) -> Option<bool> {
        self.truth(self.template.conditions.get(condition)?)
    }

    /// True where a resource with this condition may be made.
    pub(super) fn made(&self, condition: Option<&str>) -> Option<bool> {
        condition.map_or(Some(true), |condition| self.holds(condition))
    }

    fn truth(&self, expression: &Expression) -> Option<bool> {
        let Expression::Call(call) = expression else {
            return None;
        };
        let items = || call.argument.list().unwrap_or_default();
        match call.function.as_str() {
            "Condition" => self.holds(call.argument.text()?),
            "Fn::Not" => self.truth(items().first()?).map(|truth| !truth),
            "Fn::And" => all(items().iter().map(|item| self.truth(item)), true),
            "Fn::Or" => all(items().iter().map(|item| self.truth(item)), false),
            "Fn::Equals" => {
                let [left, right] = items() else { return None };
                let (left, right) = (self.value(left), self.value(right));
                match (left.known(), right.known()) {
                    (Some(left), Some(right)) => Some(left == right),
                    _ => (left == right).then_some(true),
                }
            }
            _ => None,
        }
    }

    /// The value of an expression.
    pub(super) fn value(&self, expression: &Expression) -> Resolved {
        match expression {
            Expression::Text(text) => Resolved::Text(text.clone()),
            Expression::List(items) => Resolved::List(
                items
                    .iter()
                    .map(|item| self.value(item))
                    .filter(|item| *item != Resolved::Nothing)
                    .collect(),
            ),
            Expression::Map(items) => Resolved::Map(
                items
                    .iter()
                    .map(|(name, item)| (name.clone(), self.value(item)))
                    .filter(|(_, item)| *item != Resolved::Nothing)
                    .collect(),
            ),
            Expression::Call(call) => self.called(call),
        }
    }

    fn called(&self, call: &Call) -> Resolved {
        let argument = &call.argument;
        let items = || argument.list().unwrap_or_default();
        let told = match call.function.as_str() {
            "Ref" => argument.text().map(|name| self.reference(name)),
            "Fn::If" => match items() {
                [name, yes, no] => match name.text().and_then(|name| self.holds(name)) {
                    Some(true) => Some(self.value(yes)),
                    Some(false) => Some(self.value(no)),
                    None => None,
                },
                _ => None,
            },
            "Fn::FindInMap" => self.mapped(items()),
            "Fn::Join" => self.joined(items()),
            "Fn::Sub" => self.substituted(argument),
            "Fn::Split" => self.split(items()),
            "Fn::Select" => self.selected(items()),
            _ => None,
        };
        told.unwrap_or_else(|| {
            let function = call.function.trim_start_matches("Fn::");
            mark(format!("{function} {}", self.value(argument).shown()))
        })
    }

    fn reference(&self, name: &str) -> Resolved {
        let account = self.account;
        match name {
            "AWS::NoValue" => return Resolved::Nothing,
            "AWS::Region" => return Resolved::Text(account.region.clone()),
            "AWS::AccountId" => return Resolved::Text(account.id.clone()),
            "AWS::Partition" => return Resolved::Text(account.partition.clone()),
            "AWS::StackName" => return Resolved::Text(self.stack.to_owned()),
            "AWS::URLSuffix" if account.partition == "aws" => {
                return Resolved::Text("amazonaws.com".to_owned());
            }
            _ => {}
        }
        let Some(parameter) = self.template.parameters.get(name) else {
            return mark(name);
        };
        match self.given.get(name) {
            // What is stored under a name is only read when the stack is changed.
            Some(Given::Value(value))
                if parameter.kind.starts_with("AWS::SSM::Parameter::Value") =>
            {
                mark(format!("what is stored as {value}"))
            }
            Some(Given::Value(value)) if is_list(&parameter.kind) => Resolved::List(
                value
                    .split(',')
                    .map(|item| Resolved::Text(item.trim().to_owned()))
                    .collect(),
            ),
            Some(Given::Value(value)) => Resolved::Text(value.clone()),
            Some(Given::Hidden(which)) => mark(which),
            None => mark(format!("parameter {name}")),
        }
    }

    fn mapped(&self, items: &[Expression]) -> Option<Resolved> {
        let [mapping, first, second, ..] = items else {
            return None;
        };
        let (mapping, first, second) = (self.value(mapping), self.value(first), self.value(second));
        let mapping = self.template.mappings.get(mapping.known()?)?;
        let value = mapping.get(first.known()?)?.get(second.known()?)?;
        Some(self.value(value))
    }

    fn joined(&self, items: &[Expression]) -> Option<Resolved> {
        let [between, parts] = items else { return None };
        let (Resolved::Text(between), Resolved::List(parts)) =
            (self.value(between), self.value(parts))
        else {
            return None;
        };
        let mut texts = Vec::new();
        for part in parts {
            let Resolved::Text(text) = part else {
                return None;
            };
            texts.push(text);
        }
        Some(Resolved::Text(texts.join(&between)))
    }

    fn substituted(&self, argument: &Expression) -> Option<Resolved> {
        let (text, own) = match argument {
            Expression::Text(text) => (text.as_str(), None),
            Expression::List(items) => (items.first()?.text()?, items.get(1)?.map()),
            _ => return None,
        };
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                whole.push_str("${");
                whole.push_str(part);
                continue;
            };
            let name = name.trim();
            let value = match own.and_then(|own| own.get(name)) {
                _ if name.starts_with('!') => {
                    Resolved::Text(format!("${{{}}}", name.trim_start_matches('!')))
                }
                Some(expression) => self.value(expression),
                None if name.contains('.') => mark(name),
                None => self.reference(name),
            };
            whole.push_str(&match value {
                Resolved::Text(text) => text,
                other => other.shown(),
            });
            whole.push_str(rest);
        }
        Some(Resolved::Text(whole))
    }

    fn split(&self, items: &[Expression]) -> Option<Resolved> {
        let [by, text] = items else { return None };
        let (by, text) = (self.value(by), self.value(text));
        let parts = text.known()?.split(by.known()?);
        Some(Resolved::List(
            parts.map(|part| Resolved::Text(part.to_owned())).collect(),
        ))
    }

    fn selected(&self, items: &[Expression]) -> Option<Resolved> {
        let [index, list] = items else { return None };
        let index: usize = self.value(index).known()?.parse().ok()?;
        match self.value(list) {
            Resolved::List(mut list) if index < list.len() => Some(list.swap_remove(index)),
            _ => None,
        }
    }
}

fn is_list(kind: &str) -> bool {
    kind == "CommaDelimitedList" || kind.starts_with("List<")
}

/// Whether all are `wanted`: certain as soon as one is not, unknown where none is not and one is unknown.
fn all(truths: impl Iterator<Item = Option<bool>>, wanted: bool) -> Option<bool> {
    let mut unknown = false;
    for truth in truths {
        match truth {
            Some(truth) if truth != wanted => return Some(!wanted),
            Some(_) => {}
            None => unknown = true,
        }
    }
    (!unknown).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Parameters:
  Name: {Type: String}
  Zones: {Type: CommaDelimitedList}
  Secret: {Type: String, NoEcho: true}
  Image: {Type: "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"}
Mappings: {Images: {eu-west-1: {AMI: ami-1}}}
Conditions:
  Named: !Not [!Equals [!Ref Name, ""]]
  Short: !Or [!Equals [!Ref Name, a], !Equals [!Ref Secret, b]]
  Both: !And [!Condition Named, !Equals [!Ref Secret, b]]
Resources:
  Other: {Type: T}
  R:
    Type: T
    Properties:
      Joined: !Join ["-", [!Ref Name, !Ref Other, x]]
      Sub: !Sub ["${Name} ${Own} ${!Kept} ${Other.Arn} ${AWS::Region}", {Own: !Ref "AWS::AccountId"}]
      Mapped: !FindInMap [Images, !Ref "AWS::Region", AMI]
      Missing: !FindInMap [Images, mars, AMI]
      Chosen: !If [Named, [!Ref Name, !Ref "AWS::NoValue"], !Ref "AWS::NoValue"]
      Unsure: !If [Both, a, b]
      Second: !Select [1, !Split [",", "a,b"]]
      Zones: !Ref Zones
      Stored: !Ref Image
      Hidden: !Ref Secret
      Imported: {"Fn::ImportValue": !Sub "${Name}-vpc"}
"#;

    fn resolved(name: &str) -> BTreeMap<String, String> {
        let template = Template::parse("t", TEMPLATE).expect("it is a template");
        let value = |text: &str| Given::Value(text.to_owned());
        let given = [
            ("Name".to_owned(), value(name)),
            ("Zones".to_owned(), value("a, b")),
            ("Secret".to_owned(), Given::Hidden("the secret".to_owned())),
            ("Image".to_owned(), value("/images/newest")),
        ];
        let side = Side {
            template: &template,
            given: &given.into(),
            account: &Account {
                id: "1234".to_owned(),
                region: "eu-west-1".to_owned(),
                partition: "aws".to_owned(),
                caller: String::new(),
            },
            stack: "s",
        };
        assert_eq!(side.holds("Named"), Some(!name.is_empty()));
        assert_eq!(side.holds("Short"), (name == "a").then_some(true));
        assert_eq!(side.holds("Both"), name.is_empty().then_some(false));
        template.resources["R"]
            .properties
            .iter()
            .map(|(name, expression)| (name.clone(), side.value(expression).shown()))
            .collect()
    }

    #[test]
    fn functions_are_evaluated_as_far_as_that_can_be() {
        let values = resolved("a");
        let expected = [
            ("Joined", "a-<Other>-x"),
            ("Sub", "a 1234 ${Kept} <Other.Arn> eu-west-1"),
            ("Mapped", "ami-1"),
            ("Missing", "<FindInMap [Images, mars, AMI]>"),
            ("Chosen", "[a]"),
            ("Unsure", "<If [Both, a, b]>"),
            ("Second", "b"),
            ("Zones", "[a, b]"),
            ("Stored", "<what is stored as /images/newest>"),
            ("Hidden", "<the secret>"),
            ("Imported", "<ImportValue a-vpc>"),
        ];
        for (name, value) in expected {
            assert_eq!(values[name], value, "{name}");
        }
        assert_eq!(resolved("")["Chosen"], "nothing");
    }
}
