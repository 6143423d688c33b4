//! A YAML file as a tree that remembers where each scalar stands in the text.
//!
//! Only for finding positions: what a compose file *means* is asked of
//! `docker compose config`.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// One node of a document.
#[derive(Debug)]
pub(crate) enum Node {
    /// A value without children.
    Scalar(Scalar),
    /// Keys and values in the order of the text.
    Mapping(Vec<(Link, Link)>),
    /// Items in order.
    Sequence(Vec<Link>),
}

/// A node may hang in several places: an alias is the anchored node itself.
pub(crate) type Link = Rc<Node>;

/// A scalar and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// The value after quotes and escapes.
    pub(crate) value: String,
    /// Bytes of the text, with quotes.
    pub(crate) span: Range<usize>,
    /// 1-based.
    pub(crate) line: usize,
}

/// Why a text is no YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub(crate) struct Malformed {
    /// 1-based.
    pub(crate) line: usize,
    /// 1-based.
    pub(crate) column: usize,
    /// What the parser says.
    pub(crate) what: String,
}

impl From<ScanError> for Malformed {
    fn from(error: ScanError) -> Self {
        Self {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            what: error.info().to_owned(),
        }
    }
}

/// Every document of `text`, in order; an empty text has none.
pub(crate) fn parse(text: &str) -> Result<Vec<Link>, Malformed> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        builder.take(event, span);
    }
    Ok(builder.documents)
}

/// Everything a text says, without where it says so: equal for two texts that mean the same.
pub(crate) fn meaning(text: &str) -> Result<Vec<String>, Malformed> {
    Parser::new_from_str(text)
        .map(|event| {
            event
                .map(|(event, _)| match event {
                    Event::Scalar(value, style, anchor, tag) => {
                        format!("scalar {style:?} {anchor} {tag:?} {value}")
                    }
                    other => format!("{other:?}"),
                })
                .map_err(Malformed::from)
        })
        .collect()
}

impl Node {
    /// The scalar, where it is one.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The items of a sequence; a scalar or mapping alone counts as one item of none.
    pub(crate) fn items(&self) -> &[Link] {
        match self {
            Self::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The value under `key`, through merge keys (`<<`) where the mapping itself has none.
    pub(crate) fn get(&self, key: &str) -> Option<&Link> {
        let Self::Mapping(entries) = self else {
            return None;
        };
        let under = |name: &str| {
            entries
                .iter()
                .find(|(found, _)| found.scalar().is_some_and(|scalar| scalar.value == name))
                .map(|(_, value)| value)
        };
        under(key).or_else(|| match &**under("<<")? {
            Self::Sequence(merged) => merged.iter().find_map(|node| node.get(key)),
            _ => under("<<")?.get(key),
        })
    }

    /// The names of a mapping's keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries: &[(Link, Link)] = match self {
            Self::Mapping(entries) => entries,
            _ => &[],
        };
        entries
            .iter()
            .filter_map(|(key, _)| key.scalar().map(|scalar| scalar.value.as_str()))
    }
}

/// Builds trees from events. Every open collection is a frame.
#[derive(Default)]
struct Builder {
    documents: Vec<Link>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Link>,
}

struct Frame {
    anchor: usize,
    mapping: bool,
    children: Vec<Link>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let scalar = scalar_at(value.into_owned(), style, span);
                self.add(Rc::new(Node::Scalar(scalar)), anchor);
            }
            Event::Alias(anchor) => {
                // The parser refuses an alias without its anchor, so only a cycle can be unknown here.
                let target = self.anchors.get(&anchor).cloned();
                let target = target.unwrap_or_else(|| Rc::new(Node::Sequence(Vec::new())));
                self.add(target, 0);
            }
            Event::MappingStart(_, anchor, _) => self.open(anchor, true),
            Event::SequenceStart(_, anchor, _) => self.open(anchor, false),
            Event::MappingEnd | Event::SequenceEnd => self.close(),
            _ => {}
        }
    }

    fn open(&mut self, anchor: usize, mapping: bool) {
        self.frames.push(Frame {
            anchor,
            mapping,
            children: Vec::new(),
        });
    }

    fn close(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let node = if frame.mapping {
            let mut children = frame.children.into_iter();
            let mut entries = Vec::new();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                entries.push((key, value));
            }
            Node::Mapping(entries)
        } else {
            Node::Sequence(frame.children)
        };
        self.add(Rc::new(node), frame.anchor);
    }

    fn add(&mut self, node: Link, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.frames.last_mut() {
            Some(frame) => frame.children.push(node),
            None => self.documents.push(node),
        }
    }
}

fn scalar_at(value: String, _style: ScalarStyle, span: Span) -> Scalar {
    let byte = |marker: serde_saphyr::granit_parser::Marker| marker.byte_offset().unwrap_or(0);
    Scalar {
        value,
        span: byte(span.start)..byte(span.end),
        line: span.start.line(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image_of<'t>(text: &'t str, service: &str) -> (&'t str, String) {
        let documents = parse(text).expect("well-formed");
        let services = documents[0].get("services").expect("services");
        let node = services
            .get(service)
            .expect("service")
            .get("image")
            .expect("image");
        let scalar = node.scalar().expect("scalar");
        (&text[scalar.span.clone()], scalar.value.clone())
    }

    #[test]
    fn spans_cover_the_scalar_and_nothing_else() {
        let text = "services:\n  ä: {image: \"a:1\", x: y} # c\n  b:\n    image: 'b:2'  # d\r\n";
        assert_eq!(image_of(text, "ä"), ("\"a:1\"", "a:1".to_owned()));
        assert_eq!(image_of(text, "b"), ("'b:2'", "b:2".to_owned()));
    }

    #[test]
    fn merge_keys_and_aliases_lead_to_the_anchored_scalar() {
        let text = "x-base: &base\n  image: &img a:1\nservices:\n  one:\n    <<: *base\n  two:\n    <<: [*base]\n  three: {image: *img}\n";
        for service in ["one", "two", "three"] {
            assert_eq!(image_of(text, service).0, "a:1", "{service}");
        }
    }

    #[test]
    fn malformed_text_says_where() {
        let error = parse("services:\n  a: [1,\n").expect_err("not YAML");
        assert!(error.line >= 2, "{error}");
    }
}
