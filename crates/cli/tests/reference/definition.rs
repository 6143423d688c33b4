//! The page of a definition's keys, as the code that reads definitions has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::page::{self, cell};
use crate::source::{self, Item, Part, dashed};

const HEAD: &str = "# Keys of a definition

Generated from the code that reads definitions; how they work together is in [catalog/README.md](../../catalog/README.md), and a first one
is written step by step in [write-a-definition.md](../write-a-definition.md). An unknown key is an error that points at its line.

A *range* is written as `>=3.20.0, <3.32.2`, with `||` between alternatives. Keys that are not marked may be left out.

";

/// What is no struct of its own, and how it is said.
const WORDS: [(&str, &str); 18] = [
    ("String", "text"),
    ("bool", "`true` or `false`"),
    ("u16", "number"),
    ("u32", "number"),
    ("u64", "number"),
    ("i64", "number"),
    ("f64", "number"),
    ("Version", "version"),
    ("Range", "range"),
    ("DatastoreName", "name of a datastore"),
    ("ServiceName", "name of a service"),
    ("MigrationId", "`id` of a migration"),
    ("ProductId", "name"),
    ("StepNumber", "number of a step"),
    ("RunId", "id of a run"),
    ("PlanId", "id of a plan"),
    ("Digest", "digest"),
    ("Value", "anything"),
];

/// The headings of a page, by the type that each is about.
pub(crate) type Headings = BTreeMap<String, String>;

/// How a type is said; those that have a heading of their own are led to.
pub(crate) fn kind(kind: &str, headed: &Headings) -> String {
    let inner = |outer: &str| kind.strip_prefix(outer)?.strip_suffix('>');
    if let Some(inner) = inner("Option<").or_else(|| inner("Box<")) {
        return self::kind(inner, headed);
    }
    if let Some(inner) = inner("Vec<") {
        return format!("list: {}", self::kind(inner, headed));
    }
    if let Some((_, value)) = inner("BTreeMap<").and_then(|inner| inner.split_once(", ")) {
        return format!("table: {}", self::kind(value, headed));
    }
    let name = kind.rsplit("::").next().unwrap_or(kind);
    if let Some(heading) = headed.get(name) {
        return format!("[{heading}](#{heading})");
    }
    let known = WORDS.iter().find(|(of, _)| *of == name);
    known
        .unwrap_or_else(|| panic!("nothing says what a {name} is"))
        .1
        .to_owned()
}

/// The types that a type names.
pub(crate) fn named(kind: &str) -> impl Iterator<Item = &str> {
    kind.split(|letter: char| !letter.is_alphanumeric() && letter != ':')
        .filter_map(|path| path.rsplit("::").next())
        .filter(|name| name.starts_with(char::is_uppercase))
}

fn items() -> BTreeMap<String, Item> {
    let mut texts = vec![
        source::of("model", "version.rs"),
        source::of("model", "hand_work.rs"),
    ];
    let sections = source::all("model", "product").into_iter();
    let sections = sections.filter(|(path, _)| !path.starts_with("product/lint"));
    texts.extend(sections.map(|(_, text)| text));
    let items = texts.iter().flat_map(|text| source::items(text));
    items.map(|item| (item.name.clone(), item)).collect()
}

#[test]
fn the_page_of_a_definition_shows_every_key() {
    let mut items = items();
    // What a section of one file holds is said of the whole product.
    let product = items["Product"].clone();
    for part in &mut items.get_mut("Head").expect("a section [product]").parts {
        let said = product.parts.iter().find(|it| it.name == part.name);
        part.says = said.expect("the product has it").says.clone();
    }
    let sections = items["Sections"].parts.clone();
    let order = order(&sections, &items);
    let mut page = HEAD.to_owned();
    let headings = order.iter().enumerate().map(|(place, name)| {
        let section = sections.get(place).map(|it| dashed(&it.name));
        (name.clone(), section.unwrap_or_else(|| dashed(name)))
    });
    let headings: Headings = headings.collect();
    for (place, name) in order.iter().enumerate() {
        let item = &items[name];
        let heading = &headings[name];
        let section = sections.get(place).and_then(|it| it.kind.as_deref());
        let form = match section.map(|kind| kind.split('<').next()) {
            Some(Some("Vec")) => format!("`[[{heading}]]`: "),
            Some(Some("BTreeMap")) => format!("`[{heading}.NAME]`: "),
            Some(_) => format!("`[{heading}]`: "),
            None => String::new(),
        };
        let says = match name.as_str() {
            "Head" => "What it is.",
            _ => item.says.as_str(),
        };
        assert!(!says.is_empty(), "{name} says nothing of itself");
        let _ = write!(
            page,
            "## {heading}\n\n{form}{says}\n\n{}\n",
            table(item, &headings)
        );
    }
    page::is("definition.md", &format!("{}\n", page.trim_end()));
}

/// The types of the sections, and behind them everything that they are made of, as it is met.
fn order(sections: &[Part], items: &BTreeMap<String, Item>) -> Vec<String> {
    let types = sections.iter().map(|section| {
        let kind = section.kind.as_deref().unwrap_or_default();
        named(kind).last().expect("it has a type").to_owned()
    });
    let mut order: Vec<String> = types.collect();
    let mut at = 0;
    while let Some(item) = order.get(at).map(|name| &items[name]) {
        at += 1;
        let inner = item.parts.iter().flat_map(|part| &part.parts);
        for part in item.parts.iter().chain(inner) {
            for found in named(part.kind.as_deref().unwrap_or_default()) {
                let is_word = WORDS.iter().any(|(word, _)| *word == found);
                if !is_word && items.contains_key(found) && !order.iter().any(|it| it == found) {
                    order.push(found.to_owned());
                }
            }
        }
    }
    order
}

/// Its keys, or the values that it may have.
fn table(item: &Item, headed: &Headings) -> String {
    let mut text = match item.is_enum {
        true => "| value | means |\n|---|---|\n".to_owned(),
        false => "| key | value | says |\n|---|---|---|\n".to_owned(),
    };
    for part in &item.parts {
        let says = cell(&part.says);
        assert!(
            !says.is_empty(),
            "{}.{} is not documented",
            item.name,
            part.name
        );
        let kind = part.kind.as_deref().map(|it| kind(it, headed));
        if item.is_enum {
            let inner: Vec<String> = part
                .parts
                .iter()
                .map(|it| format!("`{}`", it.key))
                .collect();
            let with = match (kind, inner.is_empty()) {
                (Some(kind), _) => format!(" = {kind}"),
                (None, false) => format!(" = table: {}", inner.join(", ")),
                (None, true) => String::new(),
            };
            let _ = writeln!(text, "| `{}`{with} | {says} |", part.key);
        } else {
            let needed = if part.optional { "" } else { ", needed" };
            let kind = kind.unwrap_or_default();
            let _ = writeln!(text, "| `{}` | {kind}{needed} | {says} |", part.key);
        }
    }
    text
}
