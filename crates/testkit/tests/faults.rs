//! What goes wrong while a run goes: each halts or refuses with three parts, changes nothing it should
//! not, and goes on once it is mended.

use std::sync::atomic::{AtomicBool, Ordering};

use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Listener, Order, Recorder};
use switchback_journal::{Holder, Key, ProcessIdentity, RunStatus, StepStatus};
use switchback_model::event::{Completed, Event, Stamped};
use switchback_model::exit::Exit;
use switchback_model::observed::Deployment;
use switchback_model::{Plan, Problem, RunId, StepNumber};
use switchback_testkit::Scenario;
use switchback_testkit::plans::{FILE, deployment, file};
use switchback_testkit::scenario::TO;
use switchback_testkit::sweep::Lab;

fn run() -> RunId {
    RunId::new("r-00000001")
}

/// The steps of the one-leg scenario.
const STOP: u32 = 3;
const SET: u32 = 6;
const MIGRATE: u32 = 7;

fn halted(result: Result<Ended, Problem>) -> Problem {
    match result {
        Ok(Ended::Halted(problem)) => problem,
        other => panic!("it did not halt: {other:#?}"),
    }
}

fn refused(result: Result<Ended, Problem>) -> Problem {
    match result {
        Err(problem) => problem,
        other => panic!("it was not refused: {other:#?}"),
    }
}

fn go(lab: &Lab) -> Result<Ended, Problem> {
    lab.run(&lab.scenario.plan, &run()).expect("nobody dies")
}

fn hearing(lab: &Lab, listener: &dyn Listener) -> Result<Ended, Problem> {
    let engine = lab.engine(&StopSignal::default());
    lab.run_with(&engine, &lab.scenario.plan, &run(), listener)
        .expect("nobody dies")
}

/// Does something once, right after a step is done.
fn after_step(step: u32, act: impl Fn() + Send + Sync) -> impl Fn(&Stamped) + Send + Sync {
    let done = AtomicBool::new(false);
    move |stamped: &Stamped| {
        if matches!(&stamped.event, Event::StepFinished { step: number, .. } if number.0 == step)
            && !done.swap(true, Ordering::SeqCst)
        {
            act();
        }
    }
}

fn failing_migration() -> Lab {
    let lab = Lab::new(Scenario::one_leg());
    lab.scenario.world.touch(|now| {
        now.faults
            .migrations
            .insert(("is-db".into(), TO.into()), (2, 1));
    });
    lab
}

#[test]
fn a_failed_migration_says_what_failed_how_things_are_and_what_to_type() {
    let lab = failing_migration();
    let problem = halted(go(&lab));
    assert_eq!(
        (problem.exit, problem.code.as_str()),
        (Exit::Halted, "migration-failed")
    );
    assert_eq!(
        problem.what,
        "step 7 migrate is-db (3.32.1): `is-db migrate` exited with 1"
    );
    let state: Vec<(&str, Option<&str>)> = problem
        .state
        .iter()
        .map(|line| (line.subject.as_str(), line.seen.as_deref()))
        .collect();
    assert_eq!(
        state,
        [
            ("stack", Some("stopped")),
            ("identity", Some("answers, backup proven"))
        ]
    );
    assert_eq!(
        problem.why.as_deref(),
        Some("it marks a migration as done before running it")
    );
    assert_eq!(
        problem.facts[0].text,
        "the schema is older than the program"
    );
    assert_eq!(
        problem.hints,
        [
            "read the migration's own output",
            "fix the cause, then: switchback resume r-00000001 (brings identity back from its backup first, where the migration has run)",
            "or go back to 3.23.2: switchback rollback r-00000001",
        ]
    );
    let journal = lab.state.journal().expect("it opens");
    let events = journal.events(&run()).expect("readable");
    let output = events.iter().find_map(|stamped| match &stamped.event {
        Event::AttemptFailed { output, .. } => output.clone(),
        _ => None,
    });
    let text = lab
        .state
        .outputs(&run())
        .read(&output.expect("the output is kept"))
        .expect("readable");
    assert_eq!(text.as_deref(), Some("error: db_needs_migration\n"));
}

