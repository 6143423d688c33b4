//! A plan as a person reads it in a minute.

use std::fmt::Write as _;

use switchback_model::plan::{Notice, Plan, Procedure, Purpose, Stage, StageKind, Step};
use switchback_model::product::NoticeKind;

use super::style::{BANG, BOLD, DIM, WARN, paint};
use super::table::{Cell, Table};
use super::{keeping, measure, step, style, wrap};

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What one needs to decide.
    Short,
    /// Every note and its source.
    Everything,
}

/// The plan as text of at most `width` columns.
pub(crate) fn text(plan: &Plan, width: usize, detail: Detail) -> String {
    text_with(plan, "", width, detail)
}

/// As [`text`], with what is known beside the plan before its forecast.
pub(crate) fn text_with(plan: &Plan, beside: &str, width: usize, detail: Detail) -> String {
    let mut text = title(plan, width);
    account(&mut text, plan, width);
    for fact in &plan.because {
        let line = format!("{}{}", fact.text, style::source(&fact.source));
        let _ = writeln!(text, "{}", wrap::hanging("  ", &line, width));
    }
    text.push_str(&stages(plan, width, detail));
    notices(&mut text, plan, width, detail);
    procedures(&mut text, plan, width, detail);
    text.push_str(beside);
    kept(&mut text, plan, width);
    forecast(&mut text, plan, width, detail);
    text
}

/// Versions passed through, from where it runs to where it will run.
pub(crate) fn route(plan: &Plan) -> String {
    let mut versions = vec![plan.from.as_str()];
    for stage in &plan.stages {
        let to = match &stage.kind {
            StageKind::Preparation => continue,
            StageKind::Engines { to }
            | StageKind::Migrate { to }
            | StageKind::Run { to }
            | StageKind::Return { to }
            | StageKind::Recovery { to }
            | StageKind::RollOver { to } => to,
        };
        if versions.last() != Some(&to.as_str()) {
            versions.push(to.as_str());
        }
    }
    versions.join(" → ")
}

/// The words that must be accepted to apply the plan.
pub(crate) fn acceptances(plan: &Plan) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    for word in plan.notices.iter().filter_map(|n| n.accept.as_deref()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// The command that applies the plan, with every acceptance it needs.
pub(crate) fn apply_command(plan: &Plan) -> String {
    let mut command = format!("switchback apply {}", plan.id);
    for word in acceptances(plan) {
        let _ = write!(command, " --accept {word}");
    }
    command
}

fn title(plan: &Plan, width: usize) -> String {
    let purpose = match &plan.purpose {
        Purpose::Upgrade => String::new(),
        Purpose::Rollback { run } => format!(", takes back {run}"),
        Purpose::RollOver(content) => {
            format!(
                ", rolls over from {} to {}",
                content.from.api, content.into.api
            )
        }
        Purpose::Rehearsal { of } => format!(", the migrations of {of} on copies"),
        Purpose::Recovery { .. } => ", takes back an update that is half way".to_owned(),
    };
    let edition = plan
        .edition
        .as_ref()
        .map_or_else(String::new, |edition| format!(" {edition}"));
    let first = format!("Plan {}   ", paint(BOLD, &plan.id));
    let rest = format!(
        "{}{edition}   {} on {} ({}){purpose}",
        plan.product,
        route(plan),
        plan.deployment.name,
        plan.deployment.driver
    );
    format!("{}\n", wrap::hanging(&first, &rest, width))
}

/// The one account that the plan is good for.
fn account(text: &mut String, plan: &Plan, width: usize) {
    if let Some(account) = &plan.account {
        let line = format!(
            "in account {} and {}, seen as {}",
            paint(BOLD, &account.id),
            paint(BOLD, &account.region),
            account.caller
        );
        let _ = writeln!(text, "{}", wrap::hanging("  ", &line, width));
    }
}

fn stages(plan: &Plan, width: usize, detail: Detail) -> String {
    let wide = stage_table(plan, detail, true);
    if wide.natural_width() <= width {
        wide.text(width)
    } else {
        stage_table(plan, detail, false).text(width)
    }
}

/// `apart` gives the begin and the end of the downtime a column of their own.
fn stage_table(plan: &Plan, detail: Detail, apart: bool) -> Table {
    let mut table = Table::indented(4);
    let mut legs = 0;
    let mut way_back_named = false;
    let downtime = Downtime::of(plan);
    for stage in &plan.stages {
        if stage.kind != StageKind::Preparation {
            legs += 1;
        }
        let over_last =
            (stage.kind != StageKind::Preparation && !way_back_named).then_some("way back");
        way_back_named |= over_last.is_some();
        table.heading(heading(stage, legs), over_last);
        for group in grouped(plan, &stage.steps) {
            table.row(row(plan, &group, downtime, detail, apart));
        }
    }
    table
}

fn heading(stage: &Stage, number: usize) -> String {
    let heading = step::heading(stage, number);
    if stage.required_by.is_empty() {
        heading
    } else {
        format!("{heading} [{}]", stage.required_by.join(", "))
    }
}

fn row(plan: &Plan, steps: &[&Step], downtime: Downtime, detail: Detail, apart: bool) -> Vec<Cell> {
    let (first, last) = (steps[0], steps[steps.len() - 1]);
    let numbers = if steps.len() == 1 {
        first.number.to_string()
    } else {
        format!("{}-{}", first.number, last.number)
    };
    let mark = downtime.mark(first, last);
    let way_back = match detail {
        Detail::Short => step::way_back(&first.way_back),
        Detail::Everything => step::way_back_in_full(&first.way_back),
    };
    let mut what = step::together(plan, steps);
    if !apart && !mark.is_empty() {
        what = format!("{what} · {mark}");
    }
    let mut cells = vec![
        Cell::from(numbers),
        Cell::new(BOLD, plan.verb(&first.act)),
        Cell::from(what),
    ];
    if apart {
        cells.push(Cell::new(WARN, mark));
    }
    cells.push(Cell::new(DIM, way_back));
    cells
}

/// Where users lose the service and get it back.
#[derive(Clone, Copy)]
struct Downtime {
    begins: Option<u32>,
    ends: Option<u32>,
}

impl Downtime {
    fn of(plan: &Plan) -> Self {
        let mut without = plan
            .steps()
            .filter(|(_, step)| step.downtime)
            .map(|(_, step)| step.number.0);
        let begins = without.next();
        Self {
            begins,
            ends: without.next_back().or(begins),
        }
    }

    fn mark(self, first: &Step, last: &Step) -> &'static str {
        let group = first.number.0..=last.number.0;
        let here = |number: Option<u32>| number.is_some_and(|number| group.contains(&number));
        match (here(self.begins), here(self.ends)) {
            (true, true) => "downtime, ends here",
            (true, false) => "downtime begins",
            (false, true) => "downtime ends",
            (false, false) => "",
        }
    }
}

