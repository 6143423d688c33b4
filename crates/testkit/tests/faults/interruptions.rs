//! The operator's signals, and time.

use crate::scene::{MIGRATE, STOP, after_step, failing_migration, go, halted, hearing, run};
use switchback_engine::Ended;
use switchback_engine::signal::StopSignal;
use switchback_journal::{RunStatus, StepStatus};
use switchback_model::StepNumber;
use switchback_model::event::{Completed, Event, Stamped};
use switchback_model::exit::Exit;
use switchback_testkit::Scenario;
use switchback_testkit::sweep::Lab;

#[test]
fn the_operators_first_signal_halts_before_the_next_step() {
    let lab = Lab::new(Scenario::one_leg());
    let stop = StopSignal::default();
    let engine = lab.engine(&stop);
    let raised = stop.clone();
    let listener = after_step(STOP, move || {
        raised.raise();
    });
    let ended = lab
        .run_with(&engine, &lab.scenario.plan, &run(), &listener)
        .expect("nobody dies");
    let problem = halted(ended);
    assert_eq!(
        (problem.exit, problem.code.as_str()),
        (Exit::Halted, "stopped-by-operator")
    );
    assert_eq!(problem.what, "stopped by the operator before step 4");
    assert_eq!(
        problem.hints,
        [
            "switchback resume r-00000001",
            "or go back to 3.23.2: switchback rollback r-00000001"
        ]
    );
    lab.finish(&lab.scenario.plan, &run());
    lab.assert_clean("resumed");
}

#[test]
fn the_second_signal_leaves_the_migration_to_be_adopted() {
    let lab = Lab::new(Scenario::one_leg());
    let stop = StopSignal::default();
    let engine = lab.engine(&stop);
    let raised = stop.clone();
    let listener = move |stamped: &Stamped| {
        if matches!(&stamped.event, Event::StepStarted { step, .. } if step.0 == MIGRATE) {
            raised.raise();
            raised.raise();
        }
    };
    let ended = lab
        .run_with(&engine, &lab.scenario.plan, &run(), &listener)
        .expect("nobody dies");
    let problem = halted(ended);
    assert_eq!(
        problem.what,
        "stopped by the operator in step 7 migrate is-db (3.32.1)"
    );
    assert_eq!(
        *lab.state_of(&run()).step(StepNumber(MIGRATE)),
        StepStatus::Started { attempt: 1 }
    );
    lab.finish(&lab.scenario.plan, &run());
    assert!(matches!(
        lab.state_of(&run()).step(StepNumber(MIGRATE)),
        StepStatus::Finished { outcome, .. } if outcome.completed == Completed::Adopted
    ));
    lab.assert_clean("adopted");
}

#[test]
fn clocks_that_jump_change_nothing_but_time_stamps() {
    let year = 31_536_000_000;
    for jump in [1_795_219_200_000 + year, 1_795_219_200_000 - year, 0] {
        let lab = Lab::new(Scenario::one_leg());
        let clock = lab.clock.clone();
        let listener = after_step(STOP, move || clock.jump(jump));
        let Ok(Ended::Finished { downtime }) = hearing(&lab, &listener) else {
            panic!("it does not end after a jump to {jump}");
        };
        assert!(
            (1..1000).contains(&downtime),
            "{downtime} ms after a jump to {jump}"
        );
        lab.assert_clean("after a jump");
    }
}

#[test]
fn downtime_goes_on_over_a_halt() {
    let lab = failing_migration();
    halted(go(&lab));
    lab.clock.jump(1_795_219_200_000 + 60_000);
    let Ok(Ended::Finished { downtime }) = go(&lab) else {
        panic!("it does not end");
    };
    assert!((59_000..62_000).contains(&downtime), "{downtime} ms");
    assert_eq!(
        lab.state_of(&run()).status,
        RunStatus::Finished { downtime }
    );
    // The same command once more finds nothing to do.
    assert_eq!(go(&lab), Ok(Ended::Finished { downtime }));
}
