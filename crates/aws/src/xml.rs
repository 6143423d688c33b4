//! Reading the XML that EC2 and S3 answer with.

use roxmltree::{Document, Node};

use crate::fault::Fault;

/// Parses an answer to `action`.
pub(crate) fn parse<'a>(action: &str, text: &'a str) -> Result<Document<'a>, Fault> {
    Document::parse(text).map_err(|error| Fault::unanswered(action, error))
}

/// The children called `item` of every descendant called `list`.
pub(crate) fn items<'a, 'i>(
    node: Node<'a, 'i>,
    list: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.descendants()
        .filter(move |found| found.tag_name().name() == list)
        .flat_map(|found| found.children())
        .filter(|found| found.tag_name().name() == "item")
}

/// The text at a path of children, e.g. `["instanceState", "name"]`.
pub(crate) fn text<'a>(node: Node<'a, '_>, path: &[&str]) -> Option<&'a str> {
    let mut at = node;
    for name in path {
        at = at
            .children()
            .find(|child| child.tag_name().name() == *name)?;
    }
    at.text().filter(|text| !text.trim().is_empty())
}
