//! Rules for Markdown: links lead somewhere, and named tasks exist.

use std::path::Path;

use super::{Finding, Source};

/// Tasks that documents may name.
const TASKS: &[&str] = &[
    "bench", "check", "demo", "deploy", "images", "live", "setup", "standins", "test",
];

/// Checks one document.
pub(super) fn check(file: &Source, root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        for target in links(line) {
            if let Some(what) = broken(target, file, root) {
                findings.push(file.at(at + 1, what));
            }
        }
        let task = line.split("cargo xtask ").nth(1).and_then(|rest| {
            rest.split(|letter: char| !letter.is_ascii_lowercase())
                .next()
        });
        if let Some(task) = task.filter(|task| !task.is_empty() && !TASKS.contains(task)) {
            findings.push(file.at(at + 1, format!("there is no task `{task}`")));
        }
    }
    findings
}

/// Targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

fn broken(target: &str, file: &Source, root: &Path) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let linked = if path.is_empty() {
        root.join(&file.path)
    } else {
        root.join(file.path.parent().unwrap_or(Path::new("")))
            .join(path)
    };
    if !linked.exists() {
        return Some(format!("the link `{target}` leads nowhere"));
    }
    if anchor.is_empty() {
        return None;
    }
    let text = std::fs::read_to_string(&linked).ok()?;
    let found = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor_of(line) == anchor);
    (!found).then(|| format!("`{target}`: no such heading"))
}

/// The anchor that Markdown viewers give to a heading.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|letter| {
            letter.is_alphanumeric() || *letter == ' ' || *letter == '-' || *letter == '_'
        })
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Source, anchor_of, check};

    #[test]
    fn links_are_followed() {
        let root = tempdir();
        std::fs::write(root.join("there.md"), "# A heading, here\n").expect("a file");
        let file = Source {
            path: PathBuf::from("x.md"),
            text: "[a](there.md) [b](there.md#a-heading-here) [c](http://x) [d](gone.md)\n[e](there.md#no)\n`cargo xtask fly`\n".to_owned(),
        };
        let findings: Vec<String> = check(&file, &root)
            .into_iter()
            .map(|finding| finding.place + " " + &finding.what)
            .collect();
        assert_eq!(
            findings,
            [
                "x.md:1 the link `gone.md` leads nowhere",
                "x.md:2 `there.md#no`: no such heading",
                "x.md:3 there is no task `fly`"
            ]
        );
        std::fs::remove_dir_all(&root).expect("removal");
    }

    #[test]
    fn anchors_as_viewers_make_them() {
        assert_eq!(anchor_of("## 2. `switchback plan`"), "2-switchback-plan");
    }

    fn tempdir() -> PathBuf {
        let dir = Path::new(&std::env::temp_dir())
            .join(format!("switchback-xtask-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        dir
    }
}
