//! A rehearsal of stacks as a person reads it: what it makes, and what came of it.

use std::fmt::Write as _;

use switchback_model::Rehearsal;
use switchback_model::rehearsal::{Outcome, UpdateSeen};
use switchback_planner::stack::{Bill, Copies};

use super::style::{BAD, BOLD, CHECK, CROSS, DIM, GOOD, PLAIN, WARN, paint};
use super::table::{Cell, Table};
use super::{measure, wrap};

/// Longest list of resources that is named.
const NAMED: usize = 6;

/// What is made, and what AWS bills of it, before it is asked for.
pub(crate) fn made(copies: &Copies, bill: &Bill, lasts: Lasts, width: usize) -> String {
    let mut text = format!("  {}\n", paint(BOLD, "made beside production for this"));
    let line = |text: &mut String, said: &str| {
        let _ = writeln!(text, "{}", wrap::hanging("    · ", said, width));
    };
    for made in &copies.made {
        line(&mut text, made);
    }
    let removed = format!(
        "all of it in the stack `{}`, which is removed at the end, with the snapshot",
        copies.stack
    );
    line(&mut text, &removed);
    let _ = writeln!(text, "  {}", paint(BOLD, "what AWS bills of it"));
    for billed in &bill.lines {
        line(&mut text, billed);
    }
    line(
        &mut text,
        "AWS bills each from when it is made until it is removed, a database server for ten minutes at least; \
         requests to a cluster's storage, and what goes through a NAT gateway, by what they are",
    );
    line(&mut text, &format!("{}: {}", lasts.said(), bill.sum));
    text
}

/// How long a rehearsal is taken to last, in minutes.
#[derive(Clone, Copy)]
pub(crate) enum Lasts {
    /// As long as the one before did.
    Measured(u64),
    /// Nobody knows: an hour, to multiply.
    Hour,
}

impl Lasts {
    /// Minutes.
    pub(crate) fn minutes(self) -> u64 {
        match self {
            Self::Measured(minutes) => minutes,
            Self::Hour => 60,
        }
    }

    fn said(self) -> String {
        match self {
            Self::Measured(minutes) => format!(
                "for {}, as long as the rehearsal before",
                measure::plural(minutes, "minute", "minutes")
            ),
            Self::Hour => {
                "for an hour; how long it takes is known once it was rehearsed".to_owned()
            }
        }
    }
}

/// The first line: how it ended.
pub(crate) fn verdict(report: &Rehearsal, width: usize) -> String {
    let took = measure::duration(report.took);
    let migrations = report
        .steps
        .iter()
        .filter(|step| step.act == "migrate")
        .count() as u64;
    let counted = |number: u64| measure::plural(number, "migration", "migrations");
    let route = format!("{} → {}", report.from, paint(BOLD, &report.to));
    let left = match report.unrehearsed.len() as u64 {
        0 => String::new(),
        left => format!(", {} could not be rehearsed", counted(left)),
    };
    match &report.outcome {
        Outcome::Succeeded => {
            let done = match migrations {
                0 => format!("change sets alone{left}"),
                some => format!(
                    "{} on copies of databases of {}{left}",
                    counted(some),
                    report.deployment.name
                ),
            };
            let mark = match (migrations, report.unrehearsed.is_empty()) {
                (_, true) => paint(GOOD, CHECK),
                _ => paint(WARN, CHECK),
            };
            let line = format!("{route} rehearsed: {done}. In {took}, as {}", report.id);
            wrap::hanging(&format!("{mark} "), &line, width)
        }
        Outcome::Failed { .. } | Outcome::Stopped { .. } => {
            let line = format!(
                "{route} does not work on copies of databases of {}. Found in {took}, as {}; production never saw it",
                report.deployment.name, report.id,
            );
            wrap::hanging(&format!("{} ", paint(BAD, CROSS)), &line, width)
        }
    }
}

/// What every update would change.
pub(crate) fn updates(report: &Rehearsal, width: usize) -> String {
    let mut text = String::new();
    for seen in &report.updates {
        let first = format!("    {} {} ", seen.step, paint(BOLD, &seen.stack));
        let _ = writeln!(text, "{}", wrap::hanging(&first, &changes(seen), width));
    }
    text
}

fn changes(seen: &UpdateSeen) -> String {
    let mut said = Vec::new();
    if !seen.removed.is_empty() {
        said.push(format!("removed: {}", listed(&seen.removed)));
    }
    if !seen.replaced.is_empty() {
        said.push(format!("replaced: {}", listed(&seen.replaced)));
    }
    if seen.others > 0 {
        let others = measure::plural(seen.others as u64, "resource", "resources");
        said.push(format!("{others} changed or added"));
    }
    if said.is_empty() {
        said.push("nothing".to_owned());
    }
    let who = match seen.computed {
        true => "as AWS computes it",
        false => "as we predict; AWS computes it when its turn comes",
    };
    let mut text = format!("{}, {who}", said.join("; "));
    if !seen.disputed.is_empty() {
        let _ = write!(
            text,
            "; our prediction differs on {}",
            listed(&seen.disputed)
        );
    }
    text
}

fn listed(names: &[String]) -> String {
    let mut text = names[..names.len().min(NAMED)].join(", ");
    if names.len() > NAMED {
        let _ = write!(text, " and {} more", names.len() - NAMED);
    }
    text
}

/// What each step took.
pub(crate) fn steps(report: &Rehearsal, width: usize) -> String {
    let mut table = Table::indented(4);
    for step in &report.steps {
        table.row([
            Cell::from(step.step.to_string()),
            Cell::new(BOLD, step.act.clone()),
            Cell::from(step.what.clone()),
            Cell::right(PLAIN, measure::duration(step.took)),
            Cell::new(DIM, step.summary.clone()),
        ]);
    }
    table.text(width)
}

/// Migrations of which nothing is known, and why.
pub(crate) fn unrehearsed(report: &Rehearsal, width: usize) -> String {
    let mut text = String::new();
    for left in &report.unrehearsed {
        let first = format!("    {} ({}) ", paint(BOLD, &left.migration), left.version);
        let _ = writeln!(text, "{}", wrap::hanging(&first, &left.why, width));
    }
    text
}

/// What was copied, in bytes.
pub(crate) fn space(report: &Rehearsal, width: usize) -> String {
    if report.copies.is_empty() {
        return String::new();
    }
    let said = match report.space.copy {
        0 => "storage that grows by itself: AWS does not say how much is in it".to_owned(),
        bytes => format!("{} of databases were copied", measure::bytes(bytes)),
    };
    format!("{}\n", wrap::hanging("    ", &said, width))
}
