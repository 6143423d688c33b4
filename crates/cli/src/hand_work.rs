//! Work that a run waits for: which there is, and who says that it is done.

use serde::Serialize;
use switchback_engine::awaited;
use switchback_journal::RunState;
use switchback_model::exit::Exit;
use switchback_model::plan::Plan;
use switchback_model::{Problem, RunId, StepNumber};

use crate::failure::Failed;

/// One task that a run waits for.
#[derive(Debug, Serialize)]
pub(crate) struct Awaited {
    /// Its name.
    pub name: String,
    /// The step that waits.
    pub step: StepNumber,
    /// What to do, in order.
    pub todo: Vec<String>,
    /// True where it has to be said that it is done; anything else is looked at.
    pub said: bool,
}

/// What a run of `plan` waits for that stands at `state`.
pub(crate) fn of(plan: &Plan, state: &RunState) -> Vec<Awaited> {
    let all = awaited(plan, state).into_iter();
    all.map(|it| Awaited {
        name: it.work.id.clone(),
        step: it.step.number,
        todo: it.work.steps.clone(),
        said: it.work.done.can_be_said(),
    })
    .collect()
}

/// The command that goes on with a run, with a word for everything that has to be said.
pub(crate) fn resume(run: &RunId, awaited: &[Awaited]) -> String {
    let said = awaited.iter().filter(|it| it.said);
    let words: String = said.map(|it| format!(" --done {}", it.name)).collect();
    format!("switchback resume {run}{words}")
}

/// The steps that `names` say are done. What the run does not wait for cannot be done yet, or is done already: a word
/// for it would count for something that nobody has looked at.
pub(crate) fn steps(
    run: &RunId,
    awaited: &[Awaited],
    names: &[String],
) -> Result<Vec<StepNumber>, Failed> {
    let step = |name: &String| awaited.iter().find(|it| it.name == *name);
    if let Some(unknown) = names.iter().find(|name| step(name).is_none()) {
        let waits: Vec<&str> = awaited.iter().map(|it| it.name.as_str()).collect();
        let waits = match waits.as_slice() {
            [] => "waits for nobody now".to_owned(),
            names => format!("waits for {}", names.join(", ")),
        };
        return Err(Problem::new(
            Exit::Usage,
            "not-waited-for",
            format!("run `{run}` does not wait for `{unknown}`"),
        )
        .state(run.as_str(), waits)
        .hint(format!("go on: `{}`", resume(run, awaited)))
        .into());
    }
    Ok(names.iter().filter_map(step).map(|it| it.step).collect())
}
