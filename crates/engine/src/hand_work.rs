//! Steps that a person does: the run looks whether they are done, goes on where they are, and halts where not.
//!
//! Nothing is recorded of one that is waited for, so that a run which halted there is a run that has not come so
//! far. What a person said is the outcome of the step.

use std::time::Duration;

use switchback_journal::{RunState, StepStatus};
use switchback_model::event::{Completed, Outcome};
use switchback_model::exit::Exit;
use switchback_model::hand_work::HandWork;
use switchback_model::plan::{Act, Expectation, Plan, Step};
use switchback_model::problem::Citation;
use switchback_model::{Problem, StepNumber};

use crate::guard::{self, Guard, Touched};
use crate::halt;
use crate::ports::Finding;
use crate::run::{Interruption, Run};

/// Code of the problem with which a run halts before work for people, see [`awaited`].
pub const HAND_WORK: &str = "hand-work";

/// Fact of the outcome of a step of people: who said that it is done.
pub const SAID_BY: &str = "said-by";

/// Work that a run waits for.
#[derive(Clone, Copy, Debug)]
pub struct Awaited<'a> {
    /// The step.
    pub step: &'a Step,
    /// What is to be done.
    pub work: &'a HandWork,
}

/// Work of a person that the run cannot go past.
struct Waits<'a> {
    step: &'a Step,
    work: &'a HandWork,
    /// What a look just now found.
    found: Finding,
}

/// What people can do now for a run of `plan` that stands at `state`: the first step that is open, where that is
/// theirs, and those right behind it, for they need no other look of the run.
pub fn awaited<'a>(plan: &'a Plan, state: &RunState) -> Vec<Awaited<'a>> {
    let open = |step: &Step| !matches!(state.step(step.number), StepStatus::Finished { .. });
    let steps = plan.steps().map(|(_, step)| step);
    let open = steps.filter(|step| open(step));
    open.map_while(|step| match &step.act {
        Act::HandWork { work } => Some(Awaited { step, work }),
        _ => None,
    })
    .collect()
}

/// Whether the word of whoever did it counts, after a look that found this.
fn word_counts(work: &HandWork, found: &Finding) -> bool {
    let unseen = matches!(found, Finding::Unknown { .. });
    work.done.can_be_said() || (unseen && work.done.can_be_said_unseen())
}

impl<'a> Run<'a> {
    /// Goes past a step of a person, or halts before it.
    pub(crate) fn by_hand(&self, step: &'a Step, work: &'a HandWork) -> Result<(), Interruption> {
        let may = self.with_context(step, |cx| {
            guard::may_act(self.means.site, cx, step, &Touched::No)
        });
        // Whoever works by hand may have started what has to stay down: that is told first.
        if !matches!(may, Guard::Ready) {
            return Err(Interruption::Halt(halt::guarded(self, step, &may)));
        }
        let found = self.look_at(step, work);
        if found == Finding::Holds {
            return self.nothing_to_do(step);
        }
        if self.is_said(step.number) && word_counts(work, &found) {
            return self.said(step);
        }
        Err(Interruption::Halt(halted(self, &self.waiting())))
    }

    fn is_said(&self, step: StepNumber) -> bool {
        self.order.done.contains(&step)
    }

    /// What is not done of the work that people can do now.
    fn waiting(&self) -> Vec<Waits<'a>> {
        let all = awaited(self.plan(), &self.state.borrow());
        let looked = all.into_iter().map(|Awaited { step, work }| Waits {
            step,
            work,
            found: self.look_at(step, work),
        });
        looked
            .filter(|waits| waits.found != Finding::Holds)
            .collect()
    }

    fn look_at(&self, step: &Step, work: &HandWork) -> Finding {
        let expected = Expectation::DoneByHand {
            work: work.id.clone(),
            done: work.done.clone(),
        };
        self.with_context(step, |cx| guard::look(self.means.site, cx, &expected))
    }

    /// Whoever did the work answers for it.
    fn said(&self, step: &Step) -> Result<(), Interruption> {
        self.begin(step)?;
        let by = self.order.by;
        let outcome = Outcome {
            facts: [(SAID_BY.to_owned(), by.to_owned())].into(),
            ..Outcome::told(Completed::AlreadyDone, format!("done, as {by} says"))
        };
        self.finish(step, outcome, Duration::ZERO)
    }
}

/// Work for people, where nothing has failed. What a look found is of each, so that nobody does twice what is done.
fn halted(run: &Run<'_>, waits: &[Waits<'_>]) -> Problem {
    let names: Vec<&str> = waits.iter().map(|it| it.work.id.as_str()).collect();
    let first = waits.first().map(|waits| waits.step);
    let at = first.map_or_else(String::new, |step| format!(" at step {}", step.number));
    let what = format!("waits for a person{at}: {}", names.join(", "));
    let mut problem = Problem::new(Exit::Halted, HAND_WORK, what);
    let mut said = String::new();
    for Waits { step, work, found } in waits {
        problem = match found {
            Finding::Holds => problem,
            Finding::Differs { found } => problem.state(work.id.as_str(), found),
            Finding::Unknown { why } => problem
                .unknown(work.id.as_str())
                .cause(format!("cannot see whether `{}` is done: {why}", work.id)),
        };
        problem = problem.fact(Citation {
            id: work.id.clone(),
            text: step.because.clone().unwrap_or_default(),
            source: work.source.clone(),
        });
        for todo in &work.steps {
            problem = problem.hint(format!("{}: {todo}", work.id));
        }
        if word_counts(work, found) {
            said.push_str(&format!(" --done {}", work.id));
        }
    }
    if let Some(step) = first {
        problem.state.extend(halt::seen(run, step));
    }
    let id = run.order.run;
    let problem = problem.hint(format!("when that is done: switchback resume {id}{said}"));
    halt::or_back(run, problem)
}
