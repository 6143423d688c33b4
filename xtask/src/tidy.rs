//! Rules of the house that no compiler knows.

mod documents;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::tool::tool;

/// A breach of a rule.
pub(crate) struct Finding {
    pub(crate) place: String,
    pub(crate) what: String,
}

/// A file of the repository.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn at(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            place: format!("{}:{line}", self.path.display()),
            what: what.into(),
        }
    }
}

/// Checks every file that git knows.
pub(crate) fn run() -> Result<()> {
    let files = known_files()?;
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(everywhere(file));
        match file.path.extension().and_then(|ext| ext.to_str()) {
            Some("rs") => findings.extend(source::check(file)),
            Some("md") => findings.extend(documents::check(file, &paths::root())),
            _ => {}
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("  {}: {}", finding.place, finding.what))
        .collect();
    bail!("{}", lines.join("\n"))
}

/// The repository speaks of the project alone: not of the machine that it was written on.
fn everywhere(file: &Source) -> Vec<Finding> {
    // In two parts, so that this file does not find itself.
    let foreign = [
        ["/wo", "rk/"],
        ["/ro", "ot/."],
        ["regist", "ry-1."],
        ["index.crat", "es"],
        ["files.python", "hosted"],
        ["deb.deb", "ian.org"],
    ];
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for parts in &foreign {
            let word = parts.concat();
            if line.contains(&word) {
                findings.push(file.at(
                    number + 1,
                    format!("`{word}` names a place outside the project"),
                ));
            }
        }
        if line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>") {
            findings.push(file.at(number + 1, "a merge was left open"));
        }
    }
    findings
}

fn known_files() -> Result<Vec<Source>> {
    let root = paths::root();
    let listed = tool("git")
        .dir(&root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .read()?;
    let mut files = Vec::new();
    for name in listed.lines().filter(|name| is_text(name)) {
        let path = root.join(name);
        // A file that was removed and not yet committed.
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        files.push(Source {
            path: PathBuf::from(name),
            text,
        });
    }
    Ok(files)
}

fn is_text(name: &str) -> bool {
    let ext = Path::new(name).extension().and_then(|ext| ext.to_str());
    matches!(
        ext,
        Some("rs" | "md" | "toml" | "txt" | "json" | "yml" | "yaml" | "sh")
    ) && name != "Cargo.lock"
}
