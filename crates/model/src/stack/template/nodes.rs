//! The text of a template as a tree in which every node knows its place. JSON is read as the YAML that it is.

use granit_parser::{Event, Parser, Span};

use crate::product::diagnostic::{Diagnostic, Place, Severity};

/// Deeper templates are refused by the provider too.
const DEEPEST: usize = 100;

/// A node of a template's text.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    /// The short name of a function, e.g. `Sub` of `!Sub`.
    pub(super) tag: Option<String>,
    pub(super) place: Place,
    pub(super) line: usize,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A scalar; `None` where nothing or `null` is written.
    Scalar(Option<String>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// A template's text and its name, for findings.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn fault(&self, place: Place, code: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(
            &[(self.name, self.text)],
            place,
            Severity::Error,
            code,
            message,
        )
    }
}

/// Reads the one document of a template.
pub(super) fn read(source: &Source<'_>) -> Result<Node, Diagnostic> {
    let mut reader = Reader {
        source,
        parser: Parser::new_from_str(source.text),
    };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => {
                return Err(source.fault(
                    place(&span),
                    "template-empty",
                    "there is nothing in this template",
                ));
            }
            event if event.is_node() => return reader.node(event, &span, 0),
            _ => {}
        }
    }
}

struct Reader<'a, 'i> {
    source: &'a Source<'i>,
    parser: Parser<'i, granit_parser::StrInput<'i>>,
}

impl<'i> Reader<'_, 'i> {
    fn next(&mut self) -> Result<(Event<'i>, Span), Diagnostic> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or_default();
                let place = Place {
                    file: 0,
                    start: at,
                    end: at,
                };
                Err(self
                    .source
                    .fault(place, "template-syntax", error.info())
                    .hint("check the indentation and the quotes of this line and the one above"))
            }
            None => Err(self.source.fault(
                Place {
                    file: 0,
                    start: self.source.text.len(),
                    end: self.source.text.len(),
                },
                "template-syntax",
                "the template ends in the middle",
            )),
        }
    }

    fn node(&mut self, event: Event<'i>, span: &Span, depth: usize) -> Result<Node, Diagnostic> {
        let start = place(span);
        if depth > DEEPEST {
            return Err(self.source.fault(
                start,
                "template-too-deep",
                format!("this is nested more than {DEEPEST} levels deep"),
            ));
        }
        let tag = event.tag().and_then(|tag| {
            (tag.handle() == "!" && !tag.suffix().is_empty()).then(|| tag.suffix().to_owned())
        });
        let value = match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == granit_parser::ScalarStyle::Plain;
                let absent = plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                Value::Scalar((!absent).then(|| text.into_owned()))
            }
            Event::SequenceStart(..) => Value::List(self.list(depth)?),
            Event::MappingStart(..) => Value::Map(self.map(depth)?),
            _ => {
                return Err(self
                    .source
                    .fault(
                        start,
                        "template-alias",
                        "aliases and anchors are not understood by the provider",
                    )
                    .hint("write the value where it is used"));
            }
        };
        Ok(Node {
            value,
            tag,
            place: start,
            line: span.start.line(),
        })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Diagnostic> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::SequenceEnd => return Ok(items),
                event if event.is_node() => items.push(self.node(event, &span, depth + 1)?),
                _ => {}
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Diagnostic> {
        let mut items: Vec<(Node, Node)> = Vec::new();
        let mut key: Option<Node> = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::MappingEnd => return Ok(items),
                event if event.is_node() => {
                    let node = self.node(event, &span, depth + 1)?;
                    match key.take() {
                        None => {
                            self.unused(&items, &node)?;
                            key = Some(node);
                        }
                        Some(key) => items.push((key, node)),
                    }
                }
                _ => {}
            }
        }
    }

    /// A key is a name, and stands once.
    fn unused(&self, items: &[(Node, Node)], key: &Node) -> Result<(), Diagnostic> {
        let Some(name) = key.text() else {
            return Err(self
                .source
                .fault(key.place, "template-key", "a key must be a name"));
        };
        match items.iter().find(|(known, _)| known.text() == Some(name)) {
            None => Ok(()),
            Some((first, _)) => Err(self.source.fault(
                key.place,
                "template-key-twice",
                format!("`{name}` stands in line {} already", first.line),
            )),
        }
    }
}

impl Node {
    /// A scalar's text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => text.as_deref(),
            _ => None,
        }
    }

    /// A map's items, with the text of their keys.
    pub(super) fn items(&self) -> Option<impl Iterator<Item = (&str, &Node, &Node)>> {
        match &self.value {
            Value::Map(items) if self.tag.is_none() => Some(
                items
                    .iter()
                    .map(|(key, value)| (key.text().unwrap_or_default(), key, value)),
            ),
            _ => None,
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.items()?
            .find(|(key, ..)| *key == name)
            .map(|(_, _, value)| value)
    }
}

fn place(span: &Span) -> Place {
    let start = span.start.byte_offset().unwrap_or_default();
    Place {
        file: 0,
        start,
        end: span.end.byte_offset().unwrap_or(start).max(start),
    }
}
