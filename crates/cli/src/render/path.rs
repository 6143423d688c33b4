//! A path between two versions: the road with its bends, and what to know on the way.

use std::fmt::Write as _;

use switchback_model::product::{NoticeKind, ProcedureKind, Role, StopKind, TemplateChangeKind};
use switchback_planner::path::{Act, Leg, Path, PathNotice, PathProcedure, PathTemplate, Verdict};

use super::style::{BANG, BOLD, DIM, PLAIN, WARN, paint};
use super::table::{Cell, Table};
use super::{measure, style, wrap};

/// The path as text of at most `width` columns.
pub(crate) fn text(path: &Path, width: usize, explain: bool) -> String {
    let edition = path
        .edition
        .as_ref()
        .map_or_else(String::new, |edition| format!(" {edition}"));
    if path.is_nothing() {
        return format!("{}{edition} {}: nothing to do\n", path.product, path.from);
    }
    let mut text = String::new();
    let first = format!("{}{edition}   ", path.product);
    let versions: Vec<String> = std::iter::once(&path.from)
        .chain(path.legs.iter().map(|leg| &leg.to))
        .map(|version| paint(BOLD, version).to_string())
        .collect();
    let line = format!("{} ({})", versions.join(" → "), path.driver);
    let _ = writeln!(text, "{}", wrap::hanging(&first, &line, width));
    for because in &path.because {
        let assumed = if because.assumed {
            "; assumed, for nothing here could tell"
        } else {
            ""
        };
        let line = format!(
            "{}{assumed}{}",
            because.text.trim_end_matches('.'),
            style::source(&because.source)
        );
        let _ = writeln!(text, "{}", wrap::hanging("  ", &line, width));
    }
    text.push_str(&legs(path).text(width));
    text.push_str(&templates(path, width, explain));
    for notice in &path.notices {
        let _ = writeln!(text, "{}", self::notice(notice, width));
    }
    for procedure in &path.procedures {
        text.push_str(&self::procedure(procedure, width, explain));
    }
    if explain {
        text.push_str(&offered(path, width));
    } else {
        text.push_str(&left_out(path, width));
    }
    for remark in path.remarks.iter().chain(&path.done_by_plan) {
        let mark = format!("  {} ", paint(WARN, BANG));
        let _ = writeln!(text, "{}", wrap::hanging(&mark, remark, width));
    }
    text.push_str(&questions(path, width, explain));
    if explain {
        text.push_str(&derivation(path, width));
    }
    text
}

/// What nobody answered: the names, and what each asks where `explain` does.
fn questions(path: &Path, width: usize, explain: bool) -> String {
    if path.questions.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = path.questions.iter().map(|it| it.probe.as_str()).collect();
    let ask = if explain {
        "say --fact NAME=ANSWER"
    } else {
        "say --fact NAME=ANSWER; --explain shows what each asks"
    };
    let line = format!("assumed, because nobody said: {}; {ask}", names.join(", "));
    let mark = format!("  {} ", paint(WARN, BANG));
    let mut text = format!("{}\n", wrap::hanging(&mark, &line, width));
    if explain {
        let mut table = Table::indented(6);
        for question in &path.questions {
            table.row([question.probe.as_str(), question.question.as_str()]);
        }
        text.push_str(&table.text(width));
    }
    text
}

/// What may be left out, in full.
fn offered(path: &Path, width: usize) -> String {
    let mut text = String::new();
    for notice in &path.deprecations {
        let _ = writeln!(text, "{}", self::notice(notice, width));
    }
    for procedure in path.optional_procedures.iter().chain(&path.possibilities) {
        text.push_str(&self::procedure(procedure, width, true));
    }
    for act in path.legs.iter().flat_map(|leg| &leg.offered) {
        let line = format!("offered: {}{}", act_text(act), style::source(&act.source));
        let _ = writeln!(text, "{}", wrap::hanging("  · ", &line, width));
    }
    for offered in &path.optional_migrations {
        let line = format!(
            "{}: offered: {}, {}{}",
            offered.version,
            offered.run.join(" "),
            offered.because,
            style::source(&offered.source)
        );
        let _ = writeln!(text, "{}", wrap::hanging("  · ", &line, width));
    }
    text
}

