//! A plan for a change request.

use std::fmt::Write as _;

use switchback_model::plan::Plan;

use super::{keeping, measure, plan as plan_text, step};

/// The plan as Markdown.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# {} {} on `{}`\n\nPlan `{}` ({}, {} steps). Apply with `{}`.\n",
        plan.product_name,
        plan_text::route(plan),
        plan.deployment.name,
        plan.id,
        plan.deployment.driver,
        plan.steps().count(),
        plan_text::apply_command(plan),
    );
    if !plan.because.is_empty() {
        text.push_str("## Why this path\n\n");
        for fact in &plan.because {
            let _ = writeln!(text, "- {} ({})", fact.text, fact.source);
        }
        text.push('\n');
    }
    stages(&mut text, plan);
    notices(&mut text, plan);
    forecast(&mut text, plan);
    text
}

fn stages(text: &mut String, plan: &Plan) {
    let mut legs = 0;
    text.push_str("## Steps\n");
    for stage in &plan.stages {
        legs += usize::from(stage.kind != switchback_model::plan::StageKind::Preparation);
        let _ = writeln!(
            text,
            "\n### {}\n\n| step | does | | downtime | way back |\n|---:|---|---|---|---|",
            capital(&step::heading(stage, legs))
        );
        for one in &stage.steps {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                one.number,
                plan.verb(&one.act),
                cell(&step::what(plan, &one.act)),
                if one.downtime { "yes" } else { "" },
                cell(&step::way_back_in_full(&one.way_back)),
            );
        }
    }
    text.push('\n');
}

fn notices(text: &mut String, plan: &Plan) {
    if !plan.notices.is_empty() {
        text.push_str("## To know\n\n");
    }
    for notice in &plan.notices {
        let found = notice
            .found
            .as_ref()
            .map_or_else(String::new, |found| format!(" Found: {found}."));
        let accept = notice
            .accept
            .as_ref()
            .map_or_else(String::new, |word| format!(" Needs `--accept {word}`."));
        let _ = writeln!(
            text,
            "- **{}** {}{found}{accept} ({})",
            notice.version, notice.text, notice.source
        );
    }
    if !plan.procedures.is_empty() {
        text.push_str("\n## By hand\n");
    }
    for procedure in &plan.procedures {
        let optional = if procedure.optional {
            " (optional)"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "\n{}{optional} ({}):\n",
            procedure.title, procedure.source
        );
        for todo in &procedure.steps {
            let _ = writeln!(text, "1. {todo}");
        }
    }
    if !plan.notices.is_empty() || !plan.procedures.is_empty() {
        text.push('\n');
    }
}

fn forecast(text: &mut String, plan: &Plan) {
    text.push_str("## Forecast\n\n");
    let downtime = plan
        .forecast
        .downtime_seconds
        .map_or_else(|| "unknown".to_owned(), measure::about);
    let because = match plan.forecast.downtime_because.as_str() {
        "" => String::new(),
        because => format!(" ({because})"),
    };
    let _ = writeln!(text, "- Downtime: {downtime}{because}");
    for line in keeping::lines(plan) {
        let _ = writeln!(text, "- Backup of `{}`: {}", line.name, line.words);
    }
    for space in &plan.forecast.space {
        let _ = writeln!(
            text,
            "- Space on `{}` for {}: {} needed, {} free",
            space.path,
            space.uses.join(", "),
            measure::bytes(space.needed),
            measure::bytes(space.free),
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}
