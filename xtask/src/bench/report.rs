//! The table, and the document that keeps it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use super::{Row, machine};
use crate::paths;

/// A Markdown table, which is readable as it is.
pub(super) fn table(rows: &[Row]) -> String {
    let width = |column: fn(&Row) -> &str, head: &str| {
        rows.iter()
            .map(|row| column(row).chars().count())
            .chain([head.chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths = [
        width(|row| &row.what, "what"),
        width(|row| &row.measured, "measured"),
        width(|row| &row.goal, "goal, or ratio"),
    ];
    let line = |cells: [&str; 3]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |", padded.join(" | "))
    };
    let mut lines = vec![line(["what", "measured", "goal, or ratio"])];
    lines.push(format!(
        "|{}|",
        widths.map(|width| "-".repeat(width + 2)).join("|")
    ));
    lines.extend(
        rows.iter()
            .map(|row| line([&row.what, &row.measured, &row.goal])),
    );
    lines.join("\n")
}

const HEAD: &str = "# Benchmarks

Written by `cargo xtask bench`, `cargo xtask bench files` and `cargo xtask bench shadows --size N`; each section is from one run
on one machine, with whatever else that machine did.
";

const NOTES: &str = "# Notes

**Planner, engine, program.** The procedure has thirty steps; each makes a file that is not there yet, by a child process. The
engine asks its guard, writes its intent to disk, acts, checks, and writes the outcome to disk; the script tests and acts; the
playbook runs `ansible.builtin.command` with `creates` on localhost, its start included, as in every run. Durations are medians.
`apply` is the whole upgrade of a deployment in Docker Compose with backups, proofs, migrations and verification; its memory is
that of the program itself.

**Shadows.** One deployment is installed and copied for each method, so all begin with the same files. The runbook is the
product's documentation as a script (`xtask/src/bench/shadows/runbook.sh`): stop, copy Redis's file, `pg_dump`, copy pictures,
migrate, start. It compares nothing and restores nothing, and nobody reads or types in between. Downtime *from outside* is
the longest silence, from the last answer before it to the first one after it, one request every 20 ms.
`pg_basebackup`, `pg_dump` and `pg_restore` alone run in the server's container on the same data.
The repository begins empty for both; what is sent has been read once before by a sending that does not count. *There and back* counts
only if the digest of a logical dump, every key and every file are what they were before the first upgrade; otherwise the bench fails.

**Files.** Files of 1 to 3 KB, a thousand in a directory, none compressible. One in a thousand is changed between the comparison and
the seal. The way back looks at every name before it moves the shadow in.
";

/// Puts a section into `docs/benchmarks.md`, in the place of the one that has its name.
pub(super) fn keep(section: &str, table: &str) -> Result<()> {
    let path = paths::root().join("docs/benchmarks.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let machine = machine::described()?;
    let text = with_section(&before, section, &format!("{machine}.\n\n{table}"));
    fs::write(&path, text).context("cannot write docs/benchmarks.md")?;
    eprintln!("written to {}", path.display());
    Ok(())
}

/// The document with a section put in or replaced: sections by name, then the notes.
fn with_section(document: &str, name: &str, body: &str) -> String {
    let mut sections: BTreeMap<&str, &str> = document
        .split("\n## ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .map(|(name, body)| {
            let body = body.split("\n# Notes").next().unwrap_or_default();
            (name, body.trim())
        })
        .collect();
    sections.insert(name, body.trim());
    let mut text = HEAD.to_owned();
    for (name, body) in sections {
        text.push_str(&format!("\n## {name}\n\n{body}\n"));
    }
    text.push('\n');
    text.push_str(NOTES);
    text
}

#[cfg(test)]
mod tests {
    use super::{Row, table, with_section};

    #[test]
    fn columns_line_up() {
        let rows = [
            Row::new("a", "1 ms", "–"),
            Row::new("longer → b", "22 ms", "< 3 ms"),
        ];
        let lines: Vec<usize> = table(&rows)
            .lines()
            .map(|line| line.chars().count())
            .collect();
        assert!(lines.windows(2).all(|pair| pair[0] == pair[1]), "{lines:?}");
    }

    #[test]
    fn a_section_replaces_the_one_of_its_name() {
        let first = with_section("", "shadows", "one");
        let both = with_section(&first, "files", "two");
        let again = with_section(&both, "shadows", "three");
        let files = again.find("## files\n\ntwo").expect("kept");
        let shadows = again.find("## shadows\n\nthree").expect("replaced");
        assert!(files < shadows && !again.contains("one\n"));
        assert_eq!(again.matches("# Notes").count(), 1);
    }
}
