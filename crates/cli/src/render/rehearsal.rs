//! A rehearsal as a person reads it: while it is prepared, and its report.

mod changes;

use std::fmt::Write as _;

use switchback_model::Rehearsal;
use switchback_model::plan::Plan;
use switchback_model::rehearsal::{Measured, Outcome, Verdict};

use self::changes::changes;
use super::plan::route;
use super::run::what_width;
use super::style::{BAD, BANG, BOLD, CHECK, CROSS, DIM, GOOD, PLAIN, WARN, paint};
use super::table::{Cell, Table};
use super::{measure, rehearsed_stacks, wrap};

/// Steps that took less than this share of the longest one are not worth a line of their own.
const WORTH: u64 = 100;

/// The first lines: what is rehearsed, and what it does to production.
pub(crate) fn begun(id: &str, plan: &Plan, width: usize) -> String {
    let first = format!("Rehearsal {}   ", paint(BOLD, id));
    let rest = format!(
        "plan {} {} {} on a copy of {}",
        paint(BOLD, &plan.id),
        plan.product,
        route(plan),
        plan.deployment.name
    );
    let note = format!(
        "{} keeps running and is only read. Ctrl-C ends the rehearsal and removes the copy",
        plan.deployment.name
    );
    format!(
        "{}\n{}\n",
        wrap::hanging(&first, &rest, width),
        wrap::hanging("  ", &note, width)
    )
}

/// Over the pieces of the preparation, as over a stage.
pub(crate) fn heading() -> String {
    let heading = "copy of the deployment (production is read, once)";
    format!("  {}\n", paint(BOLD, heading))
}

/// A piece of the preparation that is done.
pub(crate) fn acted(
    plan: &Plan,
    verb: &str,
    what: &str,
    took: u64,
    summary: &str,
    width: usize,
) -> String {
    let columns = what_width(plan);
    let first = format!(
        "  {}    {verb:<8} {:<columns$} {:>9}  ",
        paint(GOOD, CHECK),
        wrap::cut(what, columns),
        measure::duration(took)
    );
    format!("{}\n", wrap::hanging(&first, summary, width))
}

/// The whole report.
pub(crate) fn report(report: &Rehearsal, width: usize) -> String {
    let of_stacks = report.production.stacks > 0;
    let mut text = match of_stacks {
        true => format!("\n{}\n", rehearsed_stacks::verdict(report, width)),
        false => format!("\n{}\n", verdict(report, width)),
    };
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            let _ = write!(text, "  {}\n{body}", paint(BOLD, title));
        }
    };
    if of_stacks {
        section(
            "what each update changes",
            rehearsed_stacks::updates(report, width),
        );
        section("what it took", rehearsed_stacks::steps(report, width));
        section(
            "not rehearsed",
            rehearsed_stacks::unrehearsed(report, width),
        );
        section("space", rehearsed_stacks::space(report, width));
    } else {
        section("where the downtime goes", downtime(report, width));
        section("for people", by_hand(report, width));
        section("space", space(report, width));
    }
    section("what changed", changes(report, width));
    section("what the migrations said", logs(report, width));
    section("what was announced", notices(report, width));
    section("production", production(report, width));
    if let Some(place) = &report.kept {
        let cost = match of_stacks {
            true => ", and AWS bills it until then",
            false => "",
        };
        let line = format!(
            "The copy is kept in {place}{cost}: the next rehearsal removes it, or switchback rehearse --clean"
        );
        let _ = writeln!(text, "{}", wrap::hanging("  ", &line, width));
    }
    text
}

/// One line that says it all, e.g. under a plan: `rehearsed 2 h ago (e-1f3a): downtime 48 s`.
pub(crate) fn attached(report: &Rehearsal, now: u64) -> String {
    let when = measure::ago(report.at, now);
    match (&report.outcome, report.downtime) {
        (Outcome::Succeeded, Some(downtime)) => format!(
            "Rehearsed {when} ({}): downtime {}",
            report.id,
            measure::duration(downtime)
        ),
        (Outcome::Succeeded, None) => {
            let left = match report.unrehearsed.len() as u64 {
                0 => String::new(),
                left => format!(
                    ", without {}",
                    measure::plural(left, "migration", "migrations")
                ),
            };
            format!("Rehearsed {when} ({}){left}", report.id)
        }
        (Outcome::Stopped { step, .. }, _) => format!(
            "Rehearsed {when} ({}) up to step {step}, which is for people",
            report.id
        ),
        (Outcome::Failed { problem, .. }, _) => {
            format!("Rehearsal {} failed {when}: {}", report.id, problem.what)
        }
    }
}

