//! Tables of backups: those on this machine, and those in the repository.

use switchback_backup::{Keeps, Rule};
use switchback_model::plan::BackupState;

use super::measure;
use super::style::{BAD, BOLD, DIM, GOOD, PLAIN, WARN};
use super::table::{Cell, Table};
use crate::backups::listed::{Here, There};
use crate::session::now;

/// Backups on this machine.
pub(crate) fn here(lines: &[Here]) -> Table {
    let mut table = Table::indented(0);
    table.row(
        [
            "run",
            "datastore",
            "server",
            "state",
            "objects",
            "size",
            "made",
        ]
        .map(|head| Cell::new(DIM, head)),
    );
    for line in lines {
        let (style, state) = match line.state {
            BackupState::Prepared | BackupState::Compared => (BAD, "not complete"),
            BackupState::Sealed => (WARN, "not proven"),
            BackupState::Proven => (GOOD, "proven"),
        };
        let server = match &line.engine {
            Some(engine) => format!("{} {engine}", line.kind.name()),
            None => line.kind.name().to_owned(),
        };
        table.row([
            Cell::new(BOLD, line.run.as_str()),
            Cell::from(placed(line)),
            Cell::from(server),
            Cell::new(style, state),
            Cell::right(PLAIN, measure::count(line.objects)),
            Cell::right(PLAIN, measure::bytes(line.bytes)),
            Cell::from(measure::ago(line.at, now())),
        ]);
    }
    table
}

/// Backups in the repository.
pub(crate) fn there(lines: &[There]) -> Table {
    let mut table = Table::indented(0);
    table.row(
        [
            "backup",
            "datastore",
            "version",
            "run",
            "size",
            "made",
            "read back",
            "kept as",
        ]
        .map(|head| Cell::new(DIM, head)),
    );
    for line in lines {
        let (proof, read_back) = match &line.proven {
            Some(day) => (GOOD, day.as_str()),
            None => (WARN, "never"),
        };
        let (style, kept) = if line.expired {
            (WARN, "expired".to_owned())
        } else {
            (PLAIN, kept_as(&line.kept))
        };
        table.row([
            Cell::new(BOLD, line.id.as_str()),
            Cell::from(rounded(line.datastore.as_str(), line.round)),
            Cell::from(line.version.as_str()),
            Cell::from(line.run.as_str()),
            Cell::right(PLAIN, measure::bytes(line.bytes)),
            Cell::from(measure::ago(line.at, now())),
            Cell::new(proof, read_back),
            Cell::new(style, kept),
        ]);
    }
    table
}

/// Which datastore, and where what is not on this machine is.
fn placed(line: &Here) -> String {
    let datastore = rounded(line.datastore.as_str(), line.round);
    match &line.machine {
        Some(machine) => format!("{datastore} on {machine}"),
        None => datastore,
    }
}

fn rounded(datastore: &str, round: u32) -> String {
    if round > 1 {
        format!("{datastore} (round {round})")
    } else {
        datastore.to_owned()
    }
}

/// `last 1 of 3, day 2 of 7`: with each newer one it moves on by one place.
fn kept_as(kept: &[Keeps]) -> String {
    if kept.is_empty() {
        return "for ever".to_owned();
    }
    let places: Vec<String> = kept
        .iter()
        .map(|keeps| {
            let rule = match keeps.rule {
                Rule::Last => "last",
                Rule::Daily => "day",
                Rule::Weekly => "week",
                Rule::Monthly => "month",
            };
            format!("{rule} {} of {}", keeps.place, keeps.of)
        })
        .collect();
    places.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_backup_is_said_with_its_place() {
        let keeps = |rule, place, of| Keeps { rule, place, of };
        assert_eq!(
            kept_as(&[keeps(Rule::Last, 1, 3), keeps(Rule::Weekly, 2, 4)]),
            "last 1 of 3, week 2 of 4"
        );
        assert_eq!(kept_as(&[]), "for ever");
    }
}