fn grouped<'s>(plan: &Plan, steps: &'s [Step]) -> Vec<Vec<&'s Step>> {
    let mut groups: Vec<Vec<&Step>> = Vec::new();
    for step in steps {
        match groups.last_mut() {
            Some(group) if step::alike(plan, group[0], step) => group.push(step),
            _ => groups.push(vec![step]),
        }
    }
    groups
}

fn notices(text: &mut String, plan: &Plan, width: usize, detail: Detail) {
    let urgent = |notice: &&Notice| {
        notice.accept.is_some()
            || notice.found.is_some()
            || matches!(
                notice.kind,
                NoticeKind::Prerequisite | NoticeKind::OneWay | NoticeKind::Ordering
            )
    };
    for notice in plan.notices.iter().filter(urgent) {
        let mark = format!("  {} ", paint(WARN, BANG));
        let _ = writeln!(text, "{}", wrap::hanging(&mark, &in_words(notice), width));
    }
    let others: Vec<&Notice> = plan.notices.iter().filter(|n| !urgent(n)).collect();
    match detail {
        Detail::Everything => {
            for notice in others {
                let _ = writeln!(text, "{}", wrap::hanging("  · ", &in_words(notice), width));
            }
        }
        Detail::Short if others.is_empty() => {}
        Detail::Short => {
            let number = measure::plural(
                others.len() as u64,
                "change or deprecation",
                "changes and deprecations",
            );
            let line = format!("{number} to read about: --explain shows them");
            let _ = writeln!(text, "{}", wrap::hanging("  · ", &line, width));
        }
    }
}

fn in_words(notice: &Notice) -> String {
    let found = notice
        .found
        .as_ref()
        .map_or_else(String::new, |found| format!(" ({found})"));
    let sentence = notice.text.trim_end_matches('.');
    let accept = notice
        .accept
        .as_ref()
        .map_or_else(String::new, |word| format!(". Accept with --accept {word}"));
    format!(
        "{}: {sentence}{found}{accept}{}",
        notice.version,
        style::source(&notice.source)
    )
}

fn procedures(text: &mut String, plan: &Plan, width: usize, detail: Detail) {
    let wanted = |procedure: &&Procedure| !procedure.optional || detail == Detail::Everything;
    for procedure in plan.procedures.iter().filter(wanted) {
        let mark = format!("  {} ", paint(WARN, BANG));
        let line = format!(
            "by hand: {}{}",
            procedure.title,
            style::source(&procedure.source)
        );
        let _ = writeln!(text, "{}", wrap::hanging(&mark, &line, width));
        for (place, todo) in procedure.steps.iter().enumerate() {
            let first = format!("      {}. ", place + 1);
            let _ = writeln!(text, "{}", wrap::hanging(&first, todo, width));
        }
    }
}

/// How each datastore is kept, why so, what that costs and how it comes back.
fn kept(text: &mut String, plan: &Plan, width: usize) {
    let lines = keeping::lines(plan);
    let widest = lines.iter().map(|line| line.name.chars().count()).max();
    for line in &lines {
        let first = format!("  {:<1$}  ", line.name, widest.unwrap_or(0));
        let _ = writeln!(text, "{}", wrap::hanging(&first, &line.words, width));
    }
}

fn forecast(text: &mut String, plan: &Plan, width: usize, detail: Detail) {
    let because = match plan.forecast.downtime_because.as_str() {
        "" => String::new(),
        because => format!(" ({because})"),
    };
    let downtime = match plan.forecast.downtime_seconds {
        Some(seconds) => format!("Downtime {}{because}", measure::about(seconds)),
        None => format!("Downtime unknown{because}"),
    };
    let space: Vec<String> = plan
        .forecast
        .space
        .iter()
        .filter(|space| space.needed > 0)
        .map(|space| {
            let uses = match detail {
                Detail::Short => String::new(),
                Detail::Everything => format!(" for {}", space.uses.join(", ")),
            };
            format!(
                "{} of {} free on {}{uses}",
                measure::bytes(space.needed),
                measure::bytes(space.free),
                space.path,
            )
        })
        .collect();
    let _ = writeln!(text, "{}", wrap::hanging("  ", &downtime, width));
    if !space.is_empty() {
        let line = format!("Space {}", space.join("; "));
        let _ = writeln!(text, "{}", wrap::hanging("  ", &line, width));
    }
}