fn verdict(report: &Rehearsal, width: usize) -> String {
    let took = measure::duration(report.took);
    match &report.outcome {
        Outcome::Succeeded => {
            let downtime = report.downtime.unwrap_or(0);
            let before = match (&report.previous, report.forecast_downtime) {
                (Some(previous), _) => format!(
                    " ({} in {} before)",
                    measure::duration(previous.downtime),
                    previous.id
                ),
                (None, Some(seconds)) => format!(" (the plan said {})", measure::about(seconds)),
                (None, None) => String::new(),
            };
            let line = format!(
                "{} → {} works on a copy of {}. Downtime {}{before}. Rehearsed in {took}, as {}",
                report.from,
                paint(BOLD, &report.to),
                report.deployment.name,
                paint(BOLD, measure::duration(downtime).replace(' ', "\u{a0}")),
                report.id,
            );
            wrap::hanging(&format!("{} ", paint(GOOD, CHECK)), &line, width)
        }
        Outcome::Stopped { step, left } => {
            let line = format!(
                "{} → {} works on a copy of {} up to step {step}, which is for people; it and {} behind it were not tried. \
                 Rehearsed in {took}, as {}",
                report.from,
                report.to,
                report.deployment.name,
                measure::plural(left.saturating_sub(1) as u64, "step", "steps"),
                report.id,
            );
            wrap::hanging(&format!("{} ", paint(WARN, BANG)), &line, width)
        }
        Outcome::Failed { .. } => {
            let line = format!(
                "{} → {} does not work on a copy of {}. Found in {took}, as {}; production never saw it",
                report.from, report.to, report.deployment.name, report.id,
            );
            wrap::hanging(&format!("{} ", paint(BAD, CROSS)), &line, width)
        }
    }
}

fn downtime(report: &Rehearsal, width: usize) -> String {
    let steps: Vec<&Measured> = report.steps.iter().filter(|step| step.downtime).collect();
    let longest = steps.iter().map(|step| step.took).max().unwrap_or(0);
    let worth = |step: &&&Measured| step.took * WORTH >= longest.max(1);
    let whole = report
        .downtime
        .unwrap_or_else(|| steps.iter().map(|step| step.took).sum())
        .max(1);
    let mut table = Table::indented(4);
    for step in steps.iter().filter(worth) {
        table.row([
            Cell::from(step.step.to_string()),
            Cell::new(BOLD, step.act.clone()),
            Cell::from(step.what.clone()),
            Cell::right(PLAIN, measure::duration(step.took)),
            Cell::new(DIM, bar(step.took, whole)),
        ]);
    }
    let mut text = table.text(width);
    let rest: Vec<&&Measured> = steps
        .iter()
        .filter(|step| step.took * WORTH < longest.max(1))
        .collect();
    if !rest.is_empty() {
        let sum = rest.iter().map(|step| step.took).sum();
        let _ = writeln!(
            text,
            "    {} {}",
            measure::plural(rest.len() as u64, "short step", "short steps"),
            measure::duration(sum)
        );
    }
    let before: u64 = report
        .steps
        .iter()
        .filter(|step| !step.downtime)
        .map(|step| step.took)
        .sum();
    let _ = writeln!(
        text,
        "    {}",
        paint(
            DIM,
            format!("{} more while users are served", measure::duration(before))
        )
    );
    text
}

/// Twenty columns for the whole.
fn bar(part: u64, whole: u64) -> String {
    let columns = usize::try_from((part * 20).div_ceil(whole)).unwrap_or(20);
    "▇".repeat(columns.clamp(1, 20))
}