#[test]
fn a_half_run_migration_is_brought_back_before_it_is_run_again() {
    let lab = failing_migration();
    halted(go(&lab));
    let recorder = Recorder::default();
    let ended = hearing(&lab, &recorder);
    assert!(matches!(ended, Ok(Ended::Finished { .. })), "{ended:#?}");
    let story: Vec<String> = recorder
        .heard()
        .iter()
        .filter_map(|stamped| match &stamped.event {
            Event::RecoveryStarted {
                step, datastore, ..
            } => Some(format!("recovering {step}: {datastore}")),
            Event::RecoveryFinished { step, .. } => Some(format!("recovered {step}")),
            Event::StepStarted { step, attempt } => Some(format!("step {step}, try {attempt}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        story,
        [
            "recovering 7: identity",
            "recovered 7",
            "step 7, try 2",
            "step 8, try 1",
            "step 9, try 1"
        ]
    );
    lab.assert_clean("after recovery");
}

#[test]
fn a_file_edited_by_a_person_mid_run_halts_and_is_not_overwritten() {
    let lab = Lab::new(Scenario::one_leg());
    let edited = b"services: {} # by hand\n".to_vec();
    let world = lab.scenario.world.clone();
    let by_hand = edited.clone();
    let listener = after_step(SET - 1, move || {
        world.touch(|now| now.files.insert(FILE.to_owned(), by_hand.clone()));
    });
    let problem = halted(hearing(&lab, &listener));
    assert_eq!(
        (problem.exit, problem.code.as_str()),
        (Exit::Halted, "drifted")
    );
    assert!(
        problem
            .what
            .starts_with("step 6 set 3.32.1: expected `/srv/lab/compose.yml` to have digest "),
        "{}",
        problem.what
    );
    assert!(problem.hints[0].starts_with("put that right, then: switchback resume"));
    let found = lab.scenario.world.touch(|now| now.files[FILE].clone());
    assert_eq!(found, edited);
    assert_eq!(
        *lab.state_of(&run()).step(StepNumber(SET)),
        StepStatus::NotStarted
    );

    lab.scenario
        .world
        .touch(|now| now.files.insert(FILE.to_owned(), file("3.23.2")));
    lab.finish(&lab.scenario.plan, &run());
    lab.assert_clean("after the file was put back");
}

#[test]
fn drift_before_the_first_act_changes_nothing_and_says_plan_again() {
    let lab = Lab::new(Scenario::one_leg());
    lab.scenario.world.touch(|now| {
        now.stores.entry("identity".into()).or_default().dead = true;
        now.images.insert("example/stack:3.32.1".to_owned());
    });
    let before = lab.scenario.world.snapshot();
    let problem = halted(go(&lab));
    // The image is here already, so the first step that would act is the second.
    assert_eq!(problem.code, "drifted");
    assert_eq!(
        problem.what,
        "step 2 prepare identity: expected `identity` to answer, found no answer"
    );
    assert_eq!(lab.scenario.world.snapshot(), before);
}

#[test]
fn a_container_engine_that_does_not_answer_halts_without_a_guess() {
    let lab = Lab::new(Scenario::one_leg());
    let world = lab.scenario.world.clone();
    let listener = after_step(MIGRATE - 1, move || {
        world.touch(|now| now.faults.daemon_down = true);
    });
    let problem = halted(hearing(&lab, &listener));
    assert_eq!(
        (problem.exit, problem.code.as_str()),
        (Exit::Halted, "cannot-tell")
    );
    assert_eq!(
        problem.what,
        "step 7 migrate is-db (3.32.1): expected `is-db` (3.32.1) to have ended with 0, cannot tell: the container engine does not answer"
    );
    assert_eq!(
        problem.state[0].seen, None,
        "nobody could look at the services"
    );
    lab.scenario
        .world
        .touch(|now| now.faults.daemon_down = false);
    lab.finish(&lab.scenario.plan, &run());
    lab.assert_clean("after the daemon came back");
}

#[test]
fn a_full_disk_fails_the_step_and_resume_goes_on() {
    let lab = Lab::new(Scenario::one_leg());
    let world = lab.scenario.world.clone();
    let listener = after_step(STOP - 1, move || {
        world.touch(|now| now.faults.disk_full = true);
    });
    let problem = halted(hearing(&lab, &listener));
    assert_eq!(problem.what, "step 3 stop `stack`: no space left on device");
    lab.scenario.world.touch(|now| now.faults.disk_full = false);
    lab.finish(&lab.scenario.plan, &run());
    lab.assert_clean("after space was made");
}

#[test]
fn a_restore_that_yields_other_data_is_never_switched_to() {
    let lab = failing_migration();
    halted(go(&lab));
    let spoiled = lab.scenario.world.snapshot();
    lab.scenario
        .world
        .touch(|now| now.faults.bad_restores.insert("identity".into()));
    let problem = halted(go(&lab));
    assert_eq!(problem.code, "restore-differs");
    assert_eq!(
        lab.scenario.world.snapshot(),
        spoiled,
        "the original is still in place"
    );
    lab.finish(&lab.scenario.plan, &run());
    lab.assert_clean("the second restore is good");
}

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

/// The steps of the scenario with a shadow beside a dump.
const SHADOW_STOP: u32 = 5;

fn services_run(lab: &Lab, running: bool) {
    lab.scenario.world.touch(|now| {
        for service in now.services.values_mut() {
            service.running = running;
        }
    });
}

fn identity_state(lab: &Lab, problem: &Problem) -> Option<String> {
    assert!(
        lab.scenario.world.orphans().is_empty(),
        "a halted run leaves no companion"
    );
    let mut lines = problem.state.iter();
    let line = lines.find(|line| line.subject == "identity")?;
    line.seen.clone()
}

#[test]
fn a_writer_that_comes_back_between_stop_and_seal_keeps_the_shadow_from_being_sealed() {
    for lost in [false, true] {
        let lab = Lab::new(Scenario::shadowed());
        let world = lab.scenario.world.clone();
        let listener = after_step(SHADOW_STOP, move || {
            world.touch(|now| {
                for service in now.services.values_mut() {
                    service.running = true;
                }
            });
        });
        let problem = halted(hearing(&lab, &listener));
        assert_eq!(
            (problem.exit, problem.code.as_str()),
            (Exit::Halted, "drifted")
        );
        assert!(
            problem.what.contains("step 6 seal identity"),
            "{}",
            problem.what
        );
        assert_eq!(
            identity_state(&lab, &problem).as_deref(),
            Some("answers, no sealed shadow of this run yet")
        );
        // What the writer wrote meanwhile is in the shadow that follows again, or is begun anew.
        services_run(&lab, false);
        lab.scenario.world.touch(|now| {
            let store = now.stores.get_mut(&"identity".into()).expect("it is there");
            store.live.collections.insert("late".to_owned(), (7, 0));
            now.faults
                .lost_shadows
                .extend(lost.then(|| "identity".into()));
        });
        lab.finish(&lab.scenario.plan, &run());
        let kept = lab.scenario.world.touch(|now| {
            let backups = now.stores[&"identity".into()].backups.clone();
            let kept = backups.values().next().expect("a shadow").clone();
            assert!(now.faults.lost_shadows.is_empty());
            kept
        });
        assert_eq!(kept.state, switchback_model::plan::BackupState::Proven);
        assert!(kept.data.collections.contains_key("late"), "lost: {lost}");
        lab.assert_clean("a writer came back");
    }
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

#[test]
fn plans_that_may_not_run_are_refused_before_the_first_event() {
    let lab = Lab::new(Scenario::one_leg());
    let before = lab.scenario.world.snapshot();
    let good = lab.scenario.plan.clone();
    let mut altered = good.clone();
    altered.to = "3.32.2".into();
    let mut newer = good.clone();
    newer.format = 99;
    let mut stale = good.clone();
    stale.parent = Some("r-0000dead".into());
    let stale = stale.seal();
    let mut unproven = good.clone();
    for stage in &mut unproven.stages {
        stage.steps.retain(|step| step.act.verb() != "prove");
    }
    let unproven = unproven.seal();
    let cases: [(&Plan, &str, Exit); 4] = [
        (&altered, "plan-altered", Exit::Refused),
        (&newer, "plan-newer", Exit::Refused),
        (&stale, "plan-stale", Exit::Drifted),
        (&unproven, "plan-rejected", Exit::Refused),
    ];
    for (plan, code, exit) in cases {
        let problem = refused(lab.run(plan, &run()).expect("nobody dies"));
        assert_eq!(
            (problem.code.as_str(), problem.exit),
            (code, exit),
            "{problem:#?}"
        );
        assert!(!problem.hints.is_empty(), "{code} says what to do");
        assert!(
            !problem.state.is_empty(),
            "{code} says that nothing was touched"
        );
    }
    assert_eq!(lab.scenario.world.snapshot(), before);
    assert_eq!(lab.state_of(&run()).status, RunStatus::NotStarted);
    lab.assert_clean("nothing was begun");
}

#[test]
fn a_plan_of_another_deployment_and_a_missing_acceptance_are_refused() {
    let lab = Lab::new(Scenario::one_leg());
    let mut asking = lab.scenario.plan.clone();
    asking.notices.push(switchback_model::plan::Notice {
        id: "contact-infos-deleted".to_owned(),
        kind: switchback_model::product::NoticeKind::OneWay,
        version: "3.29.0".into(),
        text: "3.29.0 deletes contact infos".to_owned(),
        found: None,
        source: "CHANGELOG 3.29.0".to_owned(),
        accept: Some("contact-infos".to_owned()),
    });
    let asking = asking.seal();
    let elsewhere = Deployment {
        directory: "/srv/other".to_owned(),
        ..deployment()
    };
    let engine = lab.engine(&StopSignal::default());
    let site = lab.scenario.site();
    let id = run();
    let try_it = |plan: &Plan, deployment: &Deployment| {
        let order = Order {
            plan,
            run: &id,
            deployment,
            accepted: &[],
            by: "ann@lab",
            program: "0.1.0",
        };
        refused(engine.run(&order, &site, &Recorder::default()))
    };
    let problem = try_it(&lab.scenario.plan, &elsewhere);
    assert_eq!(problem.code, "plan-of-another-deployment");
    assert_eq!(
        problem.causes[1],
        "this is `lab` (simulated project `lab` in `/srv/other`)"
    );
    let problem = try_it(&asking, &deployment());
    assert_eq!(problem.code, "not-accepted");
    assert_eq!(problem.facts[0].source, "CHANGELOG 3.29.0");
    assert_eq!(
        problem.hints,
        [format!(
            "switchback apply {} --accept contact-infos",
            asking.id
        )]
    );
}

#[test]
fn an_open_run_must_be_resumed_or_taken_back_first() {
    let lab = failing_migration();
    halted(go(&lab));
    let mut next = lab.scenario.plan.clone();
    next.parent = Some(run());
    let next = next.seal();
    let problem = refused(
        lab.run(&next, &RunId::new("r-00000002"))
            .expect("nobody dies"),
    );
    assert_eq!(problem.code, "run-open");
    assert_eq!(
        problem.hints,
        [
            "go on with it: switchback resume r-00000001",
            "or go back: switchback rollback r-00000001"
        ]
    );
    let back = lab
        .scenario
        .way_back(&run(), &lab.state_of(&run()))
        .expect("there is one");
    lab.finish(&back, &RunId::new("r-00000003"));
    let problem = refused(go(&lab));
    assert_eq!(problem.code, "run-superseded");
    lab.assert_clean("taken back");
}

#[test]
fn a_journal_that_was_tampered_with_stops_everything() {
    let lab = failing_migration();
    halted(go(&lab));
    let path = lab.state.root().join("journal.db");
    let text = b"stopped";
    drop(lab.state.journal());
    let mut bytes = std::fs::read(&path).expect("readable");
    // Every place, for the file also holds what is no longer in use.
    let places: Vec<usize> = (0..bytes.len() - text.len())
        .filter(|at| bytes[*at..].starts_with(text))
        .collect();
    assert!(!places.is_empty(), "the halt is in the file");
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&path, bytes).expect("writable");
    let before = lab.scenario.world.snapshot();
    let problem = refused(go(&lab));
    assert_eq!(problem.code, "journal-broken");
    assert!(
        problem.what.contains("is not what was written"),
        "{}",
        problem.what
    );
    assert_eq!(lab.scenario.world.snapshot(), before);
}
