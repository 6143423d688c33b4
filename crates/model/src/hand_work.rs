//! Work that only a person can do, and how it is known that it is done.

use serde::{Deserialize, Serialize};

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
}

impl DoneWhen {
    /// True where the word of whoever did it counts. What can be seen is looked at instead.
    pub fn can_be_said(&self) -> bool {
        matches!(self, Self::Said | Self::Merged(_))
    }

    /// True where nothing can be looked at.
    pub fn is_said(&self) -> bool {
        *self == Self::Said
    }
}