/// Work that nobody does on a copy: its time is in no sum.
fn by_hand(report: &Rehearsal, width: usize) -> String {
    let mut text = String::new();
    for work in &report.by_hand {
        let said = match work.passed {
            true => "not done on the copy; what comes behind it was tried without it",
            false => "not done on the copy; what comes behind it was not tried",
        };
        let first = format!("    {} {} ", work.step, paint(BOLD, &work.name));
        let _ = writeln!(text, "{}", wrap::hanging(&first, said, width));
        for todo in &work.todo {
            let _ = writeln!(text, "{}", wrap::hanging("      ", todo, width));
        }
    }
    text
}

fn space(report: &Rehearsal, width: usize) -> String {
    let line = format!(
        "the upgrade took {} more at the most (the plan reserves {}); the copy itself was {}",
        measure::bytes(report.space.most),
        measure::bytes(report.space.forecast),
        measure::bytes(report.space.copy),
    );
    format!("{}\n", wrap::hanging("    ", &line, width))
}

fn logs(report: &Rehearsal, width: usize) -> String {
    let mut text = String::new();
    for step in report.steps.iter().filter(|step| !step.log.is_empty()) {
        let more = step.log_lines.saturating_sub(step.log.len());
        let more = match more {
            0 => String::new(),
            more => format!(
                ", {} left out",
                measure::plural(more as u64, "line", "lines")
            ),
        };
        let _ = writeln!(
            text,
            "    {} {}{}",
            step.step,
            paint(BOLD, &step.what),
            paint(DIM, more)
        );
        for line in &step.log {
            let line = wrap::cut(line, width.saturating_sub(8));
            let _ = writeln!(text, "      {}", paint(DIM, format!("│ {line}")));
        }
    }
    text
}

fn notices(report: &Rehearsal, width: usize) -> String {
    let mut text = String::new();
    for proof in &report.notices {
        let (mark, said) = match proof.verdict {
            Verdict::True => (
                paint(WARN, BANG).to_string(),
                format!("true here: {}", proof.evidence.join(", ")),
            ),
            Verdict::NotHere => (
                paint(GOOD, CHECK).to_string(),
                "nothing of it here".to_owned(),
            ),
            Verdict::Unseen => (
                paint(DIM, "·").to_string(),
                "a rehearsal cannot tell".to_owned(),
            ),
        };
        let line = format!(
            "{}: {}. {said}",
            proof.version,
            proof.text.trim_end_matches('.')
        );
        let _ = writeln!(
            text,
            "{}",
            wrap::hanging(&format!("    {mark} "), &line, width)
        );
    }
    text
}

fn production(report: &Rehearsal, width: usize) -> String {
    let mut text = String::new();
    let mut line = |mark: String, said: &str| {
        let _ = writeln!(
            text,
            "{}",
            wrap::hanging(&format!("    {mark} "), said, width)
        );
    };
    let seen = &report.production;
    if seen.untouched && seen.stacks > 0 {
        let stacks = measure::plural(seen.stacks as u64, "stack", "stacks");
        let said = format!("untouched: {stacks}, their services and what holds data");
        line(paint(GOOD, CHECK).to_string(), &said);
    } else if seen.untouched {
        let said = format!(
            "untouched: {} as started before, {} byte for byte",
            measure::plural(seen.containers as u64, "container", "containers"),
            measure::plural(seen.files as u64, "file", "files"),
        );
        line(paint(GOOD, CHECK).to_string(), &said);
    }
    for difference in &seen.differences {
        let said = format!("{difference}, by someone else: a rehearsal only reads");
        line(paint(WARN, BANG).to_string(), &said);
    }
    if !report.copies.is_empty() {
        let each: Vec<String> = report
            .copies
            .iter()
            .map(|copied| format!("{} ({})", copied.datastore, copied.how))
            .collect();
        line(
            paint(DIM, "·").to_string(),
            &format!("read once: {}", each.join(", ")),
        );
    }
    for bound in &report.bounds {
        line(
            paint(DIM, "·").to_string(),
            &format!("the copy had {bound}"),
        );
    }
    if !report.left_out.is_empty() {
        let names: Vec<&str> = report.left_out.iter().map(|name| name.as_str()).collect();
        let said = format!("not needed and not started: {}", names.join(", "));
        line(paint(DIM, "·").to_string(), &said);
    }
    for remark in &report.remarks {
        line(paint(DIM, "·").to_string(), remark);
    }
    text
}
