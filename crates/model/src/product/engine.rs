//! The path of a component inside the product: the server of a datastore, which climbs one line at a time.

use serde::{Deserialize, Serialize};

use crate::id::DatastoreName;
use crate::version::Range;

/// The server program of a datastore, with a path of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Engine {
    /// Identifier: the name of the datastore it keeps.
    pub id: DatastoreName,
    /// Name as people write it, e.g. `MongoDB`.
    pub name: String,
    /// The probe that reads its version.
    pub probe: String,
    /// Its lines, oldest first. Each is a rung: the server starts on the data of the one below, no older.
    pub lines: Vec<String>,
    /// What has to be done on each rung before the next, one sentence; `{line}` is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_each_rung: Option<String>,
    /// Which lines a release of the product runs with.
    pub works: Vec<EngineWorks>,
    /// Which line is there where nothing could tell: the first that fits is taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usual: Vec<EngineUsual>,
    /// Where it was read.
    pub source: String,
}

/// Releases of the product that run with some lines of an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EngineWorks {
    /// The lines.
    pub lines: Vec<String>,
    /// The releases.
    pub releases: Range,
    /// Where it was read.
    pub source: String,
}

/// The line that an installation of some release brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EngineUsual {
    /// The line.
    pub line: String,
    /// For these releases.
    pub releases: Range,
    /// On these distributions; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributions: Vec<String>,
}

impl Engine {
    /// Name of the answer that tells which line's format the data has, where that is a setting of its own.
    pub fn compatibility(&self) -> String {
        format!("{}-compatibility", self.probe)
    }

    /// The line that a version belongs to: `3.4.24` to `3.4`. `2.x` is the lowest line of its major, for the
    /// more rungs are planned the safer. `None` where no line fits.
    pub fn line(&self, version: &str) -> Option<usize> {
        let version = version.trim().trim_start_matches(['v', 'V']);
        let mut parts = version.split('.');
        let (major, minor) = (parts.next()?, parts.next().unwrap_or("x"));
        if minor == "x" {
            let mut lines = self.lines.iter();
            return lines.position(|line| line.split('.').next() == Some(major));
        }
        let mut lines = self.lines.iter();
        lines.position(|line| line.split_once('.') == Some((major, minor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_belongs_to_its_line_and_a_major_to_its_lowest() {
        let engine = Engine {
            id: "mongodb".into(),
            name: "MongoDB".to_owned(),
            probe: "mongodb".to_owned(),
            lines: ["2.4", "2.6", "3.0", "3.2"].map(str::to_owned).to_vec(),
            on_each_rung: None,
            works: Vec::new(),
            usual: Vec::new(),
            source: "s".to_owned(),
        };
        assert_eq!(engine.line("2.6.12"), Some(1));
        assert_eq!(engine.line("2.x"), Some(0));
        assert_eq!(engine.line("3"), Some(2));
        assert_eq!(engine.line(" 3.2 "), Some(3));
        assert_eq!(engine.line("3.20"), None);
        assert_eq!(engine.line("new"), None);
    }
}
