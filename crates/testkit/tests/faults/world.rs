//! A migration, a person, an engine, a disk or a writer is in the way.

use crate::scene::{MIGRATE, SET, STOP, after_step, failing_migration, go, halted, hearing, run};
use switchback_engine::{Ended, Recorder};
use switchback_journal::StepStatus;
use switchback_model::event::Event;
use switchback_model::exit::Exit;
use switchback_model::{Problem, StepNumber};
use switchback_testkit::Scenario;
use switchback_testkit::plans::{FILE, file};
use switchback_testkit::sweep::Lab;

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
