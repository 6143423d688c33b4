//! Pages of `docs/reference`.

use std::path::PathBuf;

/// Holds a page against what it has to be, or writes it anew where that is asked for.
pub(crate) fn is(name: &str, text: &str) {
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path(name), text).expect("the page can be written");
    }
    assert!(
        read(name) == text,
        "docs/reference/{name} is not what the source says: run UPDATE_REFERENCE=1 cargo test --package switchback --test reference"
    );
}

/// A page as it is.
pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).expect("the document is there")
}

fn path(name: &str) -> PathBuf {
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference");
    PathBuf::from(documents).join(name)
}

/// A cell of a table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
