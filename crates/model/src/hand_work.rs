//! Work that only a person can do, and how it is known that it is done.

use serde::{Deserialize, Serialize};

use crate::id::DatastoreName;

/// A task of a plan that a person does while the run waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandWork {
    /// Its name, as people say it: `switchback resume --done NAME`.
    pub id: String,
    /// What to do, in order.
    pub steps: Vec<String>,
    /// How it is known that it is done.
    pub done: DoneWhen,
    /// Where it was read.
    pub source: String,
    /// What a way back waits for once this may have been done; nothing where it can do with what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Box<HandWork>>,
}

/// How it is known that a task for people is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoneWhen {
    /// Whoever did it says so, by its name: nothing can be looked at.
    #[default]
    Said,
    /// This command ends with 0. It only looks, and ends soon.
    Command(Vec<String>),
    /// The file has a line for each of these; `*` stands for any run of characters.
    File {
        /// Absolute path.
        path: String,
        /// Whole lines, without the spaces around them.
        lines: Vec<String>,
    },
    /// None of these files lacks a line of the text that its package brought and that was put beside it. Lines
    /// that were left out on purpose lack as well, so whoever merged may say that it is done.
    Merged(Vec<String>),
    /// The server of a datastore is this. Plans alone say so: a definition says which lines there are.
    Server(ServerIs),
}

/// What the server of a datastore has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerIs {
    /// Which datastore.
    pub datastore: DatastoreName,
    /// It answers, takes writes, and is of any of these lines, e.g. `3.6` or `4.0`.
    pub lines: Vec<String>,
    /// Whether the format of its data has to be that of one of these lines, too, where servers have such a setting.
    pub format: bool,
}

impl ServerIs {
    /// True where a version, or a format, belongs to one of the lines: `3.6.23` to `3.6`.
    pub fn includes(&self, version: &str) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| {
            let mut numbers = version.split('.');
            line.split('.').all(|wanted| numbers.next() == Some(wanted))
        })
    }
}

impl DoneWhen {
    /// True where the word of whoever did it counts. What can be seen is looked at instead.
    pub fn can_be_said(&self) -> bool {
        matches!(self, Self::Said | Self::Merged(_))
    }

    /// True where the word of whoever did it counts as soon as a look cannot tell: what is asked of a server may be
    /// more than the product's user may ask.
    pub fn can_be_said_unseen(&self) -> bool {
        self.can_be_said() || matches!(self, Self::Server(_))
    }

    /// True where nothing can be looked at.
    pub fn is_said(&self) -> bool {
        *self == Self::Said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_belongs_to_the_line_whose_numbers_it_begins_with() {
        let is = ServerIs {
            datastore: "mongodb".into(),
            lines: vec!["3.6".to_owned(), "4.0".to_owned()],
            format: true,
        };
        assert!(is.includes("3.6.23") && is.includes("4.0"));
        assert!(!is.includes("3.4.24") && !is.includes("4") && !is.includes("4.01"));
    }
}
