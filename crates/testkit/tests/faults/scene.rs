//! A run of the one-leg scenario, and what is asked of it.

use std::sync::atomic::{AtomicBool, Ordering};

use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Listener};
use switchback_model::event::{Event, Stamped};
use switchback_model::{Problem, RunId};
use switchback_testkit::Scenario;
use switchback_testkit::scenario::TO;
use switchback_testkit::sweep::Lab;

pub(crate) fn run() -> RunId {
    RunId::new("r-00000001")
}

/// The steps of the one-leg scenario.
pub(crate) const STOP: u32 = 3;
pub(crate) const SET: u32 = 6;
pub(crate) const MIGRATE: u32 = 7;

pub(crate) fn halted(result: Result<Ended, Problem>) -> Problem {
    match result {
        Ok(Ended::Halted(problem)) => problem,
        other => panic!("it did not halt: {other:#?}"),
    }
}

pub(crate) fn refused(result: Result<Ended, Problem>) -> Problem {
    match result {
        Err(problem) => problem,
        other => panic!("it was not refused: {other:#?}"),
    }
}

pub(crate) fn go(lab: &Lab) -> Result<Ended, Problem> {
    lab.run(&lab.scenario.plan, &run()).expect("nobody dies")
}

pub(crate) fn hearing(lab: &Lab, listener: &dyn Listener) -> Result<Ended, Problem> {
    let engine = lab.engine(&StopSignal::default());
    lab.run_with(&engine, &lab.scenario.plan, &run(), listener)
        .expect("nobody dies")
}

/// Does something once, right after a step is done.
pub(crate) fn after_step(
    step: u32,
    act: impl Fn() + Send + Sync,
) -> impl Fn(&Stamped) + Send + Sync {
    let done = AtomicBool::new(false);
    move |stamped: &Stamped| {
        if matches!(&stamped.event, Event::StepFinished { step: number, .. } if number.0 == step)
            && !done.swap(true, Ordering::SeqCst)
        {
            act();
        }
    }
}

pub(crate) fn failing_migration() -> Lab {
    let lab = Lab::new(Scenario::one_leg());
    lab.scenario.world.touch(|now| {
        now.faults
            .migrations
            .insert(("is-db".into(), TO.into()), (2, 1));
    });
    lab
}
