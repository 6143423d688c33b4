//! Two processes, one deployment.

use crate::scene::{STOP, after_step, go, hearing, refused, run};
use switchback_engine::{Ended, Recorder};
use switchback_journal::{Holder, Key, ProcessIdentity, RunStatus};
use switchback_model::event::Event;
use switchback_model::exit::Exit;
use switchback_testkit::Scenario;
use switchback_testkit::plans::deployment;
use switchback_testkit::sweep::Lab;

#[test]
fn a_second_apply_is_told_who_works_there_and_touches_nothing() {
    let lab = Lab::new(Scenario::one_leg());
    let me = ProcessIdentity::current();
    let holder = Holder {
        process: me.clone(),
        since: 0,
        run: "r-0000aaaa".into(),
        by: "ann@lab".to_owned(),
    };
    let journal = lab.state.journal().expect("it opens");
    let lease = journal
        .acquire(&Key::from(&deployment()), &holder)
        .expect("free");
    let before = lab.scenario.world.snapshot();
    let problem = refused(go(&lab));
    assert_eq!(
        (problem.exit, problem.code.as_str()),
        (Exit::Refused, "deployment-held")
    );
    assert!(
        problem
            .what
            .contains(&format!("process {} of `ann@lab`", me.pid)),
        "{}",
        problem.what
    );
    assert_eq!(lab.scenario.world.snapshot(), before);
    assert_eq!(lab.state_of(&run()).status, RunStatus::NotStarted);
    journal.release(&lease).expect("ours");
    lab.finish(&lab.scenario.plan, &run());
}

#[test]
fn a_process_that_lost_its_lease_does_not_act_any_more() {
    let lab = Lab::new(Scenario::one_leg());
    let state = lab.state.clone();
    let listener = after_step(STOP, move || {
        let other = Holder {
            process: ProcessIdentity::current(),
            since: 0,
            run: run(),
            by: "ben@lab".to_owned(),
        };
        let journal = state.journal().expect("it opens");
        // The engine under test pretends to be a process that has ended, so it is taken over.
        journal
            .acquire(&Key::from(&deployment()), &other)
            .expect("the holder looks dead");
    });
    let problem = refused(hearing(&lab, &listener));
    assert_eq!(problem.code, "lease-lost");
    assert!(
        problem
            .hints
            .iter()
            .any(|hint| hint.contains("switchback status"))
    );
    let sealed = lab.scenario.world.touch(|now| {
        now.stores[&"identity".into()]
            .backups
            .values()
            .any(|backup| backup.state > switchback_model::plan::BackupState::Prepared)
    });
    assert!(!sealed, "the step after the loss did not act");
}

#[test]
fn a_dead_holder_is_taken_over_and_the_event_says_so() {
    let lab = Lab::new(Scenario::one_leg());
    lab.scenario.world.crash.arm(12);
    assert!(lab.run(&lab.scenario.plan, &run()).is_err(), "it dies");
    lab.scenario.world.crash.arm(0);
    let recorder = Recorder::default();
    let ended = hearing(&lab, &recorder);
    assert!(matches!(ended, Ok(Ended::Finished { .. })));
    let told = recorder
        .heard()
        .iter()
        .find_map(|stamped| match &stamped.event {
            Event::RunResumed {
                took_over, lease, ..
            } => Some((took_over.clone(), *lease)),
            _ => None,
        });
    let (took_over, lease) = told.expect("the run was resumed");
    assert_eq!(lease, 2);
    assert!(took_over.expect("it names the dead").ends_with("has ended"));
}
