//! Where every value of a definition was read, by a path such as `release[3].demands[0].because`.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::product::diagnostic::Place;

/// Places by path. Elements of a section are counted through all files, in their order.
#[derive(Clone, Debug, Default)]
pub struct Places {
    known: BTreeMap<String, Place>,
    counts: BTreeMap<String, usize>,
}

impl Places {
    /// Where `path` was read; where nothing is written there, where what holds it was read.
    pub fn of(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.known.get(path) {
                return *place;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => {
                    return Place {
                        file: 0,
                        start: 0,
                        end: 0,
                    };
                }
            }
        }
    }

    /// Adds a file that is known to be well-formed.
    pub(super) fn add_file(&mut self, file: usize, text: &str) {
        let Ok(document) = DeTable::parse(text) else {
            return;
        };
        for (name, value) in document.get_ref() {
            let section: &str = name.get_ref();
            self.known
                .insert(format!("{file}:{section}"), place(file, name.span()));
            match value.get_ref() {
                DeValue::Array(elements) => {
                    let first = self.counts.get(section).copied().unwrap_or(0);
                    for (index, element) in elements.iter().enumerate() {
                        self.walk(file, format!("{section}[{}]", first + index), element);
                    }
                    self.counts
                        .insert(section.to_owned(), first + elements.len());
                }
                _ => self.walk(file, section.to_owned(), value),
            }
        }
    }

    /// Where a section begins in one file, also if another has it too.
    pub(super) fn in_file(&self, file: usize, section: &str) -> Place {
        let outer = section.split('.').next().unwrap_or(section);
        self.of(&format!("{file}:{outer}"))
    }

    fn walk(&mut self, file: usize, path: String, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (name, value) in table {
                    self.walk(file, format!("{path}.{}", name.get_ref()), value);
                }
            }
            DeValue::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.walk(file, format!("{path}[{index}]"), element);
                }
            }
            _ => {}
        }
        self.known.insert(path, place(file, value.span()));
    }
}

fn place(file: usize, span: std::ops::Range<usize>) -> Place {
    Place {
        file,
        start: span.start,
        end: span.end,
    }
}
