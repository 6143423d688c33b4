//! `switchback log`: what happened in a run, through the renderer that showed it live.

use switchback_model::event::{Event, Stamped};
use switchback_model::exit::Exit;
use switchback_model::{Digest, Problem, RunId, StepNumber};

use crate::arguments::Log;
use crate::failure::Failed;
use crate::render::live::json_line;
use crate::render::measure;
use crate::render::run::Narrator;
use crate::render::style::{BOLD, paint};
use crate::runs;
use crate::session::Session;

/// Replays the run, or shows what one step's children printed.
pub(crate) fn run(session: &Session<'_>, arguments: &Log) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let record = session.run(&journal, arguments.run.as_deref())?;
    let events = journal.events(&record.run)?;
    if let Some(step) = arguments.output {
        return output(session, &record.run, &events, StepNumber(step));
    }
    let screen = session.screen;
    if screen.json() {
        for stamped in &events {
            screen.answer(&json_line(stamped));
        }
    } else {
        let plan = session.plan_of(&record)?;
        let mut narrator = Narrator::new(&plan, screen.width);
        screen.answer(&format!("Run {}\n", paint(BOLD, &record.run)));
        for stamped in &events {
            screen.answer(&narrator.lines(stamped));
        }
    }
    let audit = journal.verify()?;
    screen.advice(&format!(
        "Journal intact: {} in {}, last link {}\n",
        measure::plural(audit.events, "event", "events"),
        measure::plural(audit.runs, "run", "runs"),
        audit.head.get(..12).unwrap_or(&audit.head),
    ));
    let standing = runs::standing(&journal, &record)?;
    if standing.is_open() {
        let plan = session.plan_of(&record).ok();
        let state = journal.state(&record.run)?;
        screen.next(&runs::next(&record.run, plan.as_ref(), &state));
    }
    Ok(Exit::Ok)
}

fn output(
    session: &Session<'_>,
    run: &RunId,
    events: &[Stamped],
    step: StepNumber,
) -> Result<Exit, Failed> {
    let kept: Vec<&Digest> = events.iter().filter_map(|one| kept(one, step)).collect();
    if kept.is_empty() {
        return Err(Problem::new(
            Exit::Usage,
            "no-output",
            format!("step {step} of run `{run}` printed nothing that was kept"),
        )
        .hint(format!("look at its steps: `switchback log {run}`"))
        .into());
    }
    let outputs = session.state.outputs(run);
    for digest in kept {
        match outputs.read(digest)? {
            Some(mut text) => {
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                session.screen.answer(&text);
            }
            None => session
                .screen
                .advice("! this output was removed from the state directory\n"),
        }
    }
    Ok(Exit::Ok)
}

fn kept(stamped: &Stamped, wanted: StepNumber) -> Option<&Digest> {
    match &stamped.event {
        Event::StepFinished { step, outcome, .. } if *step == wanted => outcome.output.as_ref(),
        Event::AttemptFailed { step, output, .. } if *step == wanted => output.as_ref(),
        _ => None,
    }
}
