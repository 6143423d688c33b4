//! Reads a template: its sections, its functions in either form, and whether everything that it names is there.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::{FUNCTIONS, placeholders};
use super::nodes::{Node, Source, Value, read};
use super::{Expression, Parameter, Resource, Template, TemplateOutput};
use crate::product::diagnostic::Diagnostic;

impl Template {
    /// Reads a template's text; `name` is what findings call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Source { name, text };
        let root = read(&source).map_err(|fault| vec![fault])?;
        let mut reader = Reader {
            source,
            faults: Vec::new(),
            references: Vec::new(),
        };
        let template = reader.template(&root);
        reader.resolve(&template);
        match reader.faults.is_empty() {
            true => Ok(template),
            false => Err(reader.faults),
        }
    }
}

/// What a template refers to, to be looked up once all of it is read.
enum Reference<'n> {
    /// A parameter or a resource.
    Either(&'n str),
    /// A resource.
    Resource(&'n str),
    /// A condition.
    Condition(&'n str),
    /// A mapping.
    Mapping(&'n str),
}

struct Reader<'n> {
    source: Source<'n>,
    faults: Vec<Diagnostic>,
    references: Vec<(Reference<'n>, &'n Node)>,
}

impl<'n> Reader<'n> {
    fn fault(&mut self, node: &Node, code: &str, message: impl Into<String>) {
        let fault = self.source.fault(node.place, code, message);
        self.faults.push(fault);
    }

    fn template(&mut self, root: &'n Node) -> Template {
        let mut template = Template::default();
        let Some(sections) = root.items() else {
            self.fault(
                root,
                "template-not-a-map",
                "a template is a map of sections",
            );
            return template;
        };
        for (name, _, node) in sections {
            match name {
                "Description" => template.description = node.text().map(str::to_owned),
                "Parameters" => template.parameters = self.named(node, Self::parameter),
                "Mappings" => template.mappings = self.mappings(node),
                "Conditions" => {
                    template.conditions =
                        self.named(node, |reader, _, node| Some(reader.expression(node, true)));
                }
                "Resources" => template.resources = self.named(node, Self::resource),
                "Outputs" => template.outputs = self.named(node, Self::output),
                "Transform" => template.transforms = self.texts(node),
                _ => {}
            }
        }
        if template.resources.is_empty() && self.faults.is_empty() {
            self.fault(
                root,
                "template-no-resources",
                "this template makes nothing: `Resources` is missing or empty",
            );
        }
        template
    }

    /// A section: what is named in it, by name.
    fn named<T>(
        &mut self,
        section: &'n Node,
        read: impl Fn(&mut Self, &'n Node, &'n Node) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let Some(items) = section.items() else {
            self.fault(
                section,
                "template-not-a-map",
                "this section must be a map of names",
            );
            return BTreeMap::new();
        };
        let mut named = BTreeMap::new();
        for (name, key, node) in items {
            if let Some(item) = read(self, key, node) {
                named.insert(name.to_owned(), item);
            }
        }
        named
    }

    fn parameter(&mut self, key: &'n Node, node: &'n Node) -> Option<Parameter> {
        let kind = self.kind(key, node, "template-parameter-type", "parameter")?;
        let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
        let number = |name: &str| node.get(name)?.text()?.parse().ok();
        let length = |name: &str| node.get(name)?.text()?.parse().ok();
        let allowed = match node.get("AllowedValues") {
            Some(values) => self.texts(values),
            None => Vec::new(),
        };
        let parameter = Parameter {
            kind,
            // An empty default is a default: `Default:` with nothing behind it is the empty text.
            default: node
                .get("Default")
                .map(|node| node.text().unwrap_or_default().to_owned()),
            allowed,
            pattern: text("AllowedPattern"),
            range: (number("MinValue"), number("MaxValue")),
            length: (length("MinLength"), length("MaxLength")),
            no_echo: text("NoEcho").is_some_and(|said| said.eq_ignore_ascii_case("true")),
            description: text("Description"),
            constraint: text("ConstraintDescription"),
            line: key.line,
        };
        Some(parameter)
    }

    fn resource(&mut self, key: &'n Node, node: &'n Node) -> Option<Resource> {
        let kind = self.kind(key, node, "template-resource-type", "resource")?;
        let mut resource = Resource {
            kind,
            condition: self.condition_of(node),
            depends_on: Vec::new(),
            deletion_policy: None,
            replace_policy: None,
            properties: BTreeMap::new(),
            besides: BTreeMap::new(),
            line: key.line,
        };
        for (name, _, value) in node.items()? {
            match name {
                "Type" | "Condition" => {}
                "DependsOn" => {
                    resource.depends_on = self.texts(value);
                    self.depends(value);
                }
                "DeletionPolicy" => resource.deletion_policy = value.text().map(str::to_owned),
                "UpdateReplacePolicy" => resource.replace_policy = value.text().map(str::to_owned),
                "Properties" => {
                    resource.properties = self.named(value, |reader, _, node| {
                        Some(reader.expression(node, false))
                    });
                }
                other => {
                    let expression = self.expression(value, false);
                    resource.besides.insert(other.to_owned(), expression);
                }
            }
        }
        Some(resource)
    }

    fn depends(&mut self, node: &'n Node) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.depends(item)),
            _ => {
                if let Some(name) = node.text() {
                    self.references.push((Reference::Resource(name), node));
                }
            }
        }
    }

    fn output(&mut self, key: &'n Node, node: &'n Node) -> Option<TemplateOutput> {
        let Some(value) = node.get("Value") else {
            self.fault(key, "template-output-value", "this output has no `Value`");
            return None;
        };
        let value = self.expression(value, false);
        let export = node.get("Export").and_then(|export| export.get("Name"));
        Some(TemplateOutput {
            value,
            export: export.map(|name| self.expression(name, false)),
            condition: self.condition_of(node),
            line: key.line,
        })
    }

    fn condition_of(&mut self, node: &'n Node) -> Option<String> {
        let condition = node.get("Condition")?;
        let name = condition.text()?;
        self.references
            .push((Reference::Condition(name), condition));
        Some(name.to_owned())
    }

    fn kind(&mut self, key: &Node, node: &Node, code: &str, what: &str) -> Option<String> {
        let kind = node.get("Type").and_then(Node::text);
        if kind.is_none() {
            self.fault(key, code, format!("this {what} has no `Type`"));
        }
        kind.map(str::to_owned)
    }

    fn mappings(
        &mut self,
        section: &'n Node,
    ) -> BTreeMap<String, BTreeMap<String, BTreeMap<String, Expression>>> {
        self.named(section, |reader, _, first| {
            Some(reader.named(first, |reader, _, second| {
                Some(reader.named(second, |reader, _, value| {
                    Some(reader.expression(value, false))
                }))
            }))
        })
    }

    /// A list of names, or one name.
    fn texts(&mut self, node: &Node) -> Vec<String> {
        match &node.value {
            Value::List(items) => items
                .iter()
                .map(|item| item.text().unwrap_or_default().to_owned())
                .collect(),
            _ => node.text().map(str::to_owned).into_iter().collect(),
        }
    }

    /// A value. In a condition, `Condition` alone in a map names another one.
    fn expression(&mut self, node: &'n Node, in_condition: bool) -> Expression {
        if let Some(tag) = &node.tag {
            return self.tagged(tag, node, in_condition);
        }
        match &node.value {
            Value::Scalar(Some(text)) => Expression::Text(text.clone()),
            Value::Scalar(None) => {
                self.fault(
                    node,
                    "template-null",
                    "there is nothing here, and the provider takes no empty values",
                );
                Expression::Text(String::new())
            }
            Value::List(items) => Expression::List(
                items
                    .iter()
                    .map(|item| self.expression(item, in_condition))
                    .collect(),
            ),
            Value::Map(items) => match items.as_slice() {
                [(key, argument)] if is_function(key, in_condition) => {
                    let function = key.text().unwrap_or_default();
                    self.function(function, key, argument, in_condition)
                }
                _ => Expression::Map(
                    items
                        .iter()
                        .map(|(key, value)| {
                            let name = key.text().unwrap_or_default().to_owned();
                            (name, self.expression(value, in_condition))
                        })
                        .collect(),
                ),
            },
        }
    }

    /// A function in its short form.
    fn tagged(&mut self, tag: &str, node: &'n Node, in_condition: bool) -> Expression {
        let long = match tag {
            "Ref" | "Condition" => tag.to_owned(),
            other => format!("Fn::{other}"),
        };
        self.function(&long, node, node, in_condition)
    }

    /// A function call. `argument` is `at` itself in the short form; its tag is not looked at again.
    fn function(
        &mut self,
        function: &str,
        at: &'n Node,
        argument: &'n Node,
        in_condition: bool,
    ) -> Expression {
        if !FUNCTIONS.contains(&function) {
            self.fault(
                at,
                "template-function-unknown",
                format!("`{function}` is no function of templates"),
            );
        }
        self.refers(function, argument);
        let short = std::ptr::eq(at, argument);
        let argument = match (&argument.value, short) {
            // What is empty is an argument of its own: `!GetAZs ""`, and also `!GetAZs`.
            (Value::Scalar(text), _) if short || text.is_none() => {
                Expression::Text(text.clone().unwrap_or_default())
            }
            (Value::List(items), true) => Expression::List(
                items
                    .iter()
                    .map(|item| self.expression(item, in_condition))
                    .collect(),
            ),
            (Value::Map(items), true) => Expression::Map(
                items
                    .iter()
                    .map(|(key, value)| {
                        let name = key.text().unwrap_or_default().to_owned();
                        (name, self.expression(value, in_condition))
                    })
                    .collect(),
            ),
            _ => self.expression(argument, in_condition),
        };
        let argument = match (function, argument) {
            ("Fn::GetAtt", Expression::Text(text)) => match text.split_once('.') {
                Some((resource, attribute)) => {
                    Expression::List(vec![resource.into(), attribute.into()])
                }
                None => {
                    self.fault(
                        at,
                        "template-attribute",
                        format!("`{text}` names no attribute: write `Resource.Attribute`"),
                    );
                    Expression::Text(text)
                }
            },
            (_, argument) => argument,
        };
        Expression::call(function, argument)
    }

    /// Notes what a function names.
    fn refers(&mut self, function: &str, argument: &'n Node) {
        let first = match &argument.value {
            Value::List(items) => items.first().and_then(Node::text),
            _ => argument.text(),
        };
        let Some(first) = first else { return };
        match function {
            "Ref" => self.references.push((Reference::Either(first), argument)),
            "Fn::GetAtt" => {
                let resource = first.split('.').next().unwrap_or(first);
                self.references
                    .push((Reference::Resource(resource), argument));
            }
            "Condition" | "Fn::If" => self
                .references
                .push((Reference::Condition(first), argument)),
            "Fn::FindInMap" => self.references.push((Reference::Mapping(first), argument)),
            "Fn::Sub" => {
                let own: BTreeSet<&str> = match &argument.value {
                    Value::List(items) => items
                        .get(1)
                        .and_then(Node::items)
                        .map(|items| items.map(|(name, ..)| name).collect())
                        .unwrap_or_default(),
                    _ => BTreeSet::new(),
                };
                for name in placeholders(first).filter(|name| !own.contains(name)) {
                    let reference = match name.starts_with("AWS::") {
                        true => Reference::Either(name),
                        false => match name.split_once('.') {
                            Some((resource, _)) => Reference::Resource(resource),
                            None => Reference::Either(name),
                        },
                    };
                    self.references.push((reference, argument));
                }
            }
            _ => {}
        }
    }

    /// Whether everything is there that the template refers to. A macro may yet bring it.
    fn resolve(&mut self, template: &Template) {
        if !template.transforms.is_empty() {
            return;
        }
        for (reference, node) in std::mem::take(&mut self.references) {
            let (name, known, what) = match reference {
                Reference::Either(name) => (
                    name,
                    template.parameters.contains_key(name)
                        || template.resources.contains_key(name)
                        || name.starts_with("AWS::"),
                    "parameter or resource",
                ),
                Reference::Resource(name) => {
                    (name, template.resources.contains_key(name), "resource")
                }
                Reference::Condition(name) => {
                    (name, template.conditions.contains_key(name), "condition")
                }
                Reference::Mapping(name) => (name, template.mappings.contains_key(name), "mapping"),
            };
            // What could not be read has a finding of its own.
            if !known && self.faults.is_empty() {
                self.fault(
                    node,
                    "template-unresolved",
                    format!("there is no {what} `{name}` in this template"),
                );
            }
        }
    }
}

fn is_function(key: &Node, in_condition: bool) -> bool {
    match key.text() {
        Some("Ref") => true,
        Some("Condition") => in_condition,
        Some(name) => name.starts_with("Fn::"),
        None => false,
    }
}
