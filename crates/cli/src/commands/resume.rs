//! `switchback resume`: goes on with a run that halted or was killed.

use switchback_journal::{Journal, ProcessIdentity};
use switchback_model::exit::Exit;

use super::rollover;
use crate::arguments::Resume;
use crate::execution::{self, Task};
use crate::failure::Failed;
use crate::hand_work;
use crate::place::deployment::{self, Found};
use crate::runs::{self, Standing};
use crate::session::Session;

/// Goes on.
pub(crate) fn run(session: &Session<'_>, arguments: &Resume) -> Result<Exit, Failed> {
    let journal = session.journal()?;
    let record = session.run(&journal, arguments.run.as_deref())?;
    let plan = session.plan_of(&record)?;
    let content = rollover::content(&plan);
    if let Some(holder) = &arguments.take_over {
        journal.give_up(
            &record.key,
            holder,
            &execution::by(),
            &ProcessIdentity::current(),
        )?;
    }
    if let Standing::Done { downtime } = runs::standing(&journal, &record)? {
        return Ok(execution::done_already(
            session,
            &plan,
            &record.run,
            downtime,
        ));
    }
    if let Some(content) = content {
        let accepted = journal.state(&record.run)?.accepted;
        return rollover::drive(session, &plan, content, &record.run, &accepted);
    }
    let found = match &session.global.deployment {
        Some(said) => deployment::find(Some(said), &session.state)?,
        // The run knows where its deployment is, wherever the command is typed.
        None => deployment::find(Some(&record.key.directory), &session.state)?,
    };
    go_on(session, &journal, &found, &record, &arguments.done)
}

/// Goes on with an open run, of whose work for people `done` names what is done; also what the same `apply` does when
/// it is typed again.
pub(crate) fn go_on(
    session: &Session<'_>,
    journal: &Journal,
    found: &Found,
    record: &switchback_journal::RunRecord,
    done: &[String],
) -> Result<Exit, Failed> {
    let plan = session.plan_of(record)?;
    let state = journal.state(&record.run)?;
    let done = hand_work::steps(&record.run, &hand_work::of(&plan, &state), done)?;
    execution::carry_out(
        session,
        &Task {
            found,
            plan: &plan,
            run: &record.run,
            accepted: &state.accepted,
            done: &done,
        },
    )
}