/// What may be left out, counted.
fn left_out(path: &Path, width: usize) -> String {
    let counted =
        |number: usize, one, many| (number > 0).then(|| measure::plural(number as u64, one, many));
    let parts: Vec<String> = [
        counted(
            path.deprecations.len(),
            "deprecation or removal",
            "deprecations and removals",
        ),
        counted(
            path.optional_migrations.len(),
            "optional migration",
            "optional migrations",
        ),
        counted(
            path.legs.iter().map(|leg| leg.offered.len()).sum(),
            "optional action",
            "optional actions",
        ),
        counted(
            path.optional_procedures.len(),
            "optional procedure",
            "optional procedures",
        ),
        counted(path.possibilities.len(), "possibility", "possibilities"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        return String::new();
    }
    let line = format!("{}: --explain shows them", parts.join(", "));
    format!("{}\n", wrap::hanging("  · ", &line, width))
}

/// Why every stop of the definition is on the path or not, and every release note passed.
pub(crate) fn derivation(path: &Path, width: usize) -> String {
    let mut text = String::new();
    if !path.considered.is_empty() {
        let _ = writeln!(text, "  {}", paint(BOLD, "stops that were considered"));
    }
    let mut table = Table::indented(4);
    for considered in &path.considered {
        let verdict = match &considered.verdict {
            Verdict::Required { at, assumed: false } => format!("required, at {at}"),
            Verdict::Required { at, assumed: true } => {
                format!("required, at {at}: its condition could not be known and counts as true")
            }
            Verdict::NotCrossed => "not crossed by this path".to_owned(),
            Verdict::DoesNotApply => "does not apply to this deployment".to_owned(),
        };
        table.row([
            Cell::from(considered.stop.as_str()),
            Cell::new(PLAIN, verdict),
        ]);
    }
    text.push_str(&table.text(width));
    let reasons: Vec<(&Leg, &switchback_planner::path::Run)> = path
        .legs
        .iter()
        .flat_map(|leg| leg.migrations.iter().map(move |run| (leg, run)))
        .collect();
    if !reasons.is_empty() {
        let _ = writeln!(text, "  {}", paint(BOLD, "why each migration runs"));
    }
    for (leg, run) in reasons {
        for because in &run.because {
            let first = format!("    {} ({})  ", run.migration, leg.to);
            let _ = writeln!(text, "{}", wrap::hanging(&first, because, width));
        }
    }
    text.push_str(&actions(path, width));
    if !path.changes.is_empty() {
        let _ = writeln!(text, "  {}", paint(BOLD, "release notes on the way"));
    }
    for change in &path.changes {
        let first = format!("    {}  ", change.version);
        let _ = writeln!(text, "{}", wrap::hanging(&first, &change.text, width));
    }
    text
}

/// Why each action is part of its stage, and what there is to know of it.
fn actions(path: &Path, width: usize) -> String {
    let mut text = String::new();
    for leg in path.legs.iter().filter(|leg| !leg.actions.is_empty()) {
        let title = format!("why each action of the stage to {}", leg.to);
        let _ = writeln!(text, "  {}", paint(BOLD, title));
        for act in &leg.actions {
            let line = format!("{}{}", act.because, style::source(&act.source));
            let first = format!("    {}  ", act.id);
            let _ = writeln!(text, "{}", wrap::hanging(&first, &line, width));
            for (place, todo) in act.steps.iter().enumerate() {
                let first = format!("      {}. ", place + 1);
                let _ = writeln!(text, "{}", wrap::hanging(&first, todo, width));
            }
        }
    }
    text
}

fn legs(path: &Path) -> Table {
    let mut table = Table::indented(4);
    for (place, leg) in path.legs.iter().enumerate() {
        let kind = match leg.kind {
            StopKind::Migrate => "through",
            StopKind::Run => "to",
        };
        let required = if leg.required_by.is_empty() {
            String::new()
        } else {
            format!(" [{}]", leg.required_by.join(", "))
        };
        let rest = match leg.kind {
            StopKind::Migrate => " (migrations only)",
            StopKind::Run => "",
        };
        table.heading(
            format!("stage {}: {kind} {}{rest}{required}", place + 1, leg.to),
            None,
        );
        for run in &leg.migrations {
            let demanded: Vec<&str> = run.demanded_by.iter().map(|v| v.as_str()).collect();
            let mut why = if demanded.is_empty() {
                "for the stop".to_owned()
            } else {
                format!("for {}", demanded.join(" "))
            };
            if run.assumed {
                why.push_str(", assumed");
            }
            table.row([
                Cell::new(BOLD, "run"),
                Cell::from(run.run.join(" ")),
                Cell::new(DIM, why),
            ]);
        }
        for act in &leg.actions {
            table.row(action(act));
        }
        if leg.migrations.is_empty() && leg.actions.is_empty() {
            table.row([Cell::new(DIM, "no migration")]);
        }
    }
    table
}

/// One line of a stage: how it is done, what it is, and for which releases.
fn action(act: &Act) -> [Cell; 3] {
    let how = match act.role {
        // A server climbs by hand, whatever is typed for it.
        _ if act.is_hand_work() || !act.rungs.is_empty() => "by hand",
        Some(Role::Stop) => "stop",
        Some(Role::CheckStopped) => "check",
        Some(Role::Packages) => "packages",
        Some(Role::Start) => "start",
        None if act.expect.is_some() => "check",
        None => "run",
    };
    let mut why = String::new();
    if !act.demanded_by.is_empty() {
        let demanded: Vec<&str> = act.demanded_by.iter().map(|v| v.as_str()).collect();
        why = format!("for {}", demanded.join(" "));
    }
    if act.assumed {
        why.push_str(if why.is_empty() {
            "assumed"
        } else {
            ", assumed"
        });
    }
    [
        Cell::new(BOLD, how),
        Cell::from(act_text(act)),
        Cell::new(DIM, why),
    ]
}

/// What is done, in a line: the command where it can be read, else its name and its reason.
fn act_text(act: &Act) -> String {
    let rungs = if act.rungs.is_empty() {
        String::new()
    } else {
        format!(" through {}", act.rungs.join(", "))
    };
    // A script is for machines: its reason says more.
    let is_script = act
        .run
        .first()
        .is_some_and(|first| first.ends_with("/bash"))
        || act.run.iter().any(|word| word.contains('\n'));
    if act.run.is_empty() || is_script {
        format!("{}{rungs}: {}", act.id, act.because)
    } else {
        let expected = act.expect.as_ref();
        let expected = expected.map_or_else(String::new, |expected| format!(" ({expected})"));
        format!("{}{rungs}{expected}", act.run.join(" "))
    }
}

/// The templates that change, by their numbers; what changes in each where `explain` asks.
fn templates(path: &Path, width: usize, explain: bool) -> String {
    let mut text = String::new();
    let changed = path
        .templates
        .iter()
        .filter(|template| explain || template.role.is_template());
    let mut table = Table::indented(4);
    for (place, template) in changed.enumerate() {
        if place == 0 {
            table.heading("templates that change, in the order of their numbers", None);
        }
        let versions: Vec<&str> = template.versions().iter().map(|it| it.as_str()).collect();
        let mut what = versions.join(" ");
        let mut kinds = template.changes.iter().map(|change| change.kind);
        if kinds.any(|kind| kind == TemplateChangeKind::Added) {
            what.push_str(", new");
        }
        if template.removed {
            what.push_str(", removed");
        }
        if template.inferred {
            what.push_str(", inferred");
        }
        table.row([
            Cell::new(BOLD, template.id.as_str()),
            Cell::from(parameters(template)),
            Cell::new(DIM, format!("for {what}")),
        ]);
        if explain {
            text.push_str(&std::mem::replace(&mut table, Table::indented(4)).text(width));
            for change in &template.changes {
                let parameter = change.parameter.as_ref();
                let named = parameter.map_or_else(String::new, |name| format!("{name}: "));
                let first = format!("      {}  ", change.version);
                let line = format!("{named}{}", change.text);
                let _ = writeln!(text, "{}", wrap::hanging(&first, &line, width));
            }
        }
    }
    text.push_str(&table.text(width));
    text.push_str(&names(path, width));
    for order in &path.orders {
        let mark = format!("    {} ", paint(WARN, BANG));
        let assumed = if order.assumed { ", assumed" } else { "" };
        let line = format!("{}{assumed}{}", order.text, style::source(&order.source));
        let _ = writeln!(text, "{}", wrap::hanging(&mark, &line, width));
    }
    text
}

/// The names that templates have in the two versions, where they are others than today's.
fn names(path: &Path, width: usize) -> String {
    let mut parts = Vec::new();
    for template in &path.templates {
        let (before, after) = (&template.name_before, &template.name_after);
        parts.extend(before.as_ref().map(|before| {
            let id = &template.id;
            match after {
                Some(after) if after == before => format!("{id} is still {before}"),
                Some(after) => format!("{before} becomes {after}, today {id}"),
                None => format!("{id} was {before}"),
            }
        }));
    }
    if parts.is_empty() {
        return String::new();
    }
    let line = format!("by the names of today: {}", parts.join("; "));
    format!("{}\n", wrap::hanging("    · ", &line, width))
}

/// How many parameters of a template somebody has to look at.
fn parameters(template: &PathTemplate) -> String {
    let of = |wanted: TemplateChangeKind| {
        let changes = template.changes.iter();
        changes.filter(|change| change.kind == wanted).count() as u64
    };
    let new = of(TemplateChangeKind::ParameterAdded);
    let changed = of(TemplateChangeKind::ParameterChanged);
    let gone = of(TemplateChangeKind::ParameterRemoved);
    if new + changed + gone == 0 {
        return String::new();
    }
    let counted = [(new, "new"), (changed, "changed"), (gone, "removed")];
    let parts: Vec<String> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("parameters: {}", parts.join(", "))
}

fn notice(notice: &PathNotice, width: usize) -> String {
    let mark = match notice.kind {
        NoticeKind::Prerequisite | NoticeKind::OneWay | NoticeKind::Ordering => {
            format!("  {} ", paint(WARN, BANG))
        }
        NoticeKind::Behaviour | NoticeKind::Deprecation => "  · ".to_owned(),
    };
    let removed = notice
        .removed_in
        .as_ref()
        .map_or_else(String::new, |version| format!("; removed in {version}"));
    let accept = notice
        .accept
        .as_ref()
        .map_or_else(String::new, |word| format!(". Accept with --accept {word}"));
    let assumed = if notice.assumed { ", assumed" } else { "" };
    let line = format!(
        "{}: {}{removed}{accept}{assumed}{}",
        notice.version,
        notice.text.trim_end_matches('.'),
        style::source(&notice.source)
    );
    wrap::hanging(&mark, &line, width)
}

fn procedure(procedure: &PathProcedure, width: usize, explain: bool) -> String {
    let (mark, word) = match procedure.kind {
        ProcedureKind::Mandatory => (format!("  {} ", paint(WARN, BANG)), "by hand"),
        ProcedureKind::Notice => ("  · ".to_owned(), "to know"),
        ProcedureKind::Advice => ("  · ".to_owned(), "advised"),
        ProcedureKind::Optional => ("  · ".to_owned(), "offered"),
        ProcedureKind::Possible => ("  · ".to_owned(), "possible from then on"),
    };
    let assumed = if procedure.assumed { ", assumed" } else { "" };
    let line = format!(
        "{}: {word}: {}{assumed}{}",
        procedure.version,
        procedure.title,
        style::source(&procedure.source)
    );
    let mut text = wrap::hanging(&mark, &line, width);
    text.push('\n');
    let waits = [ProcedureKind::Optional, ProcedureKind::Possible];
    if explain || !waits.contains(&procedure.kind) {
        for (place, todo) in procedure.steps.iter().enumerate() {
            let first = format!("      {}. ", place + 1);
            let _ = writeln!(text, "{}", wrap::hanging(&first, todo, width));
        }
    }
    text
}
