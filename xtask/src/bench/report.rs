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

/// Where the text begins that people write about the sections.
const NOTES: &str = "\n# Notes\n";

/// The document with the table of a section put in or replaced. Its head, its notes, and what people wrote below a
/// table of another name stay.
fn with_section(document: &str, name: &str, body: &str) -> String {
    let (tables, notes) = document.split_once(NOTES).unwrap_or((document, ""));
    let mut parts = tables.split("\n## ");
    let head = parts.next().unwrap_or_default().trim();
    let mut sections: BTreeMap<&str, &str> = parts
        .filter_map(|section| section.split_once('\n'))
        .map(|(name, body)| (name, body.trim()))
        .collect();
    sections.insert(name, body.trim());
    let mut text = format!("{head}\n");
    for (name, body) in sections {
        text.push_str(&format!("\n## {name}\n\n{body}\n"));
    }
    text + NOTES + notes
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
        let document = "# Head\n\nWhat it is.\n\n## files\n\ntwo\n\nSaid of it.\n\n## shadows\n\none\n\n# Notes\n\nSaid of all.\n";
        let again = with_section(document, "shadows", "three");
        assert_eq!(again, document.replace("one", "three"));
        let more = with_section(document, "planner", "four");
        let planner = "## planner\n\nfour\n\n## shadows";
        assert_eq!(more, document.replace("## shadows", planner));
    }
}
