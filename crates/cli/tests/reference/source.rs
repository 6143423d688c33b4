//! What the source says of its own types: names, documentation, fields. Reads what rustfmt writes, no other Rust.

use std::path::{Path, PathBuf};

/// A struct or an enum.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) says: String,
    pub(crate) is_enum: bool,
    pub(crate) parts: Vec<Part>,
}

/// A field of a struct, or a variant of an enum.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// As it is written in files.
    pub(crate) key: String,
    pub(crate) says: String,
    /// Its type, where it has one.
    pub(crate) kind: Option<String>,
    /// True where it may be left out.
    pub(crate) optional: bool,
    /// Fields of a variant.
    pub(crate) parts: Vec<Part>,
    /// The text of its `#[error(…)]`.
    pub(crate) error: Option<String>,
    /// As it is written in the source.
    pub(crate) name: String,
}

fn crates() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file of a crate.
pub(crate) fn of(name: &str, file: &str) -> String {
    let path = crates().join(name).join("src").join(file);
    std::fs::read_to_string(path).expect("the source is there")
}

/// Every file of a crate below a folder of its source, by its path there, without tests.
pub(crate) fn all(name: &str, folder: &str) -> Vec<(String, String)> {
    let root = crates().join(name).join("src");
    let mut found = Vec::new();
    gather(&root, &root.join(folder), &mut found);
    found.sort();
    found
}

fn gather(root: &Path, directory: &Path, found: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(directory).expect("the source is there");
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_test = ["tests", "live", "fixtures"]
            .iter()
            .any(|it| name == *it || name == format!("{it}.rs"));
        if is_test {
            continue;
        }
        if path.is_dir() {
            gather(root, &path, found);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).expect("the source is there");
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let inside = path.strip_prefix(root).expect("it is in there");
            found.push((inside.display().to_string(), text.to_owned()));
        }
    }
}

/// Lines with what was said of the next one.
struct Reader<'t> {
    lines: std::str::Lines<'t>,
    says: Vec<&'t str>,
    attributes: String,
}

impl<'t> Reader<'t> {
    /// The next line that is neither documentation nor an attribute.
    fn next(&mut self) -> Option<&'t str> {
        loop {
            let line = self.lines.next()?;
            let trimmed = line.trim_start();
            if let Some(text) = trimmed.strip_prefix("///") {
                self.says.push(text.trim());
            } else if trimmed.starts_with("#[") {
                self.attributes.push_str(trimmed);
                let open = |text: &str| text.matches('[').count() > text.matches(']').count();
                let mut whole = trimmed.to_owned();
                while open(&whole) {
                    let more = self.lines.next()?.trim();
                    whole.push_str(more);
                    self.attributes.push_str(more);
                }
            } else {
                return Some(line);
            }
        }
    }

    fn taken(&mut self) -> (String, String) {
        let lines: Vec<&str> = self
            .says
            .drain(..)
            .filter(|line| !line.is_empty())
            .collect();
        let says = lines.join(" ");
        (plain(&says), std::mem::take(&mut self.attributes))
    }
}

/// The documented structs and enums of a text.
pub(crate) fn items(text: &str) -> Vec<Item> {
    let mut reader = Reader {
        lines: text.lines(),
        says: Vec::new(),
        attributes: String::new(),
    };
    let mut found = Vec::new();
    while let Some(line) = reader.next() {
        let (says, attributes) = reader.taken();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        let head = |word: &str| line.strip_prefix(word)?.strip_suffix(" {");
        let (name, is_enum) = match (head("struct "), head("enum ")) {
            (Some(name), _) => (name, false),
            (_, Some(name)) => (name, true),
            _ => continue,
        };
        let kebab = attributes.contains("rename_all = \"kebab-case\"");
        let name = name.split('<').next().unwrap_or(name).to_owned();
        let parts = parts(&mut reader, "}", is_enum, kebab);
        found.push(Item {
            name,
            says,
            is_enum,
            parts,
        });
    }
    found
}

fn parts(reader: &mut Reader<'_>, end: &str, is_enum: bool, kebab: bool) -> Vec<Part> {
    let mut found = Vec::new();
    while let Some(line) = reader.next() {
        let (says, attributes) = reader.taken();
        let line = line.trim();
        if line == end {
            break;
        }
        let (name, kind, fields) = if !is_enum {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            let Some((name, kind)) = line.trim_end_matches(',').split_once(": ") else {
                continue;
            };
            (name, Some(kind.to_owned()), Vec::new())
        } else if let Some(name) = line.strip_suffix(" {") {
            (name, None, parts(reader, "},", false, false))
        } else {
            let line = line.trim_end_matches(',');
            match line.split_once('(') {
                Some((name, kind)) => (
                    name,
                    Some(kind.trim_end_matches(')').to_owned()),
                    Vec::new(),
                ),
                // One with its fields in the same line has nothing to say of them.
                None => (
                    line.split([' ', '=']).next().unwrap_or(line),
                    None,
                    Vec::new(),
                ),
            }
        };
        if name.is_empty() || !name.chars().all(|it| it.is_alphanumeric() || it == '_') {
            continue;
        }
        let renamed = between(&attributes, "rename = \"", "\"");
        let optional = attributes.contains("default")
            || kind
                .as_deref()
                .is_some_and(|kind| kind.starts_with("Option<"));
        found.push(Part {
            key: match renamed {
                Some(key) => key.to_owned(),
                None if kebab => dashed(name),
                None => name.to_owned(),
            },
            says,
            optional,
            kind,
            parts: fields,
            error: between(&attributes, "#[error(\"", "\"").map(str::to_owned),
            name: name.to_owned(),
        });
    }
    found
}

/// What stands between two texts.
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|it| it.0)
}

/// `OneWay` and `one_way` as `one-way`.
pub(crate) fn dashed(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text.replace('_', "-")
}

/// Documentation without its links into the source: of those only the last name is left.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((link, further)) = after.split_once("`]") else {
            break;
        };
        let last = link.rsplit("::").next().unwrap_or(link);
        plain.push_str(before);
        plain.push_str(&format!("`{}`", dashed(last.trim_end_matches("()"))));
        rest = match further.strip_prefix('(') {
            Some(further) => further.split_once(')').map_or(further, |it| it.1),
            None => further,
        };
    }
    plain.push_str(rest);
    plain
}

#[test]
fn what_is_read_is_what_is_written() {
    let text = "/// A thing of [`super::Other`].\n#[derive(Debug)]\n#[serde(rename_all = \"kebab-case\")]\npub struct Thing {\n    \
                /// Its name,\n    /// as said.\n    #[serde(\n        default,\n        skip\n    )]\n    pub its_name: Vec<String>,\n    \
                /// Number.\n    #[serde(rename = \"use\")]\n    pub number: u32,\n}\n\npub enum Kind {\n    /// One.\n    One,\n    \
                /// Two.\n    Two {\n        /// Why.\n        why: String,\n    },\n    Three(Vec<String>),\n}\n";
    let found = items(text);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].says, "A thing of `other`.");
    let keys: Vec<&str> = found[0].parts.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["its-name", "use"]);
    assert_eq!(found[0].parts[0].says, "Its name, as said.");
    assert!(found[0].parts[0].optional && !found[0].parts[1].optional);
    let keys: Vec<&str> = found[1].parts.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["One", "Two", "Three"]);
    assert_eq!(found[1].parts[1].parts[0].says, "Why.");
    assert_eq!(found[1].parts[2].kind.as_deref(), Some("Vec<String>"));
}
