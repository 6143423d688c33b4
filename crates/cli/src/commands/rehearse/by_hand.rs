//! Work for people in the middle of a plan: nobody does it on a copy, and nobody is asked to.
//!
//! What somebody would only have to say is passed over, by name: the steps behind it are tried without it, and
//! whatever they show is told with that. What is looked at cannot be passed over, so the rehearsal ends there.

use switchback_engine::{Awaited, Ended, HAND_WORK, SAID_BY, awaited};
use switchback_journal::RunState;
use switchback_model::plan::{Act, Plan, Step};
use switchback_model::rehearsal::{ByHand, Outcome};
use switchback_model::{Problem, StepNumber, event};

/// What such a step says of itself in a rehearsal.
const PASSED: &str = "passed over: nobody does it on a copy";

/// How a walk of `plan` ended, and the work for people that it came to.
pub(super) struct Passed {
    pub(super) ended: Ended,
    pub(super) by_hand: Vec<ByHand>,
}

/// Runs again and again, past whatever can be passed over. `run` goes on with these steps taken for done; `state` is
/// how far it has come.
pub(super) fn pass<E>(
    plan: &Plan,
    mut run: impl FnMut(&[StepNumber]) -> Result<Ended, E>,
    mut state: impl FnMut() -> Result<RunState, E>,
) -> Result<Passed, E> {
    let mut by_hand: Vec<ByHand> = Vec::new();
    loop {
        let done: Vec<StepNumber> = by_hand.iter().map(|work| work.step).collect();
        let ended = run(&done)?;
        if !matches!(&ended, Ended::Halted(problem) if problem.code == HAND_WORK) {
            return Ok(Passed { ended, by_hand });
        }
        let waits = awaited(plan, &state()?);
        let can_be_passed =
            |it: &&Awaited<'_>| it.work.done.can_be_said() && !done.contains(&it.step.number);
        let passed = waits.iter().take_while(can_be_passed).count();
        let reached = waits.iter().take(passed.max(1));
        by_hand.extend(reached.map(|it| ByHand {
            step: it.step.number,
            name: it.work.id.clone(),
            todo: it.work.steps.clone(),
            passed: passed > 0,
        }));
        if passed == 0 {
            return Ok(Passed { ended, by_hand });
        }
    }
}

/// How a rehearsal ended that came to work which cannot be passed over.
pub(super) fn stopped(plan: &Plan, by_hand: &[ByHand]) -> Outcome {
    let step = by_hand.last().map_or(StepNumber(0), |work| work.step);
    let steps = plan.steps().map(|(_, step)| step.number);
    Outcome::Stopped {
        step,
        left: steps.skip_while(|number| *number != step).count(),
    }
}

/// A failure, with the work that was passed over before it: the one may come from the other.
pub(super) fn suspected(problem: Problem, by_hand: &[ByHand]) -> Problem {
    let passed = by_hand.iter().filter(|work| work.passed);
    passed.fold(problem, |problem, work| {
        problem.state(
            format!("`{}` (step {})", work.name, work.step),
            "not done on the copy, for it is for people: what failed may need it",
        )
    })
}

/// What a step says of itself, as it was on a copy.
pub(super) fn summary(step: Option<&Step>, outcome: &event::Outcome) -> String {
    let of_people = step.is_some_and(|step| matches!(step.act, Act::HandWork { .. }));
    if of_people && outcome.facts.contains_key(SAID_BY) {
        return PASSED.to_owned();
    }
    outcome.summary.clone()
}

#[cfg(test)]
mod tests {
    use switchback_model::RunId;
    use switchback_model::exit::Exit;
    use switchback_testkit::Scenario;
    use switchback_testkit::sweep::Lab;

    use super::*;

    /// The engine itself, on a deployment where nobody does anything but what is done already.
    fn walked(lab: &Lab) -> Passed {
        let (plan, run) = (&lab.scenario.plan, RunId::new("r-1"));
        let go = |done: &[StepNumber]| lab.run_attended(plan, &run, done).expect("nobody dies");
        pass(plan, go, || Ok::<_, Problem>(lab.state_of(&run))).expect("it walks")
    }

    fn names(by_hand: &[ByHand], passed: bool) -> Vec<&str> {
        let such = by_hand.iter().filter(|work| work.passed == passed);
        such.map(|work| work.name.as_str()).collect()
    }

    #[test]
    fn what_would_only_be_said_is_passed_over_and_what_is_looked_at_ends_it() {
        let lab = Lab::new(Scenario::attended());
        let Passed { ended, by_hand } = walked(&lab);
        assert!(matches!(ended, Ended::Halted(problem) if problem.code == HAND_WORK));
        assert_eq!(names(&by_hand, true), ["convert", "merge"]);
        assert_eq!(names(&by_hand, false), ["section"]);
        let plan = &lab.scenario.plan;
        let Outcome::Stopped { step, left } = stopped(plan, &by_hand) else {
            panic!("it ended before the end");
        };
        let section = plan.step(step).expect("a step of the plan");
        assert!(matches!(&section.act, Act::HandWork { work } if work.id == "section"));
        // Itself, a migration, start, verify.
        assert_eq!(left, 4);
        let world = &lab.scenario.world;
        assert!(world.touch(|now| now.by_hand.is_empty()), "a person worked");
    }

    #[test]
    fn what_is_seen_to_be_done_is_in_nobodys_way() {
        let lab = Lab::new(Scenario::attended());
        let world = &lab.scenario.world;
        world.touch(|now| now.by_hand.insert("section".to_owned()));
        let Passed { ended, by_hand } = walked(&lab);
        assert!(matches!(ended, Ended::Finished { .. }));
        assert_eq!(names(&by_hand, true), ["convert", "merge"]);
        assert_eq!(names(&by_hand, false), [""; 0]);
    }

    #[test]
    fn a_failure_is_told_with_what_was_passed_over_before_it() {
        let work = |name: &str, passed| ByHand {
            step: StepNumber(7),
            name: name.to_owned(),
            todo: Vec::new(),
            passed,
        };
        let problem = Problem::new(Exit::Halted, "rehearsal-failed", "step 8 failed");
        let told = suspected(problem, &[work("merge", true), work("section", false)]);
        assert_eq!(told.state.len(), 1);
        assert_eq!(told.state[0].subject, "`merge` (step 7)");
    }
}
