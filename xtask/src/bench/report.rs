//! The table, and the document that keeps it.

use super::Row;

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

/// `docs/benchmarks.md`.
pub(super) fn document(table: &str, machine: &str) -> String {
    format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench`; every figure is from one run on one machine.\n\n\
         Machine: {machine}.\n\n{table}\n\n\
         The procedure has thirty steps; each makes a file that is not there yet, by a child process. The engine asks its guard,\n\
         writes its intent to disk, acts, checks, and writes the outcome to disk; the script tests and acts; the playbook runs\n\
         `ansible.builtin.command` with `creates` on localhost, its start included, as in every run. Durations are medians.\n\
         `apply` is the whole upgrade of a deployment in Docker Compose with backups, proofs, migrations and verification;\n\
         its memory is that of the program itself.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{Row, table};

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
}
