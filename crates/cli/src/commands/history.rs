//! `switchback history`: which runs there were, and how they ended.

use std::collections::BTreeMap;

use serde::Serialize;
use switchback_model::RunId;
use switchback_model::exit::Exit;
use switchback_model::plan::{Plan, Purpose};

use crate::failure::Failed;
use crate::render::measure;
use crate::render::style::{BAD, BOLD, DIM, GOOD, WARN};
use crate::render::table::{Cell, Table};
use crate::render::wrap;
use crate::runs::{self, Standing};
use crate::session::{Session, now};

/// Version of the JSON document.
const FORMAT: u32 = 1;
/// Columns of a reason; `log` and the document have all of it.
const REASON: usize = 44;

#[derive(Serialize)]
struct Document {
    format: u32,
    deployment: String,
    runs: Vec<Line>,
}

/// One run of the list.
#[derive(Serialize)]
struct Line {
    run: RunId,
    plan: String,
    started: u64,
    purpose: String,
    from: Option<String>,
    to: Option<String>,
    outcome: &'static str,
    reason: Option<String>,
    downtime: Option<u64>,
    taken_back_by: Option<RunId>,
}

/// Lists the runs of the deployment, oldest first.
pub(crate) fn run(session: &Session<'_>) -> Result<Exit, Failed> {
    let found = session.deployment()?;
    let journal = session.journal()?;
    let key = found.key();
    let mut lines = Vec::new();
    let mut taken_back: BTreeMap<RunId, RunId> = BTreeMap::new();
    for record in journal.runs()?.into_iter().filter(|run| run.key == key) {
        let plan = session.plan_of(&record).ok();
        let standing = runs::standing(&journal, &record)?;
        if let Some(Plan {
            purpose: Purpose::Rollback { run },
            ..
        }) = &plan
            && matches!(standing, Standing::Done { .. })
        {
            taken_back.insert(run.clone(), record.run.clone());
        }
        lines.push(line(&record, plan.as_ref(), &standing));
    }
    for line in &mut lines {
        line.taken_back_by = taken_back.get(&line.run).cloned();
    }
    if session.screen.json() {
        session.screen.document(&Document {
            format: FORMAT,
            deployment: found.name,
            runs: lines,
        });
    } else if lines.is_empty() {
        session
            .screen
            .answer(&format!("Nothing was run on {} yet\n", found.name));
        session.screen.next(&["switchback plan".to_owned()]);
    } else {
        session
            .screen
            .answer(&table(&lines).text(session.screen.width));
        if let Some(last) = lines.last() {
            session
                .screen
                .next(&[format!("switchback log {}", last.run)]);
        }
    }
    Ok(Exit::Ok)
}

fn line(record: &switchback_journal::RunRecord, plan: Option<&Plan>, standing: &Standing) -> Line {
    let purpose = match plan.map(|plan| &plan.purpose) {
        Some(Purpose::Upgrade) => "upgrade".to_owned(),
        Some(Purpose::Rollback { run }) => format!("rollback of {run}"),
        Some(Purpose::RollOver(_)) => "roll-over".to_owned(),
        Some(Purpose::Recovery { .. }) => "recovery".to_owned(),
        Some(Purpose::Rehearsal { of }) => format!("rehearsal of {of}"),
        None => "unknown: its plan file is gone".to_owned(),
    };
    Line {
        run: record.run.clone(),
        plan: record.plan.to_string(),
        started: record.started,
        purpose,
        from: plan.map(|plan| plan.from.to_string()),
        to: plan.map(|plan| plan.to.to_string()),
        outcome: standing.word(),
        reason: standing.reason(),
        downtime: match standing {
            Standing::Done { downtime } => Some(*downtime),
            _ => None,
        },
        taken_back_by: None,
    }
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::indented(0);
    table.row(["run", "started", "what", "outcome", "downtime"].map(|head| Cell::new(DIM, head)));
    for line in lines {
        let versions = match (&line.from, &line.to) {
            (Some(from), Some(to)) => format!("{} {from} → {to}", line.purpose),
            _ => line.purpose.clone(),
        };
        let style = match line.outcome {
            "done" => GOOD,
            "halted" => BAD,
            _ => WARN,
        };
        let mut outcome = line.outcome.to_owned();
        if let Some(by) = &line.taken_back_by {
            outcome = format!("{outcome}, taken back by {by}");
        } else if let Some(reason) = &line.reason {
            outcome = format!("{outcome}: {}", wrap::cut(reason, REASON));
        }
        table.row([
            Cell::new(BOLD, line.run.as_str()),
            Cell::from(measure::ago(line.started, now())),
            Cell::from(versions),
            Cell::new(style, outcome),
            Cell::right(
                crate::render::style::PLAIN,
                line.downtime.map_or_else(String::new, measure::duration),
            ),
        ]);
    }
    table
}
